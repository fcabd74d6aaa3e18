"""The worker processes as the demo sees them: started, asked, ended.

Invariants: a call ends with the worker's answer, the worker's death or the caller's deadline, never otherwise; when
`open_crew` returns no worker is left; what a worker complained of is in its own file below the demo's folder.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from tertulia.protocol.control import (
    Call,
    Failure,
    LocalError,
    NodeMessage,
    Result,
    Value,
    encode_message,
    node_splitter,
)

MODULE: Final = "tertulia.bootstrap.demo.worker"
CHUNK: Final = 64 * 1024
END_SECONDS: Final = 5.0
"""A worker that has not ended by itself so long after its stdin was closed is killed."""
LAST_LINES: Final = 12


class WorkerDied(Exception):
    """A worker ended by itself."""


class Worker:
    """One worker process."""

    def __init__(self, process: trio.Process, complaints: Path) -> None:
        self.process = process
        self._complaints = complaints
        self._numbers = itertools.count(1)
        self._waiting: dict[int, trio.MemorySendChannel[NodeMessage]] = {}
        self._turn = trio.Lock()
        self.died = False

    async def ask(self, method: str, **params: Value) -> Mapping[str, Value]:
        """Have the worker do something. Raises LocalError as the node did, WorkerDied."""
        number = next(self._numbers)
        send, receive = trio.open_memory_channel[NodeMessage](1)
        self._waiting[number] = send
        try:
            if self.died:
                raise self._death()
            assert self.process.stdin is not None
            try:
                async with self._turn:
                    await self.process.stdin.send_all(encode_message(Call(number, method, params)))
                answer = await receive.receive()
            except (trio.BrokenResourceError, trio.EndOfChannel) as died:
                raise self._death() from died
        finally:
            del self._waiting[number]
        match answer:
            case Result(_, value):
                return value
            case Failure(_, problem):
                raise LocalError(problem)
            case _:
                raise AssertionError(type(answer))

    async def call(self, citizen: int, named: str, **params: Value) -> Mapping[str, Value]:
        """Call a method of a citizen's node. Raises LocalError, WorkerDied."""
        return await self.ask("call", citizen=citizen, called=named, params=params)

    async def listen(self) -> None:
        """Hand out the worker's answers until it ends."""
        assert self.process.stdout is not None
        splitter = node_splitter()
        try:
            while chunk := await self.process.stdout.receive_some(CHUNK):
                for message in splitter.feed(bytes(chunk)):
                    if isinstance(message, Result | Failure) and message.id in self._waiting:
                        self._waiting[message.id].send_nowait(message)
        finally:
            self.died = True
            for waiting in self._waiting.values():
                waiting.close()

    async def end(self) -> None:
        """End the process, gently if it lets us."""
        with trio.CancelScope(shield=True):
            assert self.process.stdin is not None
            await self.process.stdin.aclose()
            with trio.move_on_after(END_SECONDS):
                await self.process.wait()
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    def _death(self) -> WorkerDied:
        lines = self._complaints.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return WorkerDied("a worker process ended by itself; its last lines were:\n" + "\n".join(lines))


@asynccontextmanager
async def open_crew(size: int, folder: Path) -> AsyncIterator[tuple[Worker, ...]]:
    """Start `size` workers; their complaints go to files in `folder`. Ends them all."""
    workers: list[Worker] = []
    async with trio.open_nursery() as nursery:
        try:
            for number in range(size):
                complaints = folder / f"{number}.err"
                with complaints.open("wb") as errors:
                    process = await trio.lowlevel.open_process(
                        [sys.executable, "-m", MODULE],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        start_new_session=True,
                    )
                workers.append(Worker(process, complaints))
                nursery.start_soon(workers[-1].listen)
            yield tuple(workers)
        finally:
            async with trio.open_nursery() as ending:
                for worker in workers:
                    ending.start_soon(worker.end)
            nursery.cancel_scope.cancel()


__all__ = ["Worker", "WorkerDied", "open_crew"]
