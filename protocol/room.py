"""Room events: the places of a dialogue.

Implements docs/spec/events.md, section Room. A room's id is the id of the event that opened it. In a `plenary` the
whole roster takes part; in a `breakout` those whom facilitators named, and nobody else holds its keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final, TypeAlias

from tertulia.protocol.charter import LIMIT_MEMBERS, LIMIT_TITLE
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.ids import PersonaId
from tertulia.protocol.prekey import LIMIT_MINUTE
from tertulia.protocol.shape import as_id, as_ids, as_int, as_list, as_text, wrong

PLENARY: Final = "plenary"
BREAKOUT: Final = "breakout"
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
    """The facilitator opens a room for everybody."""

    form: str
    title: str = field(repr=False)

    def encode(self) -> bytes:
        """CBOR `[1, form, title]`."""
        return encode([RoomOp.OPEN, self.form, self.title])


@dataclass(frozen=True, slots=True)
class Breakout:
    """Facilitators open a room for `members` (at least two, ascending), of whom `rapporteur` reports back.

    It ends at the minute `closes` for clients, 0 for none; before that by an act. An act itself: as many sign as the
    charter's quorum says.
    """

    title: str = field(repr=False)
    members: tuple[PersonaId, ...]
    rapporteur: PersonaId
    closes: int = 0

    @property
    def form(self) -> str:
        """What sort of room it is."""
        return BREAKOUT

    def is_over(self, minute: int) -> bool:
        """Say whether its time is over."""
        return 0 < self.closes <= minute

    def encode(self) -> bytes:
        """CBOR `[1, "breakout", title, [member, …], rapporteur, closes]`."""
        return encode([RoomOp.OPEN, *self.to_value()])

    def to_value(self) -> list[Value]:
        """`["breakout", title, [member, …], rapporteur, closes]`."""
        return [BREAKOUT, self.title, self.members, self.rapporteur, self.closes]


RoomAct: TypeAlias = OpenRoom | Breakout


def decode_room(body: bytes) -> RoomAct | None:
    """Read the body of a room event; None for an op or form that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_ROOM_BODY))
    if not fields:
        raise wrong("no op")
    if as_int(fields[0], 1, 2**16 - 1) != RoomOp.OPEN:
        return None
    if len(fields) < 2:
        raise wrong("no form")
    match as_text(fields[1], LIMIT_FORM):
        case "plenary":
            (title,) = as_list(fields[2:], 1)
            return OpenRoom(PLENARY, as_text(title, LIMIT_TITLE))
        case "breakout":
            return _breakout(fields[2:])
        case _:
            return None


def _breakout(rest: list[Value]) -> Breakout:
    title, named, rapporteur, closes = as_list(rest, 4)
    members = tuple(PersonaId(member) for member in as_ids(named, LIMIT_MEMBERS))
    reports = PersonaId(as_id(rapporteur))
    if len(members) < 2 or reports not in members:
        raise wrong("fewer than two, or a rapporteur who is not there")
    return Breakout(as_text(title, LIMIT_TITLE), members, reports, as_int(closes, 0, LIMIT_MINUTE))
