"""GossipSub begins with the admission: nothing told, nothing heard, nothing obeyed before (PROTOCOL.md §3)."""

import trio
from libp2p.custom_types import TProtocol
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils import encode_varint_prefixed
from multiaddr import Multiaddr
from waiting import eventually

from tertulia.node.substrate import HostConfig
from tertulia.node.substrate.peer_ids import library_id

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)
TOPIC = "topic-of-the-commons"


async def one(line):
    with trio.fail_after(10):
        return (await line.frames.receive())[1]


async def test_before_admission_no_subscription_is_told_or_heard(opened, seed, wire, accept_all):
    taps = [wire(), wire()]
    async with opened(*(HostConfig(seed(), LOOPBACK, tap=tap) for tap in taps)) as (a, b):
        line_a = await a.join(TOPIC, accept_all)
        line_b = await b.join(TOPIC, accept_all)
        await a.dial(b.addresses)
        await eventually(lambda: a.peer_id in b.peers)
        assert await line_a.publish(b"too early") == 0
        await trio.sleep(1.5)  # more than a heartbeat, in which nothing may happen
        assert line_a.neighbours == line_b.neighbours == 0
        for tap in taps:
            assert TOPIC.encode() not in tap.everything
            assert b"meshsub" not in tap.everything
            assert b"too early" not in tap.everything

        a.admit(b.peer_id)  # one side alone: it speaks, the other does not listen
        await eventually(lambda: TOPIC.encode() in taps[1].everything)
        assert line_b.neighbours == 0
        assert TOPIC.encode() not in taps[0].everything

        b.admit(a.peer_id)  # and what was said early is heard now
        await eventually(lambda: line_a.neighbours == line_b.neighbours == 1)
        await line_b.publish(b"now")
        assert await one(line_a) == b"now"


async def test_rpcs_of_a_peer_not_admitted_are_not_obeyed(opened, accept_all, meet):
    async with opened(listening=3) as (a, b, c):
        line_b = await b.join(TOPIC, accept_all)
        await a.dial(b.addresses)
        await eventually(lambda: a.peer_id in b.peers)
        stream = await a.library.new_stream(library_id(b.peer_id), [TProtocol("/meshsub/1.1.0")])
        rpc = rpc_pb2.RPC(
            publish=[rpc_pb2.Message(data=b"outsider", topicIDs=[TOPIC])],
            subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)],
            control=rpc_pb2.ControlMessage(graft=[rpc_pb2.ControlGraft(topicID=TOPIC)]),
        )
        await stream.write(encode_varint_prefixed(rpc.SerializeToString()))
        await meet(c, b)
        line_c = await c.join(TOPIC, accept_all)
        await eventually(lambda: line_b.neighbours == 1)
        await line_c.publish(b"insider")
        assert await one(line_b) == b"insider"
        assert b.router.mesh[TOPIC] <= {library_id(c.peer_id)}


async def test_an_early_stream_given_up_is_opened_again_after_the_admission(opened, accept_all, monkeypatch):
    monkeypatch.setattr("tertulia.node.substrate.pubsub.EARLY_STREAM_SECONDS", 0.1)
    async with opened(listening=2) as (a, b):
        line_a = await a.join(TOPIC, accept_all)
        line_b = await b.join(TOPIC, accept_all)
        await a.dial(b.addresses)
        await eventually(lambda: a.peer_id in b.peers)
        a.admit(b.peer_id)
        await eventually(lambda: a.pubsub.peers)
        await trio.sleep(0.5)  # several times the patience of `b`
        b.admit(a.peer_id)
        await eventually(lambda: line_a.neighbours == line_b.neighbours == 1)


async def test_admitting_twice_or_a_stranger_does_nothing(opened, accept_all, meet, seed):
    async with opened(listening=2) as (a, b):
        line_a = await a.join(TOPIC, accept_all)
        line_b = await b.join(TOPIC, accept_all)
        a.admit(b.peer_id)
        assert not a._gate.admits(library_id(b.peer_id))
        await meet(a, b)
        for _ in range(5):
            a.admit(b.peer_id)
            b.admit(a.peer_id)
        await eventually(lambda: line_a.neighbours == line_b.neighbours == 1)
        await line_a.publish(b"once")
        assert await one(line_b) == b"once"


async def test_a_peer_that_comes_again_is_forgotten_and_met_anew(opened, accept_all, meet):
    async with opened(listening=2) as (a, b):
        line_a = await a.join(TOPIC, accept_all)
        line_b = await b.join(TOPIC, accept_all)
        for number in range(4):
            await meet(a, b)
            await eventually(lambda: line_a.neighbours == line_b.neighbours == 1)
            await line_a.publish(b"%d" % number)
            assert await one(line_b) == b"%d" % number
            await (a, b)[number % 2].disconnect((b, a)[number % 2].peer_id)
            await eventually(lambda: not a.peers and not b.peers)
            assert line_a.neighbours == line_b.neighbours == 0


async def test_a_stream_that_breaks_alone_is_opened_again_and_nothing_is_forgotten(opened, accept_all, meet):
    """Only the stream from `a` to `b` breaks: what `b` told `a` on the other one still holds."""
    async with opened(listening=2) as (a, b):
        line_a = await a.join(TOPIC, accept_all)
        line_b = await b.join(TOPIC, accept_all)
        await meet(a, b)
        await eventually(lambda: line_a.neighbours == line_b.neighbours == 1)
        for number in range(3):
            broken = a.pubsub.outbound[library_id(b.peer_id)]
            await b.pubsub._heard[library_id(a.peer_id)].reset()
            await eventually(lambda broken=broken: a.pubsub.outbound.get(library_id(b.peer_id)) not in {None, broken})
            assert line_a.neighbours == 1
            await line_a.publish(b"%d" % number)
            assert await one(line_b) == b"%d" % number


def speaks_on_what_is_left(host, other):
    """Whether what `host` publishes now goes out on its only connection; what goes into the old one is lost."""
    peer, (connection,) = library_id(other.peer_id), host.swarm.get_connections()
    stream, queue = host.pubsub.peers.get(peer), host.pubsub.outbound.get(peer)
    return None not in {stream, queue} and not queue.closed and stream.muxed_conn is connection.muxed_conn


async def test_gossip_moves_to_the_connection_that_is_left(opened, accept_all, meet):
    """Two connections between two peers, as when both dial at once; whichever ends, gossip goes on."""
    async with opened(listening=2) as (a, b):
        line_a = await a.join(TOPIC, accept_all)
        line_b = await b.join(TOPIC, accept_all)
        await meet(a, b)
        await eventually(lambda: line_a.neighbours == line_b.neighbours == 1)
        for turn, which in enumerate((0, -1, 0)):
            await a.swarm.connect(Multiaddr(b.addresses[0]), library_id(b.peer_id))
            await eventually(lambda: len(b.swarm.get_connections()) == 2)
            await a.swarm.get_connections()[which].close()
            await eventually(lambda: len(b.swarm.get_connections()) == len(a.swarm.get_connections()) == 1)
            await eventually(lambda: speaks_on_what_is_left(a, b) and speaks_on_what_is_left(b, a))
            await eventually(lambda: line_a.neighbours == line_b.neighbours == 1)
            for left, right in ((line_a, line_b), (line_b, line_a)):
                text = b"turn %d, by %d" % (turn, left is line_a)
                await left.publish(text)
                assert await one(right) == text
