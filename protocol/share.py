"""Shares: an epoch's secret on its way to one prekey of one member.

Implements docs/spec/keys.md, section Share: HPKE(prekey, Box(sender's persona → recipient's prekey, context ‖ secret)).
The outer layer is post-quantum, the inner one tells the recipient who sent it and could have been made by the recipient
too. The context is bound into both. HPKE draws randomness, so the core asks for it (HpkeRequest) and never does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import hpke
from tertulia.protocol.crypto import NONCE, SEAL, box_open, box_seal, equal
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.epoch import SECRET, Epoch, commits_to
from tertulia.protocol.ids import EpochId, PersonaId, PrekeyId
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.persona import PersonaKeys
from tertulia.protocol.prekey import PrekeySecret
from tertulia.protocol.shape import as_bytes, as_id, as_list

CONTEXT: Final = len(encode([Label.EPOCH_SHARE, *[bytes(32)] * 6]))
"""Bytes of a share's context."""
SEALED: Final = hpke.OVERHEAD + NONCE + SEAL + CONTEXT + SECRET
"""Bytes of a sealed share."""


@dataclass(frozen=True, slots=True)
class HpkeRequest:
    """Seal this plaintext to this public key with this info; in a worker, never in the core."""

    public: bytes = field(repr=False)
    info: bytes = field(repr=False)
    plaintext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Share:
    """One share. The sender need not be the epoch's sealer: any holder may add one for a member who lacks it."""

    epoch: EpochId
    sender: PersonaId
    prekey: PrekeyId
    sealed: bytes = field(repr=False)

    def to_value(self) -> Value:
        """`[epoch, sender, prekey, sealed]`."""
        return [self.epoch, self.sender, self.prekey, self.sealed]

    def to_item(self) -> Item:
        """The share as an item of a frame."""
        return Item(ItemType.SHARE, self.to_value())

    @classmethod
    def from_value(cls, value: Value) -> Share:
        """Read `[epoch, sender, prekey, sealed]`. Raises RemoteError(SHAPE)."""
        epoch, sender, prekey, sealed = as_list(value, 4)
        return cls(EpochId(as_id(epoch)), PersonaId(as_id(sender)), PrekeyId(as_id(prekey)), as_bytes(sealed, SEALED))

    @classmethod
    def from_item(cls, item: Item) -> Share:
        """Read a share item's body. Raises RemoteError(SHAPE)."""
        return cls.from_value(item.body)


def share_context(epoch: Epoch, sender: PersonaId, recipient: PersonaId, prekey: PrekeyId) -> bytes:
    """What binds a share to its place: CBOR [label, dialogue, room, epoch, sender, recipient, prekey]."""
    return encode([Label.EPOCH_SHARE, epoch.dialogue, epoch.room, epoch.id, sender, recipient, prekey])


def share_plaintext(sender_box_secret: bytes, prekey_box: bytes, nonce: bytes, context: bytes, secret: bytes) -> bytes:
    """The inner box, from the sender's persona to the recipient's prekey. `nonce` is 24 random bytes."""
    return box_seal(sender_box_secret, prekey_box, nonce, context + secret)


def open_share(
    share: Share, prekey: PrekeySecret, sender: PersonaKeys, context: bytes, commitment: bytes
) -> bytes | None:
    """The epoch's secret; None where a layer does not open, the context is another's, or the commitment does not fit.

    `context` is what `share_context` says for this share as the recipient sees it; `commitment` is the announcement's.
    """
    inner = hpke.unseal(prekey.hpke_seed, context, share.sealed)
    if inner is None:
        return None
    plaintext = box_open(prekey.box_secret, sender.box, inner)
    if plaintext is None or len(plaintext) != len(context) + SECRET:
        return None
    said, secret = plaintext[: len(context)], plaintext[len(context) :]
    return secret if equal(said, context) and commits_to(commitment, secret) else None
