"""`/tertulia/sync/1`, the side that opens: it asks, learns the difference, fetches what it lacks, gives what it has.

Spec: docs/spec/sync.md, *Messages of a session*; PROTOCOL.md §9. The side that answers is sync_server.py. Invariants:
every frame is judged before it is archived and must have been asked for; nothing depends on what was opened; whatever
a peer says, work and memory of a session are bounded, and what was fetched before it broke off is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.sync_server import judge, serve
from tertulia.protocol import frame as frames
from tertulia.protocol import reconciliation
from tertulia.protocol import sync_messages as messages
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.reconciliation import LIMIT_ROUNDS
from tertulia.protocol.sync_messages import (
    LIMIT_ANSWER,
    LIMIT_FRAMES,
    LIMIT_MESSAGE,
    AskGone,
    End,
    Ending,
    Frames,
    Give,
    Kept,
    Noted,
    Open,
    Opened,
    Reconcile,
    TellGone,
    Verdict,
    Want,
)
from tertulia.protocol.sync_terms import agree

if TYPE_CHECKING:
    from tertulia.node.carrier import Carrier
    from tertulia.node.substrate import Stream
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import FrameId
    from tertulia.protocol.range_index import Index
    from tertulia.protocol.sync_messages import Message
    from tertulia.protocol.sync_terms import Terms

__all__ = ["NotKept", "bring_in_step", "serve"]

ANSWER_SECONDS: Final = 30.0
"""A peer that takes longer to answer is left."""
SESSION_SECONDS: Final = 30 * 60.0
"""A session that takes longer ends; the next one goes on where it was."""


class NotKept(Exception):
    """Our disk refused what a peer sent; the carrier has said why."""


class _Over(Exception):
    """The session ends before its time. `theirs`: the peer said so, and nothing more is said."""

    def __init__(self, ending: Ending, *, theirs: bool = False) -> None:
        self.ending, self.theirs = ending, theirs


async def bring_in_step(stream: Stream, carrier: Carrier) -> Ending:
    """Make both archives hold the same frames, as far as each may; gives how the session ended.

    Raises RemoteError for a peer that lies, StreamFailed for one that stalls or goes, StoreError or NotKept for our
    own disk.
    """
    await carrier.holdings.ready()
    session = _Session(stream, carrier)
    try:
        await session.run()
        ending = Ending.QUOTA if carrier.holdings.is_full(stream.peer, carrier.now) else Ending.DONE
    except _Over as over:
        if over.theirs:
            return over.ending
        ending = over.ending
    await stream.send(messages.write(End(ending)))
    if not isinstance(messages.read(await stream.receive(LIMIT_ANSWER, seconds=ANSWER_SECONDS), LIMIT_ANSWER), End):
        raise messages.unexpected()
    if ending is Ending.DONE:
        await session.count()
    return ending


class _Session:
    """One session, as the side that opened it sees it."""

    def __init__(self, stream: Stream, carrier: Carrier) -> None:
        self._stream, self._carrier, self._peer = stream, carrier, stream.peer
        self._holdings = carrier.holdings
        self._began = trio.current_time()
        self._deadline = self._began + SESSION_SECONDS
        self._view: Index
        self._only_ours: set[FrameId] = set()  # frames of ours that the peer lacks and did not say it keeps
        self._offered: set[FrameId] = set()  # a list that was cut comes again in part: nothing is given twice

    async def run(self) -> None:
        """All of it up to the end. Raises _Over, and as `bring_in_step` does."""
        stand = self._carrier.stand
        opened = await self._ask(Open(stand, self._holdings.gone_days()))
        if not isinstance(opened, Opened):
            raise messages.unexpected()
        terms = agree(stand, opened.stand)
        if terms.clocks_differ:
            self._carrier.counts["clocks differ"] += 1
        await self._carrier.compare_clock(self._peer, terms)
        theirs = await self._exchange_gone(opened)
        self._view = self._holdings.view(self._peer, terms)
        if theirs != self._view.fingerprint(0, len(self._view)):
            await self._reconcile()
        await self._retry(terms)

    async def count(self) -> None:
        """After an end that was DONE: tell of those of our own frames that are with the peer."""
        own = self._carrier.own.unheard(self._peer)
        held = [place[1] for place in own if place in self._view and place[1] not in self._only_ours]
        await self._carrier.held(self._peer, held)

    async def _exchange_gone(self, opened: Opened) -> bytes:
        """Learn what is gone with the peer, tell what it asked; gives the fingerprint of its view."""
        told = self._holdings.told(self._peer)
        unknown = set(told.unknown(opened.gone))
        for said in opened.gone:
            if said.day in unknown:
                answer = await self._ask(AskGone(said.day))
                if not isinstance(answer, TellGone) or answer.day != said.day:
                    raise messages.unexpected()
                told.learn(said, answer.places)
        fingerprint = opened.fingerprint
        for day in opened.asked:
            noted = await self._ask(TellGone(day, self._holdings.gone_of(day)))
            if not isinstance(noted, Noted):
                raise messages.unexpected()
            fingerprint = noted.fingerprint
        return fingerprint

    async def _reconcile(self) -> None:
        """Learn the differences, message by message, and level each out before the next.

        In worker threads: the view is ours alone, and a peer that has nothing makes one step long.
        """
        message = await trio.to_thread.run_sync(reconciliation.initiate, self._view)
        for _ in range(LIMIT_ROUNDS):
            answer = await self._ask(Reconcile(message))
            if not isinstance(answer, Reconcile):
                raise messages.unexpected()
            step = await trio.to_thread.run_sync(reconciliation.reconcile, self._view, answer.message)
            await self._fetch(step.need)
            await self._give(step.have)
            if step.message is None:
                return
            message = step.message
        raise _Over(Ending.BOUND)

    # Frames ---------------------------------------------------------------------------------------------------------

    async def _fetch(self, need: Sequence[FrameId]) -> None:
        """Ask for what we lack, and no other session has asked for.

        What others ask for is looked at once more at the end: it has come by then, or is theirs to bring; what stays
        missing is a difference of the next session.
        """
        if self._holdings.is_full(self._peer, self._carrier.now):
            return
        left: deque[FrameId] = deque(need)
        later: list[FrameId] = []
        while left:
            batch: list[FrameId] = []
            while left and len(batch) < LIMIT_FRAMES:
                frame = left.popleft()
                (later if frame in self._holdings.wanted else batch).append(frame)
            await self._want(batch)
        for ids in messages.batches([frame for frame in later if frame not in self._holdings.wanted]):
            await self._want(ids)

    async def _want(self, ids: Sequence[FrameId]) -> set[FrameId]:
        """Ask for those of some frames that are not here; gives the ids of those that came."""
        claimed = {frame for frame in ids if frame not in self._holdings.wanted}
        self._holdings.wanted |= claimed
        try:
            lacking = await self._holdings.lacking([frame for frame in ids if frame in claimed])
            if not lacking:
                return set()
            answer = await self._ask(Want(tuple(lacking)), LIMIT_MESSAGE)
            if not isinstance(answer, Frames):
                raise messages.unexpected()
            return await self._keep(answer.raws, set(lacking))
        finally:
            self._holdings.wanted -= claimed

    async def _keep(self, raws: Sequence[bytes], asked: set[FrameId]) -> set[FrameId]:
        """Archive what came."""
        fetched: list[Frame] = [frame for frame in judge(self._carrier, raws) if frame is not None]
        came = {frame.id for frame in fetched}
        if not came <= asked:
            raise RemoteError(RejectReason.ID, "a frame that was not asked for")
        if fetched:
            taken = await self._carrier.keep_news(fetched, self._peer)
            if taken is None:
                raise NotKept
            if Verdict.REFUSED in taken.verdicts:
                raise _Over(Ending.QUOTA)
        return came

    async def _give(self, have: Sequence[FrameId]) -> None:
        """Offer what the peer lacks."""
        own = self._carrier.own
        fresh = [frame for frame in have if frame not in self._offered]
        self._offered.update(fresh)
        self._only_ours.update(frame for frame in fresh if frame in own)
        self._carrier.counts["promises broken"] += self._carrier.watch.lacks(self._peer, fresh, self._began)
        for ids in messages.batches(fresh):
            raws = await self._carrier.shelf.frames(self._carrier.commons.id, ids)
            if not raws:
                continue
            answer = await self._ask(Give(tuple(raws)))
            if not isinstance(answer, Kept) or len(answer.verdicts) != len(raws):
                raise messages.unexpected()
            given = (frames.read(raw).id for raw in raws)
            kept = [frame for frame, fate in zip(given, answer.verdicts, strict=True) if fate is Verdict.KEPT]
            self._only_ours.difference_update(kept)
            self._carrier.watch.promised(self._peer, kept, trio.current_time())
            await self._carrier.held(self._peer, kept)

    async def _retry(self, terms: Terms) -> None:
        """Ask for what is gone here, because of others or of yesterday."""
        places = self._holdings.to_retry(self._peer, terms, self._carrier.now)
        asked = [place for place in places if place[1] not in self._holdings.wanted]
        if asked:
            came = await self._want([frame for _, frame in asked])
            self._holdings.lacked(
                self._peer, [place for place in asked if place[1] not in came], self._carrier.now
            )

    async def _ask(self, message: Message, limit: int = LIMIT_ANSWER) -> Message:
        """One question and its answer. Raises _Over if the peer ends the session, or our time is up."""
        if trio.current_time() > self._deadline:
            raise _Over(Ending.BOUND)
        await self._stream.send(messages.write(message))
        answer = messages.read(await self._stream.receive(limit, seconds=ANSWER_SECONDS), limit)
        if isinstance(answer, End):
            if answer.ending is Ending.DONE:
                raise messages.unexpected()
            raise _Over(answer.ending, theirs=True)
        return answer
