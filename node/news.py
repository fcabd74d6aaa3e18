"""What sessions have brought that this archive had not: a reason to bring other peers in step sooner.

Spec: docs/spec/sync.md, *News*. Invariants: only how many frames came, and by whom, is counted, never which or whose;
what a peer brought itself is no news to it; at most `LIMIT_BRINGERS` are counted on their own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

LIMIT_BRINGERS: Final = 256
"""Peers remembered as having brought something; forgetting one costs a session too many."""


@dataclass(slots=True)
class News:
    """How many frames came by sessions and sticks since the start, and how many of them from whom."""

    _total: int = 0
    _by: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def came(self, bringer: str, frames: int) -> None:
        """`bringer` brought so many frames that were not here."""
        self._total += frames
        self._by[bringer] = self._by.get(bringer, 0) + frames
        self._by.move_to_end(bringer)
        if len(self._by) > LIMIT_BRINGERS:
            self._by.popitem(last=False)

    def to(self, peer: str) -> int:
        """How many frames others than `peer` have brought; when it grows, there is news to tell that peer."""
        return self._total - self._by.get(peer, 0)
