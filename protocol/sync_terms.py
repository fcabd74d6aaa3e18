"""The terms of a sync session: which minutes two peers compare, agreed from their clocks and floors alone.

Spec: docs/spec/sync.md, *Terms*. Both sides compute the same. What one of them has dropped, and what one of them would
refuse as too far ahead, is no difference: so archives of different retention come to rest, and a wrong clock costs no
traffic. Invariants: total; nothing is refused here, a clock that is off is a fact to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tertulia.protocol.frame import LIMIT_AHEAD

_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a peer stands: its clock (ms), and the first minute of which it has evicted nothing."""

    clock: int
    floor: int


@dataclass(frozen=True, slots=True)
class Terms:
    """The minutes from `floor` on, `ceiling` not included; `skew` is how far (ms) their clock is ahead of ours."""

    floor: int
    ceiling: int
    skew: int

    @property
    def reach(self) -> range:
        """The minutes compared: none if the two archives, or clocks, have nothing in common."""
        return range(self.floor, max(self.floor, self.ceiling))

    @property
    def clocks_differ(self) -> bool:
        """Whether the clocks are so far apart that fresh frames of one side may be refused by the other."""
        return abs(self.skew) > LIMIT_AHEAD * _MINUTE_MS


def agree(ours: Stand, theirs: Stand) -> Terms:
    """Return the terms of a session: the higher floor, and what the earlier clock lets in."""
    newest = min(ours.clock, theirs.clock) // _MINUTE_MS + LIMIT_AHEAD
    return Terms(max(ours.floor, theirs.floor), newest + 1, theirs.clock - ours.clock)
