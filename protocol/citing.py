"""Citing: what the next event names, so that everybody can judge it as its author could.

Implements docs/spec/events.md, section Citing. An event may name 4 parents and 8 control heads. With more heads than
fit, those come first without which the author's own seat, key and acceptance, or some change of the roster, would not
be in its past; then the lowest (lamport, id), so that old heads are not left behind. In a room the highest comes
first: else what somebody says could stand before what it is about.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from tertulia.protocol.ancestry import ANCIENT
from tertulia.protocol.event import CONTROL, LIMIT_CONTROL, LIMIT_PARENTS
from tertulia.protocol.ids import ActorId, EventId, PersonaId, RoomId
from tertulia.protocol.roster import LIMIT_LASTS


@dataclass(frozen=True, slots=True)
class Head:
    """A head of the control room: its lamport, and its past."""

    event: EventId
    lamport: int
    past: int


@dataclass(frozen=True, slots=True)
class Citing:
    """What a state needs to author: heads, the marks that must be seen, the number of each actor's last event.

    Known is what waits, what is `named` in a room's cover, and what turned up again though it was `covered`.
    """

    control: tuple[Head, ...]
    rooms: Mapping[RoomId, tuple[tuple[EventId, int], ...]]
    changes: int
    standing: Mapping[ActorId, int]
    last: Mapping[RoomId, Mapping[ActorId, tuple[int, EventId]]]
    actors: Mapping[PersonaId, frozenset[ActorId]]
    lamports: Mapping[RoomId, int]
    waiting: frozenset[EventId]
    covered: frozenset[EventId]
    named: tuple[Container[EventId], ...]

    def cite(self, room: RoomId, actor: ActorId | None) -> tuple[tuple[EventId, ...], tuple[EventId, ...], int]:
        """Parents, control heads and lamport of the next event by `actor` in `room`, ids ascending."""
        needed = self.changes | (ANCIENT if actor is None else self.standing.get(actor, ANCIENT))
        if room == CONTROL:
            heads = _choose(self.control, needed, LIMIT_PARENTS)
            return _ids(heads), (), 1 + max((head.lamport for head in heads), default=0)
        heads = _choose(self.control, needed, LIMIT_CONTROL)
        parents = _ends(self.rooms.get(room, ()))
        lamport = 1 + max([head.lamport for head in heads] + [lamport for _, lamport in parents], default=0)
        return tuple(sorted(event for event, _ in parents)), _ids(heads), lamport

    def next_seq(self, actor: ActorId, room: RoomId) -> int:
        """One more than the number of the actor's last event in a room."""
        return self.last.get(room, {}).get(actor, (0, None))[0] + 1

    def knows(self, event: EventId) -> bool:
        """Say whether an event is held or covered."""
        return event in self.waiting or event in self.covered or any(event in named for named in self.named)

    def last_of(self, member: PersonaId) -> tuple[tuple[RoomId, ActorId, int, EventId], ...]:
        """The last event of each of a member's sessions in each room but the control room, ascending.

        Of more than `LIMIT_LASTS` sessions those with the highest numbers are kept: the rest stays only where others
        name it, which everybody who read it did.
        """
        actors = self.actors.get(member, frozenset())
        found = [
            (room, actor, *place)
            for room, last in self.last.items()
            if room != CONTROL
            for actor, place in last.items()
            if actor in actors
        ]
        found.sort(key=lambda entry: (-entry[2], entry[:2]))
        return tuple(sorted(found[:LIMIT_LASTS]))


def _choose(heads: tuple[Head, ...], needed: int, most: int) -> list[Head]:
    """The heads to name, at most `most`: first those that show most of what is still needed."""
    if len(heads) <= most:
        return list(heads)
    shown = 0
    for head in heads:
        shown |= head.past
    needed &= shown
    chosen: list[Head] = []
    while len(chosen) < most and needed:
        wanted = needed
        best = max(heads, key=lambda head: (head.past & wanted).bit_count())
        chosen.append(best)
        needed &= ~best.past
    rest = [head for head in heads if head not in chosen]
    return chosen + rest[: most - len(chosen)]


def _ends(heads: tuple[tuple[EventId, int], ...]) -> tuple[tuple[EventId, int], ...]:
    """Of a room's heads, in order, those to name: the last, to stand after all that was seen, and the first."""
    return heads if len(heads) <= LIMIT_PARENTS else (*heads[: LIMIT_PARENTS - 1], heads[-1])


def _ids(heads: list[Head]) -> tuple[EventId, ...]:
    return tuple(sorted(head.event for head in heads))
