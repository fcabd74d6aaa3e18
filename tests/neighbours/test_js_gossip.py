"""Author-less GossipSub beside js-libp2p 3.3.11 under StrictNoSign: lines through js and us, repair, refusals."""

import hashlib
import os

import pytest
import trio
from js_peer import js_peer
from libp2p.pubsub.pb import rpc_pb2
from waiting import eventually

from tertulia.node.substrate import PeerId

TOPIC = "room"
COUNT = 60
SIZES = (1024, 4096, 16384)


def messages(count: int = COUNT) -> list[bytes]:
    return [os.urandom(SIZES[number % len(SIZES)]) for number in range(count)]


@pytest.fixture
def with_js():
    """Join a host of ours and a js peer that are connected: each in the other's mesh."""

    async def meet(host, line, js) -> None:
        await eventually(lambda: js.peer_id in host.peers)
        host.admit(PeerId(js.peer_id))

        async def meshed() -> bool:
            return host.peer_id in await js.do("mesh", topic=TOPIC) and line.neighbours > 0

        await eventually(meshed)

    return meet


async def heard_by(js, wanted: set[bytes], seconds: float = 30.0) -> None:
    """Wait until js delivered exactly `wanted` and nothing else."""
    missing = {data.hex() for data in wanted}
    with trio.fail_after(seconds):
        while missing:
            event = await js.event("message", topic=TOPIC)
            assert event["type"] == "unsigned"
            missing.remove(event["data"])


async def test_a_line_ours_js_ours_loses_nothing(our_host, with_js, hear, accept_all):
    async with js_peer(listen=True, gossip=True) as js, our_host() as left, our_host() as right:
        await js.do("subscribe", topic=TOPIC)
        lines = []
        for host in (left, right):
            await host.dial(js.addresses)
            lines.append(await host.join(TOPIC, accept_all))
            await with_js(host, lines[-1], js)
        for speaker, listener in (lines, reversed(lines)):
            said = messages()
            for data in said:
                await speaker.publish(data)
            assert await hear(listener, set(said)) == []
            await heard_by(js, set(said))
        said = messages()
        for data in said:
            assert await js.do("publish", topic=TOPIC, data=data.hex()) == 2
        for line in lines:
            assert await hear(line, set(said)) == []
        assert await js.do("losses") == {}
        assert await js.do("total", name="gossipsub_rpc_recv_message_total") >= 2 * COUNT
        for host, line in zip((left, right), lines, strict=True):
            assert line.dropped == 0
            assert not host.counts.get("outbound dropped")
            assert not host.counts.get("author refused")


async def test_a_line_js_ours_js_loses_nothing(our_host, with_js, hear, accept_all):
    async with our_host() as host, js_peer(gossip=True) as left, js_peer(gossip=True) as right:
        line = await host.join(TOPIC, accept_all)
        for js in (left, right):
            await js.do("subscribe", topic=TOPIC)
            await js.do("dial", address=host.addresses[0])
            await with_js(host, line, js)
        for speaker, listener in ((left, right), (right, left)):
            said = messages()
            for data in said:
                await speaker.do("publish", topic=TOPIC, data=data.hex())
            await heard_by(listener, set(said))
            assert await hear(line, set(said)) == []
        said = messages()
        for data in said:
            assert await line.publish(data) == 2
        for js in (left, right):
            await heard_by(js, set(said))
            assert await js.do("losses") == {}
        assert line.dropped == 0
        assert not host.counts.get("author refused")


async def test_a_burst_of_five_hundred_reaches_js_whole(our_host, with_js, accept_all):
    async with our_host() as host, js_peer(gossip=True) as js:
        line = await host.join(TOPIC, accept_all)
        await js.do("subscribe", topic=TOPIC)
        await js.do("dial", address=host.addresses[0])
        await with_js(host, line, js)
        said = [os.urandom(1024) for _ in range(500)]
        for data in said:
            await line.publish(data)
        await heard_by(js, set(said))
        assert await js.do("losses") == {}


async def test_js_repairs_by_ihave_what_it_missed(our_host, accept_all):
    async with our_host() as host, js_peer(gossip=True) as js:
        line = await host.join(TOPIC, accept_all)
        said = messages(10)
        for data in said:
            assert await line.publish(data) == 0
        await js.do("subscribe", topic=TOPIC)
        await js.do("dial", address=host.addresses[0])
        host.admit(PeerId(js.peer_id))
        await heard_by(js, set(said))
        assert await js.do("total", name="gossipsub_rpc_sent_iwant_total") >= 1


async def test_js_serves_from_its_cache_by_our_content_ids(our_host):
    """We ask js by the 32-byte id for what it carries; the answer is the message, bare."""
    heard: dict[str, bytearray] = {}

    def tap(peer: str, payload: bytes) -> None:
        heard.setdefault(peer, bytearray()).extend(payload)

    async with our_host(tap=tap) as host, js_peer(gossip=True) as js:
        await js.do("subscribe", topic=TOPIC)
        await js.do("dial", address=host.addresses[0])
        said = os.urandom(1024)
        await js.do("publish", topic=TOPIC, data=said.hex())
        assert said not in bytes(heard.get(js.peer_id, b""))
        host.admit(PeerId(js.peer_id))
        await eventually(lambda: host.pubsub.outbound)
        identity = next(iter(host.pubsub.outbound))
        wanted = rpc_pb2.ControlIWant(messageIDs=[hashlib.blake2b(said, digest_size=32).digest()])
        host.router.enqueue(identity, rpc_pb2.RPC(control=rpc_pb2.ControlMessage(iwant=[wanted])))
        bare = rpc_pb2.RPC(publish=[rpc_pb2.Message(data=said, topicIDs=[TOPIC])]).SerializeToString()
        await eventually(lambda: bare in bytes(heard[js.peer_id]))


async def test_a_message_signed_by_js_is_refused(our_host, with_js, accept_all):
    """Exception, listed in docs/neighbours.md: js as it comes signs, and who signs is not heard."""
    async with our_host() as host, js_peer(gossip=True, signed=True) as js:
        line = await host.join(TOPIC, accept_all)
        await js.do("subscribe", topic=TOPIC)
        await js.do("dial", address=host.addresses[0])
        await with_js(host, line, js)
        assert await js.do("publish", topic=TOPIC, data=os.urandom(1024).hex()) == 1
        await eventually(lambda: host.counts.get("author refused") == 1)
        with pytest.raises(trio.WouldBlock):
            line.frames.receive_nowait()
        # and the other way round: a js that demands signatures drops what has none
        await line.publish(os.urandom(1024))

        async def refused() -> bool:
            return bool(await js.do("losses"))

        await eventually(refused)
        assert not [event for event in js.events if event["event"] == "message" and event["type"] == "unsigned"]
