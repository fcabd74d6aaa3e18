"""TCP for the host: `/ip4`, `/ip6`, `/dns4`, `/dns6`, `/dns` addresses, read 64 KiB at a time.

libp2p addressing spec. Three things differ from the library's TCP: received bytes are buffered (lever 6 of
research/performance.md: two `recv` calls a frame become less than one); a listener lives in the host's own nursery
instead of a system task, and takes its port alone (the library sets SO_REUSEPORT, so two hosts could silently share
one); names are resolved by the operating system, once. Invariant: a read never allocates what a peer announced.
"""

import os
from collections.abc import Awaitable, Callable
from socket import AF_INET, AF_INET6, AF_UNSPEC, SOCK_STREAM, gaierror
from typing import cast

import trio
from libp2p.abc import IListener, IRawConnection
from libp2p.custom_types import THandler
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.transport.tcp.tcp import TCP
from multiaddr import Multiaddr

_FAMILY_OF = {"ip4": AF_INET, "ip6": AF_INET6, "dns4": AF_INET, "dns6": AF_INET6, "dns": AF_UNSPEC}
_RECEIVE_BYTES = 64 * 1024
Admits = Callable[[str], bool]
"""Says of an IP address whether whoever connects from there is spoken with."""


class BufferedTCPStream(TrioTCPStream):
    """The library's stream, with a receive buffer of at most 64 KiB."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self._held = memoryview(b"")

    async def read(self, n: int | None = None) -> bytes:
        """At least one byte and at most `n`; `b""` at the end. Raises ConnectionClosedError after a reset."""
        async with self.read_lock:
            if n == 0:
                return b""
            if not self._held:
                self._held = memoryview(await self._receive())
            size = len(self._held) if n is None else n
            chunk, self._held = self._held[:size], self._held[size:]
            return chunk.tobytes()

    async def _receive(self) -> bytes:
        try:
            return bytes(await self.stream.receive_some(_RECEIVE_BYTES))
        except trio.BrokenResourceError as error:
            raise ConnectionClosedError("the connection was reset", transport="tcp") from error
        except trio.ClosedResourceError:
            return b""

    # What a Channel asks of it once the handshakes are over: no locks, and no task that waits in order to write.

    async def receive(self) -> bytes:
        """At least one byte; `b""` at the end. Raises ConnectionClosedError after a reset."""
        if self._held:
            held, self._held = self._held.tobytes(), memoryview(b"")
            return held
        while True:
            try:
                await trio.lowlevel.wait_readable(self.stream.socket)
                return os.read(self.stream.socket.fileno(), _RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except trio.ClosedResourceError:
                return b""
            except OSError as error:
                raise ConnectionClosedError("the connection was reset", transport="tcp") from error

    def send_now(self, data: bytes) -> int:
        """How many bytes of `data` the system took, at once. Raises ConnectionClosedError."""
        try:
            return os.write(self.stream.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ConnectionClosedError("the connection was reset", transport="tcp") from error

    async def writable(self) -> None:
        """Wait until `send_now` can take something. Raises ConnectionClosedError."""
        try:
            await trio.lowlevel.wait_writable(self.stream.socket)
        except (trio.ClosedResourceError, OSError) as error:
            raise ConnectionClosedError("the connection was closed", transport="tcp") from error

    def get_remote_address(self) -> tuple[str, int] | None:
        """Host and port of the other end, for IPv6 as well (the library knows only pairs)."""
        if self._cached_remote_address is None:
            try:
                name = self.stream.socket.getpeername()
            except OSError:
                return None
            self._cached_remote_address = (str(name[0]), int(name[1]))
        return self._cached_remote_address


class HostListener(IListener):
    """Listens on the addresses it is given, in the nursery the swarm hangs on it."""

    background_nursery: trio.Nursery

    def __init__(self, handler: THandler, admits: Admits | None = None) -> None:
        self._handler = handler
        self._admits = admits
        self._listeners: list[trio.SocketListener] = []
        self._serving = trio.CancelScope()
        self._stopped = trio.Event()

    async def listen(self, maddr: Multiaddr) -> None:
        """Bind `maddr`. Raises OpenConnectionError when it cannot."""
        host, port, _ = endpoint(maddr)
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise OpenConnectionError("cannot listen on this address") from error
        self._listeners.extend(listeners)
        self.background_nursery.start_soon(self._serve, listeners)

    async def _serve(self, listeners: list[trio.SocketListener]) -> None:
        try:
            with self._serving:
                await trio.serve_listeners(self._accept, listeners)
        finally:
            self._stopped.set()

    async def _accept(self, stream: trio.SocketStream) -> None:
        handler = cast("Callable[[BufferedTCPStream], Awaitable[None]]", self._handler)
        wire = BufferedTCPStream(stream)
        if self._admits is not None and not self._admits((wire.get_remote_address() or ("", 0))[0]):
            await trio.aclose_forcefully(stream)
            return
        try:
            await handler(wire)
        except Exception:  # noqa: BLE001  one bad connection must not end the listener; the swarm has counted it
            await trio.aclose_forcefully(stream)

    def get_addrs(self) -> tuple[Multiaddr, ...]:
        """What is bound, with real ports."""
        return tuple(_address_of(listener) for listener in self._listeners)

    async def close(self) -> None:
        """Stop accepting and drop the connections that are still shaking hands."""
        self._serving.cancel()
        for listener in self._listeners:
            await listener.aclose()
        if self._listeners:
            self._listeners.clear()
            await self._stopped.wait()


class HostTCP(TCP):
    """The library's TCP transport, with our streams, our listeners and the system's resolver.

    Whoever connects from an address that `admits` does not want is closed without a word.
    """

    def __init__(self, admits: Admits | None = None) -> None:
        super().__init__()
        self._admits = admits

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        """Connect to `maddr`; every address its name has is tried. Raises OpenConnectionError."""
        host, port, family = endpoint(maddr)
        try:
            found = await trio.socket.getaddrinfo(host, port, family=family, type=SOCK_STREAM)
        except (gaierror, UnicodeError) as error:
            raise OpenConnectionError("the name of the peer's address has no address") from error
        last: OSError | None = None
        for *_, sockaddr in found:
            try:
                stream = await trio.open_tcp_stream(str(sockaddr[0]), port)
            except OSError as error:
                last = error
            else:
                return RawConnection(BufferedTCPStream(stream), True)
        raise OpenConnectionError("nothing answered at this address") from last

    def create_listener(self, handler_function: THandler) -> IListener:  # type: ignore[override]
        """A listener of ours; the library names its own class where the interface asks for IListener."""
        return HostListener(handler_function, self._admits)


def endpoint(maddr: Multiaddr) -> tuple[str, int, int]:
    """Host, port and address family of a TCP multiaddr. Raises OpenConnectionError for any other kind."""
    parts = [(protocol.name, value) for protocol, value in maddr.items()]
    match parts:
        case [(kind, str(host)), ("tcp", port), *rest] if kind in _FAMILY_OF and {name for name, _ in rest} <= {"p2p"}:
            return host, int(str(port)), _FAMILY_OF[kind]
        case _:
            raise OpenConnectionError("not a TCP address")


def _address_of(listener: trio.SocketListener) -> Multiaddr:
    host, port, *_ = listener.socket.getsockname()
    kind = "ip6" if listener.socket.family == AF_INET6 else "ip4"
    return Multiaddr(f"/{kind}/{host}/tcp/{port}")
