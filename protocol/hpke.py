"""Sealing to one key so that neither today's nor tomorrow's computers open it: hybrid post-quantum HPKE.

Spec: docs/spec/README.md, *HPKE*; RFC 9180 base mode with ML-KEM-768 + X25519 (X-Wing), HKDF-SHA256,
ChaCha20-Poly1305, single shot, from `cryptography`. A private key is its 96-byte seed: 64 for ML-KEM (d ‖ z), 32 for
X25519. Sealing draws its own randomness, so only drivers call `seal`, in a worker; the core asks by an effect.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from tertulia.protocol.errors import RejectReason, RemoteError

SEED: Final = 96
PUBLIC: Final = 1216
"""Bytes of a public key: 1,184 of ML-KEM-768, then 32 of X25519."""
OVERHEAD: Final = 1120 + 16
"""Bytes that a ciphertext is longer than its plaintext: the encapsulation and the AEAD's tag."""

_MLKEM_SEED: Final = 64
_MLKEM_PUBLIC: Final = 1184
_PROBE: Final = X25519PrivateKey.from_private_bytes(bytes(32))  # no secret: it only meets points of low order
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def public(seed: bytes) -> bytes:
    """Return the 1,216-byte public key of a 96-byte seed."""
    mlkem, x25519 = _halves(seed)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def is_public(key: bytes) -> bool:
    """Say whether `key` can be sealed to: its length, ML-KEM's own check of its encoding, no low order in X25519."""
    try:
        _public(key)
        _PROBE.exchange(X25519PublicKey.from_public_bytes(key[_MLKEM_PUBLIC:]))
    except ValueError:
        return False
    return True


def seal(key: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Return the encapsulation ‖ ciphertext for the holder of `key`; different each time.

    Raises RemoteError(KEY) when `key`, which a peer chose, cannot be sealed to.
    """
    try:
        return _SUITE.encrypt(plaintext, _public(key), info)
    except ValueError as unusable:
        raise RemoteError(RejectReason.KEY, "hpke") from unusable


def unseal(seed: bytes, info: bytes, ciphertext: bytes) -> bytes | None:
    """Return the plaintext, or None where seed, info and ciphertext do not belong together."""
    private = MLKEM768X25519PrivateKey(*_halves(seed))
    try:
        return _SUITE.decrypt(ciphertext, private, info)
    except (InvalidTag, ValueError):
        return None


def _halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    if len(seed) != SEED:
        raise ValueError(f"expected a seed of {SEED} bytes, got {len(seed)}")
    return (
        MLKEM768PrivateKey.from_seed_bytes(seed[:_MLKEM_SEED]),
        X25519PrivateKey.from_private_bytes(seed[_MLKEM_SEED:]),
    )


def _public(key: bytes) -> MLKEM768X25519PublicKey:
    if len(key) != PUBLIC:
        raise ValueError(f"expected a public key of {PUBLIC} bytes, got {len(key)}")
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(key[:_MLKEM_PUBLIC]),
        X25519PublicKey.from_public_bytes(key[_MLKEM_PUBLIC:]),
    )
