"""Make frame.json: known answers to docs/spec/README.md and docs/spec/frame.md.

Written from the spec's words with hashlib, cbor2 and PyNaCl's bindings alone: nothing of Tertulia is imported, so that
the vectors judge it. All inputs are SHAKE-256 of their names.

    python tests/vectors/make_frame.py
"""

import json
from hashlib import blake2b, shake_256
from pathlib import Path

import cbor2
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as aead_seal

MINUTE = 29_500_010
SIZES = {1: 1024, 2: 4096, 3: 16384}


def some(name, size=32):
    return shake_256(name.encode()).digest(size)


def h(label, data, size=32):
    return blake2b(data, digest_size=size, person=label).digest()


def mac(label, key, data=b"", size=32):
    return blake2b(data, digest_size=size, key=key, person=label).digest()


def cbor(value):
    """Encode a value whose maps are already in order."""
    return cbor2.dumps(value)


def frame_keys(label, secret):
    root = mac(label, secret)
    return mac(b"t1 frame tag key", root), mac(b"t1 frame aead", root)


def tagged(aad, nonce, ciphertext):
    return aad + nonce + h(b"t1 frame body", ciphertext)


def finish(commons_key, covered):
    return covered + mac(b"t1 frame mac", mac(b"t1 frame mac key", commons_key), covered, 16)


def seal(commons_key, keys, number, minute, nonce, plaintext):
    tag_key, aead_key = keys
    aad = bytes([1, number]) + minute.to_bytes(4, "big")
    ciphertext = aead_seal(plaintext.ljust(SIZES[number] - 94, b"\0"), aad, nonce, aead_key)
    tag = mac(b"t1 frame tag", tag_key, tagged(aad, nonce, ciphertext))
    return finish(commons_key, aad + tag + nonce + ciphertext)


def lengthened(content):
    return len(content).to_bytes(2, "big") + content


# ---------------------------------------------------------------------------------------------------------------------


def encodings():
    """Values with their one encoding, and bytes that are none."""
    values = [0, 23, 24, 255, 256, 65536, 2**32, 2**64 - 1, -1, -24, -25, -(2**63), b"", b"\x01\x02", "", "tertulia"]
    values += [True, False, None, [], [1, [2, "x"]], {}, {10: 0, 100: 1, -1: 2, "z": 3, "aa": 4}]
    accepted = [cbor(value).hex() for value in values]
    refused = ["", "1817", "9f00ff", "5f4100ff", "a201000100", "a202000100", "c100", "f93c00", "f7", "61ff", "810000"]
    refused += ["81" * 9 + "00", "3bffffffffffffffff", "a1f500", "a1410000"]
    return {"accepted": accepted, "refused": refused}


def frames():
    commons_key, secret = some("commons key"), some("epoch secret")
    keys = frame_keys(b"t1 epoch frame", secret)
    items = [[1, [some("header", 80), some("salt", 16), b"body", some("proof", 64)]], [999, {"kept": None}]]
    content = cbor(items)
    made = []
    for number in SIZES:
        nonce = some(f"nonce {number}", 24)
        raw = seal(commons_key, keys, number, MINUTE, nonce, lengthened(content))
        made.append({
            "class": number,
            "nonce": nonce.hex(),
            "tag": raw[6:38].hex(),
            "mac": raw[-16:].hex(),
            "id": h(b"t1 frame id", raw).hex(),
            "raw": raw.hex() if number == 1 else None,
        })  # fmt: skip
    return {
        "commons_key": commons_key.hex(),
        "secret": secret.hex(),
        "label": "t1 epoch frame",
        "tag_key": keys[0].hex(),
        "aead_key": keys[1].hex(),
        "minute": MINUTE,
        "items": content.hex(),
        "frames": made,
        "refused": refused_frames(commons_key, keys, content),
    }


