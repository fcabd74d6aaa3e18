"""Who came before whom in the control room.

Implements docs/spec/events.md, section Causal past. Every control event has one bit; its past is an int with the bits
of all it descends from and its own, so “had the author seen this” is one `&`. Bit 0 is *ancient*: whatever a checkpoint
tells without naming it is in everybody's past. What is refused has no bit: nobody asks who has seen it, and whenever it
comes, the others keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tertulia.protocol.ids import EventId

ANCIENT: Final = 1
"""The mark, and the past, of everything before a checkpoint's window."""


class Ancestry:
    """Grows while a fold runs, parents always before children."""

    __slots__ = ("_lamports", "_marks", "_next", "_pasts", "parents", "refused")

    def __init__(self) -> None:
        self._next = ANCIENT << 1
        self._pasts: dict[EventId, int] = {}
        self._marks: dict[EventId, int] = {}
        self._lamports: dict[EventId, int] = {}
        self.parents: dict[EventId, tuple[EventId, ...]] = {}
        """What each placed event names, in the order they were placed."""
        self.refused: set[EventId] = set()
        """Events whose lamport is wrong, or that build on one: no honest event names them."""

    def __contains__(self, event: EventId) -> bool:
        return event in self._pasts

    def add(self, event: EventId, parents: tuple[EventId, ...], lamport: int, *, sound: bool) -> int:
        """Place an event after its parents, all of them placed already; return its past, its own mark included.

        It is refused where it is not `sound`.
        """
        mark = 0
        if sound:
            mark = self._next
            self._next <<= 1
        else:
            self.refused.add(event)
        past = self.past(parents) | mark
        self._marks[event] = mark
        self._pasts[event] = past
        self._lamports[event] = lamport
        self.parents[event] = parents
        return past

    def branch(self) -> Ancestry:
        """A copy that may grow without this one noticing."""
        found = Ancestry()
        found._next = self._next
        found._pasts, found._marks, found._lamports = dict(self._pasts), dict(self._marks), dict(self._lamports)
        found.parents, found.refused = dict(self.parents), set(self.refused)
        return found

    def past(self, events: Iterable[EventId]) -> int:
        """What has been seen by whoever names these events (all placed)."""
        past = ANCIENT
        for event in events:
            past |= self._pasts[event]
        return past

    def whole(self) -> int:
        """The past of one who has seen every event placed."""
        return self._next - 1

    def without(self, events: Iterable[EventId]) -> int:
        """The past of one who has seen every event placed but these."""
        past = self.whole()
        for event in events:
            past &= ~self._marks.get(event, 0)
        return past

    def past_of(self, event: EventId) -> int:
        """The past of one event, its own mark included; ancient where it was never placed."""
        return self._pasts.get(event, ANCIENT)

    def mark(self, event: EventId) -> int:
        """The bit of an event, none where it is refused; the ancient one where it was never placed."""
        return self._marks.get(event, ANCIENT)

    def lamport(self, event: EventId) -> int:
        """The lamport of a placed event."""
        return self._lamports[event]

    def follows(self, events: Iterable[EventId]) -> int:
        """The lamport of an event that names these placed events: one more than the greatest."""
        return 1 + max((self._lamports[event] for event in events), default=0)
