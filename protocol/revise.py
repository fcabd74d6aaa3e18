"""Revise events: somebody edits what they said, or takes it back; what was said first stays to be seen.

Implements docs/spec/events.md, section Revise. Of several the one with the highest counter counts, then the highest id;
which of them are somebody's own is decided in `method`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final, TypeAlias

from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.ids import EventId
from tertulia.protocol.say import LIMIT_SAY_TEXT, sized
from tertulia.protocol.shape import as_id, as_int, as_list, wrong

LIMIT_REVISE_BODY: Final = LIMIT_SAY_TEXT + 256
"""Bytes of the body of a revise event."""
LIMIT_COUNTER: Final = 2**32 - 1


@unique
class ReviseOp(IntEnum):
    """What a revise event does."""

    EDIT = 1
    WITHDRAW = 2


@dataclass(frozen=True, slots=True)
class Edit:
    """`target` shall read `text`."""

    target: EventId
    counter: int
    text: str = field(repr=False)

    def encode(self) -> bytes:
        """CBOR `[1, target, counter, text]`."""
        return encode([ReviseOp.EDIT, self.target, self.counter, self.text])


@dataclass(frozen=True, slots=True)
class Withdraw:
    """`target` is taken back."""

    target: EventId
    counter: int

    def encode(self) -> bytes:
        """CBOR `[2, target, counter]`."""
        return encode([ReviseOp.WITHDRAW, self.target, self.counter])


Revise: TypeAlias = Edit | Withdraw


def decode_revise(body: bytes) -> Revise | None:
    """Read the body of a revise event; None for an op that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_REVISE_BODY))
    if not fields:
        raise wrong("no op")
    op, *rest = fields
    match as_int(op, 1, 2**16 - 1):
        case ReviseOp.EDIT:
            target, counter, text = as_list(rest, 3)
            return Edit(EventId(as_id(target)), as_int(counter, 1, LIMIT_COUNTER), sized(text, LIMIT_SAY_TEXT))
        case ReviseOp.WITHDRAW:
            target, counter = as_list(rest, 2)
            return Withdraw(EventId(as_id(target)), as_int(counter, 1, LIMIT_COUNTER))
        case _:
            return None
