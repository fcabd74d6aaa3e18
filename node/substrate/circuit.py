"""A stream of one connection, used as the wire of another: what circuits run on.

libp2p specs/relay, "circuit-v2": after a handful of messages the stream to the relay carries raw bytes, in which the
two ends shake hands as if on TCP. Invariants: nothing is read beyond the messages, so no byte of the handshake is lost;
a message is at most `LIMIT_MESSAGE_BYTES`, judged before it is gathered; every wait has a deadline or ends with the
stream; what passes once the circuit stands is counted against the limit that the relay told.
"""

from dataclasses import dataclass
from math import inf
from typing import TypeVar

import trio
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Protobuf
from libp2p.abc import INetStream
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.exceptions import RawConnError
from libp2p.network.stream.net_stream import NetStream
from libp2p.stream_muxer.exceptions import MuxedStreamEOF, MuxedStreamError, MuxedStreamReset
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.utils import encode_varint_prefixed

from tertulia.node.substrate.guard import reset_quietly
from tertulia.node.substrate.peer_ids import PeerId
from tertulia.node.substrate.relay_reasons import CircuitCut, CircuitLimit, RelayRefusal
from tertulia.node.substrate.yamux_stream import HostYamuxStream

LIMIT_MESSAGE_BYTES = 4096
MESSAGE_SECONDS = 10.0
CLOCK_SLACK_SECONDS = 2.0
"""How much sooner than we a relay may think that a circuit's time is over."""
_CHUNK_BYTES = 64 * 1024
_Kind = TypeVar("_Kind", bound=Protobuf)


class RefusedCircuit(Exception):
    """The relay, or the other end, said no, or did not say anything we understand."""


class RelaySaidNo(OpenConnectionError):
    """The relay answered, and would not open the circuit."""

    def __init__(self, refusal: RelayRefusal) -> None:
        super().__init__("the relay said no")
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Circuit:
    """A connection that passes a relay, as it stands now."""

    relay: PeerId
    limit: CircuitLimit
    sent: int
    received: int
    """Bytes so far, the encryption's included."""


class CircuitStream(ReadWriteCloser):
    """See the module's head."""

    def __init__(self, stream: INetStream, remote: str) -> None:
        assert isinstance(stream, NetStream)
        muxed = stream.muxed_stream
        assert isinstance(muxed, HostYamuxStream)
        self._stream = stream
        self._muxed = muxed
        self._remote = remote
        self.limit = CircuitLimit()
        """What the relay lets this circuit carry, as it told us."""
        self.sent = self.received = 0
        """Bytes, since `stands`."""
        self._stands_since: float | None = None

    # What the relay allows, and whether that is what ended it.

    def so_far(self) -> Circuit:
        """As it stands now."""
        return Circuit(PeerId(self._remote), self.limit, self.sent, self.received)

    def stands(self, limit: CircuitLimit) -> None:
        """The messages are over: from here on bytes and time count against `limit`."""
        self.limit = limit
        self.sent = self.received = 0
        self._stands_since = trio.current_time()

    def cut(self) -> CircuitCut | None:
        """Which limit has been reached by now; None while there is room, and when there is no limit."""
        if self._stands_since is None:
            return None
        if self.limit.bytes is not None and max(self.sent, self.received) >= self.limit.bytes:
            return CircuitCut.BYTES
        stood = trio.current_time() - self._stands_since
        if self.limit.seconds is not None and stood >= self.limit.seconds - CLOCK_SLACK_SECONDS:
            return CircuitCut.SECONDS
        return None

    # Messages, before the circuit stands.

    async def tell(self, message: Protobuf) -> None:
        """Send one message. Raises ConnectionClosedError."""
        await self.write(encode_varint_prefixed(message.SerializeToString()))

    async def hear(self, kind: type[_Kind]) -> _Kind:
        """The next message, and not a byte more. Raises RefusedCircuit and ConnectionClosedError."""
        with trio.move_on_after(MESSAGE_SECONDS):
            length, shift = 0, 0
            while True:
                byte = (await self._exactly(1))[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if length > LIMIT_MESSAGE_BYTES or shift > 14:
                    raise RefusedCircuit("a message beyond its bound")
                if byte < 0x80:
                    break
            try:
                return kind.FromString(await self._exactly(length))
            except DecodeError as error:
                raise RefusedCircuit("not a message of this protocol") from error
        raise RefusedCircuit("no answer in time")

    async def _exactly(self, count: int) -> bytes:
        held = b""
        while len(held) < count:
            chunk = await self.read(count - len(held))
            if not chunk:
                raise ConnectionClosedError("the stream ended within a message")
            held += chunk
        return held

    # The wire.

    async def read(self, n: int | None = None) -> bytes:
        """At least one byte and at most `n`; `b""` at the end. Raises ConnectionClosedError after a reset."""
        try:
            data = await self._muxed.read(n)
        except MuxedStreamEOF:
            return b""
        except MuxedStreamError as error:
            raise ConnectionClosedError("the circuit broke") from error
        self.received += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """All of `data`. Raises ConnectionClosedError."""
        try:
            await self._muxed.write(data)
        except (MuxedStreamError, RawConnError) as error:
            raise ConnectionClosedError("the circuit broke") from error
        self.sent += len(data)

    async def receive(self) -> bytes:
        """At least one byte; `b""` at the end. Raises ConnectionClosedError after a reset."""
        return await self.read(_CHUNK_BYTES)

    def send_now(self, data: bytes) -> int:
        """How many bytes of `data` were taken, at once. Raises ConnectionClosedError."""
        try:
            taken = self._muxed.write_some(data)
        except MuxedStreamReset as error:
            raise ConnectionClosedError("the circuit broke") from error
        self.sent += taken
        return taken

    async def writable(self) -> None:
        """Wait until `send_now` can take something. Raises ConnectionClosedError."""
        try:
            await self._muxed.room()
        except (MuxedStreamError, ConnectionClosedError) as error:
            raise ConnectionClosedError("the circuit broke") from error

    async def finish(self) -> None:
        """Send no more; what the other end still sends can be read."""
        await self._muxed.close()

    async def close(self) -> None:
        """End both directions."""
        await reset_quietly(self._stream)

    def get_remote_address(self) -> tuple[str, int] | None:
        """Who brought it, in the place of an address: limits are charged to the relay."""
        return (self._remote, 0)


async def pump(one: CircuitStream, other: CircuitStream, limit: CircuitLimit) -> CircuitCut | None:
    """Carry bytes both ways until both directions ended, one broke, or `limit` was reached; then both are closed.

    Returns which limit it was. What `one` and `other` received is in their counts.
    """
    cut: CircuitCut | None = None

    async def carry(source: CircuitStream, sink: CircuitStream) -> None:
        nonlocal cut
        left = limit.bytes
        try:
            while data := await source.receive():
                await sink.write(data if left is None else data[:left])
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        cut = CircuitCut.BYTES
                        nursery.cancel_scope.cancel()
                        return
            await sink.finish()
        except ConnectionClosedError:
            nursery.cancel_scope.cancel()

    try:
        with trio.move_on_after(inf if limit.seconds is None else limit.seconds) as patience:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carry, one, other)
                nursery.start_soon(carry, other, one)
        if patience.cancelled_caught:
            cut = CircuitCut.SECONDS
    finally:
        with trio.CancelScope(shield=True):
            await one.close()
            await other.close()
    return cut
