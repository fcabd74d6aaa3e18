"""Links between nodes that can be slow and can be cut: TCP proxies on loopback, one a link.

R1 of GOALS.md without root. A dialler is told the proxy's address, the proxy knows the listener's. Cut as a network
that is down cuts: nothing arrives, nothing is refused, and whoever waits learns nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

LIMIT_PIECE = 65_536
LIMIT_PIECES = 64
"""Pieces under way in one direction."""


@dataclass
class Link:
    """One way from a dialler to a listener."""

    delay: float
    """Seconds that every piece takes, in each direction."""
    target: int = 0
    """The listener's port on 127.0.0.1; nobody answers before it is said."""
    port: int = 0
    whole: trio.Event = field(default_factory=trio.Event)
    """Set while the link is not cut."""

    def __post_init__(self) -> None:
        self.whole.set()
        self._connections: list[trio.CancelScope] = []

    @property
    def address(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.port}"

    def cut(self) -> None:
        if self.whole.is_set():
            self.whole = trio.Event()

    def heal(self, *, broken: bool = False) -> None:
        """Let through what waits; or, when the cut has outlived them, end the connections there were."""
        self.whole.set()
        if broken:
            for connection in self._connections:
                connection.cancel()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._connect, listeners)

    async def _connect(self, near: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._connections.append(scope)
            await self.whole.wait()
            try:
                far = await trio.open_tcp_stream("127.0.0.1", self.target)
            except OSError:
                far = None
            if far is not None:
                async with far, trio.open_nursery() as nursery:
                    for source, sink in ((near, far), (far, near)):
                        nursery.start_soon(self._carry, source, sink, nursery.cancel_scope)
        self._connections.remove(scope)
        await trio.aclose_forcefully(near)

    async def _carry(self, source: trio.SocketStream, sink: trio.SocketStream, over: trio.CancelScope) -> None:
        send, receive = trio.open_memory_channel[tuple[float, bytes]](LIMIT_PIECES)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, receive, sink, over)
            try:
                while data := await source.receive_some(LIMIT_PIECE):
                    await send.send((trio.current_time() + self.delay, bytes(data)))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            await send.aclose()

    async def _deliver(
        self, pieces: trio.MemoryReceiveChannel[tuple[float, bytes]], sink: trio.SocketStream, over: trio.CancelScope
    ) -> None:
        try:
            async for due, data in pieces:
                await trio.sleep_until(due)
                await self.whole.wait()
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        over.cancel()


@asynccontextmanager
async def links(number: int, delay: float) -> AsyncIterator[list[Link]]:
    """So many links, each with a port of its own."""
    found = [Link(delay) for _ in range(number)]
    async with trio.open_nursery() as nursery:
        for link in found:
            await nursery.start(link.run)
        yield found
        nursery.cancel_scope.cancel()
