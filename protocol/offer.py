"""An offer: an invite on its way to one contact, with nobody in between and no line of text handed over.

Implements docs/spec/identity.md, section Offer: a letter to one of their devices, in frames whose keys come from the
DH of two devices, so that nobody else recognises one. It tells what the invite leads to and when it was made, and
never what anybody calls anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import hpke
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.crypto import NONCE, SEAL, dh
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError, RejectReason, RemoteError
from tertulia.protocol.frame import FrameKeys, frame_keys
from tertulia.protocol.identity import Device, Identity
from tertulia.protocol.invite import LIMIT_INVITE_LETTERS, Invite, decode_invite
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.letter import letter, open_letter
from tertulia.protocol.prekey import LIMIT_MINUTE
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_text, wrong
from tertulia.protocol.share import HpkeRequest

CONTEXT: Final = len(encode([Label.OFFER, *[bytes(32)] * 3]))
"""Bytes of the context."""
LIMIT_OFFER_WORDS: Final = 1_024
"""Bytes of what an offer says."""
LIMIT_OFFER: Final = hpke.OVERHEAD + NONCE + SEAL + CONTEXT + LIMIT_OFFER_WORDS
"""Bytes of a sealed offer."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An invite as text, the title of what it leads to, and the minute it was made in."""

    invite: str = field(repr=False)
    title: str
    minute: int

    def encode(self) -> bytes:
        """CBOR `[invite, title, minute]`."""
        return encode([self.invite, self.title, self.minute])

    @classmethod
    def decode(cls, words: bytes) -> Offer:
        """Read `[invite, title, minute]`. Raises RemoteError: SIZE, ENCODING, SHAPE (also for what is no invite)."""
        invite, title, minute = as_list(decode(words, LIMIT_OFFER_WORDS), 3)
        found = cls(as_text(invite, LIMIT_INVITE_LETTERS), as_text(title, LIMIT_TITLE), as_int(minute, 0, LIMIT_MINUTE))
        try:
            found.read()
        except LocalError as no_invite:
            raise wrong("no invite") from no_invite
        return found

    def read(self) -> Invite:
        """The invite. Raises LocalError where it is none."""
        return decode_invite(self.invite)


def contact_keys(mine: Identity, theirs: Device) -> FrameKeys:
    """The keys of the frames between my device and one of theirs, the same from either side.

    Raises ValueError when `theirs` is of low order, which `DeviceList.from_value` lets nobody have.
    """
    shared = dh(mine.box_secret, theirs.box)
    if shared is None:
        raise ValueError("a public key of low order leads nowhere")
    return frame_keys(Label.CONTACT_FRAME, shared)


def offer_context(sender: bytes, recipient: bytes, device: bytes) -> bytes:
    """What binds an offer to its way: CBOR [label, sender's root, recipient's root, recipient's device]."""
    return encode([Label.OFFER, sender, recipient, device])


def request(offer: Offer, mine: Identity, root: bytes, theirs: Device, nonce: bytes) -> HpkeRequest:
    """What the driver must seal for one device of that root; `nonce` is 24 random bytes."""
    context = offer_context(mine.devices.root, root, theirs.box)
    return letter(mine.box_secret, theirs.box, theirs.hpke, nonce, context, offer.encode())


def offer_item(sealed: bytes) -> Item:
    """A sealed offer as an item of a frame under `contact_keys`."""
    return Item(ItemType.OFFER, sealed)


def open_offer(item: Item, mine: Identity, root: bytes, theirs: Device) -> Offer:
    """What one device of that root offers me. Raises RemoteError: SHAPE, SEAL, and what `Offer.decode` raises."""
    context = offer_context(root, mine.devices.root, mine.devices.devices[0].box)
    sealed = as_bytes(item.body, most=LIMIT_OFFER)
    words = open_letter(mine.box_secret, mine.hpke_seed, theirs.box, context, sealed)
    if words is None:
        raise RemoteError(RejectReason.SEAL, "offer")
    return Offer.decode(words)
