"""Archived frames on their way to the core: everything not yet tried, or a range that a new key may open.

PROTOCOL.md §9: the vault keeps the cursor of archive rows it has tried, and rescans when an epoch arrives. Invariants:
the cursor is committed with, or after, what the frames before it led to, never earlier; a frame may be fed twice, none
is skipped; at most `LIMIT_PAGE` frames of a reel are held in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.node.shelf import ANY_MINUTE, START, Arrived, Mark
from tertulia.protocol import frame as frames
from tertulia.protocol.effects import Put, Rescan, Table
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.ids import CommonsId
from tertulia.protocol.inputs import FrameArrived

if TYPE_CHECKING:
    from tertulia.node.shelf import Shelf

LIMIT_PAGE: Final = 128
"""Frames read from the archive at a time."""
LIMIT_UNSAVED: Final = 1_024
"""Frames that may be fed before the cursor is saved for its own sake; a crash makes them be tried again."""

CURSOR: Final = b"cursor:"
RESCAN: Final = b"rescan:"
_NUMBER: Final = 8
EVERY_MINUTE: Final = (0, ANY_MINUTE)


@dataclass(slots=True, eq=False)
class Reel:
    """Frames of one commons in the order in which they came, from a cursor on; `minutes` cuts it to a range."""

    commons: CommonsId
    cursor: Mark = START
    minutes: tuple[int, int] = EVERY_MINUTE
    keys: tuple[bytes, ...] = ()
    """The profile rows that remember a rescan until it has been done."""
    more: bool = True
    _at: Mark = field(init=False)
    _saved: Mark = field(init=False)
    _unsaved: int = 0
    _page: deque[Arrived] = field(default_factory=deque, repr=False)

    def __post_init__(self) -> None:
        self._at = self._saved = self.cursor

    @property
    def hungry(self) -> bool:
        """Whether a page should be read before the next batch."""
        return self.more and not self._page

    @property
    def done(self) -> bool:
        """Whether everything has been handed out."""
        return not self.more and not self._page

    async def fill(self, shelf: Shelf) -> None:
        """Read the next page. Raises StoreError."""
        self.more = False  # a frame that arrives while the page is read sets it again
        at = self._at
        try:
            page = await shelf.arrived(self.commons, at, LIMIT_PAGE, self.minutes)
        except BaseException:
            self.more = True
            raise
        if self._at is at:  # not lowered meanwhile
            self._page.extend(page)
        if len(page) == LIMIT_PAGE:
            self.more = True

    def frames(self) -> Iterator[FrameArrived]:
        """Hand out what has been read, frame by frame."""
        while self._page:
            arrived = self._page.popleft()
            self._at = arrived.mark
            self._unsaved += 1
            try:
                yield FrameArrived(self.commons, frames.read(arrived.raw))
            except RemoteError:
                continue  # it was checked before it was archived, so this row was damaged since: it is no frame

    def rewind(self) -> None:
        """The batch was dropped: hand out again what came after the last `settle`."""
        self._page.clear()
        self._at = self.cursor
        self.more = True

    def settle(self) -> None:
        """The batch was adopted: what was handed out has been tried."""
        self.cursor = self._at

    def lower(self, last: Mark) -> None:
        """Rows above `last` were evicted, so their numbers will come again: look no further than there."""
        if self.cursor.number > last.number:
            self.cursor = last
            self.rewind()

    def saved(self) -> None:
        """The row of `unsaved` is on the disk."""
        self._saved, self._unsaved = self.cursor, 0

    def unsaved(self, *, always: bool) -> Put | None:
        """The row that saves the cursor with this batch, or None when that can wait. Not for a rescan."""
        if self._at == self._saved or not (always or self._unsaved >= LIMIT_UNSAVED):
            return None
        value = b"".join(part.to_bytes(_NUMBER, "big") for part in self._at)
        return Put(Table.PROFILE, CURSOR + self.commons, value)


def rescan_reel(rescan: Rescan) -> Reel:
    """The reel for a rescan."""
    minutes = max(0, rescan.first), max(0, min(rescan.last, ANY_MINUTE))
    return Reel(rescan.commons, minutes=minutes, keys=(_key(rescan.commons, minutes),))


def joined(one: Reel, other: Reel) -> Reel:
    """One rescan in place of two of the same commons, from the beginning."""
    low, high = min(one.minutes[0], other.minutes[0]), max(one.minutes[1], other.minutes[1])
    return Reel(one.commons, minutes=(low, high), keys=tuple(dict.fromkeys(one.keys + other.keys)))


def _key(commons: CommonsId, minutes: tuple[int, int]) -> bytes:
    return RESCAN + commons + b"".join(minute.to_bytes(_NUMBER, "big") for minute in minutes)


def take_rows(rows: Iterable[tuple[bytes, bytes]]) -> tuple[list[Reel], list[Reel], list[tuple[bytes, bytes]]]:
    """Part the profile's rows: the reels and the rescans that are ours, and the rows that are the core's."""
    reels: list[Reel] = []
    rescans: list[Reel] = []
    others: list[tuple[bytes, bytes]] = []
    for key, value in rows:
        if key.startswith(CURSOR):
            mark = Mark(int.from_bytes(value[:_NUMBER], "big"), int.from_bytes(value[_NUMBER:], "big"))
            reels.append(Reel(CommonsId(key.removeprefix(CURSOR)), mark))
        elif key.startswith(RESCAN):
            commons, numbers = key.removeprefix(RESCAN)[:-16], key[-16:]
            minutes = int.from_bytes(numbers[:_NUMBER], "big"), int.from_bytes(numbers[_NUMBER:], "big")
            rescans.append(Reel(CommonsId(commons), minutes=minutes, keys=(key,)))
        else:
            others.append((key, value))
    return reels, rescans, others
