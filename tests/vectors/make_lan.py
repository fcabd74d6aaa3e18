"""Make lan.json: known answers to docs/spec/lan.md.

Written from the spec's words with hashlib, cbor2 and libsodium's XChaCha20-Poly1305 alone: nothing of Tertulia is
imported, so that the vectors judge it. All inputs are SHAKE-256 of their names.

    python tests/vectors/make_lan.py
"""

import json
from hashlib import blake2b, shake_256
from ipaddress import ip_address
from pathlib import Path

import cbor2
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as aead_seal

HERE = Path(__file__).parent
MINUTE = 29_700_000
KEY = shake_256(b"commons key").digest(32)
PEER = shake_256(b"peer").digest(32)


def keyed(label, generation, minute, size):
    data = cbor2.dumps([generation, minute], canonical=True)
    return blake2b(data, digest_size=size, key=KEY, person=label).digest()


def datagram(minute, kind, host, port, call, nonce):
    plain = bytes([kind]) + PEER + ip_address(host).packed + port.to_bytes(2, "big") + call
    plain += bytes(88 - len(plain))
    return nonce + aead_seal(plain, b"", nonce, keyed(b"t1 lan key", 1, minute, 32))


def row(minute, kind, host, port, call, name):
    nonce = shake_256(name).digest(24)
    return {
        "minute": minute, "kind": kind, "host": host, "port": port, "call": call.hex(), "nonce": nonce.hex(),
        "datagram": datagram(minute, kind, host, port, call, nonce).hex(),
    }  # fmt: skip


CALL = row(MINUTE, 1, "192.168.1.20", 40_000, bytes(24), b"call")
ANSWER = row(MINUTE, 2, "10.0.0.7", 1, bytes.fromhex(CALL["nonce"]), b"answer")
NEXT = row(MINUTE + 1, 1, "192.168.1.20", 40_000, bytes(24), b"next")

if __name__ == "__main__":
    ports = [
        {
            "generation": generation,
            "minute": minute,
            "port": 32_768 + int.from_bytes(keyed(b"t1 lan port", generation, minute, 2), "big") % 32_768,
        }
        for generation, minute in ((1, MINUTE), (1, MINUTE + 1), (2, MINUTE))
    ]
    made = {"commons_key": KEY.hex(), "generation": 1, "peer": PEER.hex(), "ports": ports,
            "datagrams": [CALL, ANSWER, NEXT]}  # fmt: skip
    (HERE / "lan.json").write_text(json.dumps(made, indent=1) + "\n")
