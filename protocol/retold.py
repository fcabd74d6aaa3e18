"""Events told again to one member: what they missed, sealed to their prekey so that nobody else reads it.

Implements docs/spec/keys.md, section Retold: HPKE(prekey, Box(sender's persona → recipient's prekey, context ‖
events)), as a share. The recipient trusts the sender for nothing: each event proves itself. Speech past its time comes
without its body, and only such speech may.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import hpke
from tertulia.protocol.crypto import NONCE, SEAL
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, LIMIT_BODY, LIMIT_HEADER, Event, Kind, from_value, to_item
from tertulia.protocol.ids import DialogueId, PersonaId, PrekeyId
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.letter import letter, open_letter
from tertulia.protocol.persona import PersonaKeys
from tertulia.protocol.prekey import Prekey, PrekeySecret
from tertulia.protocol.shape import as_bool, as_bytes, as_id, as_list
from tertulia.protocol.share import HpkeRequest

LIMIT_PORTION: Final = 32 * 1024
"""Bytes of events in one item, unless a single one is larger."""
LIMIT_EVENTS: Final = 256
"""Events in one item."""
CONTEXT: Final = len(encode([Label.RETOLD, *[bytes(32)] * 4]))
"""Bytes of the context."""
LIMIT_TOLD: Final = LIMIT_PORTION + LIMIT_BODY + LIMIT_HEADER + 1024
"""Bytes of the encoded events of one item."""
LIMIT_SEALED: Final = hpke.OVERHEAD + NONCE + SEAL + CONTEXT + LIMIT_TOLD
"""Bytes of one item, sealed."""
MINUTES_PER_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Retold:
    """Events for the owner of a prekey."""

    sender: PersonaId
    prekey: PrekeyId
    sealed: bytes = field(repr=False)

    def to_item(self) -> Item:
        """`[sender, prekey, sealed]`."""
        return Item(ItemType.RETOLD, [self.sender, self.prekey, self.sealed])

    @classmethod
    def from_value(cls, value: Value) -> Retold:
        """Read `[sender, prekey, sealed]`. Raises RemoteError(SHAPE)."""
        sender, prekey, sealed = as_list(value, 3)
        return cls(PersonaId(as_id(sender)), PrekeyId(as_id(prekey)), as_bytes(sealed, most=LIMIT_SEALED))


def retold_context(dialogue: DialogueId, sender: PersonaId, recipient: PersonaId, prekey: PrekeyId) -> bytes:
    """What binds the events to their place: CBOR [label, dialogue, sender, recipient, prekey]."""
    return encode([Label.RETOLD, dialogue, sender, recipient, prekey])


def request(
    box_secret: bytes, prekey: Prekey, nonce: bytes, context: bytes, events: Iterable[Event], *, more: bool
) -> HpkeRequest:
    """What the driver must seal; `box_secret` is my persona's, `nonce` 24 random bytes; `more`: there is more."""
    told = encode([[to_item(event).body for event in events], more])
    return letter(box_secret, prekey.box, prekey.hpke, nonce, context, told)


def open_retold(
    retold: Retold, prekey: PrekeySecret, sender: PersonaKeys, context: bytes
) -> tuple[tuple[Event, ...], bool]:
    """The events, each verified, and whether the sender has more to tell.

    Raises RemoteError: SEAL where a layer does not open or the context is another's; what `event.from_value` raises;
    SHAPE where anything but speech comes without its body.
    """
    words = open_letter(prekey.box_secret, prekey.hpke_seed, sender.box, context, retold.sealed)
    if words is None:
        raise RemoteError(RejectReason.SEAL, "retold")
    told, more = as_list(decode(words, LIMIT_TOLD), 2)
    events = tuple(from_value(value, erasable=True) for value in as_list(told, most=LIMIT_EVENTS))
    if any(event.body is None and (event.header.room == CONTROL or event.header.kind != Kind.SAY) for event in events):
        raise RemoteError(RejectReason.SHAPE, "an act without its body")
    return events, as_bool(more)


def is_past(event: Event, minute: int, retention_days: int) -> bool:
    """Say whether an event is speech whose body is kept no longer, by the minute its author claims."""
    header = event.header
    speech = header.room != CONTROL and header.kind == Kind.SAY
    return speech and header.tick + retention_days * MINUTES_PER_DAY < minute


def portions(events: Iterable[Event]) -> list[tuple[Event, ...]]:
    """The events in their order, in groups that one item each holds."""
    groups: list[list[Event]] = []
    left = 0
    for event in events:
        size = len(event.raw) + len(event.body or b"") + 128
        if not groups or size > left or len(groups[-1]) == LIMIT_EVENTS:
            groups.append([])
            left = LIMIT_PORTION
        groups[-1].append(event)
        left -= size
    return [tuple(group) for group in groups]
