"""node/substrate beside go-libp2p 0.32.1, the `p2pd` daemon: connections, identify, ping, streams, and gossip so far.

What it cannot do is a test too, marked as an exception and listed in docs/neighbours.md.
"""

import os

import pytest
import trio
from go_daemon import HAS_GO, GoRefused, go_daemon
from libp2p.host.ping import ID as PING
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.utils import read_varint_prefixed_bytes
from waiting import eventually

from tertulia.node.substrate import PeerDown, PeerId, PeerUp, StreamFailed
from tertulia.node.substrate.peer_ids import library_id

pytestmark = pytest.mark.skipif(not HAS_GO, reason="the wheel carries the go daemon for Linux on x86-64 only")

GO_ECHO = "/tertulia-test/go-echo/1"
OUR_ECHO = "/tertulia-test/echo/1"
TOPIC = "room"
REDIALS = 200
SIZES = pytest.mark.parametrize("size", [1, 1_000, 100_000, 300_000])


@pytest.fixture
async def pair(our_host, tmp_path):
    """A host of ours and a go daemon that dialled it."""
    async with our_host() as host, go_daemon(tmp_path) as go:
        await go.dial(host.addresses[0])
        yield host, go


async def test_go_dials_us_and_leaves(pair):
    host, go = pair
    assert list(await go.peers()) == [host.peer_id]
    with trio.fail_after(10):
        assert await host.events.receive() == PeerUp(PeerId(go.peer_id), dialled=False)
        await go.hangup(host.peer_id)
        assert await host.events.receive() == PeerDown(PeerId(go.peer_id))


async def test_we_dial_go_and_leave(our_host, tmp_path):
    async with our_host(listen=False) as host, go_daemon(tmp_path) as go:
        assert await host.dial(go.addresses) == go.peer_id

        async def connected() -> bool:
            return list(await go.peers()) == [host.peer_id]

        await eventually(connected)
        await host.disconnect(PeerId(go.peer_id))

        async def alone() -> bool:
            return await go.peers() == {}

        await eventually(alone)


async def test_go_learns_no_address_of_ours_from_identify(our_host, tmp_path):
    """All go knows after it identified a host that only dials is where the connection came from."""
    async with our_host() as listening, our_host(listen=False) as dialling, go_daemon(tmp_path) as go:
        await dialling.dial(go.addresses)
        await go.dial(listening.addresses[0])
        known: dict[str, list[str]] = {}

        async def both() -> bool:
            known.update(await go.peers())
            return {listening.peer_id, dialling.peer_id} <= known.keys()

        await eventually(both)
        assert known[listening.peer_id] == [listening.addresses[0].partition("/p2p/")[0]]
        assert len(known[dialling.peer_id]) == 1


async def test_go_answers_our_identify(pair):
    host, go = pair
    stream = await host.library.new_stream(library_id(PeerId(go.peer_id)), [IDENTIFY])
    with trio.fail_after(10):
        answer = Identify.FromString(await read_varint_prefixed_bytes(stream))
    assert PING in answer.protocols


async def test_ping_both_ways(pair, exact):
    host, go = pair
    theirs = await go.open(host.peer_id, PING)
    ours = await host.library.new_stream(library_id(PeerId(go.peer_id)), [PING])
    for turn in range(3):
        await theirs.write(bytes([turn]) * 32)
        assert await theirs.exactly(32) == bytes([turn]) * 32
        await ours.write(bytes([turn]) * 32)
        assert await exact(ours, 32) == bytes([turn]) * 32
    await theirs.aclose()


@SIZES
async def test_go_gets_back_what_it_sent_us(pair, size):
    host, go = pair
    message = os.urandom(size)
    stream = await go.open(host.peer_id, OUR_ECHO)
    await stream.write(size.to_bytes(4, "big") + message)
    assert await stream.exactly(4 + size) == size.to_bytes(4, "big") + message
    await stream.aclose()


@SIZES
async def test_we_get_back_what_we_sent_go(pair, size):
    host, go = pair

    async def echo(stream) -> None:
        while True:
            length = await stream.exactly(4)
            await stream.write(length + await stream.exactly(int.from_bytes(length, "big")))

    await go.serve(GO_ECHO, echo)
    message = os.urandom(size)
    stream = await host.open(PeerId(go.peer_id), GO_ECHO)
    await stream.send(message)
    assert await stream.receive(size) == message
    await stream.close()


async def test_a_protocol_that_the_other_side_lacks(pair):
    host, go = pair
    with pytest.raises(StreamFailed):
        await host.open(PeerId(go.peer_id), "/tertulia-test/nobody/1")
    with pytest.raises(GoRefused, match="protocols not supported"):
        await go.open(host.peer_id, "/tertulia-test/nobody/1")


async def test_go_redials_us_two_hundred_times_without_a_failure(pair):
    host, go = pair
    for _ in range(REDIALS):
        await go.hangup(host.peer_id)
        await go.dial(host.addresses[0])
    assert list(await go.peers()) == [host.peer_id]
    await go.hangup(host.peer_id)
    await eventually(lambda: not host.peers)


async def test_exception_go_hears_one_message_without_an_author_and_ours_refuse_its_own(
    our_host, accept_all, tmp_path
):
    """Its daemon cannot be told another message id than author and number, nor to leave them out.

    So all our messages have one id there, the empty one: it delivers the first and takes the rest for echoes.
    """
    async with our_host() as host, go_daemon(tmp_path, pubsub=True) as go:
        line = await host.join(TOPIC, accept_all)
        heard = await go.subscribe(TOPIC)
        await go.dial(host.addresses[0])
        host.admit(PeerId(go.peer_id))

        async def met() -> bool:
            return line.neighbours == 1 and await go.subscribers(TOPIC) == [host.peer_id]

        await eventually(met)
        for number in range(3):
            assert await line.publish(b"message %d" % number) == 1
        first = await heard.hear("PubsubMessage")
        assert first.data == b"message 0"
        assert {field.name for field, _ in first.ListFields()} == {"data", "topicIDs"}

        await go.publish(TOPIC, b"from go")  # delivered to its own subscriber as well, after whatever came before
        own = await heard.hear("PubsubMessage")
        assert own.data == b"from go"
        await eventually(lambda: host.counts.get("author refused") == 1)
        with pytest.raises(trio.WouldBlock):
            line.frames.receive_nowait()
        await heard.aclose()


async def test_go_that_is_not_admitted_hears_no_subscription(our_host, accept_all, tmp_path):
    async with our_host() as host, go_daemon(tmp_path, pubsub=True) as go:
        await host.join(TOPIC, accept_all)
        heard = await go.subscribe(TOPIC)
        await go.dial(host.addresses[0])
        stream = await go.open(host.peer_id, PING)  # a round trip later, what was to be said at once has been said
        await stream.write(bytes(32))
        await stream.exactly(32)
        assert await go.subscribers(TOPIC) == []
        host.admit(PeerId(go.peer_id))

        async def met() -> bool:
            return await go.subscribers(TOPIC) == [host.peer_id]

        await eventually(met)
        await stream.aclose()
        await heard.aclose()
