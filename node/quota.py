"""How much is kept of each neighbour, and of each address, on one day: so many frames, so many bytes.

Spec: docs/spec/sync.md, *Quota*; PROTOCOL.md §9; DESIGN.md §6. A day is one of arrival, by our clock. Who floods us
today takes from nobody else's share and from nothing that came yesterday: what is beyond the quota is not kept, and
nothing is dropped for it. Invariants: the tables are bounded, however many names a peer takes on; an address is known
by its line, a keyed hash, and never stands on the disk; nothing here looks at a frame's content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tertulia.protocol import crypto
from tertulia.protocol.labels import Label

LIMIT_DAY_FRAMES: Final = 400_000
"""Frames kept of one neighbour on one day: two weeks of a community of 500, nearly twice."""
LIMIT_DAY_BYTES: Final = 512 * 1024 * 1024
"""Their bytes."""
LIMIT_ACCOUNTS: Final = 256
"""Neighbours, and lines, with a quota of their own on one day; all who come after them share one more."""
LINE_FACTOR: Final = 4
"""All neighbours of one line together may bring so many times what one may: a household, or two relays of one host."""
OWN: Final = "self"
"""The name under which frames of ours are counted."""
STICK: Final = "stick"
"""The name under which frames of carry files are counted."""
_OTHERS: Final = "others"
_LINE: Final = "@"
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


def line_of(key: bytes, origin: str) -> str:
    """Return the name of the line of `origin` (an IPv4 address, an IPv6 /64): a keyed hash under the commons key."""
    return _LINE + crypto.keyed(Label.ADDRESS_LINE, key, origin.encode())[:16].hex()


def is_line(account: str) -> bool:
    """Tell whether an account is a line's."""
    return account.startswith(_LINE)


class _Accounts:
    """Frames and bytes by name, of whom only so many have a row of their own."""

    __slots__ = ("_others", "spent")

    def __init__(self, others: str) -> None:
        self._others = others
        self.spent: dict[str, tuple[int, int]] = {}

    def name(self, who: str) -> str:
        known = who in self.spent or who in {OWN, STICK} or len(self.spent) < LIMIT_ACCOUNTS
        return who if known else self._others

    def of(self, who: str) -> tuple[int, int]:
        return self.spent.get(self.name(who), (0, 0))

    def add(self, who: str, frames: int, size: int) -> None:
        had, total = self.of(who)
        self.spent[self.name(who)] = max(had + frames, 0), max(total + size, 0)


class Quota:
    """What each neighbour, and each line, has brought on the current day.

    `line` is whence a neighbour came (`line_of`), or empty where there is none: then its own account alone counts.
    A line may also stand in a neighbour's place: then it has what one neighbour has.
    """

    __slots__ = ("_day", "_lines", "_neighbours", "allowance")

    def __init__(self, allowance: Allowance = DAILY) -> None:
        self.allowance = allowance
        """May be replaced at any time; what was kept stays."""
        self._day = 0
        self._begin()

    def _begin(self) -> None:
        self._neighbours, self._lines = _Accounts(_OTHERS), _Accounts(_LINE)

    def charge(self, neighbour: str, size: int, day: int, line: str = "") -> bool:
        """Count one frame of `size` bytes; False, and nothing is counted, if it is beyond a quota."""
        if not all(
            frames + 1 <= self.allowance.frames * factor and total + size <= self.allowance.size * factor
            for frames, total, factor in self._counts(neighbour, line, day)
        ):
            return False
        self._add(neighbour, line, 1, size)
        return True

    def refund(self, neighbour: str, size: int, day: int, line: str = "") -> None:
        """Take back what was counted for a frame that was not kept after all, or was held before."""
        self._turn(day)
        self._add(neighbour, line, -1, -size)

    def restore(self, day: int, spent: Mapping[str, tuple[int, int]]) -> None:
        """Take over what was brought on `day`: frames and bytes by account, as `account` gives them."""
        self._day = day
        self._begin()
        for name, brought in spent.items():
            self._table(name).spent[name] = brought

    def account(self, name: str, day: int) -> tuple[str, int, int]:
        """Return the name under which a neighbour, or a line, is counted on `day`, and its frames and bytes."""
        self._turn(day)
        table = self._table(name)
        return table.name(name), *table.of(name)

    def has_room(self, neighbour: str, day: int, line: str = "") -> bool:
        """Tell whether anything more is kept of this neighbour today."""
        return all(
            frames < self.allowance.frames * factor and total < self.allowance.size * factor
            for frames, total, factor in self._counts(neighbour, line, day)
        )

    def _counts(self, neighbour: str, line: str, day: int) -> list[tuple[int, int, int]]:
        """What counts against a frame of this neighbour: frames, bytes, and how many times the allowance is theirs."""
        self._turn(day)
        lines = [(*self._lines.of(line), LINE_FACTOR)] if line else []
        return [(*self._table(neighbour).of(neighbour), 1), *lines]

    def _add(self, neighbour: str, line: str, frames: int, size: int) -> None:
        self._table(neighbour).add(neighbour, frames, size)
        if line:
            self._lines.add(line, frames, size)

    def _table(self, name: str) -> _Accounts:
        return self._lines if is_line(name) else self._neighbours

    def _turn(self, day: int) -> None:
        if day != self._day:
            self._day = day
            self._begin()
