"""`/tertulia/sync/1`, the side that answers: one answer to each question, from what it holds and what was agreed.

Spec: docs/spec/sync.md, *Messages of a session*; PROTOCOL.md §9. Invariants: a question that does not belong where it
came ends the session; questions, reconciliations and time of a session are bounded; every frame given is judged before
it is archived, and said to be kept only when it is on the disk; nothing depends on what was opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.substrate import StreamFailed
from tertulia.protocol import reconciliation
from tertulia.protocol import sync_messages as messages
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.reconciliation import LIMIT_ROUNDS
from tertulia.protocol.sync_messages import (
    LIMIT_AHEAD,
    LIMIT_MESSAGE,
    AskGone,
    End,
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
from tertulia.protocol.sync_terms import Terms, agree

if TYPE_CHECKING:
    from tertulia.node.carrier import Carrier
    from tertulia.node.substrate import Stream
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.gone import GoneDay
    from tertulia.protocol.ids import FrameId
    from tertulia.protocol.range_index import Index
    from tertulia.protocol.sync_messages import Message

IDLE_SECONDS: Final = 60.0
"""A peer that opened a session and asks nothing for so long is left."""
SERVED_SECONDS: Final = 31 * 60.0
"""A session served for longer is ended: a minute more than one who keeps to the time takes."""
LIMIT_REQUESTS: Final = 100_000
"""Questions answered in one session."""


async def serve(stream: Stream, carrier: Carrier) -> Ending:
    """Answer a peer's session to its end; gives how it ended.

    Raises RemoteError for a peer that lies, StreamFailed for one that goes or falls silent, StoreError for our disk.
    """
    await carrier.holdings.ready()
    session = _Served(stream.peer, carrier)
    try:
        return await _serve(stream, session)
    finally:
        session.over()


async def _serve(stream: Stream, session: _Served) -> Ending:
    deadline = trio.current_time() + SERVED_SECONDS
    questions = 0
    while True:
        question = messages.read(await stream.receive(LIMIT_MESSAGE, seconds=IDLE_SECONDS))
        questions += 1
        answer: Message
        if isinstance(question, End):
            answer = End(Ending.DONE)
        elif questions > LIMIT_REQUESTS or trio.current_time() > deadline:
            answer = End(Ending.BOUND)
        else:
            answer = await session.answer(question)
        await stream.send(messages.write(answer))
        if isinstance(question, End):
            return question.ending
        if isinstance(answer, End):
            await _hear_out(stream)
            return answer.ending


async def _hear_out(stream: Stream) -> None:
    """Take what was asked ahead of our end: else a peer with much on its way could not come to read it."""
    with contextlib.suppress(StreamFailed):
        for _ in range(LIMIT_AHEAD + 1):
            await stream.receive(LIMIT_MESSAGE, seconds=IDLE_SECONDS)


class _Served:
    """One session, as the side that answers sees it."""

    def __init__(self, peer: str, carrier: Carrier) -> None:
        self._peer, self._carrier, self._holdings = peer, carrier, carrier.holdings
        self._terms: Terms | None = None
        self._asked: dict[int, GoneDay] = {}
        self._compared: Index | None = None
        self._rounds = 0
        self._offered: set[FrameId] = set()  # and asked to be given
        self._past_gone = False  # what is gone has been told, both ways

    async def answer(self, question: Message) -> Message:
        """The one answer to a question that is not the end. Raises RemoteError, StoreError."""
        match question:
            case Open() if self._terms is None:
                return self._open(question)
            case AskGone(day) if self._terms is not None and not self._past_gone:
                return TellGone(day, self._holdings.gone_of(day))
            case TellGone(day, places) if day in self._asked and not self._past_gone:
                self._holdings.told(self._peer).learn(self._asked.pop(day), places)
                return Noted(self._fingerprint())
            case Reconcile(message):
                view = self._view()
                self._rounds += 1
                if self._rounds > LIMIT_ROUNDS:
                    return End(Ending.BOUND)
                return Reconcile(await trio.to_thread.run_sync(reconciliation.respond, view, message))
            case Want(ids):
                self._view()
                return Frames(tuple(await self._carrier.shelf.frames(self._carrier.commons.id, ids)))
            case Offer(ids):
                self._view()
                return await self._consider(ids)
            case Give(raws):
                self._view()
                return await self._take(raws)
            case _:
                raise messages.unexpected()

    def _open(self, opening: Open) -> Opened:
        stand = self._carrier.stand
        self._terms = agree(stand, opening.stand)
        unknown = self._holdings.told(self._peer).unknown(opening.gone)
        self._asked = {said.day: said for said in opening.gone if said.day in unknown}
        return Opened(stand, self._holdings.gone_days(), unknown, self._fingerprint())

    def _fingerprint(self) -> bytes:
        """The fingerprint of our view; empty as long as we wait for days to be told."""
        if self._asked or self._terms is None:
            return b""
        self._compared = self._holdings.view(self._peer, self._terms)
        return self._compared.fingerprint(0, len(self._compared))

    def _view(self) -> Index:
        """What we compare, once that is agreed. Raises RemoteError before."""
        if self._compared is None:
            raise messages.unexpected()
        self._past_gone = True
        return self._compared

    async def _consider(self, ids: Sequence[FrameId]) -> Want:
        """Which of the frames offered are to be given: those that are not here, and that nobody else is bringing."""
        lacking = await self._holdings.lacking([frame for frame in ids if frame not in self._holdings.wanted])
        taken = self._holdings.offered.take(lacking, trio.current_time())
        self._offered.update(taken)
        return Want(taken)

    def over(self) -> None:
        """The session has ended, however it did."""
        self._holdings.offered.lapse(self._offered, trio.current_time())

    async def _take(self, raws: Sequence[bytes]) -> Message:
        """Archive what was given, and say what became of it."""
        judged = judge(self._carrier, raws)
        taken = await self._carrier.keep_news([frame for frame in judged if frame is not None], self._peer)
        if taken is None:
            return Kept((Verdict.REFUSED,) * len(judged))
        if Verdict.REFUSED in taken.verdicts:
            return End(Ending.QUOTA)
        self._offered.difference_update(frame.id for frame in judged if frame is not None)
        verdicts = iter(taken.verdicts)
        return Kept(tuple(Verdict.REFUSED if frame is None else next(verdicts) for frame in judged))


def judge(carrier: Carrier, raws: Sequence[bytes]) -> list[Frame | None]:
    """Frames from a peer, None for one outside our window (clocks differ). Raises RemoteError for a false one."""
    judged: list[Frame | None] = []
    for raw in raws:
        try:
            judged.append(carrier.check(raw))
        except RemoteError as wrong:
            if wrong.reason is not RejectReason.WINDOW:
                raise
            judged.append(None)
    return judged
