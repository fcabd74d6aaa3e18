"""Questions to the core that somebody is waiting on, by number.

DESIGN.md §2. Invariants: every ask ends exactly once (reply, refusal, or the node was locked); an answer to a question
that nobody waits on any more is dropped; numbers are never used twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.problems import BUSY, LOCKED_MEANWHILE
from tertulia.protocol.errors import LocalError, Problem

if TYPE_CHECKING:
    from tertulia.protocol.encoding import Value

LIMIT_ASKS: Final = 256
"""Questions open at once; one more is refused."""


class Waiting:
    """One open question."""

    __slots__ = ("_answer", "_done", "id")

    def __init__(self, number: int) -> None:
        self.id = number
        self._done = trio.Event()
        self._answer: Mapping[str, Value] | Problem = LOCKED_MEANWHILE

    async def answer(self) -> dict[str, Value]:
        """Wait for the reply. Raises LocalError when it is a refusal."""
        await self._done.wait()
        if isinstance(self._answer, Problem):
            raise LocalError(self._answer)
        return dict(self._answer)

    def end(self, answer: Mapping[str, Value] | Problem) -> None:
        """Answer it."""
        self._answer = answer
        self._done.set()


class Asks:
    """All open questions of one driver."""

    def __init__(self) -> None:
        self._open: dict[int, Waiting] = {}
        self._numbers = itertools.count(1)
        self._locked = False

    @contextmanager
    def opened(self) -> Iterator[Waiting]:
        """A new question. Raises LocalError when too many are open or the core is gone."""
        if self._locked:
            raise LocalError(LOCKED_MEANWHILE)
        if len(self._open) >= LIMIT_ASKS:
            raise LocalError(BUSY)
        waiting = Waiting(next(self._numbers))
        self._open[waiting.id] = waiting
        try:
            yield waiting
        finally:
            self._open.pop(waiting.id, None)

    def reply(self, number: int, value: Mapping[str, Value]) -> None:
        """The core's reply."""
        self._end(number, value)

    def refuse(self, number: int, problem: Problem) -> None:
        """The core's refusal, or a batch that could not be kept."""
        self._end(number, problem)

    def lock(self) -> None:
        """The core is gone: end every question, and those to come."""
        self._locked = True
        for number in tuple(self._open):
            self._end(number, LOCKED_MEANWHILE)

    def _end(self, number: int, answer: Mapping[str, Value] | Problem) -> None:
        waiting = self._open.pop(number, None)
        if waiting is not None:
            waiting.end(answer)
