"""One yamux stream: credit at half a window, no polling, one window of memory.

hashicorp/yamux spec, "Flow Control". Trap 7 and levers 3 and 8 of the research: the library answers every read with a
WINDOW_UPDATE (3 of 4 encrypted frames of a gossip RPC), waits for room by asking every 10 ms, and buffers whatever a
peer sends beyond its window. Invariants: credit is returned once half a window was read; what arrives beyond the window
ends the connection; a waiting reader or writer is woken by what it waits for.
Delete when upstream flushes credit at half a window, enforces the window and waits for events (docs/upstream.md).
"""

import struct
from collections.abc import Callable
from typing import Protocol

import trio
from libp2p.network.connection.exceptions import RawConnError
from libp2p.stream_muxer.exceptions import MuxedStreamEOF, MuxedStreamError, MuxedStreamReset
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    FLAG_FIN,
    FLAG_RST,
    HEADER_SIZE,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)

from tertulia.node.substrate.channel import LIMIT_BACKLOG_BYTES, LIMIT_PLAINTEXT_BYTES, Channel

LIMIT_SEND_WINDOW = 2**31 - 1
LIMIT_BODY_BYTES = LIMIT_PLAINTEXT_BYTES - HEADER_SIZE
"""With its header, such a frame fills one Noise message."""
STALLED_SECONDS = 15.0
LINGER_SECONDS = 60.0
Sink = Callable[[bytes], None]
HEADER = struct.Struct(YAMUX_HEADER_FORMAT)


class ProtocolViolation(Exception):
    """A peer broke the yamux rules; its connection ends."""


class Connection(Protocol):
    """What a stream needs of its connection."""

    channel: Channel

    async def write_frame(self, frame: bytes) -> None:
        """Write one frame as soon as there is room."""

    def put(self, frame: bytes) -> None:
        """Queue one frame."""

    def reply(self, kind: int, flags: int, stream_id: int, length: int) -> None:
        """Queue a frame without payload."""

    def forget_if_done(self, stream: "HostYamuxStream") -> None:
        """Drop the books of a stream that ended on both sides."""


