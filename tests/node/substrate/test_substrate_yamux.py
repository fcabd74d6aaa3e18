"""The muxer against a peer that keeps no rule (trap 7, levers 3, 6, 8): frame by frame, without a network."""

import struct

import pytest
import trio
import trio.testing
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.exceptions import RawConnError
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedStreamEOF, MuxedStreamError, MuxedStreamReset

from tertulia.node.substrate import HostConfig
from tertulia.node.substrate.channel import LIMIT_BACKLOG_BYTES, LIMIT_PLAINTEXT_BYTES, Channel, Cipher, Outbox
from tertulia.node.substrate.yamux import LIMIT_REPLIES, LIMIT_STREAMS, PING_SECONDS, PONG_SECONDS, HostYamux
from tertulia.node.substrate.yamux_stream import LIMIT_BODY_BYTES, LINGER_SECONDS, STALLED_SECONDS

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)
DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
WINDOW_BYTES = 256 * 1024


class Pipe:
    """What a transport gives, whose other end is the test."""

    def __init__(self, opening, sealing):
        self._to_mux, self._from_test = trio.open_memory_channel(1000)
        self._opening, self._sealing = opening, sealing
        self._sealed, self._at = bytearray(), 0
        self._plain = bytearray()
        self.takes = 10**9  # bytes at a time
        self.reading = True
        self.closed = trio.Event()
        self._resumed = trio.Event()

    def frame(self, kind, flags, stream, length, body=b""):
        self.raw(struct.pack("!BBHII", 0, kind, flags, stream, length) + body)

    def raw(self, data):
        for at in range(0, len(data), LIMIT_PLAINTEXT_BYTES):
            self._to_mux.send_nowait(self._sealing.seal(data[at : at + LIMIT_PLAINTEXT_BYTES]))

    async def receive(self):
        try:
            return await self._from_test.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            return b""

    def send_now(self, data):
        if self.closed.is_set():
            raise ConnectionClosedError("closed")
        taken = data[: self.takes] if self.reading else b""
        self._sealed += taken
        return len(taken)

    async def writable(self):
        if not self.reading:
            await self._resumed.wait()
        await trio.lowlevel.checkpoint()

    def resume(self):
        self.reading = True
        self._resumed.set()

    async def close(self):
        self.closed.set()
        self._to_mux.close()
        await trio.lowlevel.checkpoint()

    @property
    def written(self):
        """What the mux wrote, decrypted."""
        while len(self._sealed) - self._at >= 2:
            end = self._at + 2 + int.from_bytes(self._sealed[self._at : self._at + 2], "big")
            if end > len(self._sealed):
                break
            self._plain += self._opening.open(bytes(self._sealed[self._at + 2 : end]))
            self._at = end
        return self._plain

    def frames(self):
        """What the mux wrote: (kind, flags, stream, length)."""
        at, found, written = 0, [], self.written
        while at < len(written):
            _, kind, flags, stream, length = struct.unpack_from("!BBHII", written, at)
            found.append((kind, flags, stream, length))
            at += 12 + (length if kind == DATA else 0)
        return found


class Session:
    """All that the library's muxer asks of a secured connection."""

    is_initiator = False


@pytest.fixture
async def mux(nursery):
    keys = bytes(32), bytes([1]) * 32
    pipe = Pipe(Cipher(keys[0], 0), Cipher(keys[1], 0))
    channel, outbox = Channel(pipe, Cipher(keys[0], 0), Cipher(keys[1], 0)), Outbox()
    yamux = HostYamux(Session(), ID(b"\x00\x24\x08\x01\x12\x20" + bytes(32)), False, channel, outbox)

    async def closed():
        await trio.lowlevel.checkpoint()

    yamux.on_close = closed
    nursery.start_soon(outbox.run)
    nursery.start_soon(yamux.start)
    await yamux.event_started.wait()
    yield yamux, pipe
    await yamux.close()


async def settled():
    await trio.testing.wait_all_tasks_blocked(0.01)


async def accepted(yamux, pipe, number=1):
    pipe.frame(WINDOW, SYN, number, 0)
    return await yamux.accept_stream()


