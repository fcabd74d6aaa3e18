"""Make outcome.json: known answers to docs/spec/outcome.md.

Written from the spec's words with cbor2, hashlib and PyNaCl's signing alone: nothing of Tertulia is imported.

    python tests/vectors/make_outcome.py
"""

import json
from hashlib import blake2b, shake_256
from pathlib import Path

import cbor2
from nacl.signing import SigningKey

MAGIC = b"tertulia outcome 1\n"
MINUTE = 29_655_000


def some(name, size=32):
    return shake_256(name.encode()).digest(size)


def cbor(value):
    return cbor2.dumps(value, canonical=True)


def label(name):
    return name.encode()


def sign(who, name, payload):
    return SigningKey(some(who)).sign(cbor([label(name), payload])).signature


def key(who):
    return bytes(SigningKey(some(who)).verify_key)


DIALOGUE, ROOM, CHARTER, PILOT, WRITE = map(some, ("dialogue", "room", "charter", "pilot", "write"))
BODY = cbor(["joint", "What we agreed", "Fifty visits by June.", "en", sorted([PILOT, WRITE])])
WORDS = blake2b(cbor([DIALOGUE, CHARTER, BODY]), digest_size=32, person=label("t1 outcome")).digest()


def on_record(who, value, reason, name, counter=1):
    act = some(f"act of {who}", 16)
    payload = cbor([DIALOGUE, ROOM, 7, WORDS, act, counter, CHARTER, [value, reason, name]])
    return [key(who), value, reason, [act, counter, name, sign(who, "t1 on record", payload)]]


def record(**odd):
    told = {
        "version": 1,
        "rules": ["track-1.5", 2, True, False, False],
        "signed": sorted([
            on_record("Selam", "endorse", "", "Selam, for the youth of Aldea"),
            on_record("Amina", "reserve", "Not without the families.", "Amina", 3),
        ]),
        **odd,
    }  # fmt: skip
    return cbor([
        told["version"], DIALOGUE, ROOM, CHARTER, told["rules"], 20_594, BODY,
        [
            ["amendment", "A pilot", "Fifty visits by June.", "en", True, [9, 2, 1, 0], "", 0, 0],
            ["action", "Write the form", "", "", False, [0, 0, 0, 0], "Selam, for the youth of Aldea", MINUTE, MINUTE],
        ],
        [["disagree", "June is too soon.", ["July, then."]]],
        [["", "Some of us would have waited."]],
        [["fr", "Cinquante visites avant juin."]],
        told["signed"],
    ])  # fmt: skip


def published(data, *who, rules=None, seals=None):
    found = sorted([key(name), sign(name, "t1 outc. record", data)] for name in who) if seals is None else seals
    return MAGIC + cbor([data, found, rules])


GOOD = record()
SEALS = sorted([key(name), sign(name, "t1 outc. record", GOOD)] for name in ("Ruth", "Omar"))
ENDORSED = on_record("Selam", "endorse", "", "Selam")
FILES = [
    ("two sealed it", published(GOOD, "Ruth", "Omar"), "ok"),
    ("three sealed it", published(GOOD, "Ruth", "Omar", "Ana"), "ok"),
    ("nobody on the record", published(record(signed=[]), "Ruth", "Omar"), "ok"),
    ("empty", b"", "version"),
    ("another file", b"%PDF-1.7\n", "version"),
    ("a later file", b"tertulia outcome 2\n" + published(GOOD, "Ruth", "Omar")[len(MAGIC) :], "version"),
    ("a later record", published(record(version=2), "Ruth", "Omar"), "version"),
    ("cut short", published(GOOD, "Ruth", "Omar")[:-1], "encoding"),
    ("with more", published(GOOD, "Ruth", "Omar") + b"\x00", "encoding"),
    ("one sealed it", published(GOOD, "Ruth"), "proof"),
    ("sealed twice by one", published(GOOD, seals=[SEALS[0], SEALS[0]]), "shape"),
    ("seals out of order", published(GOOD, seals=SEALS[::-1]), "shape"),
    ("seals of other words", published(record(signed=[]), seals=SEALS), "proof"),
    ("seals exchanged", published(GOOD, seals=[[SEALS[0][0], SEALS[1][1]], [SEALS[1][0], SEALS[0][1]]]), "proof"),
    (
        "somebody else's endorsement",
        published(record(signed=[[key("Omar"), *on_record("Selam", "endorse", "", "Omar")[1:]]]), "Ruth", "Omar"),
        "proof",
    ),
    (
        "an endorsement under another name",
        published(
            record(signed=[[*ENDORSED[:3], [*ENDORSED[3][:2], "K.", ENDORSED[3][3]]]]), "Ruth", "Omar",
        ),
        "proof",
    ),
    ("rules that are none", published(GOOD, "Ruth", "Omar", rules=b"\x80"), "shape"),
    ("no quorum", published(record(rules=["track-1.5", 0, True, False, False])), "shape"),
]  # fmt: skip


def main():
    told = {
        "words": {
            "dialogue": DIALOGUE.hex(), "charter_hash": CHARTER.hex(), "room": ROOM.hex(), "body": BODY.hex(),
            "hash": WORDS.hex(),
        },
        "on_record": [
            {"seed": some(who).hex(), "value": value, "reason": reason, "name": name, "counter": counter,
             "key": found[0].hex(), "act": found[3][0].hex(), "signature": found[3][3].hex()}
            for who, value, reason, name, counter in (
                ("Selam", "endorse", "", "Selam, for the youth of Aldea", 1),
                ("Amina", "reserve", "Not without the families.", "Amina", 3),
            )
            for found in [on_record(who, value, reason, name, counter)]
        ],
        "record": GOOD.hex(),
        "seals": [
            {"seed": some(who).hex(), "seal": sign(who, "t1 outc. record", GOOD).hex()} for who in ("Ruth", "Omar")
        ],
        "files": [{"name": name, "file": data.hex(), "is": found} for name, data, found in FILES],
    }  # fmt: skip
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_name("outcome.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
