"""The two clocks of a node: the wall clock that the core is told, and a steady one for measuring.

DESIGN.md §2: time comes into the core as a value. Invariant: nothing else in `node` reads the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Milliseconds since the Unix epoch."""

MS_PER_MINUTE = 60_000


def wall_clock() -> int:
    """Milliseconds since the Unix epoch, as this machine believes."""
    return time.time_ns() // 1_000_000
