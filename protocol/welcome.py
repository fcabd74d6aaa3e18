"""A welcome: the inviter's answer to a knock, let in or not.

Implements docs/spec/invite.md, section Welcome. Its frames are sealed under the secret from inside the knock, which
the guest drew and only the inviter could read: so it is the inviter's, and nobody else can read it. It holds a
checkpoint to start from and the shares to open what is said now; or, alone, why the knock was refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.frame import FrameKeys, frame_keys
from tertulia.protocol.invite import Fault
from tertulia.protocol.item import LIMIT_ITEM_BYTES, Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_list, as_text
from tertulia.protocol.share import Share

LIMIT_CHECKPOINT: Final = LIMIT_ITEM_BYTES
"""Bytes of an encoded checkpoint; all parts of a welcome must hold it with the shares."""
LIMIT_WELCOME_SHARES: Final = 64
"""Shares of one welcome: the epochs a newcomer may open from the start."""
LIMIT_REASON: Final = 64
"""Characters of the reason of a refusal, which is a word of the spec's table and not text to show."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """`refused` is empty, or a `Fault` the guest is told; then checkpoint and shares are empty."""

    checkpoint: Value = field(repr=False)
    shares: tuple[Share, ...] = field(repr=False)
    refused: str = ""

    @property
    def fault(self) -> Fault | None:
        """Why the knock was refused, REFUSED for a reason this version does not know; None when it was not."""
        if not self.refused:
            return None
        return Fault(self.refused) if self.refused in list(Fault) else Fault.REFUSED

    def to_item(self) -> Item:
        """The welcome as an item of frames under `welcome_keys`; it may need parts."""
        shares = [share.to_value() for share in self.shares]
        return Item(ItemType.WELCOME, [encode(self.checkpoint), shares, self.refused])

    @classmethod
    def from_item(cls, item: Item) -> Welcome:
        """Read a welcome item's body. Raises RemoteError: SHAPE, ENCODING. The checkpoint's reader judges it."""
        checkpoint, shares, refused = as_list(item.body, 3)
        return cls(
            decode(as_bytes(checkpoint, most=LIMIT_CHECKPOINT), LIMIT_CHECKPOINT),
            tuple(Share.from_value(share) for share in as_list(shares, most=LIMIT_WELCOME_SHARES)),
            as_text(refused, LIMIT_REASON),
        )


def refusal(fault: Fault) -> Welcome:
    """The answer to a knock that is not let in: USED_UP, EXPIRED or REFUSED."""
    return Welcome(None, (), fault.value)


def welcome_keys(welcome_secret: bytes) -> FrameKeys:
    """The keys of the frames that carry the answer to a knock, from the 32-byte secret inside it."""
    return frame_keys(Label.WELCOME_FRAME, welcome_secret)
