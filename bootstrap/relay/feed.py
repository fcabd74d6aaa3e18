"""`/tertulia/feed/1`, the relay's side: what comes to the disk goes to everyone who subscribed, encoded once for all.

Spec: docs/spec/feed.md. Invariants: a frame is told of only from the disk and in the order it came; nothing is queued
for anybody: who takes no more keeps a place, and goes on from it or is sent to sync; no subscriber gets beyond its
credit; a cursor is a count since this process began and says nothing of other commons; `Taken` follows the disk.
"""

from __future__ import annotations

import math
import os
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

import trio

from tertulia.bootstrap.relay.feed_puts import Puts
from tertulia.node.redaction import Event, log
from tertulia.node.shelf import ANY_NUMBER, START, Mark, newest
from tertulia.node.store.problems import StoreError
from tertulia.node.substrate import Stream, StreamFailed
from tertulia.protocol import feed_messages as messages
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.feed_messages import (
    BATCH_SECONDS,
    BEAT_SECONDS,
    LIMIT_ASK,
    LIMIT_BATCH,
    LIMIT_CREDIT,
    Accepted,
    AskCard,
    Batch,
    Behind,
    Credit,
    Draining,
    Put,
    Refusal,
    Refused,
    Subscribe,
    TellCard,
)
from tertulia.protocol.relay_card import card_hash

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.carrier import RelayCarrier
    from tertulia.bootstrap.relay.rates import Rates

FIRST_SECONDS: Final = 10.0
"""A peer that opened a feed and says nothing for so long is left."""
DISK_SECONDS: Final = 1.0
"""After the disk did not answer it is left alone for so long."""
BEAT_EVERY: Final = BEAT_SECONDS / 4
LIMIT_PLACES: Final = 8_192
"""Frames that a feed can go back; who is further behind is sent to sync."""
LIMIT_READ: Final = 256
"""Frames read from the disk at once, for all."""
LIMIT_READ_ONE: Final = 16
"""Frames read from the disk at once, for one who is behind."""
_RUN: Final = 8
_COUNT: Final = 8


