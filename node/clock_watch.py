"""Whether the archive may believe this machine's clock: with a record of its own, because it carries while locked.

docs/spec/core.md §6, `protocol/timekeeping.py`. Invariants: while the clock is in doubt nothing is evicted for its age;
the time believed is on the disk within an hour; a disk that refuses it costs a question at the next start, no more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.redaction import Event, log
from tertulia.node.store.problems import StoreError
from tertulia.protocol import timekeeping

if TYPE_CHECKING:
    from tertulia.node.store.archive import Archive
    from tertulia.protocol.timekeeping import Timekeeping

SETTING: Final = "clock"
Run = Callable[[Callable[["Archive"], None]], Awaitable[None]]


async def _nobody(_neighbour: str, _clock: int) -> None:
    """Until there is a core to hear it."""


class ClockWatch:
    """What one archive knows of the time. `run` does something with the archive, in a worker thread."""

    def __init__(self, archive: Archive, run: Run) -> None:
        """Read the record; blocks. Raises StoreError, and RemoteError for a record that is not ours."""
        self.time = timekeeping.read(archive.setting(SETTING))
        self.cleared = trio.Event()
        """Set, and replaced, when a doubt ends."""
        self.on_heard: Callable[[str, int], Awaitable[None]] = _nobody
        """Told of every neighbour's clock (ms)."""
        self.on_changed: Callable[[], None] = lambda: None
        """Called when the clock has come into doubt, or out of it."""
        self._noted = self.time.known
        self._since = self.time.known
        self._run = run

    def vouches(self, known: int) -> bool:
        """Whether the clock is believed here, and has been since a time (ms) that leads on from `known`."""
        return self.time.is_sure and 0 < self._since <= known + timekeeping.JUMP_MS

    async def look(self, now: int) -> bool:
        """Look at the clock (ms); tells whether it is believed."""
        await self._take(self.time.look(now))
        return self.time.is_sure

    async def hear(self, neighbour: str, clock: int, now: int) -> None:
        """A neighbour's clock showed `clock` when ours showed `now`."""
        await self._take(self.time.hear(neighbour, clock, now))
        await self.on_heard(neighbour, clock)

    async def confirm(self, now: int) -> None:
        """The person says that the clock is right."""
        await self._take(self.time.confirm(now))

    async def _take(self, time: Timekeeping) -> None:
        before, self.time = self.time, time
        self._since = self._since or time.known
        if before.is_sure != time.is_sure or before.witnesses != time.witnesses:
            self.on_changed()
        if time.is_sure and not before.is_sure:
            self.cleared.set()
            self.cleared = trio.Event()
        if time.is_worth_noting(self._noted):
            self._noted, row = time.known, time.encode()
            try:
                await self._run(lambda archive: archive.put_setting(SETTING, row))
            except StoreError:
                log(Event.COMMIT_FAILED)
