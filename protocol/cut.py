"""A cut: up to where stances are counted, so that everybody counts the same ones.

Implements docs/spec/events.md, section Act (the seventh field). It names heads of a room, and the sum (room_hash) over
all that they descend from: whoever comes to another sum knows that something is missing. What follows from it is the
method's (`method/cutting.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.cover import LIMIT_COUNT
from tertulia.protocol.encoding import Value
from tertulia.protocol.ids import EventId
from tertulia.protocol.room_hash import ELEMENT, Tally
from tertulia.protocol.shape import as_bytes, as_ids, as_int, as_list, wrong

LIMIT_CUT_HEADS: Final = 32
"""Heads that a cut names."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`heads`, ascending, and the tally over them and all that they descend from in their room."""

    heads: tuple[EventId, ...]
    tally: Tally = field(repr=False)

    def to_value(self) -> Value:
        """`[[head, …], sum, count]`."""
        return [self.heads, self.tally.sum, self.tally.count]

    @classmethod
    def from_value(cls, value: Value) -> Cut:
        """Read what `to_value` gives. Raises RemoteError(SHAPE)."""
        heads, total, count = as_list(value, 3)
        named = tuple(EventId(head) for head in as_ids(heads, LIMIT_CUT_HEADS))
        if not named:
            raise wrong("a cut of nothing")
        return cls(named, Tally.of(as_bytes(total, ELEMENT), as_int(count, 1, LIMIT_COUNT)))
