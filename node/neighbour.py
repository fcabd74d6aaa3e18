"""One connected peer, from its connection to its end: hello, admission, then staying in step.

DESIGN.md §6, PROTOCOL.md §3 and §9. Invariants: nothing but the hello is spoken before both sides proved the key; a
peer counts as reached only after a whole sync; a peer that fails the hello, lies or keeps stalling is disconnected.
Sessions run when the peer comes, every 60 ± 30 s, soon after we published, and a little later after others brought
something; never because of what was opened.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node import sync
from tertulia.node.feed import Feed
from tertulia.node.hello import HELLO_SECONDS, open_hello, take_hello
from tertulia.node.redaction import Event, log
from tertulia.node.store.problems import StoreError
from tertulia.node.substrate import Host, PeerId, Stream, StreamFailed
from tertulia.protocol.commons import HELLO_PROTOCOL
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.sync_messages import SYNC_PROTOCOL, Ending

if TYPE_CHECKING:
    from tertulia.node.carrier import Carrier
    from tertulia.node.clock import Clock

GRACE_SECONDS: Final = 5.0
"""How long the side that was dialled leaves the first word, and the first session, to the other."""
PERIOD_SECONDS: Final = 60.0
PERIOD_SPREAD: Final = 30.0
SOON_SECONDS: Final = 0.25
"""After we published: long enough for gossip to have brought it, so that mostly only ids travel."""
OWN_APART_SECONDS: Final = 4.0
"""While we go on publishing, each of these sessions waits twice as long as the last one, up to this; who was quiet for
this long is told of as soon as ever."""
NEWS_SECONDS: Final = 1.0
NEWS_SPREAD: Final = 0.5
"""After somebody else's session brought frames: they come in batches, and neighbours of ours may tell each other."""
NEWS_APART_SECONDS: Final = 3.0
"""Between the ends of two sessions with a peer of which the latter is held for news."""
RETRY_SECONDS: Final = 5.0
LIMIT_FAILURES: Final = 3
"""Sessions that may fail in a row before we leave the peer."""


def jitter(middle: float, spread: float) -> float:
    """A random number of seconds in `middle` ± `spread`."""
    return middle + spread * (secrets.randbelow(2_001) - 1_000) / 1_000


