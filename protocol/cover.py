"""What a checkpoint covers of one room: enough to go on from, and to know again what it covered.

Implements docs/spec/events.md, section Checkpoint. The sum and count are over everything covered; names are given for
the newest `LIMIT_COVERED` events only. Whatever is not named and has a lamport no higher than `floor` counts as covered
too, so an old event that turns up again is never added twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.encoding import Value
from tertulia.protocol.ids import EventId
from tertulia.protocol.room_hash import ELEMENT, Tally
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list, wrong

LIMIT_COVERED: Final = 1024
"""Events of one room that a checkpoint names."""
LIMIT_COUNT: Final = 2**48
_LIMIT_LAMPORT: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Cover:
    """`named` has the lamport of each event named, 0 for one refused for its lamport; `heads` are among them."""

    tally: Tally = field(default_factory=Tally)
    named: Mapping[EventId, int] = field(default_factory=dict)
    heads: tuple[EventId, ...] = ()
    floor: int = 0

    def covers(self, event: EventId, lamport: int) -> bool:
        """Say whether an event is among those covered."""
        return event in self.named or lamport <= self.floor

    def trimmed(self) -> Cover:
        """The same, naming only the newest events, oldest first."""
        order = sorted(self.named, key=lambda event: (self.named[event], event))
        dropped, kept = order[:-LIMIT_COVERED], order[-LIMIT_COVERED:]
        named = {event: self.named[event] for event in kept}
        floor = max([self.floor, *(self.named[event] for event in dropped[-1:])])
        return Cover(self.tally, named, tuple(head for head in self.heads if head in named), floor)

    def to_value(self) -> Value:
        """`[sum, count, floor, [[event, lamport], …], [place of a head, …]]`."""
        places = {event: place for place, event in enumerate(self.named)}
        named: list[Value] = [[event, lamport] for event, lamport in self.named.items()]
        heads = [places[head] for head in self.heads]
        return [self.tally.sum, self.tally.count, self.floor, named, heads]

    @classmethod
    def from_value(cls, value: Value) -> Cover:
        """Read what `to_value` gives. Raises RemoteError(SHAPE)."""
        total, count, floor, named, heads = as_list(value, 5)
        covered: dict[EventId, int] = {}
        for entry in as_list(named, most=LIMIT_COVERED):
            event, lamport = as_list(entry, 2)
            covered[EventId(as_id(event))] = as_int(lamport, 0, _LIMIT_LAMPORT)
        names = list(covered)
        if len(names) != len(as_list(named)):
            raise wrong("an event named twice")
        places = [as_int(place, 0, len(names) - 1) for place in as_list(heads, most=LIMIT_COVERED)]
        return cls(
            Tally.of(as_bytes(total, ELEMENT), as_int(count, 0, LIMIT_COUNT)),
            covered,
            tuple(names[place] for place in places),
            as_int(floor, 0, _LIMIT_LAMPORT),
        )
