"""What was said outside the control room, as a fold reads it: room by room, and what names no room.

Implements docs/spec/events.md, sections Fold, Rooms. A `Speech` is a value that refers to nothing of the authority it
was judged by, so it stays what it is while control events come that change no verdict already given. What waits here
lacks control events; what was `covered` by a checkpoint and turned up again counts nowhere twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from tertulia.protocol.bench import Bench
from tertulia.protocol.cover import Cover
from tertulia.protocol.event import Event
from tertulia.protocol.ground import Ground
from tertulia.protocol.ids import EventId, PersonaId, RoomId
from tertulia.protocol.room_log import Judged, RoomLog, read_room
from tertulia.protocol.state import NoOp

in_order = attrgetter("order")


@dataclass(frozen=True, slots=True)
class Speech:
    """The log of each room, what is said nowhere (`strays`), and what waits for the control events it `lacks`."""

    logs: Mapping[RoomId, RoomLog] = field(default_factory=dict)
    strays: Cover = field(default_factory=Cover)
    nowhere: frozenset[EventId] = frozenset()
    waiting: frozenset[EventId] = frozenset()
    lacks: frozenset[EventId] = frozenset()
    covered: frozenset[EventId] = frozenset()

    @property
    def noops(self) -> dict[EventId, NoOp]:
        """Why what has no effect has none."""
        found = dict.fromkeys(self.nowhere, NoOp.NO_ROOM)
        for log in self.logs.values():
            found.update(log.noops)
        return found

    @property
    def twins(self) -> frozenset[EventId]:
        """Events that share actor, room and number with another."""
        return frozenset().union(*(log.numbers.twins for log in self.logs.values()))

    @property
    def authors(self) -> dict[EventId, PersonaId]:
        """Whose the twins are."""
        return {
            entry.event: entry.author
            for log in self.logs.values()
            if log.numbers.twins
            for entry in log.entries
            if entry.event in log.numbers.twins
        }


def read_speech(ground: Ground, bench: Bench, said: Iterable[Event]) -> Speech:
    """Sort what was said by rooms, and read each room; what names no room its author could know is a stray.

    What names a breakout is never a stray, opened or not: others have not got it, and strays count with everybody.
    """
    authority, ancestry = ground.authority, ground.authority.ancestry
    breakouts = authority.record.breakouts
    judged: dict[RoomId, list[Judged]] = {room: [] for room in (*authority.rooms, *breakouts)}
    strays: list[Event] = []
    waiting: set[EventId] = set()
    lacks: set[EventId] = set()
    covered: set[EventId] = set()
    nothing = Cover()
    for event in sorted(said, key=in_order):
        header = event.header
        cover = ground.covers.get(header.room, nothing)
        if event.id in ground.strays.named or cover.covers(event.id, header.lamport):
            covered.add(event.id)
            continue
        lacking = [head for head in header.control if head not in ancestry]
        if lacking:
            waiting.add(event.id)
            lacks.update(lacking)
            continue
        verdict = bench.verdict(event)
        if header.room in breakouts or authority.is_open(header.room, verdict.past):
            judged[header.room].append((event, verdict))
        else:
            strays.append(event)
    return Speech(
        {
            room: read_room(room, ground.covers.get(room, nothing), heard, ground.turns.get(room, {}))
            for room, heard in judged.items()
        },
        Cover(
            ground.strays.tally.plus(event.element for event in strays),
            {**ground.strays.named, **{event.id: event.header.lamport for event in strays}},
        ),
        frozenset(event.id for event in strays),
        frozenset(waiting),
        frozenset(lacks),
        frozenset(covered),
    )
