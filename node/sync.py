"""`/tertulia/sync/1`, the side that opens: it asks, learns the difference, fetches what it lacks, gives what it has.

Spec: docs/spec/sync.md, *Messages of a session*; PROTOCOL.md §9. The side that answers is sync_server.py. Invariants:
every frame is judged before it is archived and must have been asked for; nothing depends on what was opened; whatever
a peer says, work and memory of a session are bounded, and what was fetched before it broke off is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.sync_questions import Ended, Over, Questions
from tertulia.node.sync_server import judge, serve
from tertulia.protocol import frame as frames
from tertulia.protocol import reconciliation
from tertulia.protocol import sync_messages as messages
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import FrameId
from tertulia.protocol.reconciliation import LIMIT_ROUNDS
from tertulia.protocol.sync_messages import (
    LIMIT_AHEAD,
    LIMIT_FRAMES,
    LIMIT_MESSAGE,
    LIMIT_UNASKED,
    AskGone,
    Ending,
    Frames,
    Give,
    Kept,
    Noted,
    Offer,
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
    from tertulia.node.substrate import PeerId, Stream
    from tertulia.node.sync_questions import Reply
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.range_index import Index
    from tertulia.protocol.sync_terms import Terms

__all__ = ["NotKept", "bring_in_step", "serve"]


OFFERS_AHEAD: Final = 2
"""Of the batches ahead, so many are on offer; the others were given."""


class NotKept(Exception):
    """Our disk refused what a peer sent; the carrier has said why."""


async def bring_in_step(stream: Stream, carrier: Carrier) -> Ending:
    """Make both archives hold the same frames, as far as each may; gives how the session ended.

    Raises RemoteError for a peer that lies, StreamFailed for one that stalls or goes, StoreError or NotKept for our
    own disk.
    """
    await carrier.holdings.ready()
    questions = Questions(stream)
    session = _Session(questions, stream.peer, carrier)
    try:
        ending = await session.run()
        await questions.end(ending)
    except Ended as ended:
        return ended.ending
    if ending is Ending.DONE:
        await session.count()
    return ending


class _Session:
    """One session, as the side that opened it sees it."""

    def __init__(self, questions: Questions, peer: PeerId, carrier: Carrier) -> None:
        self._questions, self._peer, self._carrier = questions, peer, carrier
        self._ask = questions.ask
        self._holdings = carrier.holdings
        self._began = trio.current_time()
        self._view: Index
        self._only_ours: set[FrameId] = set()  # frames of ours that the peer lacks and did not say it keeps
        self._unanswered: deque[tuple[tuple[FrameId, ...], Reply]] = deque()  # what was given
        self._claimed: set[FrameId] = set()  # of what the holdings know as wanted: by this session
        self._offered: set[FrameId] = set()  # a list that was cut comes again in part: nothing is given twice

    async def run(self) -> Ending:
        """All of it up to the end; gives how it ends. Raises Ended, and as `bring_in_step` does."""
        try:
            await self._level()
        except Over as over:
            return over.ending
        return Ending.QUOTA if self._holdings.is_full(self._peer, self._carrier.now) else Ending.DONE

    async def _level(self) -> None:
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
        """Learn the differences, message by message, and level each out while the next is on its way.

        In worker threads: the view is ours alone, and a peer that has nothing makes one step long.
        """
        message = await trio.to_thread.run_sync(reconciliation.initiate, self._view)
        reply = await self._questions.put(Reconcile(message))
        for left in reversed(range(LIMIT_ROUNDS)):
            answer = await self._questions.answer(reply)
            if not isinstance(answer, Reconcile):
                raise messages.unexpected()
            step = await trio.to_thread.run_sync(reconciliation.reconcile, self._view, answer.message)
            if step.message is not None and left:
                reply = await self._questions.put(Reconcile(step.message))
            await self._fetch(step.need)
            await self._give(step.have)
            if step.message is None:
                return
        raise Over(Ending.BOUND)

    # Frames ---------------------------------------------------------------------------------------------------------

    async def _fetch(self, need: Sequence[FrameId]) -> None:
        """Ask for what we lack, and no other session has asked for.

        What others ask for is looked at once more at the end: it has come by then, or is theirs to bring; what stays
        missing is a difference of the next session.
        """
        if self._holdings.is_full(self._peer, self._carrier.now):
            return
        later: list[FrameId] = []
        await self._want(need, later)
        await self._want(later, [])

    async def _want(self, need: Sequence[FrameId], passed: list[FrameId]) -> set[bytes]:
        """Ask for frames; gives the ids of those that came. What other sessions have asked for is added to `passed`.

        While what came first goes to the disk, the batches after it are on their way.
        """
        left, came = deque(need), set[bytes]()
        ahead: deque[tuple[tuple[FrameId, ...], Reply]] = deque()
        try:
            while left or ahead:
                while left and len(ahead) < LIMIT_AHEAD:
                    if asked := await self._claim(left, passed):
                        ahead.append((asked, await self._questions.put(Want(asked), LIMIT_MESSAGE)))
                if ahead:
                    asked, reply = ahead.popleft()
                    answer = await self._questions.answer(reply)
                    if not isinstance(answer, Frames):
                        raise messages.unexpected()
                    came |= await self._keep(answer.raws, set(asked))
                    self._release(asked)
        finally:
            self._release(tuple(self._claimed))
        return came

    async def _claim(self, left: deque[FrameId], passed: list[FrameId]) -> tuple[FrameId, ...]:
        """Take the next frames that are not here and that no other session has asked for: these are ours to ask for."""
        batch: list[FrameId] = []
        while left and len(batch) < LIMIT_FRAMES:
            frame = left.popleft()
            (passed if frame in self._holdings.wanted else batch).append(frame)
        self._claimed.update(batch)
        self._holdings.wanted.update(batch)
        lacking = await self._holdings.lacking(batch)
        self._release(set(batch).difference(lacking))
        return tuple(lacking)

    def _release(self, frames: Iterable[FrameId]) -> None:
        """What others may ask for again, if it is not here."""
        self._claimed.difference_update(frames)
        self._holdings.wanted.difference_update(frames)

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
                raise Over(Ending.QUOTA)
        return came

    async def _give(self, have: Sequence[FrameId]) -> None:
        """Offer what the peer lacks."""
        own = self._carrier.own
        fresh = [frame for frame in have if frame not in self._offered]
        self._offered.update(fresh)
        self._only_ours.update(frame for frame in fresh if frame in own)
        self._carrier.counts["promises broken"] += self._carrier.watch.lacks(self._peer, fresh, self._began)
        if len(fresh) > LIMIT_UNASKED:
            declined = await self._offer(fresh)
            await self._offer(declined)  # once more: whoever was to bring these may have failed
        else:
            await self._hand_over(fresh)
        while self._unanswered:
            await self._given(*self._unanswered.popleft())

    async def _offer(self, fresh: Sequence[FrameId]) -> list[FrameId]:
        """Give of these frames what the peer asks for; gives the others: it has them by now, or somebody brings them.

        While one batch is given, the next is on offer.
        """
        left, declined = deque(messages.batches(fresh)), list[FrameId]()
        offers: deque[tuple[tuple[FrameId, ...], Reply]] = deque()
        while left or offers:
            while left and len(offers) < OFFERS_AHEAD:
                offers.append((left[0], await self._questions.put(Offer(left.popleft()))))
            ids, reply = offers.popleft()
            answer = await self._questions.answer(reply)
            if not isinstance(answer, Want):
                raise messages.unexpected()
            asked = set(answer.ids)
            if not asked <= set(ids):
                raise RemoteError(RejectReason.ID, "a frame that was not offered")
            await self._hand_over([frame for frame in ids if frame in asked])
            declined += [frame for frame in ids if frame not in asked]
        return declined

    async def _hand_over(self, ids: Sequence[FrameId]) -> None:
        """Give these frames, as far as they are still here; the answer may come later."""
        raws = await self._carrier.shelf.frames(self._carrier.commons.id, ids) if ids else []
        if raws:
            given = tuple(frames.read(raw).id for raw in raws)
            self._unanswered.append((given, await self._questions.put(Give(tuple(raws)))))
        if len(self._unanswered) > LIMIT_AHEAD - OFFERS_AHEAD:
            await self._given(*self._unanswered.popleft())

    async def _given(self, given: tuple[FrameId, ...], reply: Reply) -> None:
        """Note what the peer says of frames that it was given."""
        answer = await self._questions.answer(reply)
        if not isinstance(answer, Kept) or len(answer.verdicts) != len(given):
            raise messages.unexpected()
        kept = [frame for frame, fate in zip(given, answer.verdicts, strict=True) if fate is Verdict.KEPT]
        self._only_ours.difference_update(kept)
        self._carrier.watch.promised(self._peer, kept, trio.current_time())
        await self._carrier.held(self._peer, kept)

    async def _retry(self, terms: Terms) -> None:
        """Ask for what is gone here, because of others or of yesterday."""
        places = self._holdings.to_retry(self._peer, terms, self._carrier.now)
        asked = [place for place in places if place[1] not in self._holdings.wanted]
        if asked:
            came = await self._want([frame for _, frame in asked], [])
            self._holdings.lacked(self._peer, [place for place in asked if place[1] not in came], self._carrier.now)
