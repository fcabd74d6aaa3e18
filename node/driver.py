"""Drives one core from unlock to lock: stage, handle, commit, adopt, then do what it decided.

DESIGN.md §2, the batch loop. Invariants: one task owns the core; nothing is answered, sent or shown before its batch is
on the disk; a failed commit leaves the core as it was, tells whoever asked, and loses no frame, timer or answer.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, assert_never

import trio

from tertulia.node.asks import Asks
from tertulia.node.batch import BATCH_SECONDS, LIMIT_BATCH, Batch, Row
from tertulia.node.problems import BROKEN, LOCKED_MEANWHILE
from tertulia.node.redaction import Event, log
from tertulia.node.reel import Reel, joined, rescan_reel, take_rows
from tertulia.node.store.problems import StoreError
from tertulia.node.timers import Timers
from tertulia.protocol import hpke
from tertulia.protocol.core import Core
from tertulia.protocol.effects import (
    Changed,
    ClearTimer,
    Effect,
    Erase,
    HpkeSeal,
    Publish,
    Put,
    Refuse,
    Reply,
    Rescan,
    SetTimer,
    Table,
    View,
)
from tertulia.protocol.errors import LocalError
from tertulia.protocol.inputs import Ask, FrameArrived, HpkeSealed, Input, TimerFired

if TYPE_CHECKING:
    from tertulia.node.carrying import Carrying
    from tertulia.node.clock import Clock
    from tertulia.node.shelf import Mark, Shelf
    from tertulia.node.store.vault import Vault
    from tertulia.protocol.crypto import Entropy
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.errors import Problem
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import CommonsId, DialogueId
    from tertulia.protocol.inputs import Command

LIMIT_INPUTS: Final = 1_024
"""Inputs that may wait for the core; whoever brings one more waits."""
LIMIT_RESCANS: Final = 64
"""Ranges waiting to be rescanned; one more is joined with another of its commons."""
LIMIT_PASSING: Final = 1_024
"""Frames waiting to be tried that the archive does not keep; one more drops the oldest."""
PAUSE_SECONDS: Final = 2.0
"""After a failed commit, what nobody waits for is tried again this much later."""

Shown = Callable[[View, "DialogueId | None"], None]
"""Called when a view's rows have changed."""