def refused_frames(commons_key, keys, content):
    """Frames that must be refused, each with who refuses it and why."""
    nonce = some("nonce 1", 24)
    good = seal(commons_key, keys, 1, MINUTE, nonce, lengthened(content))

    def flipped(at):
        return good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]

    def again(raw):
        return finish(commons_key, raw[:-16])

    junk = good[:62] + some("junk", 946)
    junk_tag = mac(b"t1 frame tag", keys[0], tagged(junk[:6], junk[38:62], junk[62:]))
    rows = [
        ("cut by one byte", good[:-1], "length"),
        ("one byte more", good + b"\0", "length"),
        ("version 2", b"\2" + good[1:], "version"),
        ("class 2 at 1 KiB", good[:1] + b"\2" + good[2:], "class"),
        ("minute moved by one", flipped(5), "mac"),
        ("tag flipped", flipped(6), "mac"),
        ("nonce flipped", flipped(38), "mac"),
        ("ciphertext flipped", flipped(62), "mac"),
        ("mac flipped", flipped(1023), "mac"),
        ("of another commons", finish(some("another commons"), good[:-16]), "mac"),
        ("minute moved, new mac", again(flipped(5)), "tag"),
        ("tag flipped, new mac", again(flipped(6)), "tag"),
        ("nonce flipped, new mac", again(flipped(38)), "tag"),
        ("ciphertext flipped, new mac", again(flipped(62)), "tag"),
        ("tag copied onto junk, new mac", finish(commons_key, junk), "tag"),
        ("junk under a right tag", finish(commons_key, junk[:6] + junk_tag + junk[38:]), "seal"),
        ("re-padded with a one", lengthened(content) + b"\1", "padding"),
        ("length beyond the plaintext", b"\xff\xff" + content, "padding"),
        ("padding counted as content", (len(content) + 1).to_bytes(2, "big") + content, "encoding"),
        ("a float inside", lengthened(bytes.fromhex("818201f93c00")), "encoding"),
        ("a map instead of a list", lengthened(b"\xa0"), "shape"),
        ("an item of three", lengthened(cbor([[1, 2, 3]])), "shape"),
    ]
    made = []
    for what, data, expect in rows:
        raw = seal(commons_key, keys, 1, MINUTE, nonce, data) if expect in {"padding", "encoding", "shape"} else data
        made.append({"what": what, "expect": expect, "raw": raw.hex()})
    return made


def parts():
    """One item of 2,000 bytes in small frames."""
    whole = cbor([7, some("large item", 2000)])
    step = (1024 - 96) - 2 - 44 - 2 * 16  # capacity, list head, part heads, path of a tree of height 2
    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
    assert len(pieces) == 3
    leaves = [h(b"t1 item part", piece, 16) for piece in pieces] + [bytes(16)]
    left, right = (h(b"t1 item node", leaves[at] + leaves[at + 1], 16) for at in (0, 2))
    name = h(b"t1 item id", b"\3" + h(b"t1 item node", left + right, 16))
    paths = [leaves[1] + right, leaves[0] + right, leaves[3] + left]
    bodies = [[name, k, 3, path + piece] for k, (path, piece) in enumerate(zip(paths, pieces, strict=True))]
    return {"item": whole.hex(), "id": name.hex(), "parts": [cbor([8, body]).hex() for body in bodies]}


def hello():
    key, ana, ben = some("commons key"), some("ana's peer"), some("ben's peer")
    first, second, ben_clock, ana_clock = some("ana's nonce"), some("ben's nonce"), 1_770_000_600_000, 1_770_000_600_250
    hello_key = mac(b"t1 hello key", key)
    answer = mac(b"t1 hello", hello_key, cbor([1, 2, ben, ana, second, first, ben_clock]))
    done = mac(b"t1 hello", hello_key, cbor([1, 1, ana, ben, first, second, ana_clock]))
    return {
        "commons_key": key.hex(),
        "initiator": ana.hex(),
        "responder": ben.hex(),
        "open": cbor([1, first]).hex(),
        "answer": cbor([second, answer, ben_clock]).hex(),
        "done": cbor([done, ana_clock]).hex(),
    }


def commons():
    key = some("commons key")
    return {
        "key": key.hex(),
        "generation": 3,
        "id": h(b"t1 commons id", cbor([key, 3])).hex(),
        "topics": [mac(b"t1 topic", key, cbor([3, shard])).hex() for shard in (0, 1)],
    }


def main():
    made = {"encoding": encodings(), "frame": frames(), "parts": parts(), "commons": commons(), "hello": hello()}
    (Path(__file__).parent / "frame.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
