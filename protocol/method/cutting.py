"""Cutting: what a cut counts, as one member holds it; and which cut governs what was said.

Implements docs/spec/method.md, section Cuts. A function of the cuts that have effect, the events that are held and, for
a newcomer, of what their checkpoint covers. Whoever does not come to the cut's own sum knows that what they count is
not all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tertulia.protocol.cover import Cover
from tertulia.protocol.cut import LIMIT_CUT_HEADS, Cut
from tertulia.protocol.event import Event
from tertulia.protocol.ids import ActorId, EventId, RoomId
from tertulia.protocol.lineage import past
from tertulia.protocol.room_hash import Tally, element_of
from tertulia.protocol.steering import Agreed, Steering

Held = Mapping[EventId, Event]
Covers = Mapping[RoomId, Cover]
NOTHING = Cover()


@dataclass(frozen=True, slots=True)
class Line:
    """A cut, and what is held of the `events` that it counts; `whole`: they are all."""

    agreed: Agreed
    events: frozenset[EventId]
    whole: bool


Lines = tuple[Line, ...]


def lines(steering: Mapping[RoomId, Steering], held: Held, covers: Covers) -> dict[RoomId, Lines]:
    """The cuts of each room that has any, in order. `covers` is what a newcomer's checkpoint told of each room."""
    return {
        room: tuple(line(room, agreed, held, covers.get(room, NOTHING)) for agreed in stands.cuts)
        for room, stands in steering.items()
        if stands.cuts
    }


def line(room: RoomId, agreed: Agreed, held: Held, cover: Cover) -> Line:
    """What is held of one cut."""
    counted = _counted(room, agreed.cut.heads, held, cover)
    return Line(agreed, counted, _tally(counted, held, cover) == agreed.cut.tally)


def draw(room: RoomId, heads: Iterable[EventId], held: Held, cover: Cover) -> Cut:
    """The cut of a room at these heads: of too many, as many of everybody's as fit, the earliest first."""
    turns: dict[ActorId, int] = {}
    ranked: list[tuple[int, EventId]] = []
    for head in heads:
        actor = held[head].header.actor if head in held else ActorId(head)
        turns[actor] = turns.get(actor, 0) + 1
        ranked.append((turns[actor], head))
    named = tuple(sorted(head for _, head in sorted(ranked, key=lambda one: one[0])[:LIMIT_CUT_HEADS]))
    return Cut(named, _tally(_counted(room, named, held, cover), held, cover))


def governing(found: Lines, event: EventId) -> Lines:
    """The cuts up to which stances on this are counted: of those that have it, all that knew of no other of them."""
    having = [one for one in found if event in one.events]
    names = {one.agreed.event for one in having}
    return tuple(one for one in having if not one.agreed.after & names)


def _counted(room: RoomId, heads: Iterable[EventId], held: Held, cover: Cover) -> frozenset[EventId]:
    """What these heads descend from in their room, as far as it is held and was not covered."""
    here = {
        key: event
        for key, event in held.items()
        if event.header.room == room and not cover.covers(key, event.header.lamport)
    }
    return frozenset(past(here, heads))


def _tally(counted: Iterable[EventId], held: Held, cover: Cover) -> Tally:
    """The sum over it and over what was covered; what was refused for its lamport nobody names, so no cut counts it."""
    refused = [element_of(event) for event, lamport in cover.named.items() if lamport == 0]
    covered = Tally(cover.tally.total - sum(refused), cover.tally.count - len(refused))
    return covered.plus(held[event].element for event in counted)
