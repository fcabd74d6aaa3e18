"""The small parts of the substrate, without a network: names, events, limits, memories."""

from contextlib import ExitStack

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from tertulia.node.substrate import PeerDown, PeerUp, peer_id_bytes, peer_id_from_key, peer_id_of
from tertulia.node.substrate.events import PeerEvents
from tertulia.node.substrate.gate import LIMIT_WAITING, Gate
from tertulia.node.substrate.limiter import LIMIT_HANDSHAKES_PER_ADDRESS, InboundLimiter
from tertulia.node.substrate.message_cache import LIMIT_CACHED_BYTES, LIMIT_SERVINGS_PER_PEER, ContentMessageCache
from tertulia.node.substrate.outbound import LIMIT_QUEUED_BYTES, LIMIT_QUEUED_RPCS, OutboundQueue
from tertulia.node.substrate.peer_ids import library_id
from tertulia.node.substrate.pubsub import content_id
from tertulia.node.substrate.rpc_reader import LIMIT_RPC_BYTES, MalformedRpc, RpcReader
from tertulia.node.substrate.seen import SeenIds

PEER = peer_id_of(bytes(32))
OTHER = peer_id_of(bytes([1]) * 32)


# PeerIds.


def test_a_peer_id_is_the_libp2p_name_of_an_ed25519_key():
    """RFC 8032's first test key; the name is what go-libp2p gives it."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert peer_id_bytes(peer_id_of(seed)) == public
    assert peer_id_from_key(public) == peer_id_of(seed)
    assert peer_id_of(seed).startswith("12D3KooW")


@given(st.binary(min_size=32, max_size=32))
def test_keys_and_names_convert_without_loss(public):
    assert peer_id_bytes(peer_id_from_key(public)) == public


@pytest.mark.parametrize(
    "bad",
    ["", "nonsense", PEER[:-1], PEER + "1", " " + PEER, "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "0OIl", "é"],
)
def test_what_is_no_peer_id_is_refused(bad):
    with pytest.raises(ValueError):
        peer_id_bytes(bad)


def test_keys_of_another_length_are_refused():
    for bad in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError):
            peer_id_of(bad)
        with pytest.raises(ValueError):
            peer_id_from_key(bad)


# Events.


@given(st.lists(st.tuples(st.sampled_from([PEER, OTHER]), st.integers(0, 3)), max_size=40))
def test_a_slow_reader_is_told_what_it_must_know(steps):
    """Peers come and go; the reader reads now and then. For each peer it hears up, down, up, … and ends up right."""

    async def story():
        events, heard, up = PeerEvents(), [], set()

        async def read(limit):
            for _ in range(limit):
                await trio.testing.wait_all_tasks_blocked()
                try:
                    heard.append(events.receive.receive_nowait())
                except trio.WouldBlock:
                    return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(events.run)
            for peer, reads in steps:
                if peer in up:
                    up.discard(peer)
                    events.down(peer)
                else:
                    up.add(peer)
                    events.up(peer, dialled=False)
                assert all(len(waiting) <= 2 for waiting in events._pending.values())
                await read(reads)
            await read(1000)
            nursery.cancel_scope.cancel()
        for peer in (PEER, OTHER):
            kinds = [type(event) for event in heard if event.peer == peer]
            assert kinds == [PeerUp, PeerDown] * (len(kinds) // 2) + [PeerUp] * (len(kinds) % 2)
            assert (len(kinds) % 2 == 1) == (peer in up)

    trio.run(story)


async def test_a_reconnection_is_never_swallowed():
    events = PeerEvents()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(events.run)
        events.up(PEER, dialled=True)
        assert await events.receive.receive() == PeerUp(PEER, dialled=True)
        events.down(PEER)
        events.up(PEER, dialled=False)
        assert await events.receive.receive() == PeerDown(PEER)
        assert await events.receive.receive() == PeerUp(PEER, dialled=False)
        nursery.cancel_scope.cancel()


# Bounds and memories.


def test_slots_are_given_back_however_a_connection_ends():
    limiter = InboundLimiter(4)
    for _ in range(100):
        with pytest.raises(RuntimeError), limiter.slot("a"):
            raise RuntimeError
    assert limiter.standing == limiter.refused == 0


async def test_strangers_make_room_in_the_order_they_came_and_members_never():
    limiter = InboundLimiter(8)  # six for strangers, four for those of one address
    with ExitStack() as stack:
        of_a = [stack.enter_context(limiter.slot("a")) for _ in range(4)]
        assert not any(slot.scope.cancel_called for slot in of_a)
        of_a[0].member = True
        fifth = stack.enter_context(limiter.slot("a"))
        assert not any(slot.scope.cancel_called for slot in of_a)  # a member is no stranger
        sixth = stack.enter_context(limiter.slot("a"))
        assert [slot.scope.cancel_called for slot in of_a] == [False, True, False, False]
        others = [stack.enter_context(limiter.slot(address)) for address in "bcd"]
        assert [slot.scope.cancel_called for slot in of_a] == [False, True, True, False]
        for slot in (*of_a[3:], fifth, sixth, *others):
            slot.member = True
        last = stack.enter_context(limiter.slot("e"))
        assert limiter.refused == 0
        last.member = True
        assert stack.enter_context(limiter.slot("f")) is None
        assert limiter.refused == 1
    assert limiter.standing == 0


async def test_handshakes_of_one_address_are_few():
    limiter = InboundLimiter(1000)
    with ExitStack() as stack:
        slots = [stack.enter_context(limiter.slot("a")) for _ in range(LIMIT_HANDSHAKES_PER_ADDRESS)]
        slots[0].shaken = True
        stack.enter_context(limiter.slot("a"))
        assert limiter.evicted == 0
        stack.enter_context(limiter.slot("a"))
        assert [slot.scope.cancel_called for slot in slots[:3]] == [False, True, False]
        stack.enter_context(limiter.slot("b"))
        assert limiter.evicted == 1


async def test_at_most_a_few_streams_wait_for_an_admission(autojump_clock):
    gate, peer, answers = Gate(), library_id(PEER), []

    async def wait():
        answers.append(await gate.wait(peer, 10))

    async with trio.open_nursery() as nursery:
        for _ in range(LIMIT_WAITING + 3):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == [False] * 3
        gate.admit(peer)
    assert answers == [False] * 3 + [True] * LIMIT_WAITING
    gate.forget(peer)
    assert not await gate.wait(peer, 1)
    assert trio.current_time() > 0


async def test_seen_ids_are_forgotten_in_time_and_in_number(autojump_clock):
    seen = SeenIds(seconds=10, limit=3)
    assert seen.add(b"a")
    assert not seen.add(b"a")
    await trio.sleep(6)
    assert seen.has(b"a")  # and is refreshed by it
    await trio.sleep(6)
    assert seen.has(b"a")
    await trio.sleep(11)
    assert not seen.has(b"a")
    for key in (b"b", b"c", b"d", b"e"):
        seen.add(key)
    assert [seen.has(key) for key in (b"b", b"c", b"d", b"e")] == [False, True, True, True]
    assert len(seen) == 3
    seen.discard(b"c")
    assert not seen.has(b"c")


def test_the_cache_knows_messages_by_their_content():
    """The library's cache holds one author-less message, whatever their number (trap 6)."""
    cache = ContentMessageCache(content_id)
    messages = [rpc_pb2.Message(data=b"%d" % n, topicIDs=["room"]) for n in range(10)]
    for message in messages:
        cache.put(message)
        cache.put(message)
    peer = library_id(PEER)
    assert len(cache.window("room")) == 10
    assert [cache.serve(content_id(m), peer) for m in messages] == messages
    for _ in range(LIMIT_SERVINGS_PER_PEER - 1):
        assert cache.serve(content_id(messages[0]), peer)
    assert cache.serve(content_id(messages[0]), peer) is None
    assert cache.serve(content_id(messages[0]), library_id(OTHER)) == messages[0]
    for _ in range(5):
        cache.shift()
    assert not cache.msgs
    assert cache.window("room") == []
    assert not cache._served