async def test_credit_is_returned_at_half_a_window(mux):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    for _ in range(1000):  # four windows in reads of a kilobyte: the library answers each of them
        pipe.frame(DATA, 0, 1, 1024, bytes(1024))
        assert await stream.read(1024) == bytes(1024)
    await settled()
    given = [length for kind, flags, _, length in pipe.frames() if kind == WINDOW and not flags]
    assert given == [WINDOW_BYTES // 2] * 7


async def test_more_than_the_window_ends_the_connection(mux):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    for _ in range(5):
        pipe.frame(DATA, 0, 1, 60_000, bytes(60_000))
    await pipe.closed.wait()
    assert len(await stream.read()) == 240_000  # what was within the window can still be read
    with pytest.raises(MuxedStreamReset):
        await stream.read()


@pytest.mark.parametrize(
    "bad",
    [
        b"\x01" + bytes(11),  # another version
        b"\x00\x09" + bytes(10),  # another type
        struct.pack("!BBHII", 0, DATA, 0, 1, 2**32 - 1),  # a body of four gigabytes
        struct.pack("!BBHII", 0, WINDOW, SYN, 2, 0),  # a stream number that is ours to give
        struct.pack("!BBHII", 0, WINDOW, SYN, 0, 0),  # the number of the session itself
        struct.pack("!BBHII", 0, WINDOW, SYN, 7, 0) * 2,  # a number given twice
    ],
)
async def test_what_is_no_yamux_ends_the_connection(mux, bad):
    yamux, pipe = mux
    pipe.raw(bad)
    await pipe.closed.wait()
    assert yamux.is_closed


async def test_frames_may_come_in_any_pieces(mux):
    yamux, pipe = mux
    frames = struct.pack("!BBHII", 0, DATA, SYN | FIN, 1, 5) + b"hello" + struct.pack("!BBHII", 0, PING, SYN, 0, 77)
    for at in range(len(frames)):
        pipe.raw(frames[at : at + 1])
    stream = await yamux.accept_stream()
    heard = b""
    while len(heard) < 5:
        heard += await stream.read()
    assert heard == b"hello"
    with pytest.raises(MuxedStreamEOF):
        await stream.read()
    await settled()
    assert (PING, ACK, 0, 77) in pipe.frames()


async def test_frames_of_unknown_streams_and_old_windows_change_nothing(mux):
    yamux, pipe = mux
    pipe.frame(DATA, 0, 99, 3, b"abc")
    pipe.frame(WINDOW, 0, 99, 2**32 - 1)
    pipe.frame(WINDOW, RST, 99, 0)
    stream = await accepted(yamux, pipe)
    pipe.frame(WINDOW, 0, 1, 2**32 - 1)
    pipe.frame(WINDOW, 0, 1, 2**32 - 1)
    pipe.frame(DATA, 0, 1, 2, b"ok")
    assert await stream.read() == b"ok"


async def test_streams_are_bounded(mux):
    yamux, pipe = mux
    for number in range(LIMIT_STREAMS + 10):
        pipe.frame(WINDOW, SYN, 2 * number + 1, 0)
        if number < LIMIT_STREAMS:
            await yamux.accept_stream()
    await settled()
    refused = [stream for kind, flags, stream, _ in pipe.frames() if flags == RST]
    assert len(refused) == 10
    with pytest.raises(MuxedStreamError):
        await yamux.open_stream()


async def test_a_peer_that_asks_and_does_not_read_is_left(mux):
    _, pipe = mux
    pipe.reading = False
    ping = struct.pack("!BBHII", 0, PING, SYN, 0, 1)
    pipe.raw(ping)
    await settled()
    pipe.raw(ping * (LIMIT_REPLIES + 2))
    await pipe.closed.wait()


async def test_a_writer_waits_for_room_and_is_woken_by_it(mux, autojump_clock):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.write, bytes(WINDOW_BYTES + 1000))
        await settled()
        assert sum(length for kind, _, _, length in pipe.frames() if kind == DATA) == WINDOW_BYTES
        pipe.frame(WINDOW, 0, 1, 1000)
    assert sum(length for kind, _, _, length in pipe.frames() if kind == DATA) == WINDOW_BYTES + 1000
    assert trio.current_time() - began < 1  # with the clock jumping, a polling writer would have moved it


async def test_a_writer_gives_up_a_peer_that_stops_reading(mux, autojump_clock):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    began = trio.current_time()
    with pytest.raises(MuxedStreamError):
        await stream.write(bytes(WINDOW_BYTES + 1))
    assert trio.current_time() - began == pytest.approx(STALLED_SECONDS, abs=1)


async def test_a_write_cancelled_half_way_is_finished(mux):
    """Half a frame would be half a Noise message, and every byte after it undecryptable."""
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    await settled()
    pipe.reading, pipe.takes = False, 7
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.write, bytes(WINDOW_BYTES))
        await settled()  # it waits for room, some of it encrypted and nothing of it taken
        nursery.cancel_scope.cancel()
    pipe.resume()
    await stream.reset()
    await settled()
    *_, last_but_one, last = pipe.frames()
    assert last_but_one == (DATA, 0, 1, LIMIT_BODY_BYTES)
    assert last == (WINDOW, RST, 1, 0)


