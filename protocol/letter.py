"""Letters: words for one person alone, sealed so that nobody else opens them and nobody can prove who wrote them.

Implements docs/spec/identity.md, section Letter: HPKE(their key, Box(my key → their key, context ‖ words)). The outer
layer holds against a recorder with a later quantum computer; the inner one says who wrote, and the reader could have
made it. The context binds both to their place. HPKE draws randomness: the core asks for it (`HpkeRequest`), never
does it.
"""

from __future__ import annotations

from tertulia.protocol import hpke
from tertulia.protocol.crypto import box_open, box_seal, equal
from tertulia.protocol.share import HpkeRequest


def letter(my_box: bytes, box: bytes, kem: bytes, nonce: bytes, context: bytes, words: bytes) -> HpkeRequest:
    """What the driver must seal: from my box secret to their public `box` and HPKE key; `nonce` is 24 random bytes."""
    return HpkeRequest(kem, context, box_seal(my_box, box, nonce, context + words))


def open_letter(box_secret: bytes, hpke_seed: bytes, their_box: bytes, context: bytes, sealed: bytes) -> bytes | None:
    """The words; None where a layer does not open, or the context is another's."""
    inner = hpke.unseal(hpke_seed, context, sealed)
    plaintext = None if inner is None else box_open(box_secret, their_box, inner)
    if plaintext is None or not equal(plaintext[: len(context)], context):
        return None
    return plaintext[len(context) :]
