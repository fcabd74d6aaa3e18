"""The lane between two members: frames that only they recognise and open, whatever other keys they have lost.

Implements docs/spec/keys.md, section Pair. Its keys come from the DH of both personas, so it needs no door, no epoch
and no prekey: by it somebody long away says that they are back, and one member is answered alone. It has no forward
secrecy: what must not be read later by whoever gets hold of a persona travels inside, sealed to a prekey.
"""

from __future__ import annotations

from tertulia.protocol.crypto import dh
from tertulia.protocol.frame import FrameKeys, frame_keys
from tertulia.protocol.labels import Label


def pair_keys(box_secret: bytes, their_box: bytes) -> FrameKeys:
    """The keys of the frames between my persona and theirs: the same from either side.

    Raises ValueError when `their_box` is of low order, which `PersonaKeys.from_value` lets nobody have.
    """
    shared = dh(box_secret, their_box)
    if shared is None:
        raise ValueError("a public key of low order leads nowhere")
    return frame_keys(Label.PAIR_FRAME, shared)
