"""The HPKE library against RFC 9180, appendix A.2.1: X25519, HKDF-SHA256, ChaCha20-Poly1305, base mode.

Not our KEM (test_hpke.py has the draft's vector for that), but the same key schedule, from the published standard. The
RFC seals with associated data, which the library's single-shot use leaves empty: so its plaintext is sealed again
under its own key and nonce, and the library must reach that key from the encapsulation alone.
"""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
PRIVATE = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
PUBLIC = bytes.fromhex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a")
ENCAPSULATION = bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
KEY = bytes.fromhex("ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91")
NONCE = bytes.fromhex("5c4d98150661b848853b547f")
PLAINTEXT = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
CIPHERTEXT = bytes.fromhex(
    "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
)
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def test_the_rfc_s_own_ciphertext():
    assert ChaCha20Poly1305(KEY).encrypt(NONCE, PLAINTEXT, b"Count-0") == CIPHERTEXT


def test_the_library_reaches_the_rfc_s_key():
    private = X25519PrivateKey.from_private_bytes(PRIVATE)
    assert private.public_key().public_bytes_raw() == PUBLIC
    sealed = ENCAPSULATION + ChaCha20Poly1305(KEY).encrypt(NONCE, PLAINTEXT, b"")
    assert SUITE.decrypt(sealed, private, INFO) == PLAINTEXT
    with pytest.raises(InvalidTag):
        SUITE.decrypt(sealed, private, INFO + b"!")
