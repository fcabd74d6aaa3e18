"""Streams: bounded, guarded, behind the gate (traps 1 and 8 of the library; PROTOCOL.md §3)."""

import pytest
import trio
import trio.testing
from libp2p.stream_muxer.yamux.yamux import DEFAULT_WINDOW_SIZE
from waiting import eventually

from tertulia.node.substrate import HostConfig, MessageTooLong, StreamFailed, open_host
from tertulia.node.substrate.channel import LIMIT_BACKLOG_BYTES
from tertulia.node.substrate.memory import MemoryNet

WORK = "/test/work/1"


@pytest.fixture
async def pair(opened):
    async with opened(listening=2) as (a, b):
        await a.dial(b.addresses)
        yield a, b


async def answer(stream):
    await stream.send(await stream.receive(100))


async def hold_on(stream):
    await trio.sleep_forever()


async def works(a, b, protocol="/test/probe/1"):
    b.serve(protocol, answer, before_hello=True)
    stream = await a.open(b.peer_id, protocol)
    await stream.send(b"still here")
    assert await stream.receive(100) == b"still here"
    await stream.close()
    return True


async def test_an_announced_length_beyond_the_limit_is_refused_before_it_is_gathered(pair):
    a, b = pair
    refused = trio.Event()

    async def strict(stream):
        with pytest.raises(MessageTooLong):
            await stream.receive(1000)
        refused.set()

    b.serve(WORK, strict, before_hello=True)
    stream = await a.open(b.peer_id, WORK)
    await stream.send(bytes(1001))
    with trio.fail_after(5):
        await refused.wait()
        with pytest.raises(StreamFailed):
            await stream.receive(10)
    assert await works(a, b)


async def test_a_handler_that_raises_ends_its_stream_and_nothing_else(pair, stock):
    a, b = pair

    async def broken(stream):
        await stream.receive(100)
        raise RuntimeError("broken")

    b.serve(WORK, broken, before_hello=True)
    for _ in range(3):
        stream = await a.open(b.peer_id, WORK)
        await stream.send(b"x")
        with trio.fail_after(5), pytest.raises(StreamFailed):
            await stream.receive(10)
    assert b.counts["handler RuntimeError"] == 3
    assert await works(a, b)
    assert await stock("malformed_rpc") == {"host_died": True}


async def test_a_stream_reset_under_a_handler_ends_that_handler_only(pair):
    a, b = pair
    b.serve(WORK, lambda stream: stream.receive(100), before_hello=True)
    stream = await a.open(b.peer_id, WORK)
    await stream.reset()
    await eventually(lambda: b.counts["handler StreamFailed"])
    assert await works(a, b)


async def test_what_was_sent_before_closing_arrives_and_then_the_end(pair):
    a, b = pair
    got = []
    done = trio.Event()

    async def gather(stream):
        try:
            while True:
                got.append(await stream.receive(1 << 20))
        except StreamFailed:
            done.set()

    b.serve(WORK, gather, before_hello=True)
    stream = await a.open(b.peer_id, WORK)
    for size in (1, 100_000, 2):
        await stream.send(bytes(size))
    await stream.close()
    with trio.fail_after(5):
        await done.wait()
    assert [len(message) for message in got] == [1, 100_000, 2]
    with pytest.raises(StreamFailed):
        await stream.send(b"after")


async def test_an_unknown_protocol_is_refused_and_others_go_on(pair):
    a, b = pair
    with pytest.raises(StreamFailed):
        await a.open(b.peer_id, "/test/nobody/1")
    assert await works(a, b)


async def test_a_peer_that_says_nothing_is_given_up_at_the_deadline(pair):
    a, b = pair
    b.serve(WORK, hold_on, before_hello=True)
    stream = await a.open(b.peer_id, WORK)
    with trio.fail_after(5), pytest.raises(StreamFailed):
        await stream.receive(10, seconds=0.05)


async def test_at_most_limit_streams_of_one_peer_at_once(pair):
    a, b = pair
    serving = 0

    async def hold(stream):
        nonlocal serving
        serving += 1
        await trio.sleep_forever()

    b.serve(WORK, hold, before_hello=True, limit=3)
    streams = [await a.open(b.peer_id, WORK) for _ in range(5)]
    refused = 0
    for stream in streams[3:]:
        with trio.fail_after(5), pytest.raises(StreamFailed):
            await stream.receive(10)
        refused += 1
    assert (serving, refused) == (3, 2)
    for stream in streams:
        await stream.reset()
    assert await works(a, b)


async def test_a_stream_of_a_peer_not_admitted_is_reset(pair):
    a, b = pair
    reached = False

    async def never(stream):
        nonlocal reached
        reached = True

    b.serve(WORK, never)
    stream = await a.open(b.peer_id, WORK)
    await stream.send(b"x")
    with trio.fail_after(10), pytest.raises(StreamFailed):
        await stream.receive(10)
    assert not reached