class HostYamuxStream(YamuxStream):
    """One stream: event-driven both ways, one window of memory."""

    def __init__(self, stream_id: int, conn: Yamux, connection: Connection, is_initiator: bool) -> None:
        super().__init__(stream_id, conn, is_initiator)
        self._mux = connection
        self._inbox = bytearray()
        self._changed = trio.Event()
        self._writing = trio.Lock()
        self._sink: Sink | None = None
        self._sink_failure: Exception | None = None

    # What the connection tells the stream.

    def take(self, data: bytes) -> None:
        """Buffer what arrived. Raises ProtocolViolation beyond the window."""
        if len(data) > self.recv_window:
            raise ProtocolViolation("more data than the window allows")
        self.recv_window -= len(data)
        if self.recv_closed or self.closed:
            return
        if self._sink is not None:
            self._pour(data)
            return
        self._inbox += data
        self.wake()

    def _pour(self, data: bytes) -> None:
        """Give `data` to the sink at once; what the sink raises waits for whoever called `pour_into`."""
        assert self._sink is not None
        try:
            self._sink(data)
        except Exception as error:  # noqa: BLE001  the connection's reader must live; `pour_into` raises it
            self._sink, self._sink_failure = None, error
            self.wake()
            return
        self._release(len(data))

    def credit(self, increment: int) -> None:
        """The peer made room for `increment` bytes."""
        self.send_window = min(self.send_window + increment, LIMIT_SEND_WINDOW)
        self.wake()

    def ended(self) -> None:
        """The peer sends no more."""
        self.recv_closed = True
        self.closed = self.send_closed
        self.wake()

    def aborted(self) -> None:
        """The peer ended both directions at once; what came before can still be read."""
        self.reset_received = True
        self.cut()

    def cut(self) -> None:
        """The connection ended; what was received can still be read."""
        self.reset_received = self.reset_received or not self.recv_closed
        self.send_closed = self.recv_closed = self.closed = True
        self.wake()

    def lingers(self, now: float) -> bool:
        """Whether we closed this stream long ago and the peer never did."""
        return self.send_closed and not self.recv_closed and now - self._closed_at > LINGER_SECONDS

    def wake(self) -> None:
        """Let everyone who waits on this stream look again."""
        self._changed.set()
        self._changed = trio.Event()

    # What the host asks of the stream.

    async def read(self, n: int | None = -1) -> bytes:
        """At least one byte, at most `n` (None or -1: all that is there).

        Raises MuxedStreamEOF at the end and MuxedStreamReset after a reset.
        """
        while not self._inbox:
            if self.reset_received:
                raise MuxedStreamReset("the stream was reset")
            if self.recv_closed:
                raise MuxedStreamEOF("the stream ended")
            await self._changed.wait()
        size = len(self._inbox) if n is None or n < 0 else min(n, len(self._inbox))
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        self._release(size)
        return data

    async def pour_into(self, sink: Sink) -> None:
        """From now on give `sink` whatever comes, in the moment it comes; returns when the peer sends no more.

        Raises what the sink raised, and MuxedStreamReset after a reset.
        """
        self._sink = sink
        try:
            if self._inbox:
                held = bytes(self._inbox)
                self._inbox.clear()
                self._pour(held)
            while not (self.recv_closed or self._sink_failure or self.reset_received):
                await self._changed.wait()
        finally:
            self._sink = None
        if self._sink_failure is not None:
            raise self._sink_failure
        if self.reset_received:
            raise MuxedStreamReset("the stream was reset")

    def _release(self, count: int) -> None:
        """`count` bytes were read: give the peer credit once it is half a window."""
        self._pending_recv_release += count
        if self.recv_closed or self._pending_recv_release < DEFAULT_WINDOW_SIZE // 2:
            return
        increment, self._pending_recv_release = self._pending_recv_release, 0
        self.recv_window += increment
        self._mux.reply(TYPE_WINDOW_UPDATE, 0, self.stream_id, increment)

    def write_now(self, data: bytes) -> bool:
        """Send all of `data` without waiting, with the next flush; False, and nothing sent, when it cannot be."""
        if (
            self.send_closed
            or len(data) > min(self.send_window, LIMIT_BODY_BYTES)
            or self._writing.locked()
            or self._mux.channel.backlog > LIMIT_BACKLOG_BYTES
        ):
            return False
        self.send_window -= len(data)
        self._mux.put(HEADER.pack(0, TYPE_DATA, 0, self.stream_id, len(data)) + data)
        return True

    def write_some(self, data: bytes) -> int:
        """Send as much of `data` as there is room for, without waiting; how much. Raises MuxedStreamReset."""
        if self.send_closed:
            raise MuxedStreamReset("the stream is closed")
        if self._mux.channel.backlog > LIMIT_BACKLOG_BYTES:
            return 0
        part = data[: min(self.send_window, LIMIT_BODY_BYTES)]
        return len(part) if part and self.write_now(part) else 0

    async def room(self) -> None:
        """Wait until `write_some` can take something. Raises the library's stream errors and ConnectionClosedError."""
        await trio.lowlevel.checkpoint()
        await self._room()
        await self._mux.channel.room()

    async def write(self, data: bytes) -> None:
        """Send all of `data`, waiting for room.

        Raises MuxedStreamReset after a reset, MuxedStreamError when the stream ended or the peer stopped reading.
        """
        view = memoryview(data)
        async with self._writing:
            while view:
                size = min(await self._room(), LIMIT_BODY_BYTES, len(view))
                self.send_window -= size
                header = HEADER.pack(0, TYPE_DATA, 0, self.stream_id, size)
                await self._mux.write_frame(header + view[:size])
                view = view[size:]
        await trio.lowlevel.checkpoint()

    async def _room(self) -> int:
        with trio.move_on_after(STALLED_SECONDS):
            while not self.send_closed and self.send_window <= 0:
                await self._changed.wait()
        if self.reset_received:
            raise MuxedStreamReset("the stream was reset")
        if self.send_closed:
            raise MuxedStreamError("the stream is closed")
        if self.send_window <= 0:
            raise MuxedStreamError("the peer stopped reading")
        return self.send_window

    async def close(self) -> None:
        """Say that we send no more; what the peer still sends can be read."""
        if not self.send_closed:
            self.send_closed = True
            self.closed = self.recv_closed
            self._closed_at = trio.current_time()
            await self._tell(FLAG_FIN)
        self._mux.forget_if_done(self)

    async def reset(self) -> None:
        """End both directions now."""
        self._inbox.clear()
        if not (self.send_closed and self.recv_closed):
            self.aborted()
            await self._tell(FLAG_RST)
        self._mux.forget_if_done(self)

    async def _tell(self, flag: int) -> None:
        try:
            await self._mux.write_frame(HEADER.pack(0, TYPE_WINDOW_UPDATE, flag, self.stream_id, 0))
        except (RawConnError, OSError, trio.ClosedResourceError):
            return  # the connection is gone, and the stream with it