class Driver:
    """One core, its vault, and everything on its way to and from it."""

    def __init__(self, vault: Vault, shelf: Shelf, carrying: Carrying, clock: Clock, entropy: Entropy) -> None:
        self._vault, self._shelf, self._carrying = vault, shelf, carrying
        self._clock, self._entropy = clock, entropy
        self.core: Core
        self._asks = Asks()
        self._reels: dict[CommonsId, Reel] = {}
        self._rescans: list[Reel] = []
        self._timers = Timers()
        self._again: deque[Input] = deque()
        self._passing: deque[FrameArrived] = deque(maxlen=LIMIT_PASSING)
        self._passed: list[FrameArrived] = []  # of these, what the batch under way has taken
        self._wake = trio.Event()
        self._resume_at = 0.0
        self._limit = LIMIT_BATCH
        self._first: list[Effect] = []
        self._turned = trio.Event()
        self._trouble: Problem | None = None
        self._send, self._receive = trio.open_memory_channel[Input](LIMIT_INPUTS)
        self._shown: Shown = lambda _view, _dialogue: None

    async def load(self) -> None:
        """Read the vault, make the core, and keep what it does first.

        Raises StoreError; RemoteError, KeyError or ValueError for rows that this program did not write.
        """
        rows = await trio.to_thread.run_sync(self._read_rows)
        reels, self._rescans, rows[Table.PROFILE] = take_rows(rows[Table.PROFILE])
        for reel in reels:
            mark = await self._shelf.standing(reel.cursor)
            self._reels[reel.commons] = Reel(reel.commons, mark)
        self.core = await trio.to_thread.run_sync(Core.load, rows, self._entropy)
        first = Batch(self.core)
        first.start(self._clock())
        await trio.to_thread.run_sync(self._vault.commit, self._rows(first, None)[0])
        self.core, self._first = first.overlay, first.effects

    def _read_rows(self) -> dict[Table, list[tuple[bytes, bytes]]]:
        return {table: list(self._vault.rows(table)) for table in Table}

    # What comes in --------------------------------------------------------------------------------------------------

    async def feed(self, given: Input) -> None:
        """Hand the core an input; waits while too many wait already. Does nothing once the core is gone."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self._send.send(given)
            self._wake.set()

    async def ask(self, command: Command) -> dict[str, Value]:
        """Ask the core; returns its reply once that is on the disk. Raises LocalError."""
        with self._asks.opened() as waiting:
            await self.feed(Ask(waiting.id, command))
            return await waiting.answer()

    async def until(self, holds: Callable[[Core], bool]) -> None:
        """Wait until something holds of the core as committed. Raises LocalError when a commit fails meanwhile."""
        while not holds(self.core):
            turned = self._turned
            await turned.wait()
            if self._trouble is not None:
                raise LocalError(self._trouble)

    def fresh(self, commons: CommonsId) -> None:
        """Frames of this commons have been archived."""
        self._reels.setdefault(commons, Reel(commons)).more = True
        self._wake.set()

    def passing(self, commons: CommonsId, frames: Sequence[Frame]) -> None:
        """Frames came that the archive does not keep: this is the only time to try them."""
        self._passing.extend(FrameArrived(commons, frame) for frame in frames)
        self._wake.set()

    def lowered(self, last: Mark) -> None:
        """The archive evicted its last rows: their numbers will be given out again."""
        for reel in (*self._reels.values(), *self._rescans):
            reel.lower(last)
        self._wake.set()

    # The loop -------------------------------------------------------------------------------------------------------

    async def run(self, shown: Shown) -> None:
        """Drive the core until cancelled; then whoever still waits is told that the node was locked."""
        self._shown = shown
        try:
            async with trio.open_nursery() as nursery:
                await self._do(self._first, nursery)
                while True:
                    await self._turn(nursery)
        finally:
            self._receive.close()
            self._asks.lock()
            self._tell_turn(LOCKED_MEANWHILE)

    async def _turn(self, nursery: trio.Nursery) -> None:
        wake = self._wake = trio.Event()  # made before looking, so that what comes meanwhile is not slept over
        await self._fill()
        batch = Batch(self.core)
        self._gather(batch)
        for one in batch.broken:
            self._give_up(one)
        done = self._rescans[0] if self._rescans and self._rescans[0].done else None
        if batch.inputs or done is not None:
            await self._commit(batch, done, nursery)
        elif not batch.broken:
            seconds = self._timers.wait(self._clock())
            if self._pausing:
                seconds = max(0.0, self._resume_at - trio.current_time())
            with trio.move_on_after(seconds):
                await wake.wait()

    def _give_up(self, given: Input) -> None:
        """The core cannot handle this input: whoever asked is told, anything else is passed over."""
        if isinstance(given, Ask):
            self._asks.refuse(given.id, BROKEN)

    @property
    def _pausing(self) -> bool:
        return trio.current_time() < self._resume_at

    async def _fill(self) -> None:
        if self._pausing:
            return
        for reel in (*self._reels.values(), *self._rescans[:1]):
            if reel.hungry:
                try:
                    await reel.fill(self._shelf)
                except StoreError:
                    log(Event.COMMIT_FAILED, rows=0)
                    self._resume_at = trio.current_time() + PAUSE_SECONDS

    def _gather(self, batch: Batch) -> None:
        """Take inputs from every source in turn, so that none waits for another to run dry."""
        began = trio.current_time()
        sources = [self._waiting()]
        if not self._pausing:
            sources += [reel.frames() for reel in (*self._reels.values(), *self._rescans[:1])]
        while sources and len(batch.inputs) < self._limit and trio.current_time() - began < BATCH_SECONDS:
            for source in tuple(sources):
                given = next(source, None)
                if given is None:
                    sources.remove(source)
                else:
                    batch.take(given, self._clock())

    def _waiting(self) -> Iterator[Input]:
        """Timers that are due, what a failed batch left, and what was fed. While pausing, only what somebody asked."""
        if not self._pausing:
            self._again.extend(TimerFired(name) for name in self._timers.due(self._clock()))
        while self._again and not self._pausing:
            yield self._again.popleft()
        while self._passing and not self._pausing:
            self._passed.append(self._passing.popleft())
            yield self._passed[-1]
        while True:
            try:
                given = self._receive.receive_nowait()
            except trio.WouldBlock:
                return
            if self._pausing and not isinstance(given, Ask):
                self._again.append(given)
            else:
                yield given

    # Committing -----------------------------------------------------------------------------------------------------

    async def _commit(self, batch: Batch, done: Reel | None, nursery: trio.Nursery) -> None:
        """Keep the batch's rows, adopt its core, do its effects; or drop it."""
        if not batch.settle(self._clock()):
            self._isolate(batch)
            return
        rows, saving = self._rows(batch, done)
        try:
            if rows:
                await trio.to_thread.run_sync(self._vault.commit, rows)
        except StoreError as failed:
            log(Event.COMMIT_FAILED, rows=len(rows), inputs=len(batch.inputs))
            self._drop(batch, failed.problem)
            self._resume_at = trio.current_time() + PAUSE_SECONDS
            self._tell_turn(failed.problem)
            return
        self.core = batch.overlay
        self._passed.clear()
        self._tell_turn(None)
        self._limit = LIMIT_BATCH
        for reel in (*self._reels.values(), *self._rescans):
            reel.settle()
        for reel in saving:
            reel.saved()
        if done is not None:
            self._rescans.remove(done)
        await self._do(batch.effects, nursery)

    def _tell_turn(self, trouble: Problem | None) -> None:
        self._trouble = trouble
        self._turned.set()
        self._turned = trio.Event()

    def _rows(self, batch: Batch, done: Reel | None) -> tuple[list[Row], list[Reel]]:
        """All rows of this commit, and the reels whose cursor is among them."""
        rows = list(batch.rows)
        if done is not None:
            rows += [Erase(Table.PROFILE, key) for key in done.keys]
        for effect in batch.effects:
            if isinstance(effect, Rescan):
                rows += [Put(Table.PROFILE, key, b"") for key in rescan_reel(effect).keys]
        saving: list[Reel] = []
        always = bool(rows)
        for reel in self._reels.values():
            row = reel.unsaved(always=always)
            if row is not None:
                rows.append(row)
                saving.append(reel)
        return rows, saving

    def _drop(self, batch: Batch, problem: Problem) -> None:
        """Forget what the batch came to. Whoever asked is told why; everything else is tried again."""
        again: list[Input] = []
        for given, _ in batch.inputs:
            if isinstance(given, Ask):
                self._asks.refuse(given.id, problem)
            elif not isinstance(given, FrameArrived):
                again.append(given)
        self._again.extendleft(reversed(again))
        self._passing.extendleft(reversed(self._passed[: LIMIT_PASSING - len(self._passing)]))
        self._passed.clear()
        for reel in (*self._reels.values(), *self._rescans):
            reel.rewind()

    def _isolate(self, batch: Batch) -> None:
        """The core broke on this batch as a whole: find out by single inputs which it was, and give up only that."""
        if self._limit > 1:
            self._limit = 1
            self._drop(batch, BROKEN)
            return
        self._passed.clear()
        for given, _ in batch.inputs:
            self._give_up(given)
        for reel in (*self._reels.values(), *self._rescans):
            reel.settle()

    # What goes out --------------------------------------------------------------------------------------------------

    async def _do(self, effects: list[Effect], nursery: trio.Nursery) -> None:
        publish: dict[CommonsId, list[Frame]] = {}
        for effect in effects:
            match effect:
                case Reply(number, value):
                    self._asks.reply(number, value)
                case Refuse(number, problem):
                    self._asks.refuse(number, problem)
                case SetTimer(name, at):
                    self._timers.set(name, at)
                case ClearTimer(name):
                    self._timers.clear(name)
                case Changed(view, dialogue):
                    self._shown(view, dialogue)
                case HpkeSeal():
                    nursery.start_soon(self._seal, effect)
                case Rescan():
                    self._rescan(effect)
                case Publish(commons, frame):
                    publish.setdefault(commons, []).append(frame)
                case Put() | Erase():
                    raise AssertionError("rows are committed before")
                case _:
                    assert_never(effect)
        for commons, frames in publish.items():
            await self._carrying.publish(commons, frames)

    async def _seal(self, job: HpkeSeal) -> None:
        def work() -> tuple[bytes, ...]:
            return tuple(hpke.seal(one.public, one.info, one.plaintext) for one in job.requests)

        await self.feed(HpkeSealed(job.job, await trio.to_thread.run_sync(work)))

    def _rescan(self, effect: Rescan) -> None:
        wanted = rescan_reel(effect)
        waiting = [reel for reel in self._rescans if reel.keys != wanted.keys]
        if len(waiting) >= LIMIT_RESCANS:
            same = next((reel for reel in reversed(waiting) if reel.commons == wanted.commons), waiting[-1])
            if same.commons == wanted.commons:
                waiting.remove(same)
                wanted = joined(same, wanted)
        self._rescans = [*waiting, wanted]
