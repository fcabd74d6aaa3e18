"""Whether the clock may be believed when something is to be erased for good.

Implements docs/spec/core.md §6. A machine's clock can be set wrong, by accident or on purpose, and keys erased before
their time never come back. So a clock that is more than a day past the last time believed is in doubt until two
neighbours or the person confirm it. Invariants: values only; while in doubt the time believed stands still.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tertulia.protocol.commons import LIMIT_CLOCK
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.shape import as_int
from tertulia.protocol.turn import MS_PER_MINUTE

HOUR_MS: Final = 60 * 60 * 1_000
LOOK_MS: Final = HOUR_MS
"""How often a running node looks at its clock, and writes down what it believes."""
JUMP_MS: Final = 24 * HOUR_MS + LOOK_MS
"""A clock further than this beyond the last look is in doubt: a day, and the hour between two looks."""
NEAR_MS: Final = 2 * HOUR_MS
"""A neighbour whose clock is no further from ours confirms it: whoever is further off takes no fresh frame of ours."""
LIMIT_WITNESSES: Final = 2
"""Neighbours that it takes."""
_ROW: Final = 16


@dataclass(frozen=True, slots=True)
class Timekeeping:
    """The time believed last, and the one in doubt (both ms since the Unix epoch; 0 is none) with who confirms it."""

    known: int = 0
    doubted: int = 0
    witnesses: frozenset[str] = frozenset()

    @property
    def is_sure(self) -> bool:
        """Whether what is past its time may be erased."""
        return not self.doubted

    def look(self, now: int) -> Timekeeping:
        """What a clock that shows `now` is worth: believed, or in doubt. Set back, it is believed."""
        if not self.known or now <= self.known + JUMP_MS:
            return Timekeeping(now)
        moved = abs(now - self.doubted) > JUMP_MS
        return replace(self, doubted=now, witnesses=frozenset() if moved else self.witnesses)

    def hear(self, neighbour: str, clock: int, now: int) -> Timekeeping:
        """A neighbour's clock shows `clock` at this moment: a second one that is near ours ends the doubt."""
        here = self.look(now)
        if here.is_sure:
            return here
        rest = here.witnesses - {neighbour}
        witnesses = rest | {neighbour} if abs(clock - now) <= NEAR_MS else rest
        return Timekeeping(now) if len(witnesses) >= LIMIT_WITNESSES else replace(here, witnesses=witnesses)

    def confirm(self, now: int) -> Timekeeping:
        """The person says that the clock is right."""
        return Timekeeping(now)

    def is_back_from(self, before: Timekeeping) -> bool:
        """Whether the clock was set back, further than clocks differ: what was dated before that may lie ahead."""
        return self.known + NEAR_MS < before.known

    def is_worth_noting(self, noted: int) -> bool:
        """Whether what is believed is far enough from what was written down last."""
        return abs(self.known - noted) >= LOOK_MS

    def encode(self) -> bytes:
        """What is written down: the time believed."""
        return encode(self.known)


def is_ahead(minute: int, now: int) -> bool:
    """Whether what bears this minute was dated, `now` in minutes, by a clock that ran ahead."""
    return minute > now + NEAR_MS // MS_PER_MINUTE


def read(row: bytes | None) -> Timekeeping:
    """Go on from what `encode` gave; from nothing, when nothing was written yet.

    Raises: RemoteError when the row is not one of ours.
    """
    return Timekeeping() if row is None else Timekeeping(as_int(decode(row, _ROW), 0, LIMIT_CLOCK))
