"""HPKE opens what the IETF's draft sealed, and nothing that was changed.

The vector is from draft-ietf-hpke-pq (KEM 0x647a, HKDF-SHA256, ChaCha20-Poly1305), see tests/vectors/README.md. It was
sealed with associated data, which our single-shot use leaves empty; so the test seals the draft's plaintext again
under the draft's own key and nonce, and `hpke` must reach that key from the encapsulation alone.
"""

import json
from hashlib import shake_256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tertulia.protocol import hpke
from tertulia.protocol.errors import RejectReason, RemoteError

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "hpke_mlkem768_x25519.json").read_text())
SEED = bytes(range(96))
PUBLIC = hpke.public(SEED)


@pytest.fixture
def draft():
    fields = {name: bytes.fromhex(text) for name, text in VECTOR.items() if isinstance(text, str)}
    # X-Wing keeps a 32-byte seed and expands it with SHAKE-256 to the 96 bytes that are our seed.
    fields["seed"] = shake_256(fields["skRm"]).digest(hpke.SEED)
    return fields


def test_the_draft_s_public_key(draft):
    assert hpke.public(draft["seed"]) == draft["pkRm"]
    assert hpke.is_public(draft["pkRm"])


def test_the_draft_s_key_schedule(draft):
    aead = ChaCha20Poly1305(draft["key"])
    aad, plaintext, published = (bytes.fromhex(VECTOR["encryption"][name]) for name in ("aad", "pt", "ct"))
    assert aead.encrypt(draft["base_nonce"], plaintext, aad) == published
    sealed = draft["enc"] + aead.encrypt(draft["base_nonce"], plaintext, b"")
    assert hpke.unseal(draft["seed"], draft["info"], sealed) == plaintext
    assert hpke.unseal(draft["seed"], draft["info"] + b"!", sealed) is None
    assert hpke.unseal(draft["seed"], draft["info"], draft["enc"] + published) is None


def test_what_is_sealed_opens_and_is_never_the_same_twice():
    first, second = (hpke.seal(PUBLIC, b"info", b"hello") for _ in range(2))
    assert first != second
    assert len(first) == len(b"hello") + hpke.OVERHEAD
    assert hpke.unseal(SEED, b"info", first) == hpke.unseal(SEED, b"info", second) == b"hello"


def test_another_seed_or_info_opens_nothing():
    sealed = hpke.seal(PUBLIC, b"info", b"hello")
    assert hpke.unseal(SEED[::-1], b"info", sealed) is None
    assert hpke.unseal(SEED, b"inf0", sealed) is None


@pytest.mark.parametrize("at", [0, 500, 1087, 1088, 1119, 1120, -1])
def test_a_flipped_bit_opens_nothing(at):
    sealed = bytearray(hpke.seal(PUBLIC, b"info", b"hello"))
    sealed[at] ^= 1
    assert hpke.unseal(SEED, b"info", bytes(sealed)) is None


@pytest.mark.parametrize("size", [0, 1, 1119, 1120, 1135])
def test_a_cut_one_opens_nothing(size):
    assert hpke.unseal(SEED, b"info", hpke.seal(PUBLIC, b"info", b"hello")[:size]) is None


def test_an_encapsulation_of_low_order_opens_nothing():
    sealed = hpke.seal(PUBLIC, b"info", b"hello")
    assert hpke.unseal(SEED, b"info", sealed[:1088] + bytes(32) + sealed[1120:]) is None


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(b"", id="empty"),
        pytest.param(PUBLIC[:-1], id="short"),
        pytest.param(PUBLIC + b"\0", id="long"),
        pytest.param(b"\xff" * 1184 + PUBLIC[1184:], id="coefficients-beyond-q"),
        pytest.param(PUBLIC[:1184] + bytes(32), id="low-order"),
    ],
)
def test_a_public_key_that_cannot_be_one_is_refused(key):
    assert not hpke.is_public(key)
    with pytest.raises(RemoteError) as wrong:
        hpke.seal(key, b"info", b"hello")
    assert wrong.value.reason is RejectReason.KEY


@pytest.mark.parametrize("use", [hpke.public, lambda seed: hpke.unseal(seed, b"", b"")])
def test_a_seed_of_another_length_is_the_callers_mistake(use):
    with pytest.raises(ValueError, match="96"):
        use(bytes(64))
