"""A worker process: several citizens' nodes, told what to do over stdin and answering on stdout.

Run as `python -m tertulia.bootstrap.demo.worker`. Messages are the control socket's `Call`, `Result` and `Failure`
(docs/spec/control.md), with methods of their own. Invariants: a call is answered exactly once; when stdin ends, so do
all nodes and the process; nothing but messages is written to what was stdout at the start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import trio

from tertulia.bootstrap.demo.needles import Needles, needles
from tertulia.bootstrap.demo.places import Looked, search_archive, search_files
from tertulia.bootstrap.demo.seat import Seat
from tertulia.node.profile import Profile
from tertulia.protocol.control import (
    Call,
    Failure,
    LocalError,
    Params,
    Problem,
    Result,
    Value,
    client_splitter,
    encode_message,
)
from tertulia.protocol.event import Kind
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_map, as_text

CHUNK: Final = 64 * 1024
LONGEST: Final = 1 << 20
"""Characters or entries of anything the demo sends; it trusts itself, and only checks the shapes."""

TOO_SLOW: Final = Problem(
    "Citizens waited too long for each other.",
    "What was said is on the disks of those who said it.",
    "Try again when the machine has less to do.",
)


class Worker:
    """The citizens of one process, by number."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._needles: Needles
        self._seats: dict[int, Seat] = {}

    async def answer(self, call: Call) -> Result | Failure:
        """Do what was asked."""
        try:
            return Result(call.id, await self._do(call.method, call.params))
        except LocalError as refused:
            return Failure(call.id, refused.problem)
        except trio.TooSlowError:
            return Failure(call.id, TOO_SLOW)

    async def _do(self, method: str, params: Params) -> dict[str, Value]:
        match method:
            case "needles":
                texts = as_map(params["texts"], LONGEST)
                self._needles = needles({as_text(label, LONGEST): as_text(texts[label], LONGEST) for label in texts})
                return {}
            case "open":
                return await self._open(params)
            case "close":
                await self._seat(params).close()
                return {}
            case "settle":
                with trio.fail_after(as_int(params["milliseconds"], 0, LONGEST) / 1000):
                    await self._seat(params).settle(as_text(params["invite"], LONGEST), as_bytes(params["seed"], 32))
                return {}
            case "call":
                given = as_map(params["params"], LONGEST)
                asked = {as_text(name, LONGEST): value for name, value in given.items()}
                return dict(await self._seat(params).call(as_text(params["called"], LONGEST), asked))
            case "shown":
                return {"shown": self._shown(params)}
            case "until":
                return await self._until(params)
            case "gather":
                return await self._gather(params)
            case "tallies":
                return await self._tallies(params)
            case "search":
                return await self._search()
            case _:
                raise AssertionError(method)

    def _seat(self, params: Params) -> Seat:
        return self._seats[as_int(params["citizen"], 0, LONGEST)]

    @property
    def _present(self) -> dict[int, Seat]:
        return {citizen: seat for citizen, seat in self._seats.items() if seat.node is not None}

    async def _open(self, params: Params) -> dict[str, Value]:
        """Start a citizen's node, as it was left if it was there before."""
        citizen = as_int(params["citizen"], 0, LONGEST)
        if citizen not in self._seats:
            peers = tuple(as_text(peer, LONGEST) for peer in as_list(params["peers"], most=LONGEST))
            folder = Path(as_text(params["folder"], LONGEST))
            self._seats[citizen] = Seat(folder, self._needles, as_text(params["listen"], LONGEST), peers)
        await self._nursery.start(self._seats[citizen].run)
        return {}

    def _shown(self, params: Params) -> list[Value]:
        """How many messages each citizen who is here sees."""
        dialogue = DialogueId(as_bytes(params["dialogue"], 32))
        return [[citizen, seat.shown(dialogue)] for citizen, seat in self._present.items()]

    async def _until(self, params: Params) -> dict[str, Value]:
        """Wait until each citizen of `citizens` sees `count` messages, or events of `kind`. Raises TooSlowError."""
        kind = Kind(as_int(params.get("kind", int(Kind.SAY)), 1, LONGEST))
        dialogue, count = DialogueId(as_bytes(params["dialogue"], 32)), as_int(params["count"], 0, LONGEST)
        waited = [as_int(citizen, 0, LONGEST) for citizen in as_list(params["citizens"], most=LONGEST)]
        with trio.fail_after(as_int(params["milliseconds"], 0, LONGEST) / 1000):
            for citizen in waited:
                await self._seats[citizen].until(dialogue, count, kind)
        return {}

    async def _gather(self, params: Params) -> dict[str, Value]:
        """What each citizen who is here has in the end: the hash of the state, and who said what."""
        dialogue = DialogueId(as_bytes(params["dialogue"], 32))
        rows: list[Value] = []
        for citizen, seat in self._present.items():
            rows.append([citizen, *await seat.gathered(dialogue)])
        return {"citizens": rows}

    async def _tallies(self, params: Params) -> dict[str, Value]:
        """What each citizen who is here sees of where people stand."""
        dialogue = DialogueId(as_bytes(params["dialogue"], 32))
        return {"citizens": [[citizen, await seat.tallies(dialogue)] for citizen, seat in self._present.items()]}

    async def _search(self) -> dict[str, Value]:
        """Look for plaintext: at the files as they are; then, with every node ended, at all of it."""
        payloads, archives, files = Looked(), Looked(), Looked()
        for seat in self._seats.values():
            files.join(await trio.to_thread.run_sync(search_files, self._needles, seat.folder))
        async with trio.open_nursery() as ending:
            for seat in self._seats.values():
                ending.start_soon(seat.close)
        for seat in self._seats.values():
            files.join(await trio.to_thread.run_sync(search_files, self._needles, seat.folder))
            archives.join(await trio.to_thread.run_sync(search_archive, self._needles, Profile(seat.folder)))
            payloads.join(seat.tap.looked())
        deaf: list[Value] = [citizen for citizen, seat in self._seats.items() if not seat.tap.hears]
        return {"payloads": payloads.told(), "archives": archives.told(), "files": files.told(), "deaf": deaf}


async def serve(listening: trio.abc.ReceiveStream, speaking: trio.abc.SendStream) -> None:
    """Do what is asked on `listening` until it ends; calls run side by side."""
    turn = trio.Lock()

    async def answer(worker: Worker, call: Call) -> None:
        told = encode_message(await worker.answer(call))
        async with turn:
            await speaking.send_all(told)

    splitter = client_splitter()
    async with trio.open_nursery() as nursery:
        worker = Worker(nursery)
        while chunk := await listening.receive_some(CHUNK):
            for message in splitter.feed(bytes(chunk)):
                assert isinstance(message, Call)
                nursery.start_soon(answer, worker, message)
        nursery.cancel_scope.cancel()


async def main() -> None:
    """Serve the demo that started this process. What anything prints goes to stderr."""
    speaking = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    await serve(trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())), trio.lowlevel.FdStream(speaking))


if __name__ == "__main__":
    trio.run(main)
