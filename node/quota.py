"""How much is kept of each neighbour on one day: so many frames, so many bytes.

Spec: docs/spec/sync.md, *Quota*; PROTOCOL.md §9. A day is one of arrival, by our clock. Who floods us today takes from
nobody else's share and from nothing that came yesterday: what is beyond the quota is not kept, and nothing is dropped
for it. Invariants: the table is bounded, however many names a peer takes on; nothing here looks at a frame's content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LIMIT_DAY_FRAMES: Final = 400_000
"""Frames kept of one neighbour on one day: two weeks of a community of 500, nearly twice."""
LIMIT_DAY_BYTES: Final = 512 * 1024 * 1024
"""Their bytes."""
LIMIT_ACCOUNTS: Final = 256
"""Neighbours with a quota of their own on one day; all who come after them share one more."""
OWN: Final = "self"
"""The name under which frames of ours are counted."""
STICK: Final = "stick"
"""The name under which frames of carry files are counted."""
_OTHERS: Final = "others"
_DAY_MS: Final = 24 * 60 * 60 * 1_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is kept of one neighbour on one day."""

    frames: int = LIMIT_DAY_FRAMES
    size: int = LIMIT_DAY_BYTES


DAILY: Final = Allowance()


def day_of(now: int) -> int:
    """Return the arrival day of a time (ms)."""
    return now // _DAY_MS


class Quota:
    """What each neighbour has brought on the current day."""

    __slots__ = ("_day", "_spent", "allowance")

    def __init__(self, allowance: Allowance = DAILY) -> None:
        self.allowance = allowance
        """May be replaced at any time; what was kept stays."""
        self._day = 0
        self._spent: dict[str, tuple[int, int]] = {}

    def charge(self, neighbour: str, size: int, day: int) -> bool:
        """Count one frame of `size` bytes; False, and nothing is counted, if it is beyond the quota."""
        frames, total = self._of(neighbour, day)
        if frames + 1 > self.allowance.frames or total + size > self.allowance.size:
            return False
        self._spent[self._account(neighbour)] = frames + 1, total + size
        return True

    def refund(self, neighbour: str, size: int, day: int) -> None:
        """Take back what was counted for a frame that was not kept after all, or was held before."""
        frames, total = self._of(neighbour, day)
        self._spent[self._account(neighbour)] = max(frames - 1, 0), max(total - size, 0)

    def restore(self, day: int, spent: Mapping[str, tuple[int, int]]) -> None:
        """Take over what was brought on `day`: frames and bytes by account, as `account` gives them."""
        self._day, self._spent = day, dict(spent)

    def account(self, neighbour: str, day: int) -> tuple[str, int, int]:
        """Return the name under which a neighbour is counted on `day`, and its frames and bytes."""
        frames, total = self._of(neighbour, day)
        return self._account(neighbour), frames, total

    def has_room(self, neighbour: str, day: int) -> bool:
        """Tell whether anything more is kept of this neighbour today."""
        frames, total = self._of(neighbour, day)
        return frames < self.allowance.frames and total < self.allowance.size

    def _of(self, neighbour: str, day: int) -> tuple[int, int]:
        if day != self._day:
            self._day, self._spent = day, {}
        return self._spent.get(self._account(neighbour), (0, 0))

    def _account(self, neighbour: str) -> str:
        known = neighbour in self._spent or neighbour in {OWN, STICK} or len(self._spent) < LIMIT_ACCOUNTS
        return neighbour if known else _OTHERS
