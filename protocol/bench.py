"""The bench: what an author may do at some control heads, looked up once for each pair.

Implements docs/spec/events.md, section Rooms. A room event names control heads; what its author could know is their
past. Hundreds of events share the same heads and author, so their verdict is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from tertulia.protocol.ancestry import Ancestry
from tertulia.protocol.authority import Authority
from tertulia.protocol.body import SPOKEN, Opaque, Words
from tertulia.protocol.event import Event
from tertulia.protocol.ids import ActorId, EventId, PersonaId, RoomId
from tertulia.protocol.propose import Floor
from tertulia.protocol.rounds import Round, rounds_for
from tertulia.protocol.seat import Seat
from tertulia.protocol.state import NoOp
from tertulia.protocol.steering import silence


@dataclass(frozen=True, slots=True)
class Verdict:
    """The seat an actor had in `past` (None: nobody's key) and why they may not speak there, if they may not.

    `lamport` is the greatest among the control heads; `refused` says that one of them must never be named. `rounds`
    are those they knew of, with who was `here` then; none where they had the floor.
    """

    seat: Seat | None
    reason: NoOp | None
    past: int
    lamport: int
    refused: bool
    rounds: tuple[Round, ...] = ()
    here: frozenset[PersonaId] = frozenset()


class Bench:
    """Answers from an `Authority` that is complete."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._seen: dict[tuple[tuple[EventId, ...], ActorId, RoomId], Verdict] = {}

    @property
    def ancestry(self) -> Ancestry:
        """Which control events are placed."""
        return self._authority.ancestry

    def verdict(self, event: Event) -> Verdict:
        """The verdict on the author of a room event whose control heads are all placed."""
        header = event.header
        key = (header.control, header.actor, header.room)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = self._look(*key)
        return found

    def _look(self, control: tuple[EventId, ...], actor: ActorId, room: RoomId) -> Verdict:
        ancestry = self._authority.ancestry
        past = ancestry.past(control)
        claim, reason = self._authority.speaker(actor, past)
        seat = claim.seat if claim else None
        if not self._authority.is_open(room, past):
            reason = NoOp.NO_ROOM
        if seat is not None and reason is None and not seat.acceptance & past:
            reason = NoOp.NOT_ACCEPTED
        if seat is not None and reason is None and seat.persona not in self._authority.room_roster(room, past):
            reason = NoOp.NOT_IN_ROOM
        if seat is not None and reason is None:
            reason = silence(self._authority.record, room, seat.persona, past)
        refused = not ancestry.refused.isdisjoint(control)
        known = () if seat is None else rounds_for(self._authority.record, room, seat.persona, past)
        here = self._authority.room_roster(room, past) if known else frozenset()
        return Verdict(seat, reason, past, ancestry.follows(control) - 1, refused, known, here)


def reason_of(event: Event, verdict: Verdict) -> NoOp | None:
    """Why a room event changes nothing, as far as author and content go; None when it is shown."""
    content = event.content
    if verdict.reason is NoOp.PAUSED and isinstance(content, Floor):
        return None
    if verdict.reason is not None or isinstance(content, Words):
        return verdict.reason
    match content:
        case Opaque.UNREAD:
            return NoOp.UNKNOWN
        case Opaque.MALFORMED:
            return NoOp.MALFORMED
        case Opaque.ERASED if event.header.kind in SPOKEN:
            return None
        case Opaque.ERASED:
            return NoOp.ERASED
        case _:
            return NoOp.WRONG_ROOM
