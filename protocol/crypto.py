"""Hashes, MACs, signatures, boxes and the AEAD: thin names over libsodium and the standard library's BLAKE2b.

Spec: docs/spec/README.md, *Primitives*. Nothing here is a cipher of our own and nothing draws randomness: nonces and
seeds come in. What a peer can spoil (a ciphertext, a proof, a public key) gives None or False, never an exception; a
key, nonce or seed of the wrong length is the caller's mistake and raises ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, TypeAlias

from nacl import bindings
from nacl.exceptions import CryptoError

from tertulia.protocol.encoding import encode
from tertulia.protocol.labels import Label

Entropy: TypeAlias = Callable[[int], bytes]
"""Where random bytes come from: `entropy(32)` gives 32. The driver hands in the operating system's."""

KEY: Final = 32
NONCE: Final = 24
"""Bytes of a nonce, for the AEAD and the box alike; drawn at random each time."""
SEAL: Final = 16
"""Bytes that `seal` and `box_seal` add for authentication (`box_seal` also puts the nonce in front)."""
PROOF: Final = 64
"""Bytes of a signature."""


def digest(label: Label, data: bytes, size: int = 32) -> bytes:
    """Return H: BLAKE2b of `data` with the label in `person` (RFC 7693), `size` bytes, at most 64."""
    return blake2b(data, digest_size=size, person=label).digest()


def keyed(label: Label, key: bytes, data: bytes, size: int = 32) -> bytes:
    """Return the keyed hash of `data` (a MAC or PRF) under a key of 1 to 64 bytes (RFC 7693 §2.5)."""
    if not key:
        raise ValueError("a keyed hash needs a key")
    return blake2b(data, digest_size=size, key=key, person=label).digest()


def derive(label: Label, secret: bytes) -> bytes:
    """Return the 32-byte key that `secret` (16 to 64 uniform bytes) has for the use named by the label; one-way."""
    return keyed(label, secret, b"")


def equal(a: bytes, b: bytes) -> bool:
    """Compare two strings in a time that does not depend on where they differ."""
    return compare_digest(a, b)


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Return the XChaCha20-Poly1305 ciphertext: `SEAL` bytes longer than the plaintext."""
    _sized(key, KEY)
    _sized(nonce, NONCE)
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)


def unseal(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes | None:
    """Return the plaintext, or None where key, nonce, ciphertext and aad do not belong together."""
    _sized(key, KEY)
    _sized(nonce, NONCE)
    if len(ciphertext) < SEAL:
        return None
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, key)
    except CryptoError:
        return None


def signing_public(seed: bytes) -> bytes:
    """Return the 32-byte Ed25519 public key of a 32-byte seed (RFC 8032)."""
    return bindings.crypto_sign_seed_keypair(_sized(seed, KEY))[0]


def sign(seed: bytes, label: Label, payload: bytes) -> bytes:
    """Return the 64-byte Ed25519 signature over CBOR [label, payload]."""
    return _signature(seed, encode([label, payload]))


def verify(public: bytes, label: Label, payload: bytes, proof: bytes) -> bool:
    """Say whether `proof` is the signature of `public` over CBOR [label, payload].

    libsodium alone decides: keys and points of low order, keys and scalars that are not canonical are refused.
    """
    return _signed(public, encode([label, payload]), proof)


def box_public(secret: bytes) -> bytes:
    """Return the 32-byte X25519 public key of a 32-byte secret (RFC 7748)."""
    return bindings.crypto_scalarmult_base(_sized(secret, KEY))


def dh(secret: bytes, public: bytes) -> bytes | None:
    """Return the 32-byte X25519 shared secret, raw: `derive` from it. None for a public key of low order or length."""
    _sized(secret, KEY)
    if len(public) != KEY:
        return None
    try:
        return bindings.crypto_scalarmult(secret, public)
    except CryptoError:
        return None


def box_seal(secret: bytes, public: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    """Return nonce ‖ box (X25519, XSalsa20-Poly1305), which the holder of either secret could have made: deniable.

    Raises ValueError for a public key of low order: check it with `dh` where it arrives.
    """
    _sized(secret, KEY)
    _sized(nonce, NONCE)
    try:
        return nonce + bindings.crypto_box_easy(plaintext, nonce, _sized(public, KEY), secret)
    except CryptoError as low_order:
        raise ValueError("a public key of low order cannot be boxed to") from low_order


def box_open(secret: bytes, public: bytes, sealed: bytes) -> bytes | None:
    """Return the plaintext of nonce ‖ box, or None where it does not open or the public key is none."""
    _sized(secret, KEY)
    if len(public) != KEY or len(sealed) < NONCE + SEAL:
        return None
    try:
        return bindings.crypto_box_open_easy(sealed[NONCE:], sealed[:NONCE], public, secret)
    except CryptoError:
        return None


def _signature(seed: bytes, message: bytes) -> bytes:
    _, secret = bindings.crypto_sign_seed_keypair(_sized(seed, KEY))
    return bindings.crypto_sign(message, secret)[:PROOF]


def _signed(public: bytes, message: bytes, proof: bytes) -> bool:
    if len(public) != KEY or len(proof) != PROOF:
        return False
    try:
        bindings.crypto_sign_open(proof + message, public)
    except CryptoError:
        return False
    return True


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ValueError(f"expected {size} bytes, got {len(value)}")
    return value
