"""What peers have offered to give and were asked for, so that no other is asked to give the same meanwhile.

Spec: docs/spec/sync.md, *Messages of a session*. Invariants: a frame is held back from others once, for `OFFER_SECONDS`
at most and no longer than its session, so that nobody can withhold it by offering; what is remembered is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tertulia.protocol.ids import FrameId

OFFER_SECONDS: Final = 10.0
"""How long who offered a frame has to give it before others are asked for it too."""
LIMIT_OFFERED: Final = 16_384
"""Frames remembered as offered and not here yet; the oldest go first."""


class Offered:
    """The offers of one commons that were taken."""

    def __init__(self) -> None:
        self._until: OrderedDict[FrameId, float] = OrderedDict()

    def take(self, frames: Iterable[FrameId], now: float) -> tuple[FrameId, ...]:
        """Those of the frames offered at `now` (seconds) that nobody else is about to give."""
        taken = [frame for frame in frames if self._until.get(frame, now) <= now]
        for frame in taken:
            self._until.setdefault(frame, now + OFFER_SECONDS)
        while len(self._until) > LIMIT_OFFERED:
            self._until.popitem(last=False)
        return tuple(taken)

    def lapse(self, frames: Iterable[FrameId], now: float) -> None:
        """Who offered these gives them no more: anybody else may, for good."""
        for frame in frames:
            if frame in self._until:
                self._until[frame] = now

    def came(self, frame: FrameId) -> None:
        """It is here."""
        self._until.pop(frame, None)
