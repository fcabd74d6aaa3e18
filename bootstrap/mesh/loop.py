"""Virtual time: a heap of what is due, done in order, as fast as it can be.

research/architecture.md §6 (a plain heap is sixty times faster than tasks under a test clock). Invariants: nothing is
ever done before its time; of two things due at once, the one asked for first is done first; time never goes back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Work = Callable[[], None]


@dataclass(slots=True)
class Loop:
    """`now` is milliseconds since the Unix epoch, as a perfect clock would show them."""

    now: int
    _due: list[tuple[int, int, Work]] = field(default_factory=list)
    _asked: int = 0

    def at(self, when: int, work: Work) -> None:
        """Do this at `when`; at once if that has passed."""
        self._asked += 1
        heapq.heappush(self._due, (max(when, self.now), self._asked, work))

    def after(self, milliseconds: int, work: Work) -> None:
        """Do this so much later."""
        self.at(self.now + milliseconds, work)

    def run(self, until: int) -> None:
        """Do everything that is due up to `until`, which it is then."""
        due = self._due
        while due and due[0][0] <= until:
            self.now, _, work = heapq.heappop(due)
            work()
        self.now = until
