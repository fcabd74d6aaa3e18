"""The archive as tasks use it: one call at a time, in a worker thread, and frames in the order in which they came.

DESIGN.md §2 (the loop never waits on the disk), PROTOCOL.md §9 (the cursor of archive rows that were tried).
Invariants: a call once begun is finished, even if its task is cancelled; rows are numbered as they come, and when an
eviction frees the highest numbers everyone who keeps a cursor hears of it before such a number is given out again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import trio

from tertulia.node.clock_watch import ClockWatch

if TYPE_CHECKING:
    import apsw

    from tertulia.node.store.archive import Archive, Place
    from tertulia.node.store.ledger import Ledger, Note
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import CommonsId, FrameId

T = TypeVar("T")

ARRIVED: Final = (
    "SELECT number, arrival, raw FROM frame WHERE number > ? "
    "AND commons = (SELECT number FROM commons WHERE commons = ?) AND minute BETWEEN ? AND ? ORDER BY number LIMIT ?"
)
NEWEST: Final = "SELECT number, arrival FROM frame WHERE number <= ? ORDER BY number DESC LIMIT 1"
ANY_NUMBER: Final = 2**62
ANY_MINUTE: Final = 2**32


class Mark(NamedTuple):
    """A row of the archive: its number, and when it came (ms). `arrival` tells a number that was given out twice."""

    number: int = 0
    arrival: int = 0


START: Final = Mark()
"""Before the first row."""


class Arrived(NamedTuple):
    """A frame as the archive holds it."""

    mark: Mark
    raw: bytes


class Shelf:
    """One open archive, shared by the tasks of a node."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._turn = trio.Lock()
        self._last = newest(archive, ANY_NUMBER)
        self.watch = ClockWatch(archive, self.run)
        self.on_lowered: Callable[[Mark], None] | None = None

    async def run(self, work: Callable[[Archive], T]) -> T:
        """Run `work` on the archive in a worker thread. Raises StoreError, and what `work` raises."""
        async with self._turn:
            return await trio.to_thread.run_sync(work, self._archive)

    async def add(
        self, commons: CommonsId, frames: Sequence[Frame], now: int, notes: Sequence[Note] = ()
    ) -> set[FrameId]:
        """Keep these frames, and notes, in one transaction; returns the ids that are new. Raises StoreError."""
        rows = [(frame.id, frame.minute, frame.raw) for frame in frames]
        async with self._turn:
            # Later than every arrival before, whatever the wall clock does: a mark must not repeat.
            arrival = max(now, self._last.arrival + 1)
            fresh = await trio.to_thread.run_sync(self._archive.add, commons, rows, arrival, notes)
            if fresh:
                self._last = Mark(self._last.number + len(fresh), arrival)
            return fresh

    async def ledger(self, commons: CommonsId) -> Ledger:
        """What was noted beside the frames of a commons. Raises StoreError."""
        return await self.run(lambda archive: archive.ledger(commons))

    async def evict(self, commons: CommonsId, before: int) -> int:
        """Drop frames with a minute below `before`; returns how many. Raises StoreError."""
        async with self._turn:
            dropped = await trio.to_thread.run_sync(self._archive.evict, commons, before)
            if dropped:
                last = await trio.to_thread.run_sync(newest, self._archive, ANY_NUMBER)
                self._last = Mark(last.number, self._last.arrival)
                if self.on_lowered is not None:
                    self.on_lowered(last)
            return dropped

    async def arrived(
        self, commons: CommonsId, after: Mark, limit: int, minutes: tuple[int, int] = (0, ANY_MINUTE)
    ) -> list[Arrived]:
        """Frames of a commons that came after `after`, in that order, at most `limit`. Raises StoreError."""
        return await self.run(lambda archive: _arrived(archive, commons, after, limit, minutes))

    async def places(self, commons: CommonsId, after: Place, limit: int) -> list[Place]:
        """Where the next frames beyond `after` stand, in order, at most `limit`. Raises StoreError."""
        return await self.run(lambda archive: archive.ids_from(commons, after[0], after, limit))

    async def frames(self, commons: CommonsId, ids: Sequence[FrameId]) -> list[bytes]:
        """Those of these frames that are kept here, in this order. Raises StoreError."""
        return await self.run(lambda archive: archive.get(commons, ids))

    async def standing(self, mark: Mark) -> Mark:
        """`mark`, or the beginning if its number was given out again since it was taken. Raises StoreError."""
        latest = await self.run(lambda archive: newest(archive, mark.number))
        return START if latest.arrival > mark.arrival else mark

    async def close(self) -> None:
        """Close the archive."""
        with trio.CancelScope(shield=True):
            await self.run(lambda archive: archive.close())


def _arrived(archive: Archive, commons: CommonsId, after: Mark, limit: int, minutes: tuple[int, int]) -> list[Arrived]:
    def work(connection: apsw.Connection) -> list[Arrived]:
        rows = connection.execute(ARRIVED, (after.number, commons, *minutes, limit))
        return [Arrived(Mark(number, arrival), raw) for number, arrival, raw in rows]

    return archive._database.read(work)  # noqa: SLF001 - the archive has no reading in order of arrival of its own yet


def newest(archive: Archive, most: int) -> Mark:
    """The last row whose number is at most `most`; blocks. Raises StoreError."""

    def work(connection: apsw.Connection) -> Mark:
        row = connection.execute(NEWEST, (most,)).fetchone()
        return START if row is None else Mark(*row)

    return archive._database.read(work)  # noqa: SLF001 - the same
