"""Frames into and out of one commons: judged, archived, handed on. Carries for everyone, reads nothing.

DESIGN.md §6, PROTOCOL.md §1 and §9. Invariants: a frame is judged before it is forwarded or archived, by its commons
MAC alone; it is on the disk before anyone is told of it; what is kept does not depend on what can be opened; the
archive refusing costs the frames of that moment (a sync brings them again), never the node.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import trio

from tertulia.node.holdings import Holdings, Taken
from tertulia.node.news import News
from tertulia.node.own_frames import OwnFrames
from tertulia.node.quota import DAILY, OWN, Allowance, line_of
from tertulia.node.redaction import Event, log
from tertulia.node.relay_watch import RelayWatch
from tertulia.node.store.problems import StoreError
from tertulia.node.substrate import NOWHERE, Gossip, PeerId, SubstrateError, Verdict
from tertulia.protocol import frame as frames
from tertulia.protocol.errors import Problem, RejectReason, RemoteError
from tertulia.protocol.inputs import FrameKept
from tertulia.protocol.sync_messages import Verdict as Fate
from tertulia.protocol.sync_terms import Stand
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.node.clock import Clock
    from tertulia.node.shelf import Shelf
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.frame import Frame, Window
    from tertulia.protocol.ids import CommonsId, FrameId
    from tertulia.protocol.sync_terms import Terms

LIMIT_SEEN: Final = 65_536
"""Frame ids remembered as seen in gossip."""
LIMIT_TOGETHER: Final = 256
"""Frames archived in one transaction."""


class Listener(Protocol):
    """Who is told what happens in a commons (the service; nobody needs to be unlocked for it)."""

    def arrived(self, commons: CommonsId) -> None:
        """New frames have been archived."""

    async def kept(self, kept: FrameKept) -> None:
        """A peer holds a frame of ours."""

    async def reach_changed(self, commons: CommonsId) -> None:
        """The number of peers in step, or the trouble with the network, has changed."""


class Carrier:
    """One commons' frames."""

    def __init__(
        self, commons: Commons, shelf: Shelf, clock: Clock, listener: Listener, daily: Allowance = DAILY
    ) -> None:
        self.commons = commons
        self.shelf = shelf
        self.holdings = Holdings(shelf, commons.id, daily)
        self.counts: Counter[str] = Counter()
        self.trouble: Problem | None = None
        """What the disk said last, until it works again."""
        self.own = OwnFrames()
        self.published = trio.Event()
        """Set, and replaced, whenever frames of ours were published."""
        self.watch = RelayWatch()
        """The relays of this commons, held to their word."""
        self.heeds: Callable[[Sequence[Frame]], None] | None = None
        """Who looks at what was archived for something that concerns every carrier: the commons' card."""
        self.apart: dict[str, int] = {}
        """Connected peers whose clocks are so far from ours that frames wait: by how many minutes theirs is ahead."""
        self.news = News()
        self.informed = trio.Event()
        """Set, and replaced, whenever there is news."""
        self.lets_go: Callable[[CommonsId, Sequence[Frame]], None] | None = None
        """Who tries frames that are gone: valid, but beyond the quota of who brought them, so never archived."""
        self._clock = clock
        self._listener = listener
        self._gossip: Gossip | None = None
        self._unkept: dict[FrameId, Frame] = {}
        self._seen: OrderedDict[FrameId, None] = OrderedDict()

    @property
    def now(self) -> int:
        """The time (ms)."""
        return self._clock()

    @property
    def stand(self) -> Stand:
        """Where this node stands when a session begins: below its floor it keeps nothing, and compares nothing."""
        now = self._clock()
        return Stand(now, max(frames.sync_window(now, self.commons.retention_days).oldest, 0))

    @property
    def window(self) -> Window:
        """The minutes that sync may bring and keeps now."""
        return frames.sync_window(self._clock(), self.commons.retention_days)

    # Gossip ---------------------------------------------------------------------------------------------------------

    def validate(self, data: bytes, peer: PeerId) -> Verdict:  # noqa: ARG002 - the seam's shape; quotas come with keeping
        """Judge a frame from gossip, cheapest check first. Total: never raises, never waits."""
        try:
            frame = frames.check(data, self.commons.key, frames.gossip_window(self._clock()))
        except RemoteError as wrong:
            self.counts[wrong.reason] += 1
            return Verdict.IGNORE if wrong.reason is RejectReason.WINDOW else Verdict.REJECT
        if not self._is_first(frame.id):
            self.counts["seen"] += 1
            return Verdict.IGNORE
        return Verdict.ACCEPT

    def _is_first(self, frame: FrameId) -> bool:
        if frame in self._seen:
            return False
        self._seen[frame] = None
        if len(self._seen) > LIMIT_SEEN:
            self._seen.popitem(last=False)
        return True

    async def receive(self, gossip: Gossip) -> None:
        """Archive what gossip brings, until cancelled; from now on `publish` uses it too."""
        self._gossip = gossip
        try:
            while True:
                peer, raw = await gossip.frames.receive()
                batch: list[tuple[Frame, str]] = [(frames.read(raw), peer)]
                while len(batch) < LIMIT_TOGETHER:
                    try:
                        peer, raw = gossip.frames.receive_nowait()
                    except trio.WouldBlock:
                        break
                    batch.append((frames.read(raw), peer))
                await self._take(batch)
        except trio.EndOfChannel:
            return  # the host is ending
        finally:
            self._gossip = None

    # Archive --------------------------------------------------------------------------------------------------------

    async def keep(self, batch: Sequence[Frame], neighbour: str) -> Taken | None:
        """Archive frames that `neighbour` brought and that have been checked, and tell of them.

        None when the disk refused: nothing was kept.
        """
        return await self._take([(frame, neighbour) for frame in batch])

    async def keep_news(self, batch: Sequence[Frame], neighbour: str) -> Taken | None:
        """The same for what no gossip or feed carries on: what was not held is news to the other peers."""
        taken = await self.keep(batch, neighbour)
        if taken is not None and taken.fresh:
            self.news.came(neighbour, taken.fresh)
            self.informed.set()
            self.informed = trio.Event()
        return taken

    async def _take(self, batch: Sequence[tuple[Frame, str]]) -> Taken | None:
        try:
            taken = await self.holdings.take(batch, self._clock())
        except StoreError as failed:
            log(Event.COMMIT_FAILED, frames=len(batch))
            self.trouble = failed.problem
            for frame, _ in batch:
                self._seen.pop(frame.id, None)
            await self._listener.reach_changed(self.commons.id)
            return None
        if self.trouble is not None:
            self.trouble = None
            await self._listener.reach_changed(self.commons.id)
        self.counts["kept"] += taken.fresh
        self.counts["held already"] += taken.verdicts.count(Fate.KEPT) - taken.fresh
        for verdict in taken.verdicts:
            if verdict is not Fate.KEPT:
                self.counts[f"quota {verdict.name.lower()}"] += 1
        if self.lets_go is not None and Fate.GONE in taken.verdicts:
            fates = zip(batch, taken.verdicts, strict=True)
            self.lets_go(self.commons.id, [frame for (frame, _), fate in fates if fate is Fate.GONE])
        if taken.fresh and self.heeds is not None:
            fates = zip(batch, taken.verdicts, strict=True)
            self.heeds([frame for (frame, _), fate in fates if fate is Fate.KEPT])
        if taken.fresh:
            self._listener.arrived(self.commons.id)
        return taken

    def met(self, peer: PeerId, origin: str) -> None:
        """`peer` said hello from `origin` (`Stream.origin`): what all who come from there bring is counted together."""
        if origin != NOWHERE:
            self.holdings.came(peer, line_of(self.commons.key, origin))

    async def clock_seen(self, peer: PeerId, clock: int) -> None:
        """A peer's hello showed its clock (ms)."""
        await self.shelf.watch.hear(peer, clock, self._clock())

    async def compare_clock(self, peer: str, terms: Terms) -> None:
        """A session has shown how far a peer's clock is from ours."""
        before = self.apart.pop(peer, None)
        if terms.clocks_differ:
            self.apart[peer] = round(terms.skew / MS_PER_MINUTE)
        if before != self.apart.get(peer):
            await self._listener.reach_changed(self.commons.id)

    def check(self, raw: bytes) -> Frame:
        """Judge a frame from a sync. Raises RemoteError."""
        return frames.check(raw, self.commons.key, self.window)

    async def evict(self) -> None:
        """Drop what is older than this commons keeps, unless the clock is in doubt. Raises StoreError."""
        if not await self.shelf.watch.look(self._clock()):
            return
        oldest = self.window.oldest
        self.own.forget_before(oldest)
        self.counts["evicted"] += await self.holdings.evict(oldest)

    # Ours -----------------------------------------------------------------------------------------------------------

    async def publish(self, batch: Sequence[Frame]) -> None:
        """Archive frames of ours and gossip them; peers that gossip does not reach are given them by sync.

        What the disk refuses, or our own quota, is not told of: it is tried again later.
        """
        taken = await self.keep(batch, OWN)
        if taken is None:
            self._unkept.update((frame.id, frame) for frame in batch)
            return
        fates = list(zip(batch, taken.verdicts, strict=True))
        self._unkept.update((frame.id, frame) for frame, fate in fates if fate is not Fate.KEPT)
        batch = [frame for frame, fate in fates if fate is Fate.KEPT]
        if not batch:
            return
        for frame in batch:
            self._is_first(frame.id)  # the echo of our own frame is no news
        self.own.add(batch)
        await self.pass_on(batch)
        self.published.set()
        self.published = trio.Event()

    async def pass_on(self, batch: Sequence[Frame]) -> None:
        """Gossip frames that are on the disk; whom gossip does not reach gets them by sync."""
        if self._gossip is not None:
            try:
                for frame in batch:
                    await self._gossip.publish(frame.raw)
            except SubstrateError as failed:
                self.counts[f"publish {type(failed).__name__}"] += 1

    async def publish_again(self) -> None:
        """Publish what was not kept before, if it is now; the vault holds it too, for the next unlock."""
        batch, self._unkept = tuple(self._unkept.values()), {}
        if batch:
            await self.publish(batch)

    async def held(self, peer: PeerId, listed: Sequence[FrameId]) -> None:
        """`peer` says that it holds these frames: tell of those that are ours."""
        for frame in listed:
            if self.own.holds(peer, frame):
                await self._listener.kept(FrameKept(frame, peer))
