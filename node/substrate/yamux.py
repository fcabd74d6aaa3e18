"""The muxer: yamux without its storms and its open ends.

hashicorp/yamux spec. Traps met (research/libp2p.md, performance.md §6, docs/upstream.md): headers decoded for a debug
line at every write, streams without bound, a ping nobody answers noticed by nobody, a read that waits for a write.
Invariants: a peer holds at most `LIMIT_STREAMS` streams; reading never waits, neither for writing nor for a handler;
nothing a peer sends raises out of `start`, which would end the swarm. The streams themselves: `yamux_stream`; the bytes
below: `channel`.
"""

from collections.abc import Awaitable, Callable

import trio
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.custom_types import TProtocol
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.exceptions import RawConnError
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedStreamError
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    FLAG_ACK,
    FLAG_FIN,
    FLAG_RST,
    FLAG_SYN,
    GO_AWAY_NORMAL,
    GO_AWAY_PROTOCOL_ERROR,
    HEADER_SIZE,
    PROTOCOL_ID,
    TYPE_DATA,
    TYPE_GO_AWAY,
    TYPE_PING,
    TYPE_WINDOW_UPDATE,
    Yamux,
    YamuxStream,
)

from tertulia.node.substrate.channel import Channel, Outbox
from tertulia.node.substrate.circuit import CircuitStream
from tertulia.node.substrate.noise import BoundedSession
from tertulia.node.substrate.yamux_stream import HEADER, HostYamuxStream, ProtocolViolation

LIMIT_STREAMS = 512
LIMIT_REPLIES = 1024
GOODBYE_SECONDS = 0.5
PING_SECONDS = 30.0
PONG_SECONDS = 15.0
CIRCUIT_PING_SECONDS = 7.0
CIRCUIT_PONG_SECONDS = 7.0
_KNOWN_TYPES = frozenset({TYPE_DATA, TYPE_WINDOW_UPDATE, TYPE_PING, TYPE_GO_AWAY})


