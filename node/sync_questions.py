"""The questions of one sync session: asked ahead of their answers, which come in the order in which they were asked.

Spec: docs/spec/sync.md, *Messages of a session*. Invariants: every question has one answer, and the oldest is read
first; what is asked and not yet answered is bounded by whoever asks; nothing is asked once the session's time is up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from tertulia.protocol import sync_messages as messages
from tertulia.protocol.sync_messages import LIMIT_ANSWER, End, Ending

if TYPE_CHECKING:
    from tertulia.node.substrate import Stream
    from tertulia.protocol.sync_messages import Message

ANSWER_SECONDS: Final = 30.0
"""A peer that takes longer to answer is left."""
SESSION_SECONDS: Final = 30 * 60.0
"""A session that takes longer ends; the next one goes on where it was."""


class Over(Exception):
    """We end the session before its time."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class Ended(Exception):
    """The peer has ended the session, and says nothing more."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclass(slots=True, eq=False)
class Reply:
    """What a question will be answered with."""

    limit: int
    message: Message | None = None


class Questions:
    """What is asked on one stream. Every call can raise Ended, RemoteError, and StreamFailed."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._open: deque[Reply] = deque()
        self._deadline = trio.current_time() + SESSION_SECONDS

    async def ask(self, message: Message, limit: int = LIMIT_ANSWER) -> Message:
        """One question and its answer, of at most `limit` bytes."""
        return await self.answer(await self.put(message, limit))

    async def put(self, message: Message, limit: int = LIMIT_ANSWER) -> Reply:
        """Ask, and do not wait for the answer. Raises Over when our time is up."""
        if trio.current_time() > self._deadline:
            raise Over(Ending.BOUND)
        await self._stream.send(messages.write(message))
        self._open.append(Reply(limit))
        return self._open[-1]

    async def answer(self, reply: Reply) -> Message:
        """The answer to a question; what comes before it is held."""
        while reply.message is None:
            await self._read()
        return reply.message

    async def end(self, ending: Ending) -> None:
        """Say that the session is over and hear that from the peer, after all that it still had to answer."""
        while self._open:
            await self._read()
        await self._stream.send(messages.write(End(ending)))
        if not isinstance(messages.read(await self._receive(LIMIT_ANSWER), LIMIT_ANSWER), End):
            raise messages.unexpected()

    async def _read(self) -> None:
        oldest = self._open.popleft()
        answer = messages.read(await self._receive(oldest.limit), oldest.limit)
        if isinstance(answer, End):
            if answer.ending is Ending.DONE:
                raise messages.unexpected()
            raise Ended(answer.ending)
        oldest.message = answer

    async def _receive(self, limit: int) -> bytes:
        return await self._stream.receive(limit, seconds=ANSWER_SECONDS)
