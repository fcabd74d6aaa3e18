"""What a frame costs: sealing it and opening it, checking it as a carrier, and finding its key among thirty epochs.

The yardstick of the same run is the bare primitive: XChaCha20-Poly1305 sealing and opening as many bytes, and thirty
bare keyed BLAKE2b calls. Rounds of ours and of the yardstick alternate, so that a busy machine slows both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.utils import random as entropy

from benchmarks.figure import Figure, cpu_us, figure, in_turns
from tertulia.protocol import frame
from tertulia.protocol.frame import FrameClass, Window
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label

ROUNDS = 21
CALLS = 500
EPOCHS = 30
MINUTE = 29_700_000


def measure() -> list[Figure]:
    """The figures seal_open, carrier_check and recognise_30: medians in µs, with the least and the most."""
    commons, keys, nonce = entropy(32), frame.frame_keys(Label.EPOCH_FRAME, entropy(32)), entropy(24)
    event = Item(ItemType.EVENT, [entropy(300), entropy(16), entropy(200), entropy(64)])
    made = frame.seal(commons, keys, FrameClass.SMALL, MINUTE, nonce, [event])
    window = Window(MINUTE, MINUTE)
    key, plaintext, aad = entropy(32), entropy(len(made.ciphertext) - 16), made.aad

    def seal_open() -> None:
        fresh = frame.seal(commons, keys, FrameClass.SMALL, MINUTE, nonce, [event])
        frame.open(keys, frame.read(fresh.raw))

    def bare_seal_open() -> None:
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)
        crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, key)

    def carrier_check() -> None:
        frame.check(made.raw, commons, window)

    def bare_mac() -> None:
        blake2b(made.raw, digest_size=16, key=commons).digest()

    epochs = [frame.frame_keys(Label.EPOCH_FRAME, entropy(32)) for _ in range(EPOCHS)]

    def recognise() -> None:
        frame.find(frame.read(made.raw), epochs)  # a frame of another dialogue: every key is tried

    def bare_hashes() -> None:
        for pair in epochs:
            blake2b(nonce, key=pair.tag).digest()

    return [
        _figure("seal_open", seal_open, "bare XChaCha20-Poly1305, same bytes", bare_seal_open),
        _figure("carrier_check", carrier_check, "one bare BLAKE2b-128 over the frame", bare_mac),
        _figure(f"recognise_{EPOCHS}", recognise, f"{EPOCHS} bare keyed BLAKE2b", bare_hashes, most=EPOCHS * 2.0),
    ]


def _figure(
    name: str, ours: Callable[[], None], what: str, bare: Callable[[], None], most: float | None = None
) -> Figure:
    """Measure both in turns. `most` is the goal in µs where the spec has one (about 1 µs a trial), twice allowed."""
    taken = in_turns(ROUNDS, ours=partial(cpu_us, ours, CALLS), bare=partial(cpu_us, bare, CALLS))
    return figure(name, taken["ours"], "us", most=most, compared={what: taken["bare"]})


if __name__ == "__main__":
    for taken in measure():
        print(taken)
