"""Timers by name, kept as values: what the core has asked to be told, and when.

DESIGN.md §2: timers are effects. Invariants: at most one per name; nothing here sleeps; a wall clock that jumps is
noticed within `LONGEST_WAIT` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

LONGEST_WAIT: Final = 30.0
"""Seconds after which the wall clock is looked at again, however far the next timer is."""


@dataclass(slots=True)
class Timers:
    """Names and the milliseconds since the Unix epoch at which they fire."""

    _at: dict[str, int] = field(default_factory=dict)

    def set(self, name: str, at: int) -> None:
        """Fire `name` at `at`; replaces a timer of the same name."""
        self._at[name] = at

    def clear(self, name: str) -> None:
        """Forget the timer, if there is one."""
        self._at.pop(name, None)

    def due(self, now: int) -> list[str]:
        """Take out the names whose time has come, the earliest first."""
        names = sorted((name for name, at in self._at.items() if at <= now), key=self._at.__getitem__)
        for name in names:
            del self._at[name]
        return names

    def wait(self, now: int) -> float:
        """Seconds until something may be due, at most `LONGEST_WAIT`."""
        first = min(self._at.values(), default=None)
        if first is None:
            return LONGEST_WAIT
        return min(max(0.0, (first - now) / 1000), LONGEST_WAIT)
