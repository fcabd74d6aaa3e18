"""Room events: the places of a dialogue.

Implements docs/spec/events.md, section Room. A room's id is the id of the event that opened it. Version 1 has one form,
`plenary`: the whole roster takes part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.shape import as_int, as_list, as_text, wrong

PLENARY: Final = "plenary"
LIMIT_FORM: Final = 32
"""Characters of the name of a form."""
LIMIT_ROOM_BODY: Final = 4 * 1024
"""Bytes of the body of a room event."""


@unique
class RoomOp(IntEnum):
    """What a room event does."""

    OPEN = 1


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """The facilitator opens a room."""

    form: str
    title: str = field(repr=False)

    def encode(self) -> bytes:
        """CBOR `[1, form, title]`."""
        return encode([RoomOp.OPEN, self.form, self.title])


def decode_room(body: bytes) -> OpenRoom | None:
    """Read the body of a room event; None for an op or form that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_ROOM_BODY))
    if not fields:
        raise wrong("no op")
    if as_int(fields[0], 1, 2**16 - 1) != RoomOp.OPEN:
        return None
    form, title = as_list(fields[1:], 2)
    if as_text(form, LIMIT_FORM) != PLENARY:
        return None
    return OpenRoom(PLENARY, as_text(title, LIMIT_TITLE))