class HostYamux(Yamux):
    """One connection's streams."""

    streams: dict[int, HostYamuxStream]  # type: ignore[assignment]

    def __init__(
        self,
        secured_conn: ISecureConn,
        peer_id: ID,
        is_initiator: bool,
        channel: Channel,
        outbox: Outbox,
        *,
        circuit: CircuitStream | None = None,
    ) -> None:
        super().__init__(secured_conn, peer_id, is_initiator)
        (
            self.new_stream_send_channel,
            self.new_stream_receive_channel,
        ) = trio.open_memory_channel[YamuxStream](LIMIT_STREAMS)
        self.channel = channel
        self.circuit = circuit
        """What the connection runs on, when that is a relay's stream."""
        self._outbox = outbox
        self._received: bytes | bytearray = b""
        self._unread_replies = 0
        self._pong = trio.Event()
        self._pong_value = 0
        # Nothing below a circuit tells that its other end died: it is asked more often (trap 15).
        self._ping_seconds = CIRCUIT_PING_SECONDS if circuit else PING_SECONDS
        self._pong_seconds = CIRCUIT_PONG_SECONDS if circuit else PONG_SECONDS

    # Life.

    async def start(self) -> None:
        """Run until the connection ends. Raises nothing but cancellation: this task's failure would end the swarm."""
        if self.event_started.is_set():
            return
        try:
            async with trio.open_nursery() as nursery:
                for task in (self.handle_incoming, self.channel.drain, self._keep_alive):
                    nursery.start_soon(self._until_over, task, nursery.cancel_scope)
                self._established = True
                self.event_started.set()
        finally:
            with trio.CancelScope(shield=True):
                await self._end()

    async def _until_over(self, task: Callable[[], Awaitable[None]], connection: trio.CancelScope) -> None:
        try:
            await task()
        except Exception:  # noqa: BLE001  whatever broke, this connection is over and the others are not
            self.event_shutting_down.set()
        finally:
            connection.cancel()

    async def handle_incoming(self) -> None:
        """Read and obey frames until the peer or the connection ends it."""
        while not self.event_shutting_down.is_set():
            try:
                data = await self.channel.receive()
            except Exception:  # noqa: BLE001  a dozen types mean "closed", the rest "not decryptable": both end it
                return
            if not data:
                return
            self._received = self._received + data if self._received else data
            self._outbox.hold()
            try:
                self._obey_all()
            except ProtocolViolation:
                await self.close(GO_AWAY_PROTOCOL_ERROR)
                return
            finally:
                self._outbox.release()

    async def close(self, error_code: int = GO_AWAY_NORMAL) -> None:
        """Say goodbye if the peer listens, and end."""
        if not self.event_shutting_down.is_set():
            self.event_shutting_down.set()
            self.put(HEADER.pack(0, TYPE_GO_AWAY, 0, 0, error_code))
            self.channel.flush()
        with trio.CancelScope(shield=True):
            await self._end()

    async def _end(self) -> None:
        """Close the socket, wake every stream, tell the swarm. Only the first call does anything."""
        self.event_shutting_down.set()
        if self.event_closed.is_set():
            return
        self.event_closed.set()
        self.new_stream_send_channel.close()
        for stream in list(self.streams.values()):
            stream.cut()
        self.streams.clear()
        try:
            with trio.move_on_after(GOODBYE_SECONDS):
                await self.channel.close()
            if self.on_close is not None:
                await self.on_close()
        except Exception:  # noqa: BLE001  it is closed either way
            return

    async def _keep_alive(self) -> None:
        """Ping now and then; end a connection whose peer no longer answers, and streams it never closes."""
        while True:
            await trio.sleep(self._ping_seconds)
            now = trio.current_time()
            for stream in [stream for stream in self.streams.values() if stream.lingers(now)]:
                await stream.reset()
            self._pong, self._pong_value = trio.Event(), (self._pong_value + 1) % 2**32
            sent = trio.current_time()
            self.reply(TYPE_PING, FLAG_SYN, 0, self._pong_value)
            with trio.move_on_after(self._pong_seconds) as patience:
                await self._pong.wait()
            if patience.cancelled_caught:
                raise ProtocolViolation("no answer to a ping")
            self._rtt = trio.current_time() - sent

    # Writing.

    def put(self, frame: bytes) -> None:
        """Queue one frame; it leaves with the others of this batch, or at the next turn of the scheduler."""
        self.channel.put(frame)
        self._outbox.later(self.channel)

    async def write_frame(self, frame: bytes) -> None:
        """Write one frame as soon as there is room. Raises RawConnError when the connection cannot take it."""
        try:
            await self.channel.room()
        except ConnectionClosedError as error:
            raise RawConnError("the connection is closed") from error
        self.channel.put(frame)
        self.channel.flush()

    async def _write_frame(self, data: bytes) -> None:
        await self.write_frame(data)

    def reply(self, kind: int, flags: int, stream_id: int, length: int) -> None:
        """Queue a frame without payload, so that reading never waits for writing.

        Raises ProtocolViolation when a peer makes us answer faster than it reads.
        """
        self._unread_replies = self._unread_replies + 1 if self.channel.backlog else 0
        if self._unread_replies > LIMIT_REPLIES:
            raise ProtocolViolation("a peer that asks and does not read")
        self.put(HEADER.pack(0, kind, flags, stream_id, length))

    # Streams.

    async def open_stream(self) -> YamuxStream:
        """A new stream of ours. Raises MuxedStreamError when the connection ended or has too many."""
        if self.event_shutting_down.is_set() or len(self.streams) >= LIMIT_STREAMS:
            raise MuxedStreamError("no room for another stream")
        stream = HostYamuxStream(self.next_stream_id, self, self, True)
        self.next_stream_id += 2
        self.streams[stream.stream_id] = stream
        try:
            await self.write_frame(HEADER.pack(0, TYPE_WINDOW_UPDATE, FLAG_SYN, stream.stream_id, 0))
        except BaseException:
            self.streams.pop(stream.stream_id, None)
            raise
        return stream

    def forget_if_done(self, stream: HostYamuxStream) -> None:
        """Drop the books of a stream that ended on both sides; its reader keeps what it holds."""
        if stream.send_closed and stream.recv_closed:
            self.streams.pop(stream.stream_id, None)

    # Reading: no await from here to the end, so that one batch is obeyed whole and answered in one write.

    def _obey_all(self) -> None:
        """Obey every complete frame received so far. Raises ProtocolViolation."""
        received, at, size = self._received, 0, len(self._received)
        try:
            while size - at >= HEADER_SIZE:
                version, kind, flags, stream_id, length = HEADER.unpack_from(received, at)
                if version or kind not in _KNOWN_TYPES:
                    raise ProtocolViolation("not a yamux frame")
                body = length if kind == TYPE_DATA else 0
                if body > DEFAULT_WINDOW_SIZE:
                    raise ProtocolViolation("a frame beyond any window")
                end = at + HEADER_SIZE + body
                if end > size:
                    return
                data, at = received[at + HEADER_SIZE : end], end
                match kind:
                    case _ if kind == TYPE_PING:
                        self._obey_ping(flags, length)
                    case _ if kind == TYPE_GO_AWAY:
                        self.event_shutting_down.set()
                        return
                    case _:
                        self._obey_stream_frame(flags, stream_id, bytes(data), 0 if kind == TYPE_DATA else length)
        finally:
            self._received = received[at:] if at < size else b""

    def _obey_ping(self, flags: int, value: int) -> None:
        if flags & FLAG_SYN:
            self.reply(TYPE_PING, FLAG_ACK, 0, value)
        elif value == self._pong_value:
            self._pong.set()

    def _obey_stream_frame(self, flags: int, stream_id: int, data: bytes, increment: int) -> None:
        stream = self._accept(stream_id) if flags & FLAG_SYN else self.streams.get(stream_id)
        if stream is None:
            return  # of a stream we have forgotten; its data was bounded by a frame
        if increment:
            stream.credit(increment)
        if data:
            stream.take(data)
        if flags & FLAG_RST:
            stream.aborted()
        elif flags & FLAG_FIN:
            stream.ended()
        if flags:
            self.forget_if_done(stream)

    def _accept(self, stream_id: int) -> HostYamuxStream | None:
        """A stream the peer opens, or None when it has too many (then it is told)."""
        ours = (stream_id % 2 == 1) == self.is_initiator_value
        if ours or stream_id == 0 or stream_id in self.streams:
            raise ProtocolViolation("a stream number that is not the peer's to give")
        unaccepted = self.new_stream_send_channel.statistics().current_buffer_used
        if len(self.streams) >= LIMIT_STREAMS or unaccepted >= LIMIT_STREAMS or self.event_shutting_down.is_set():
            self.reply(TYPE_WINDOW_UPDATE, FLAG_RST, stream_id, 0)
            return None
        stream = HostYamuxStream(stream_id, self, self, False)
        try:
            self.new_stream_send_channel.send_nowait(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None  # nobody accepts any more: the connection is ending
        self.streams[stream_id] = stream
        self.reply(TYPE_WINDOW_UPDATE, FLAG_ACK, stream_id, 0)
        return stream


class HostMuxers(MuxerMultistream):
    """Negotiates our yamux; the library's version names its own class wherever it says yamux."""

    def __init__(self, outbox: Outbox, negotiate_timeout: int) -> None:
        super().__init__({TProtocol(PROTOCOL_ID): HostYamux}, negotiate_timeout)
        self._outbox = outbox

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """The muxed form of a secured connection. Raises the library's multiselect errors."""
        protocol, _ = await self._selector.select(conn, conn.is_initiator, self.negotiate_timeout)
        assert isinstance(conn, BoundedSession)
        channel = conn.channel(self._outbox.traffic)
        muxed = HostYamux(conn, peer_id, conn.is_initiator, channel, self._outbox, circuit=conn.circuit)
        return self._annotate_connection(muxed, conn, protocol)