class Neighbour:
    """A peer that is connected to our host."""

    def __init__(
        self,
        peer: PeerId,
        host: Host,
        carrier: Carrier,
        clock: Clock,
        changed: Callable[[], None],
        *,
        passive: bool = False,
        relay: bool = False,
    ) -> None:
        self.peer = peer
        self.feed = Feed(host, peer, carrier, self._hurry) if relay else None
        """What a relay streams to us; None for any other peer."""
        self._passive = passive  # a relay opens no session with who came to it: they bring themselves in step
        self.in_step = False
        """Hello and a whole sync are behind us."""
        self._host, self._carrier, self._clock, self._changed = host, carrier, clock, changed
        self.refused: RejectReason | None = None
        """Why its hello was not good enough; None while it was, or was not heard."""
        self._proved = trio.Event()
        self._came_to_end = trio.Event()
        self._served = 0  # sessions of the peer's that are under way
        self._served_out = trio.Event()
        self._behind = trio.Event()
        self._told = 0  # of the carrier's news, with the last session
        self._news_at: float | None = None
        self._quiet_until = 0.0
        self._own_at: float | None = None  # when a session for what we published is due, while there is any
        self._own_pause = SOON_SECONDS
        self._own_ended = -math.inf

    # What the peer opens --------------------------------------------------------------------------------------------

    async def take_hello(self, stream: Stream) -> None:
        """Serve its hello."""
        self._carrier.met(self.peer, stream.origin)
        try:
            clock = await take_hello(stream, self._carrier.commons, self._host.peer_id, self._clock)
        except RemoteError as wrong:
            self._count(f"hello {wrong.reason}")
            await stream.reset()
        except StreamFailed:
            self._count("hello broken")
        else:
            self._proved.set()
            await self._carrier.clock_seen(self.peer, clock)

    async def serve_sync(self, stream: Stream) -> None:
        """Serve its session."""
        news = self._carrier.news.to(self.peer)
        self._served += 1
        try:
            ending = await sync.serve(stream, self._carrier)
        except RemoteError as wrong:
            self._count(f"sync {wrong.reason}")
            await stream.reset()
            await self._host.disconnect(self.peer)
        except (StreamFailed, StoreError):
            self._count("sync broken")
            await stream.reset()
        else:
            if ending is Ending.DONE:
                self._came_to_end.set()
                self._tell(news)  # a session levels both sides, whoever opened it
            else:
                self._count(f"sync ended {ending.name.lower()}")
        finally:
            self._served -= 1
            self._served_out.set()
            self._served_out = trio.Event()

    async def _their_turn(self) -> None:
        """Wait while the peer's own session is under way: it levels both sides, and a second would bring all twice."""
        while self._served:
            await self._served_out.wait()

    # What we open ---------------------------------------------------------------------------------------------------

    async def run(self, *, dialled: bool) -> None:
        """Meet the peer and stay in step with it; returns, disconnected, when that cannot be."""
        try:
            await self._meet(dialled=dialled)
        except RemoteError as wrong:
            log(Event.HELLO_REFUSED, reason=wrong.reason)
            self.refused = wrong.reason
            self._count(f"hello {wrong.reason}")
        except (StreamFailed, trio.TooSlowError):
            self._count("hello broken")
        else:
            self._host.admit(self.peer)
            async with trio.open_nursery() as nursery:
                if self.feed is not None:
                    nursery.start_soon(self._be_fed, self.feed, nursery.cancel_scope)
                await self._stay(dialled=dialled)
                nursery.cancel_scope.cancel()
        await self._host.disconnect(self.peer)

    async def _be_fed(self, feed: Feed, scope: trio.CancelScope) -> None:
        """Take the relay's feed as long as it stands by its word."""
        try:
            await feed.run()
        except RemoteError as wrong:
            log(Event.SYNC_FAILED, reason=wrong.reason)
            self._count(f"feed left {wrong.reason}")
            scope.cancel()

    def _hurry(self) -> None:
        """The feed has left something out: a session is due now."""
        self._behind.set()

    def _owes(self) -> bool:
        """Whether something of ours waits for a session; what a feed takes waits for none."""
        fed = self.feed is not None and self.feed.standing
        return not fed and bool(self._carrier.own.owed(self.peer))

    async def _meet(self, *, dialled: bool) -> None:
        if not dialled:
            # Both sides may have dialled at once and each believe that the other did: then, after a while, we begin.
            with trio.move_on_after(jitter(GRACE_SECONDS, GRACE_SECONDS / 5)):
                await self._proved.wait()
                return
            if self._passive:
                raise trio.TooSlowError("whoever comes to a relay speaks first")
        with trio.fail_after(HELLO_SECONDS):
            stream = await self._host.open(self.peer, HELLO_PROTOCOL)
            self._carrier.met(self.peer, stream.origin)
            try:
                clock = await open_hello(stream, self._carrier.commons, self._host.peer_id, self._clock)
            except RemoteError:
                await stream.reset()
                raise
            await stream.close()
        await self._carrier.clock_seen(self.peer, clock)

    async def _stay(self, *, dialled: bool) -> None:
        """Sessions until the peer goes, or has failed too often."""
        if not dialled and self._passive:
            await trio.sleep_forever()
        if not dialled:
            with trio.move_on_after(GRACE_SECONDS):
                await self._came_to_end.wait()
            await self._their_turn()
            if self._came_to_end.is_set():
                self._reached()
        if self.feed is not None:
            with trio.move_on_after(GRACE_SECONDS):
                await self.feed.began.wait()
        failures = 0
        due = trio.current_time() if not self.in_step else self._next()
        while failures < LIMIT_FAILURES:
            if await self._reason(due):
                due = trio.current_time()
            await self._their_turn()
            periodic = trio.current_time() >= due
            offered, news = self._carrier.own.owed(self.peer), self._carrier.news.to(self.peer)
            try:
                ending = await self._session()
            except RemoteError as wrong:
                log(Event.SYNC_FAILED, reason=wrong.reason)
                self._count(f"sync {wrong.reason}")
                return
            if ending is None:
                failures += 1
                await trio.sleep(RETRY_SECONDS)
                continue
            failures = 0
            self._carrier.own.settle(self.peer, offered)
            self._own_at = None
            if offered:
                self._own_ended = trio.current_time()
            self._tell(news)
            if periodic:
                due = self._next()
            if ending is Ending.DONE:
                self._reached()
            else:
                self._count(f"sync ended {ending.name.lower()}")

    async def _reason(self, due: float) -> bool:
        """Wait until a session is due, or is worth while before that: for what we published, or others brought.

        True when the feed has left something out, so that one is due now.
        """
        while trio.current_time() < due:
            events, at = (self._carrier.published, self._carrier.informed, self._behind), due
            if self._behind.is_set():
                self._behind = trio.Event()
                return True
            if not (self.in_step and self._owes()):
                self._own_at = None
            else:
                if self._own_at is None:
                    self._own_at = trio.current_time() + self._pause()
                if trio.current_time() >= self._own_at:
                    return False
                at = min(at, self._own_at)
            if self.in_step and self._carrier.news.to(self.peer) > self._told:
                if self._news_at is None:
                    self._news_at = max(trio.current_time() + jitter(NEWS_SECONDS, NEWS_SPREAD), self._quiet_until)
                if trio.current_time() >= self._news_at:
                    return False
                at = min(at, self._news_at)
            await _any(events, at)
        return False

    def _pause(self) -> float:
        """How long what we have just published waits for a session: the longer, the more of them there were lately."""
        quiet = trio.current_time() - self._own_ended >= OWN_APART_SECONDS
        self._own_pause = SOON_SECONDS if quiet else min(2 * self._own_pause, OWN_APART_SECONDS)
        return self._own_pause

    def _tell(self, news: int) -> None:
        """A session has told the peer of so much."""
        self._told, self._news_at = max(self._told, news), None
        self._quiet_until = trio.current_time() + NEWS_APART_SECONDS

    async def _session(self) -> Ending | None:
        """One session; None if it failed. Raises RemoteError for a peer that lies."""
        stream: Stream | None = None
        try:
            stream = await self._host.open(self.peer, SYNC_PROTOCOL)
            ending = await sync.bring_in_step(stream, self._carrier)
        except (StreamFailed, StoreError, sync.NotKept):
            log(Event.SYNC_FAILED)
            self._count("sync broken")
            if stream is not None:
                await stream.reset()
            return None
        except RemoteError:
            if stream is not None:
                await stream.reset()
            raise
        await stream.close()
        return ending

    def _next(self) -> float:
        return trio.current_time() + jitter(PERIOD_SECONDS, PERIOD_SPREAD)

    def _reached(self) -> None:
        if not self.in_step:
            self.in_step = True
            self._changed()

    def _count(self, reason: str) -> None:
        self._carrier.counts[reason] += 1


async def _any(events: Iterable[trio.Event], until: float) -> None:
    """Wait until one of these has been set, or it is `until` (trio's clock)."""

    async def end(event: trio.Event, scope: trio.CancelScope) -> None:
        await event.wait()
        scope.cancel()

    with trio.move_on_at(until):
        async with trio.open_nursery() as nursery:
            for event in events:
                nursery.start_soon(end, event, nursery.cancel_scope)