@dataclass(slots=True, eq=False)
class Subscriber:
    """One citizen's feed."""

    stream: Stream
    place: int
    credit: int
    lagging: bool = True
    """It is given what it lacks by its own task, from the disk; else by the feed, with all others."""
    said: float = field(default_factory=trio.current_time)
    news: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when there is new credit, or it has become a laggard."""

    def wake(self) -> None:
        """Let its task look again."""
        self.news.set()
        self.news = trio.Event()


class Feed:
    """The feed of one commons."""

    def __init__(self, carrier: RelayCarrier, rates: Rates) -> None:
        self.counts: Counter[str] = Counter()
        self._card = self._card_hash = b""
        self._carrier = carrier
        self._puts = Puts(carrier, rates, self.counts)
        self._run_id = os.urandom(_RUN)
        self._subscribers: dict[Subscriber, str] = {}
        self._marks: deque[Mark] = deque(maxlen=LIMIT_PLACES)
        self._mark: Mark = START
        self._end = 0  # how many frames the feed has told of since it began
        self._news = trio.Event()
        self._draining = 0

    def __len__(self) -> int:
        return len(self._subscribers)

    # What comes -----------------------------------------------------------------------------------------------------

    def arrived(self) -> None:
        """New frames are on the disk."""
        self._news.set()

    def lowered(self, last: Mark) -> None:
        """The highest numbers of the archive are free again, and will be given to others."""
        if self._mark.number > last.number:
            self._mark = last
        self.evicted()

    def evicted(self) -> None:
        """Frames went: places before now do not lead anywhere for certain any more."""
        self._marks.clear()
        self._marks.append(self._mark)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell of what comes until cancelled. Raises StoreError when the archive cannot even be looked at."""
        self._mark = await self._carrier.shelf.run(lambda archive: newest(archive, ANY_NUMBER))
        self.evicted()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat)
            task_status.started()
            while True:
                await self._news.wait()
                self._news = trio.Event()
                try:
                    await self._tell()
                except StoreError:
                    log(Event.COMMIT_FAILED)
                    self._news.set()
                    await trio.sleep(DISK_SECONDS)
                await trio.sleep(BATCH_SECONDS)  # whatever comes meanwhile goes together

    async def _tell(self) -> None:
        """Everything that is on the disk and was not told of."""
        commons, shelf = self._carrier.commons.id, self._carrier.shelf
        while True:
            rows = await shelf.arrived(commons, self._mark, LIMIT_READ)
            if not rows:
                return
            raws: list[bytes] = []
            for row in rows:
                if raws and sum(map(len, raws)) + len(row.raw) > LIMIT_BATCH:
                    self._broadcast(raws)
                    raws = []
                raws.append(row.raw)
                self._mark = row.mark
                self._marks.append(row.mark)
            self._broadcast(raws)

    def _broadcast(self, raws: list[bytes]) -> None:
        """Give one batch to all who are at its beginning and have credit for it; no await, so that none is passed."""
        begin, self._end = self._end, self._end + len(raws)
        message = messages.write(Batch(self._cursor(self._end), tuple(raws)))
        cost, now = messages.cost(raws), trio.current_time()
        told = 0
        for one in self._subscribers:
            if one.lagging:
                continue
            if one.place == begin and one.credit >= cost and self._say(one, message, now):
                one.place = self._end
                one.credit -= cost
                told += 1
            else:
                one.lagging = True
                one.wake()
        self.counts["batches"] += told
        self.counts["frames told"] += told * len(raws)

    def _say(self, one: Subscriber, message: bytes, now: float) -> bool:
        try:
            sent = one.stream.send_now(message)
        except StreamFailed:
            return False
        if sent:
            one.said = now
        return sent

    async def _beat(self) -> None:
        """Show everyone now and then that this relay is alive."""
        while True:
            await trio.sleep(BEAT_EVERY)
            now = trio.current_time()
            for one in self._subscribers:
                if now - one.said >= BEAT_SECONDS - BEAT_EVERY:
                    self._say(one, messages.write(Batch(self._cursor(one.place), ())), now)

    # A citizen ------------------------------------------------------------------------------------------------------

    async def serve(self, stream: Stream) -> None:
        """Serve one feed to its end. Raises RemoteError for a peer that lies, StreamFailed for one that goes."""
        ask = messages.read_ask(await stream.receive(LIMIT_ASK, seconds=FIRST_SECONDS))
        if not isinstance(ask, Subscribe):
            raise _unexpected()
        refused = self._refusal(stream.origin)
        if refused is not None:
            self.counts[f"feed refused {refused.name.lower()}"] += 1
            await stream.send(messages.write(Refused(refused, self._draining)))
            return
        place = self._place(ask.cursor)
        here = self._end if place is None else place
        one = Subscriber(stream, here, ask.credit)
        self._subscribers[one] = stream.origin
        try:
            await stream.send(messages.write(Accepted(self._cursor(here), self._carrier.now, self._card_hash)))
            if place is None:
                await stream.send(messages.write(Behind(self._cursor(here))))
            failure: RemoteError | StreamFailed | None = None
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._level, one, nursery.cancel_scope)
                try:
                    await self._obey(one)
                except (RemoteError, StreamFailed) as failed:
                    failure = failed
                nursery.cancel_scope.cancel()
        finally:
            del self._subscribers[one]
        if failure is not None:
            raise failure

    def _refusal(self, origin: str) -> Refusal | None:
        quota = self._carrier.settings.quota
        if self._draining:
            return Refusal.DRAINING
        if len(self._subscribers) >= quota.feeds:
            return Refusal.FULL
        there = sum(one == origin for one in self._subscribers.values())
        return Refusal.RATE if there >= quota.feeds_per_address else None

    async def _obey(self, one: Subscriber) -> None:
        """Read what the citizen says, until it goes."""
        stream = one.stream
        while True:
            ask = messages.read_ask(await stream.receive(LIMIT_ASK, seconds=math.inf))
            match ask:
                case Credit(kib):
                    one.credit += kib
                    if one.credit > LIMIT_CREDIT:
                        raise RemoteError(RejectReason.LIMIT, "more credit than the spec allows")
                    one.wake()
                case Put(raws):
                    await stream.send(messages.write(await self._puts.take(raws, stream.peer)))
                    one.said = trio.current_time()
                    await self._puts.rest(len(raws), stream.origin)
                case AskCard():
                    await stream.send(messages.write(TellCard(self._card)))
                case Subscribe():
                    raise _unexpected()
                case _:
                    assert_never(ask)

    async def _level(self, one: Subscriber, scope: trio.CancelScope) -> None:
        """Whenever this citizen is behind, bring it to where the feed is, as fast as it takes it."""
        try:
            while True:
                news = one.news
                if not one.lagging or not await self._step(one):
                    await news.wait()
        except StreamFailed:
            scope.cancel()

    async def _step(self, one: Subscriber) -> bool:
        """One batch to a laggard; False when it has to wait for credit first."""
        if one.place == self._end:
            one.lagging = False
            return True
        mark = self._mark_at(one.place)
        if mark is None:
            one.place = self._end
            self.counts["sent to sync"] += 1
            await self._send(one, messages.write(Behind(self._cursor(one.place))))
            return True
        if not one.credit:
            return False
        count = min(LIMIT_READ_ONE, self._end - one.place)
        try:
            rows = await self._carrier.shelf.arrived(self._carrier.commons.id, mark, count)
        except StoreError:
            rows = []
        if len(rows) < count or self._mark_at(one.place) != mark:  # an eviction came between
            self.evicted()
            return True
        count = messages.fitting([len(row.raw) for row in rows], one.credit)
        if not count:
            return False
        raws = tuple(row.raw for row in rows[:count])
        one.place += count
        one.credit -= messages.cost(raws)
        self.counts["frames told late"] += count
        await self._send(one, messages.write(Batch(self._cursor(one.place), raws)))
        return True

    async def _send(self, one: Subscriber, message: bytes) -> None:
        await one.stream.send(message)
        one.said = trio.current_time()

    # Places ---------------------------------------------------------------------------------------------------------

    def _cursor(self, place: int) -> bytes:
        return self._run_id + place.to_bytes(_COUNT, "big")

    def _place(self, cursor: bytes) -> int | None:
        """The place of a cursor; None if it is not one of this run, or too far back."""
        if not cursor:
            return self._end
        place = int.from_bytes(cursor[_RUN:], "big")
        known = len(cursor) == _RUN + _COUNT and cursor[:_RUN] == self._run_id and place <= self._end
        return place if known and (place == self._end or self._mark_at(place) is not None) else None

    def _mark_at(self, place: int) -> Mark | None:
        """The mark of the frame before `place`; None if that is not known any more."""
        back = self._end - place
        return self._marks[-back - 1] if 0 <= back < len(self._marks) else None

    # The operator ---------------------------------------------------------------------------------------------------

    def show(self, card: bytes) -> None:
        """From now on tell this signed card; empty is none."""
        self._card, self._card_hash = card, card_hash(card)

    def drain(self, until: int) -> None:
        """Take nobody new, and tell everyone that it ends at `until` (ms); 0 takes it back."""
        self._draining = until
        if until:
            for one in self._subscribers:
                self._say(one, messages.write(Draining(until)), trio.current_time())

    async def end(self, reason: Refusal) -> None:
        """Send everyone away."""
        for one in tuple(self._subscribers):
            self._say(one, messages.write(Refused(reason, self._draining)), trio.current_time())
            await one.stream.close()


def _unexpected() -> RemoteError:
    return RemoteError(RejectReason.SHAPE, "a message that does not belong here")
