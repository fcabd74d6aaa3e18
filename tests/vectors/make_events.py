"""Make events.json: known answers to docs/spec/events.md.

Written from the spec's words with hashlib, cbor2 and cryptography alone: nothing of Tertulia is imported, so that the
vectors judge it. There is no fold here: what the story comes to is said by hand, and only hashed. All inputs are
SHAKE-256 of their names.

    python tests/vectors/make_events.py
"""

import json
from hashlib import blake2b, shake_128, shake_256
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

CONTROL = bytes(32)
CHARTER, ROSTER, ROOM, SAY, MARK = 1, 2, 3, 4, 12
NOBODYS = 60_000
MINUTE = 29_655_000


def some(name, size=32):
    return shake_256(name.encode()).digest(size)


def cbor(value):
    return cbor2.dumps(value, canonical=True)


def h(label, data):
    return blake2b(data, digest_size=32, person=label).digest()


def signing(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def boxing(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def prekey(name, born):
    kem = MLKEM768PrivateKey.from_seed_bytes(some(f"{name} kem", 64)).public_key().public_bytes_raw()
    return [boxing(some(f"{name} box")), kem + boxing(some(f"{name} hpke box")), 30, born]


def prekey_id(value):
    return h(b"t1 prekey id", cbor(value))


def newcomer(name, card=b"", knock=b""):
    keys = [signing(some(f"{name} sign")), boxing(some(f"{name} persona box"))]
    return [keys, signing(some(f"{name} session")), [prekey(name, MINUTE)], name, card, knock]


class Story:
    """Signs events and remembers them, in the order told."""

    def __init__(self):
        self.founder = newcomer("Ruth")
        self.charter = cbor(["conversation", "Visas", self.founder, 30, 1, "since", "room", some("charter")])
        self.dialogue = h(b"t1 dialogue id", self.charter)
        self.charter_hash = h(b"t1 charter hash", self.charter)
        self.told = []
        self.lamports = {}

    def persona(self, keys):
        return h(b"t1 persona id", cbor([self.dialogue, *keys]))

    def event(self, name, session, room, kind, seq, parents, control, body, outcome="", lamport=None):
        """`outcome`: the reason for which it changes nothing, by hand."""
        salt = some(f"{name} salt", 16)
        body = body if isinstance(body, bytes) else cbor(body)
        lamport = lamport or 1 + max((self.lamports[event] for event in (*parents, *control)), default=0)
        header = cbor([
            *(1, self.dialogue, room, kind, seq, sorted(parents), sorted(control), lamport),
            *(MINUTE + len(self.told), signing(some(session)), h(b"t1 event body", salt + body)),
        ])  # fmt: skip
        event = h(b"t1 event id", header)
        proof = Ed25519PrivateKey.from_private_bytes(some(session)).sign(cbor([b"t1 event proof", event]))
        self.lamports[event] = lamport
        self.told.append(
            {
                "name": name,
                "room": room,
                "lamport": lamport,
                "header": header,
                "salt": salt,
                "body": body,
                "proof": proof,
                "id": event,
                "outcome": outcome,
            }
        )
        return event

    def sum(self, room):
        """Σ SHAKE-128(id, 256 bytes) mod 2^2048, and how many."""
        ids = [one["id"] for one in self.told if one["room"] == room]
        total = sum(int.from_bytes(shake_128(one).digest(256), "big") for one in ids) % (1 << 2048)
        return [total.to_bytes(256, "big"), len(ids)]


def main():
    s = Story()
    ruth, omar, selam = "Ruth session", "Omar session", "Selam session"
    guests = [newcomer(name, some("card"), some(f"{name} knock")) for name in ("Omar", "Selam")]
    personas = {one[3]: s.persona(one[0]) for one in (s.founder, *guests)}
    genesis = s.event("charter", ruth, CONTROL, CHARTER, 1, [], [], s.charter)
    room = s.event("room", ruth, CONTROL, ROOM, 2, [genesis], [], [1, "plenary", "Plenary"])
    admit = s.event("admission", ruth, CONTROL, ROSTER, 3, [room], [], [1, guests])
    accept_1 = s.event("Omar accepts", omar, CONTROL, MARK, 1, [admit], [], [1, s.charter_hash])
    accept_2 = s.event("Selam accepts", selam, CONTROL, MARK, 1, [admit], [], [1, s.charter_hash])
    hello = s.event("hello", ruth, room, SAY, 1, [], [accept_1, accept_2], ["message", "Selam!", "ti", None])
    answer = s.event("answer", omar, room, SAY, 1, [hello], [accept_1, accept_2], ["message", "Hello", "", hello])
    s.event("too early", omar, room, SAY, 2, [], [admit], ["message", "Before", "", None], "not-accepted")
    introduce = s.event(
        *("introduction", omar, CONTROL, ROSTER, 2, [accept_1, accept_2], []),
        [4, signing(some("Omar session 2")), MINUTE, MINUTE + 1440, [[personas["Ruth"], bytes(16)]], some("state")],
    )
    renewed = prekey("Omar renewed", MINUTE + 14_400)
    renew = s.event("prekeys", "Omar session 2", CONTROL, ROSTER, 1, [introduce], [], [5, [renewed]])
    alarm = s.event("alarm", ruth, CONTROL, MARK, 4, [renew], [], [2, introduce, personas["Omar"]])
    s.event("old key", omar, room, SAY, 3, [answer], [renew], ["message", "It is still me", "", None], "session-ended")
    last = [[room, signing(some(selam)), 1, some("a word that got lost")]]
    remove = s.event("removal", ruth, CONTROL, ROSTER, 5, [alarm], [], [3, personas["Selam"], last])
    s.event("known", selam, room, SAY, 1, [answer], [alarm], ["message", "I was here", "", None])
    s.event("unheard", selam, room, SAY, 2, [answer], [alarm], ["message", "Nobody knew", "", None], "removed-author")
    s.event("unknown kind", omar, CONTROL, NOBODYS, 3, [accept_1], [], [some("a proposal"), 1], "unknown")
    roster = sorted((personas["Ruth"], personas["Omar"]))
    two = [1, "breakout", "Quotas", roster, personas["Omar"], MINUTE + 60]
    breakout = s.event("breakout", ruth, CONTROL, ROOM, 6, [remove], [], two)
    s.event("aside", "Omar session 2", breakout, SAY, 1, [], [breakout], ["message", "Between us", "", None])
    s.event("leap", ruth, CONTROL, ROSTER, 7, [remove], [], [2], "lamport", lamport=1000)
    commitment = h(b"t1 epoch commit", some("epoch secret"))
    roster_hash = h(b"t1 epoch roster", b"".join(roster))
    announced = [6, room, [], roster_hash, commitment, MINUTE + 20]
    s.event("epoch", ruth, CONTROL, ROSTER, 8, [breakout], [], announced)
    epoch = h(b"t1 epoch id", cbor([s.dialogue, room, [], roster_hash, personas["Ruth"], commitment]))
    s.event("stray", ruth, some("nowhere"), SAY, 1, [], [remove], ["message", "Anybody?", "", None], "no-room")

    people = {
        personas["Ruth"]: [s.founder[0], "Ruth", signing(some(ruth)), [prekey_id(s.founder[2][0])], True, True],
        personas["Omar"]: [guests[0][0], "Omar", signing(some("Omar session 2")), [prekey_id(renewed)], False, True],
    }
    members = [[persona, *people[persona]] for persona in roster]
    control = h(
        b"t1 state control",
        cbor([s.charter_hash, members, [epoch], [[room, "Plenary"]], *s.sum(CONTROL), [], [[breakout, *two[1:]]]]),
    )
    strays = s.sum(some("nowhere"))
    state = h(b"t1 state hash", cbor([control, [[room, *s.sum(room)]], strays]))
    answers = {
        "dialogue": s.dialogue,
        "charter_hash": s.charter_hash,
        "personas": personas,
        "events": s.told,
        "state": {
            "roster": roster,
            "room": room,
            "epoch": epoch,
            "control_sum": s.sum(CONTROL)[0],
            "control_count": s.sum(CONTROL)[1],
            "room_sum": s.sum(room)[0],
            "room_count": s.sum(room)[1],
            "control_hash": control,
            "hash": state,
        },
    }
    text = json.dumps(hexed(answers), indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_name("events.json").write_text(text, "utf-8")


def hexed(value):
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: hexed(one) for name, one in value.items()}
        case list():
            return [hexed(one) for one in value]
    return value


if __name__ == "__main__":
    main()
