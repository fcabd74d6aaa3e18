"""Relays held to their word and to one another: what each promised, brought and kept silent about.

Spec: docs/spec/feed.md, *Comparing*. A relay is named when it lacks what it said it kept, when it does not bring what
another one brought long ago, when its clock is off, or when it alone cannot be reached. Invariants: what is remembered
is bounded; no relay is left for any of this, since it may be the only one: the person is told, in words.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tertulia.node.substrate import PeerId
    from tertulia.protocol.ids import FrameId

LIMIT_PROMISED: Final = 4_096
"""Promises of one relay that are remembered."""
LIMIT_BROUGHT: Final = 4_096
"""Frames of which it is remembered which relays brought them."""
LIMIT_RELAYS: Final = 32
WAIT_SECONDS: Final = 120.0
"""A relay has so long to bring what another one brought."""
SILENT_FRAMES: Final = 3
"""So many frames that it did not bring make a relay one that is behind."""
SKEW_MS: Final = 5 * 60_000
"""A relay's clock may be so far off before it is named."""


@dataclass(slots=True)
class _Relay:
    standing_since: float | None = None
    skew: int = 0
    promised: OrderedDict[FrameId, float] = field(default_factory=OrderedDict)
    broken: int = 0
    silent: int = 0


@dataclass(slots=True)
class _Brought:
    at: float
    first: PeerId
    by: set[PeerId]


class RelayWatch:
    """All relays of one commons."""

    def __init__(self) -> None:
        self._relays: OrderedDict[PeerId, _Relay] = OrderedDict()
        self._brought: OrderedDict[FrameId, _Brought] = OrderedDict()
        self.on_noticed: Callable[[], None] | None = None
        """A relay was found not to stand by its word: what `problem` says may be another now."""

    def _of(self, peer: PeerId) -> _Relay:
        found = self._relays.setdefault(peer, _Relay())
        self._relays.move_to_end(peer)
        if len(self._relays) > LIMIT_RELAYS:
            self._relays.popitem(last=False)
        return found

    # What happens ---------------------------------------------------------------------------------------------------

    def stands(self, peer: PeerId, *, standing: bool, skew: int, now: float) -> None:
        """A relay's feed began or broke off; `skew` is how far (ms) its clock is ahead, `now` monotonic seconds."""
        relay = self._of(peer)
        relay.skew = skew if standing else relay.skew
        relay.standing_since = (relay.standing_since or now) if standing else None

    def fed(self, peer: PeerId, frames: Sequence[FrameId], now: float) -> None:
        """A relay's feed brought these."""
        for frame in frames:
            known = self._brought.setdefault(frame, _Brought(now, peer, set()))
            known.by.add(peer)
        self._settle(now)

    def promised(self, peer: PeerId, frames: Iterable[FrameId], now: float = 0.0) -> None:
        """A peer said that it keeps these: remembered of one whose feed stood."""
        relay = self._relays.get(peer)
        if relay is None:
            return
        promised = relay.promised
        promised.update(dict.fromkeys(frames, now))
        while len(promised) > LIMIT_PROMISED:
            promised.popitem(last=False)

    def lacks(self, peer: PeerId, frames: Iterable[FrameId], began: float = math.inf) -> int:
        """A session begun then showed that a relay does not hold these; gives how many it had promised before that."""
        relay = self._relays.get(peer)
        if relay is None:
            return 0
        broken = [frame for frame in frames if relay.promised.get(frame, math.inf) < began]
        for frame in broken:
            del relay.promised[frame]
        relay.broken += len(broken)
        if broken:
            self._notice()
        return len(broken)

    def _notice(self) -> None:
        if self.on_noticed is not None:
            self.on_noticed()

    def _settle(self, now: float) -> None:
        """Count what a relay did not bring in time, although its feed stood all the while."""
        while self._brought:
            brought = next(iter(self._brought.values()))
            if brought.at + WAIT_SECONDS > now and len(self._brought) <= LIMIT_BROUGHT:
                return
            self._brought.popitem(last=False)
            for peer, relay in self._relays.items():
                stood = relay.standing_since is not None and relay.standing_since <= brought.at
                if peer in brought.by:
                    relay.silent = 0
                elif stood:
                    relay.silent += 1
                    if relay.silent == SILENT_FRAMES:
                        self._notice()

    # What is said ---------------------------------------------------------------------------------------------------

    def problem(self, peer: PeerId, names: dict[PeerId, str], now: float) -> str:
        """What is wrong with a relay, in one sentence; empty while nothing is known to be."""
        self._settle(now)
        relay = self._relays.get(peer)
        if relay is None:
            return ""
        name = names.get(peer, "This relay")
        if relay.broken:
            return f"{name} no longer has {relay.broken} of the messages it said it keeps."
        others = [names[one] for one in self._relays if one != peer and one in names and not self._relays[one].silent]
        if relay.silent >= SILENT_FRAMES and others:
            return f"{name} does not bring what {others[0]} brings: it is behind, cut off, or keeps things back."
        if abs(relay.skew) > SKEW_MS:
            minutes, way = abs(relay.skew) // 60_000, "ahead of" if relay.skew > 0 else "behind"
            return f"The clock of {name} is {minutes} minutes {way} this machine's."
        return ""
