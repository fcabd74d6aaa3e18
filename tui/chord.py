"""A key that means something only when it is pressed several times at once: too deliberate for an accident.

research/tui.md §7 (panic). Pure: the caller says when each press came.
"""

from dataclasses import dataclass, field

PRESSES = 3
SECONDS = 1.0
"""All presses of a chord come within this time."""


@dataclass(slots=True)
class Chord:
    """Counts presses of one key."""

    _times: list[float] = field(default_factory=list)

    def press(self, now: float) -> int:
        """How many presses are still missing after this one, at `now` (monotonic seconds); at 0 it begins anew."""
        self._times = [time for time in self._times if now - time <= SECONDS] + [now]
        missing = PRESSES - len(self._times)
        if missing <= 0:
            self._times.clear()
        return max(missing, 0)