async def test_a_peer_that_takes_nothing_is_left_in_time(mux, autojump_clock):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    await settled()
    pipe.reading = False
    began = trio.current_time()
    with pytest.raises((MuxedStreamError, RawConnError)):
        await stream.write(bytes(WINDOW_BYTES))
    assert yamux.channel.backlog < 3 * LIMIT_BACKLOG_BYTES
    assert trio.current_time() - began == pytest.approx(STALLED_SECONDS, abs=1)
    await pipe.closed.wait()


async def test_what_cannot_be_decrypted_ends_the_connection(mux):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    pipe.frame(DATA, 0, 1, 4, b"good")
    await settled()
    pipe._to_mux.send_nowait(b"\x00\x20" + bytes(32))
    await pipe.closed.wait()
    assert await stream.read() == b"good"


async def test_several_frames_of_one_batch_leave_in_one_message(mux):
    yamux, pipe = mux
    before = len(pipe._sealed)
    pipe.raw(b"".join(struct.pack("!BBHII", 0, PING, SYN, 0, value) for value in range(10)))
    await settled()
    assert pipe.frames() == [(PING, ACK, 0, value) for value in range(10)]
    assert len(pipe._sealed) - before == 2 + 10 * 12 + 16
    assert not yamux.channel.backlog


async def test_a_sink_is_given_what_comes_and_its_failure_ends_the_pouring_alone(mux):
    yamux, pipe = mux
    stream, other = await accepted(yamux, pipe), await accepted(yamux, pipe, 3)
    pipe.frame(DATA, 0, 1, 5, b"early")
    await settled()
    heard = []

    def sink(data):
        heard.append(data)
        if data == b"bad":
            raise KeyError

    async with trio.open_nursery() as nursery:

        async def pour():
            with pytest.raises(KeyError):
                await stream.pour_into(sink)

        nursery.start_soon(pour)
        await settled()
        for body in (b"one", b"two", b"bad"):
            pipe.frame(DATA, 0, 1, 3, body)
    assert heard == [b"early", b"one", b"two", b"bad"]
    pipe.frame(DATA, 0, 3, 4, b"fine")
    assert await other.read() == b"fine"


async def test_a_reset_wakes_reader_and_writer(mux):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    woken = []

    async def expect(reset, act, *args):
        with pytest.raises(reset):
            await act(*args)
        woken.append(act)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect, MuxedStreamReset, stream.read, 1)
        nursery.start_soon(expect, MuxedStreamReset, stream.write, bytes(WINDOW_BYTES + 1))
        await settled()
        pipe.frame(WINDOW, RST, 1, 0)
    assert len(woken) == 2
    assert not yamux.streams


async def test_a_ping_nobody_answers_ends_the_connection(mux, autojump_clock):
    _, pipe = mux
    began = trio.current_time()
    await pipe.closed.wait()
    assert trio.current_time() - began == pytest.approx(PING_SECONDS + PONG_SECONDS, abs=1)


async def test_a_ping_that_is_answered_does_not(mux, autojump_clock):
    yamux, pipe = mux
    for value in range(1, 6):
        await trio.sleep(PING_SECONDS + 1)
        assert (PING, SYN, 0, value) in pipe.frames()
        pipe.frame(PING, ACK, 0, value)
        await settled()
    assert not yamux.is_closed


async def test_a_stream_the_peer_never_closes_is_reset_in_the_end(mux, autojump_clock):
    yamux, pipe = mux
    stream = await accepted(yamux, pipe)
    await stream.close()
    assert yamux.streams
    for value in range(1, 5):
        await trio.sleep(PING_SECONDS + 1)
        pipe.frame(PING, ACK, 0, value)
        await settled()
        if trio.current_time() < LINGER_SECONDS:
            assert yamux.streams
    assert not yamux.streams
    assert (WINDOW, RST, 1, 0) in pipe.frames()


async def test_a_gossip_message_is_one_frame_and_a_fraction(opened, seed, wire, meet, joined):
    """The library: four encrypted frames for each RPC, three of them window updates (performance.md §3)."""
    taps = [wire(), wire()]
    async with opened(*(HostConfig(seed(), LOOPBACK, tap=tap) for tap in taps)) as (a, b):
        await meet(a, b)
        line_a, line_b = await joined((a, b))
        before = [len(tap.frame_types()) for tap in taps]
        for number in range(300):
            await line_a.publish(b"%06d" % number + bytes(1018))
            with trio.fail_after(10):
                await line_b.frames.receive()
        after = [len(tap.frame_types()) for tap in taps]
        assert sum(after) - sum(before) <= 300 * 1.3