class Full:
    """A stream that takes nothing at once, and then all it is given."""

    def __init__(self):
        self.written = []

    def write_now(self, data):
        return False

    async def write(self, data):
        self.written.append(data)
        await trio.lowlevel.checkpoint()


async def test_a_full_queue_still_takes_control():
    stream = Full()
    queue = OutboundQueue(stream)
    assert all(queue.push(b"message") for _ in range(LIMIT_QUEUED_RPCS))
    assert not queue.push(b"message")
    assert queue.push(b"control", priority=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.run)
        await trio.testing.wait_all_tasks_blocked()
        assert b"".join(stream.written) == b"control" + b"message" * LIMIT_QUEUED_RPCS  # control first
        assert len(stream.written) < 10  # several at a time
        queue.close()
    assert not queue.push(b"message")


def test_bytes_are_bounded_as_well_as_numbers():
    queue = OutboundQueue(Full())
    half = bytes(LIMIT_QUEUED_BYTES // 2)
    assert queue.push(half)
    assert queue.push(half)
    assert not queue.push(b"x")
    assert queue.push(b"x", priority=True)
    cache = ContentMessageCache(content_id)
    for number in range(100):
        cache.put(rpc_pb2.Message(data=bytes([number]) * (LIMIT_CACHED_BYTES // 20), topicIDs=["room"]))
    assert sum(len(message.data) for message in cache.msgs.values()) <= LIMIT_CACHED_BYTES
    assert {message.data[0] for message in cache.msgs.values()} == set(range(80, 100))  # the newest stay
    for _ in range(5):
        cache.shift()
    assert not cache.msgs


async def test_what_need_not_wait_wakes_nobody():
    class Roomy(Full):
        def write_now(self, data):
            self.written.append(data)
            return True

    stream = Roomy()
    queue = OutboundQueue(stream)
    for number in range(3):
        assert queue.push(b"%d" % number)
    assert stream.written == [b"0", b"1", b"2"]
    assert not len(queue)


def test_rpcs_come_whole_however_they_were_cut():
    rpcs = [b"", b"a", bytes(200), bytes(range(256)) * 100]
    wire = b"".join(_varint(len(rpc)) + rpc for rpc in rpcs)
    for size in (1, 7, 1000, len(wire)):
        reader = RpcReader()
        assert [rpc for at in range(0, len(wire), size) for rpc in reader.feed(wire[at : at + size])] == rpcs


@pytest.mark.parametrize("length", [LIMIT_RPC_BYTES + 1, 2**28, 2**63])
def test_an_rpc_beyond_the_bound_is_refused_by_its_length_alone(length):
    with pytest.raises(MalformedRpc):
        list(RpcReader().feed(_varint(length)))


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def test_ids_of_the_library_are_refused_unless_ed25519():
    with pytest.raises(ValueError):
        library_id(ID(b"\x12\x20" + bytes(32)).to_base58())