async def test_a_stream_that_comes_just_before_the_admission_is_served(pair):
    a, b = pair
    b.serve(WORK, answer)
    stream = await a.open(b.peer_id, WORK)
    await stream.send(b"early")
    b.admit(a.peer_id)
    with trio.fail_after(2):
        assert await stream.receive(10) == b"early"


async def test_admission_ends_with_the_connection(pair):
    a, b = pair
    b.serve(WORK, answer)
    b.admit(a.peer_id)
    await a.disconnect(b.peer_id)
    await eventually(lambda: a.peer_id not in b.peers)
    await a.dial(b.addresses)
    stream = await a.open(b.peer_id, WORK)
    await stream.send(b"x")
    with trio.fail_after(10), pytest.raises(StreamFailed):
        await stream.receive(10)


async def test_a_cancelled_send_leaves_the_connection_in_order(pair):
    a, b = pair
    b.serve(WORK, hold_on, before_hello=True, limit=32)
    for _ in range(20):
        stream = await a.open(b.peer_id, WORK)
        with trio.move_on_after(0.01) as patience:
            await stream.send(bytes(4 << 20))  # the peer reads nothing: this cannot end by itself
        assert patience.cancelled_caught
        await stream.reset()
    assert await works(a, b)


async def test_a_handler_does_not_outlive_its_connection(pair):
    a, b = pair
    ended = trio.Event()

    async def hold(stream):
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    b.serve(WORK, hold, before_hello=True)
    stream = await a.open(b.peer_id, WORK)
    await stream.send(b"x")
    await a.disconnect(b.peer_id)
    with trio.fail_after(5):
        await ended.wait()


async def test_a_cancelled_receive_loses_nothing(pair):
    a, b = pair
    go_on = trio.Event()

    async def in_pieces(stream):
        raw = stream._stream
        await raw.write((5).to_bytes(4, "big") + b"he")
        await go_on.wait()
        await raw.write(b"llo" + (3).to_bytes(4, "big") + b"you")

    b.serve(WORK, in_pieces, before_hello=True)
    stream = await a.open(b.peer_id, WORK)
    with trio.move_on_after(0.2) as patience:
        await stream.receive(10)
    assert patience.cancelled_caught
    go_on.set()
    with trio.fail_after(5):
        assert await stream.receive(10) == b"hello"
        assert await stream.receive(10) == b"you"


async def test_a_slow_reader_holds_up_its_own_stream_only(pair):
    a, b = pair
    b.serve(WORK, hold_on, before_hello=True)
    async with trio.open_nursery() as nursery:
        stuck = await a.open(b.peer_id, WORK)
        nursery.start_soon(stuck.send, bytes(1 << 20))
        await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.fail_after(5):
            assert await works(a, b)
        nursery.cancel_scope.cancel()


async def test_a_thousand_streams_one_after_another(pair):
    a, b = pair
    b.serve(WORK, answer, before_hello=True)
    with trio.fail_after(30):
        for _ in range(1000):
            stream = await a.open(b.peer_id, WORK)
            await stream.send(b"x")
            assert await stream.receive(10) == b"x"
            await stream.close()
    (connection,) = a.swarm.get_connections()
    await eventually(lambda: not connection.muxed_conn.streams)


async def test_a_consumer_that_never_reads_costs_one_window_and_the_backlog(seed, autojump_clock):
    """One who feeds many (`send_now`) is told at once that there is no room, and what waits is bounded."""
    net, stalled = MemoryNet(), trio.Event()

    async def never_read(stream):
        await stalled.wait()

    async with (
        open_host(HostConfig(seed(), ("/ip4/10.0.0.1/tcp/1",), network=net)) as consumer,
        open_host(HostConfig(seed(), network=net)) as feeder,
    ):
        consumer.serve("/feed/1", never_read, before_hello=True)
        await feeder.dial(consumer.addresses)
        stream = await feeder.open(consumer.peer_id, "/feed/1")
        message, taken, refused = bytes(16 * 1024), 0, 0
        for _ in range(2000):
            if stream.send_now(message):
                taken += 1
            else:
                refused += 1
            await trio.sleep(0.01)
        (connection,) = feeder.swarm.get_connections()
        assert 0 < taken * len(message) <= DEFAULT_WINDOW_SIZE
        assert refused > 1900
        assert connection.muxed_conn.channel.backlog <= LIMIT_BACKLOG_BYTES + len(message)
        (held,) = consumer.swarm.get_connections()
        assert sum(len(one._inbox) for one in held.muxed_conn.streams.values()) <= DEFAULT_WINDOW_SIZE
        with pytest.raises(StreamFailed):  # and who waits for room does not wait for ever
            await stream.send(message)
        with pytest.raises(StreamFailed):
            stream.send_now(message)
        stalled.set()
