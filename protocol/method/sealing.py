"""Sealing: an outcome as it stood where the facilitators sealed it, and what still stood against that.

Implements docs/spec/method.md, section Sealing. A seal is a cut of its room (`cutting`): the room is read again, only
up to there, with just the cuts that its proposer knew; so it says the same to everybody who holds that. While an
objection is neither answered nor attached the seal has no effect, and says which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tertulia.protocol.method.cutting import NOTHING, Line, lines
from tertulia.protocol.method.cutting import line as read_line
from tertulia.protocol.method.gathering import People, gather
from tertulia.protocol.method.rules import MethodNoOp, Rules
from tertulia.protocol.method.weighing import objections
from tertulia.protocol.outcome import Conclusion

if TYPE_CHECKING:
    from tertulia.protocol.ids import EventId, RoomId
    from tertulia.protocol.method.cutting import Covers, Held
    from tertulia.protocol.method.matters import Matter, Matters
    from tertulia.protocol.state import State
    from tertulia.protocol.steering import Agreed


@dataclass(frozen=True, slots=True)
class Sealing:
    """A seal as one member reads it: `matters` as they stood there, and the outcome among them, where it is one.

    `reason`: why it has no effect, if so; of `unanswered`, `objection` is the first such. Where the line is not whole,
    all of it is provisional.
    """

    line: Line
    room: RoomId
    matters: Matters
    reason: MethodNoOp | None
    objection: EventId | None

    @property
    def outcome(self) -> Matter:
        """What is sealed; only where there is no `reason`."""
        assert self.line.agreed.subject is not None, "a seal is about an outcome"
        return self.matters.matters[self.line.agreed.subject]


def read_seal(state: State, room: RoomId, agreed: Agreed, held: Held, covers: Covers) -> Sealing:
    """Read a room up to a seal: one that has effect by the quorum, or one that somebody would like to propose."""
    line = read_line(room, agreed, held, covers.get(room, NOTHING))
    log = tuple(entry for entry in state.rooms[room].log if entry.event in line.events)
    rooms = [replace(one, log=log if key == room else ()) for key, one in state.rooms.items()]
    known = tuple(one for one in lines(state.steering, held, covers).get(room, ()) if one.agreed.event in agreed.after)
    matters = gather(Rules.of(state.charter), rooms, held, {room: known}, People.of(state))
    outcome = None if agreed.subject is None else matters.matters.get(agreed.subject)
    if outcome is None or not isinstance(outcome.content, Conclusion) or outcome.is_withdrawn:
        return Sealing(line, room, matters, MethodNoOp.NO_TARGET, None)
    against = next(unanswered(matters, outcome), None)
    return Sealing(line, room, matters, None if against is None else MethodNoOp.UNANSWERED, against)


def unanswered(matters: Matters, outcome: Matter) -> Iterator[EventId]:
    """The objections to an outcome, and to what it rests on, that nobody has answered or attached to it."""
    dealt_with = matters.answers.keys() | set(matters.attached.get(outcome.event, ()))
    for matter in (*rests_on(matters, outcome), outcome):
        yield from (one.event for one in objections(matter).values() if one.event not in dealt_with)


def rests_on(matters: Matters, outcome: Matter) -> tuple[Matter, ...]:
    """What an outcome cites, in order; of a proposal its present version."""
    assert isinstance(outcome.content, Conclusion), "only outcomes cite"
    cited = set(outcome.content.cited)
    return tuple(
        matters.current(matter) if matter.versions and matter.versions[0] == event else matter
        for event, matter in matters.matters.items()
        if event in cited
    )
