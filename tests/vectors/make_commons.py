"""Make commons.json: known answers to docs/spec/commons.md.

Written from the spec's words with hashlib, cbor2 and cryptography alone: nothing of Tertulia is imported, so that the
vectors judge it. All inputs are SHAKE-256 of their names.

    python tests/vectors/make_commons.py
"""

import json
from hashlib import blake2b, shake_256
from ipaddress import ip_address
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = Path(__file__).parent
DAY = 24 * 60
ISSUED = 29_700_000


def some(name, size=32):
    return shake_256(name.encode()).digest(size)


def cbor(value):
    return cbor2.dumps(value, canonical=True)


def h(label, data):
    return blake2b(data, digest_size=32, person=label).digest()


def derive(label, secret):
    return blake2b(b"", digest_size=32, key=secret, person=label).digest()


def public(name):
    return Ed25519PrivateKey.from_private_bytes(some(name)).public_key().public_bytes_raw()


def signed(body, *names):
    pairs = [
        [public(name), Ed25519PrivateKey.from_private_bytes(some(name)).sign(cbor([b"t1 commons card", body]))]
        for name in names
    ]
    return [body, sorted(pairs)]


def address(kind, host, port):
    packed = host.encode() if kind == 3 else ip_address(host).packed
    return [kind, packed + port.to_bytes(2, "big")]


def stewards(quorum, *names):
    return [quorum, sorted(public(name) for name in names)]


KEY = some("commons key")
COMMONS = h(b"t1 commons id", cbor([KEY, 1]))
RELAYS = sorted([
    [some("relay Lisboa"), "Lisboa", [address(1, "192.0.2.7", 4001), address(2, "2001:db8::7", 4001)]],
    [some("relay Tbilisi"), "Tbilisi", [address(3, "relay.example.org", 443)]],
])  # fmt: skip
SEEDS = [[some("seed"), "", [address(1, "198.51.100.9", 4002)]]]


def card(version, stewards, relays, issued):
    fields = [COMMONS, version, 1, "Harbour", 30, [400_000, 524_288], 1, relays, SEEDS, stewards, issued]
    return cbor([1, *fields, issued + 90 * DAY])


def succession():
    """Ada's key is stolen: Ben and Cy hand over to Dan; Ada and an accomplice among the stewards hand over to Eve."""
    three, heirs = stewards(2, "ada", "ben", "cy"), stewards(2, "ben", "cy", "dan")
    fork = stewards(2, "ada", "cy", "eve")
    begun = signed(card(1, three, RELAYS, ISSUED), "ada", "ben")
    handed = signed(card(2, heirs, RELAYS, ISSUED + 10), "ben", "cy")
    newest = signed(card(3, heirs, RELAYS, ISSUED + 20), "cy", "dan")
    return {
        "stewards": h(b"t1 stewards", cbor(three)),
        "chain": cbor([begun, handed, newest]),
        "newest": h(b"t1 commons c id", newest[0]),
        "refused": [
            {"why": "proof", "card": signed(card(4, fork, RELAYS, ISSUED + 30), "ada", "eve")},
            {"why": "proof", "card": signed(card(4, heirs, RELAYS, ISSUED + 30), "ada", "dan")},
            {"why": "fork", "card": signed(card(2, fork, RELAYS, ISSUED + 10), "ada", "cy")},
            {"why": "fork", "card": signed(card(4, fork, RELAYS, ISSUED + 30), "ada", "cy")},
            {"why": "fork", "card": signed(card(4, three, RELAYS, ISSUED + 30), "ada", "cy")},
            {"why": "old", "card": begun},
        ],
    }


def readable(value):
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: readable(one) for name, one in value.items()}
        case list() | tuple():
            return [readable(one) for one in value]
    return value


def main():
    ada, both = stewards(1, "ada"), stewards(2, "ada", "ben")
    first = card(1, ada, [], ISSUED)
    second = card(2, both, RELAYS, ISSUED + 10)
    third = card(3, both, RELAYS[:1], ISSUED + 20)
    chain = [signed(first, "ada"), signed(second, "ada", "ben"), signed(third, "ada", "ben")]
    root = derive(b"t1 commons cards", KEY)
    vectors = {
        "key": KEY,
        "commons": COMMONS,
        "seeds": {name: some(name) for name in ("ada", "ben", "eve")},
        "stewards": [
            {"quorum": each[0], "keys": each[1], "digest": h(b"t1 stewards", cbor(each))} for each in (ada, both)
        ],
        "frame_keys": {"tag": derive(b"t1 frame tag key", root), "aead": derive(b"t1 frame aead", root)},
        "relays": RELAYS,
        "cards": [{"signed": each, "id": h(b"t1 commons c id", each[0])} for each in chain],
        "chain": cbor(chain),
        "forged": signed(card(4, both, RELAYS, ISSUED + 30), "ada", "eve"),
        "succession": succession(),
    }
    (HERE / "commons.json").write_text(json.dumps(readable(vectors), indent=1) + "\n")


if __name__ == "__main__":
    main()
