"""A network in memory, beside TCP: links with delay, loss and partitions, on whatever clock trio runs.

research/architecture.md §6, tier `virtual`: real hosts (Noise, yamux, GossipSub) without a socket, a hundred in a
process. Addresses are those of TCP (`/ip4/10.0.0.7/tcp/1`), so that nothing above knows. Invariants: bytes of a link
arrive in order, once, or the link ends, as TCP promises; at most `LIMIT_IN_FLIGHT_BYTES` are under way in a direction;
every chance comes from the seed; what is parted stalls, and cannot be dialled, until `heal`.
"""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import cast
from weakref import WeakSet

import trio
from libp2p.abc import IListener, IRawConnection, ITransport
from libp2p.custom_types import THandler
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import Multiaddr

from tertulia.node.substrate.tcp import endpoint

LIMIT_IN_FLIGHT_BYTES = 256 * 1024
RETRANSMISSION_SECONDS = 0.2
_FIRST_PORT = 1024
Handler = Callable[["MemoryStream"], Awaitable[None]]


class MemoryNet:
    """The links between some hosts.

    `delay`: least and most seconds from one end to the other; `loss`: the share of segments that come later by
    `RETRANSMISSION_SECONDS`, which is what loss is to those above TCP.
    """

    def __init__(self, seed: int = 0, *, delay: tuple[float, float] = (0.0, 0.0), loss: float = 0.0) -> None:
        self._dice = random.Random(seed)  # noqa: S311  chance that must be repeatable
        self._delay = delay
        self._loss = loss
        self._sides: list[frozenset[str]] = []
        self._listeners: dict[tuple[str, int], MemoryListener] = {}
        self._ways: WeakSet[Way] = WeakSet()
        self._homes = 0
        self.sent_bytes = 0

    def transport(self, home: str | None) -> "MemoryTransport":
        """The transport of one host, whose own address is `home` (a host, without port) or one that nobody has."""
        if home is None:
            self._homes += 1
            home = f"10.255.{self._homes >> 8}.{self._homes & 255}"
        return MemoryTransport(self, home)

    def part(self, *sides: Collection[str]) -> None:
        """Let only hosts of the same side reach each other; a host named in none reaches none of the named."""
        self._sides = [frozenset(side) for side in sides]
        self._wake()

    def heal(self) -> None:
        """Let everybody reach everybody."""
        self._sides = []
        self._wake()

    def _wake(self) -> None:
        for way in list(self._ways):
            way.wake()

    def reach(self, one: str, other: str) -> bool:
        """Whether there is a way from `one` to `other` now."""
        return all((one in side) == (other in side) for side in self._sides)

    def due(self) -> float:
        """When a segment sent now arrives."""
        late = self._loss and self._dice.random() < self._loss
        return trio.current_time() + self._dice.uniform(*self._delay) + (RETRANSMISSION_SECONDS if late else 0.0)

    def way(self, sender: str, receiver: str) -> "Way":
        """One direction of a new link."""
        way = Way(self, sender, receiver)
        self._ways.add(way)
        return way

    def listen(self, listener: "MemoryListener", host: str, port: int) -> int:
        """Bind `listener`; port 0 takes a free one. Raises OpenConnectionError when the port is taken."""
        if not port:
            port = next(p for p in range(_FIRST_PORT, 2**16) if (host, p) not in self._listeners)
        if (host, port) in self._listeners:
            raise OpenConnectionError("the port is taken")
        self._listeners[host, port] = listener
        return port

    def unlisten(self, host: str, port: int) -> None:
        """Give the port back."""
        self._listeners.pop((host, port), None)

    def listener(self, home: str, host: str, port: int) -> "MemoryListener":
        """Who listens there. Raises OpenConnectionError."""
        listener = self._listeners.get((host, port))
        if listener is None or not self.reach(home, host):
            raise OpenConnectionError("nothing answered at this address")
        return listener


class Way:
    """One direction of a link."""

    def __init__(self, net: MemoryNet, sender: str, receiver: str) -> None:
        self._net = net
        self._sender, self._receiver = sender, receiver
        self._segments: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._changed = trio.Event()
        self.ended = False
        """The sender sends no more; what is under way still arrives."""
        self.refused = False
        """The receiver takes no more."""

    def wake(self) -> None:
        """Let both ends look again."""
        self._changed.set()
        self._changed = trio.Event()

    def put(self, data: bytes) -> int:
        """How many bytes of `data` were taken. Raises ConnectionClosedError."""
        if self.ended or self.refused:
            raise ConnectionClosedError("the connection ended")
        taken = data[: LIMIT_IN_FLIGHT_BYTES - self._size]
        if taken:
            last = self._segments[-1][0] if self._segments else 0.0
            self._segments.append((max(last, self._net.due()), bytes(taken)))
            self._size += len(taken)
            self._net.sent_bytes += len(taken)
            self.wake()
        return len(taken)

    async def take(self) -> bytes:
        """What arrived; `b""` at the end."""
        await trio.lowlevel.checkpoint()
        while not self.refused:
            now = trio.current_time()
            if not self._segments:
                if self.ended:
                    break
                await self._changed.wait()
            elif not self._net.reach(self._sender, self._receiver):
                await self._changed.wait()
            elif self._segments[0][0] > now:
                with trio.move_on_at(self._segments[0][0]):
                    await self._changed.wait()
            else:
                arrived = []
                while self._segments and self._segments[0][0] <= now:
                    arrived.append(self._segments.popleft()[1])
                data = b"".join(arrived)
                self._size -= len(data)
                self.wake()
                return data
        return b""

    async def room(self) -> None:
        """Wait until `put` can take something. Raises ConnectionClosedError."""
        await trio.lowlevel.checkpoint()
        while self._size >= LIMIT_IN_FLIGHT_BYTES and not (self.ended or self.refused):
            await self._changed.wait()
        if self.ended or self.refused:
            raise ConnectionClosedError("the connection ended")


