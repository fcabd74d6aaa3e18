"""Streams of messages: four bytes of length, big endian, then the message.

The seam's `Stream`, and the serving of protocols behind the gate (PROTOCOL.md §3). Invariants: a length is judged
before anything is allocated for it; every call has a deadline; a failed call leaves the stream reset; what a handler
raises ends its own stream only; a peer has at most `limit` streams of a protocol at once; no handler outlives its
connection.
"""

from collections import Counter
from collections.abc import Awaitable, Callable

import trio
from libp2p.abc import IMuxedConn, INetStream
from libp2p.peer.id import ID

from tertulia.node.substrate.charged import charged_to
from tertulia.node.substrate.errors import MessageTooLong, StreamFailed
from tertulia.node.substrate.gate import Gate
from tertulia.node.substrate.guard import reset_quietly
from tertulia.node.substrate.peer_ids import PeerId, text_of
from tertulia.node.substrate.yamux_stream import HostYamuxStream

LENGTH_BYTES = 4
LIMIT_MESSAGE_BYTES = 2**32 - 1
SEND_SECONDS = 60.0
RECEIVE_SECONDS = 60.0
CLOSE_SECONDS = 5.0
EARLY_SECONDS = 3.0
_READ_BYTES = 64 * 1024

Handler = Callable[["Stream"], Awaitable[None]]


class Stream:
    """A stream to one peer. One task may send while another receives."""

    def __init__(self, stream: INetStream, peer: PeerId) -> None:
        self.peer = peer
        self._stream = stream
        self._received = bytearray()
        self._over = False

    @property
    def origin(self) -> str:
        """To whom what this peer does is charged: its IPv4 address or IPv6 /64. For counting, never for a log."""
        return charged_to(self._stream.get_remote_address())

    async def send(self, message: bytes) -> None:
        """Send one message. Raises StreamFailed when the peer does not take it within `SEND_SECONDS`."""
        if self._over:
            raise StreamFailed("this stream is closed")
        if len(message) > LIMIT_MESSAGE_BYTES:
            raise ValueError("a message longer than its length field can say")
        try:
            with trio.fail_after(SEND_SECONDS):
                await self._stream.write(len(message).to_bytes(LENGTH_BYTES, "big") + message)
        except Exception as error:
            await self.reset()
            raise StreamFailed("the peer did not take the message") from error
        except trio.Cancelled:  # part of a message may be on its way, and nothing can follow it
            with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_SECONDS):
                await self.reset()
            raise

    def send_now(self, message: bytes) -> bool:
        """Send one message without waiting, for one sender to many; False, and nothing is sent, where it would wait.

        Raises StreamFailed when the stream is over.
        """
        muxed = getattr(self._stream, "muxed_stream", None)
        if self._over or not isinstance(muxed, HostYamuxStream) or muxed.send_closed:
            raise StreamFailed("this stream is closed")
        return muxed.write_now(len(message).to_bytes(LENGTH_BYTES, "big") + message)

    async def receive(self, limit: int, *, seconds: float = RECEIVE_SECONDS) -> bytes:
        """The next message, of at most `limit` bytes, begun and finished within `seconds`.

        A cancelled call loses nothing: the next one goes on where it was. Raises StreamFailed at the end, after a
        reset or too late, and MessageTooLong when the announced length exceeds `limit`; either way the stream is over,
        unless the peer merely ended it between messages.
        """
        if self._over:
            raise StreamFailed("this stream is closed")
        try:
            with trio.fail_after(seconds):
                await self._gather(LENGTH_BYTES)
                length = int.from_bytes(self._received[:LENGTH_BYTES], "big")
                if length > limit:
                    await self.reset()
                    raise MessageTooLong(f"a message of {length} bytes where {limit} were agreed")
                await self._gather(LENGTH_BYTES + length)
        except trio.TooSlowError as error:
            await self.reset()
            raise StreamFailed("the peer said nothing in time") from error
        message = bytes(self._received[LENGTH_BYTES : LENGTH_BYTES + length])
        del self._received[: LENGTH_BYTES + length]
        return message

    async def _gather(self, size: int) -> None:
        """Read until `size` bytes are held: never more than one chunk beyond it."""
        while len(self._received) < size:
            try:
                self._received += await self._stream.read(_READ_BYTES)
            except Exception as error:
                if self._received:
                    await self.reset()
                raise StreamFailed("the peer ended the stream") from error

    async def close(self) -> None:
        """End the stream gracefully: what was sent arrives. Never raises."""
        if self._over:
            return
        self._over = True
        try:
            with trio.fail_after(CLOSE_SECONDS):
                await self._stream.close()
        except Exception:  # noqa: BLE001  a stream that cannot be closed gracefully is reset
            await reset_quietly(self._stream)

    async def reset(self) -> None:
        """End the stream at once, in both directions. Never raises."""
        self._over = True
        await reset_quietly(self._stream)


class Server:
    """Serves one protocol: gate, bound, handler."""

    def __init__(self, handler: Handler, gate: Gate, *, before_hello: bool, limit: int) -> None:
        self._handler = handler
        self._gate = gate
        self._before_hello = before_hello
        self._limit = limit
        self._busy: Counter[ID] = Counter()
        self._running: dict[IMuxedConn, set[trio.CancelScope]] = {}

    def connection_ended(self, connection: IMuxedConn) -> None:
        """Cancel the handlers of a connection that is gone, whatever they wait for."""
        for scope in self._running.pop(connection, ()):
            scope.cancel()

    async def __call__(self, raw: INetStream) -> None:
        """Serve one stream to its end. What the handler raises passes, for the guard to count."""
        peer = raw.muxed_conn.peer_id
        if self._busy[peer] >= self._limit:
            await reset_quietly(raw)
            return
        self._busy[peer] += 1
        running = self._running.setdefault(raw.muxed_conn, set())
        scope = trio.CancelScope()
        running.add(scope)
        try:
            with scope:
                if not self._before_hello and not await self._gate.wait(peer, EARLY_SECONDS):
                    await reset_quietly(raw)
                    return
                stream = Stream(raw, text_of(peer))
                await self._handler(stream)
                await stream.close()
        finally:
            running.discard(scope)
            if not running and self._running.get(raw.muxed_conn) is running:
                del self._running[raw.muxed_conn]
            self._busy[peer] -= 1
            if not self._busy[peer]:
                del self._busy[peer]