class MemoryStream(ReadWriteCloser):
    """One end of a link: what the handshakes read and write, and what a Channel asks for after them."""

    def __init__(self, outward: Way, inward: Way, remote: tuple[str, int]) -> None:
        self._outward, self._inward = outward, inward
        self._remote = remote
        self._held = memoryview(b"")

    async def read(self, n: int | None = None) -> bytes:
        """At least one byte and at most `n`; `b""` at the end."""
        if n == 0:
            return b""
        if not self._held:
            self._held = memoryview(await self._inward.take())
        size = len(self._held) if n is None else n
        chunk, self._held = self._held[:size], self._held[size:]
        return chunk.tobytes()

    async def write(self, data: bytes) -> None:
        """All of `data`. Raises ConnectionClosedError."""
        while data := data[self.send_now(data) :]:
            await self.writable()

    async def receive(self) -> bytes:
        """At least one byte; `b""` at the end."""
        if self._held:
            return await self.read()
        return await self._inward.take()

    def send_now(self, data: bytes) -> int:
        """How many bytes of `data` were taken. Raises ConnectionClosedError."""
        return self._outward.put(data)

    async def writable(self) -> None:
        """Wait until `send_now` can take something. Raises ConnectionClosedError."""
        await self._outward.room()

    async def close(self) -> None:
        """End both directions; what is under way still arrives."""
        self._outward.ended = self._inward.refused = True
        self._outward.wake()
        self._inward.wake()
        await trio.lowlevel.checkpoint()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Host and port of the other end."""
        return self._remote


class MemoryListener(IListener):
    """Listens on one address, in the nursery the swarm hangs on it."""

    background_nursery: trio.Nursery

    def __init__(self, net: MemoryNet, handler: THandler) -> None:
        self._net = net
        self._handler = cast("Handler", handler)
        self._bound: list[tuple[str, int]] = []
        self._serving = trio.CancelScope()

    async def listen(self, maddr: Multiaddr) -> None:
        """Bind `maddr`. Raises OpenConnectionError when it cannot."""
        host, port, _ = endpoint(maddr)
        self._bound.append((host, self._net.listen(self, host, port)))
        await trio.lowlevel.checkpoint()

    def accept(self, stream: MemoryStream) -> None:
        """Serve one more connection."""
        self.background_nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: MemoryStream) -> None:
        try:
            await self._handler(stream)
        except Exception:  # noqa: BLE001  one bad connection must not end the others; the swarm has counted it
            await stream.close()

    def get_addrs(self) -> tuple[Multiaddr, ...]:
        """What is bound."""
        return tuple(Multiaddr(f"/ip4/{host}/tcp/{port}") for host, port in self._bound)

    async def close(self) -> None:
        """Stop accepting."""
        for host, port in self._bound:
            self._net.unlisten(host, port)
        self._bound.clear()
        await trio.lowlevel.checkpoint()


class MemoryTransport(ITransport):
    """One host's way into a MemoryNet."""

    def __init__(self, net: MemoryNet, home: str) -> None:
        self._net = net
        self._home = home
        self._next_port = 2**15

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        """Connect to `maddr`. Raises OpenConnectionError."""
        host, port, _ = endpoint(maddr)
        await trio.sleep_until(self._net.due())
        listener = self._net.listener(self._home, host, port)
        there, back = self._net.way(self._home, host), self._net.way(host, self._home)
        self._next_port += 1
        listener.accept(MemoryStream(back, there, (self._home, self._next_port)))
        return RawConnection(MemoryStream(there, back, (host, port)), True)

    def create_listener(self, handler_function: THandler) -> IListener:
        """A listener of this network."""
        return MemoryListener(self._net, handler_function)

    def can_dial(self, maddr: Multiaddr) -> bool:
        """Whether `maddr` is a TCP address."""
        return "tcp" in {protocol.name for protocol in maddr.protocols()}

    def can_listen(self, maddr: Multiaddr) -> bool:
        """Whether `maddr` is a TCP address."""
        return self.can_dial(maddr)

    def protocols(self) -> list[str]:
        """The names of multiaddr that it answers to."""
        return ["ip4", "tcp"]
