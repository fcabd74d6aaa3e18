"""The hello of docs/spec/frame.md, said by a second implementation: js, written from the page (js/commons.mjs).

The node's own network is on the other side, archive and all: who has the key takes part, who has not does not.
"""

import json
import time
from pathlib import Path

import pytest
import trio
from carriers import Ear, commons, frame, held, network
from js_peer import JsRefused, js_peer
from libp2p.pubsub.pb import rpc_pb2
from waiting import eventually

from tertulia.node import neighbour as neighbours
from tertulia.node.substrate import PeerId
from tertulia.protocol import frame as frames
from tertulia.protocol.commons import topic
from tertulia.protocol.sync_messages import SYNC_PROTOCOL

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "frame.json").read_text())
HERE, OTHER = commons(), commons("Other")
SEED = b"n" * 32
KEY = {"key": HERE.key.hex(), "generation": HERE.generation}
WRONG = {"key": OTHER.key.hex(), "generation": OTHER.generation}


async def until_held(net, ear: Ear, wanted) -> None:
    """Wait until the archive of `net` holds `wanted`, and nothing else."""
    while True:
        before = ear.arrivals
        if await held(net.carrier) == wanted:
            return
        await ear.until(lambda before=before: ear.arrivals > before)


async def take_part(net, ear: Ear, js) -> None:
    """Frames go both ways between the network and a js peer that has said hello and joined the topic."""
    us = (await js.event("subscriptions", topics=[topic(HERE)]))["peer"]

    async def in_mesh() -> bool:
        return us in await js.do("mesh", topic=topic(HERE))

    await eventually(in_mesh)
    raw = [bytes.fromhex(await js.do("frame", sizeClass=size, **KEY)) for size in (1, 2, 3)]
    for one in raw:
        assert await js.do("publish", topic=topic(HERE), data=one.hex()) == 1
    await until_held(net, ear, {frames.read(one).id for one in raw})
    ours = frame(HERE)
    await net.carrier.publish([ours])
    assert (await js.event("message", topic=topic(HERE)))["data"] == ours.raw.hex()
    assert await js.do("losses") == {}


async def test_js_says_hello_first_and_takes_part(tmp_path):
    async with network(tmp_path / "a", HERE, seed=SEED) as (net, ear), js_peer(gossip=True) as js:
        await js.do("subscribe", topic=await js.do("topic", **KEY))
        us = (await js.do("dial", address=net.addresses[0]))["peer"]
        clock = await js.do("hello", peer=us, **KEY)
        assert abs(clock - time.time() * 1e3) < 60_000
        await take_part(net, ear, js)


async def test_js_answers_our_hello_and_takes_part(tmp_path):
    async with js_peer(gossip=True, listen=True) as js:
        await js.do("subscribe", topic=await js.do("topic", **KEY))
        await js.do("serveHello", **KEY)
        async with network(tmp_path / "a", HERE, peers=tuple(js.addresses)) as (net, ear):
            event = await js.event("hello")
            assert abs(event["clock"] - time.time() * 1e3) < 60_000
            await take_part(net, ear, js)


async def test_js_carries_between_two_of_us_that_never_meet(tmp_path):
    """js is the only link: what it hands on are our frames, byte for byte, or our macs would not hold."""
    async with js_peer(gossip=True, listen=True) as js:
        await js.do("subscribe", topic=topic(HERE))
        await js.do("serveHello", **KEY)
        async with (
            network(tmp_path / "a", HERE, peers=tuple(js.addresses)) as (a, ear_a),
            network(tmp_path / "b", HERE, peers=tuple(js.addresses)) as (b, ear_b),
        ):

            async def both_in_mesh() -> bool:
                return len(await js.do("mesh", topic=topic(HERE))) >= 2

            await eventually(both_in_mesh)
            said = {speaker: [frame(HERE) for _ in range(10)] for speaker in (a, b)}
            for speaker, sent in said.items():
                await speaker.carrier.publish(sent)
            everything = {one.id for sent in said.values() for one in sent}
            for net, ear in ((a, ear_a), (b, ear_b)):
                await until_held(net, ear, everything)
            assert a.neighbours == b.neighbours == (js.peer_id,)
            assert await js.do("losses") == {}


async def test_js_with_another_key_is_refused_and_disconnected(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "GRACE_SECONDS", 1.0)
    async with network(tmp_path / "a", HERE, seed=SEED) as (net, _), js_peer(gossip=True) as js:
        us = (await js.do("dial", address=net.addresses[0]))["peer"]
        with pytest.raises(JsRefused, match="another commons or key"):
            await js.do("hello", peer=us, **WRONG)
        await js.event("down", peer=us)
        assert net.reached == 0


async def test_js_with_another_key_does_not_pass_as_the_one_we_dialled(tmp_path):
    async with js_peer(listen=True) as js:
        await js.do("serveHello", **WRONG)
        async with network(tmp_path / "a", HERE, peers=tuple(js.addresses)) as (net, _):
            event = await js.event("hello")
            assert "clock" not in event
            assert net.reached == 0
            await js.event("down")


async def test_js_that_never_says_hello_hears_nothing_is_not_heard_and_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "GRACE_SECONDS", 1.0)
    async with network(tmp_path / "a", HERE, seed=SEED) as (net, ear), js_peer(gossip=True) as js:
        await js.do("subscribe", topic=topic(HERE))
        us = (await js.do("dial", address=net.addresses[0]))["peer"]
        smuggled = await js.do("frame", sizeClass=1, **KEY)
        rpc = rpc_pb2.RPC(
            subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic(HERE))],
            publish=[rpc_pb2.Message(data=bytes.fromhex(smuggled), topicIDs=[topic(HERE)])],
        ).SerializeToString()
        delimited = bytes([len(rpc) & 0x7F | 0x80, len(rpc) >> 7]) + rpc
        await js.do("raw", peer=us, protocol="/meshsub/1.1.0", data=delimited.hex())
        await js.do("raw", peer=us, protocol=SYNC_PROTOCOL, data="00000000")
        await net.carrier.publish([frame(HERE)])
        await js.event("down", peer=us)
        assert ear.arrivals == 1  # ours
        assert len(await held(net.carrier)) == 1
        assert not [event for event in js.events if event["event"] in {"message", "subscriptions"}]
        assert await js.do("subscribers", topic=topic(HERE)) == []


async def test_the_same_bytes_are_heard_once_it_is_admitted(our_host, accept_all):
    """The control of the test above: what the gate holds back is a stream that would be heard."""
    heard = []
    async with our_host(tap=lambda _, payload: heard.append(payload)) as host, js_peer() as js:
        line = await host.join("room", accept_all)
        await js.do("dial", address=host.addresses[0])
        rpc = rpc_pb2.RPC(publish=[rpc_pb2.Message(data=b"patience", topicIDs=["room"])]).SerializeToString()
        await js.do("raw", peer=host.peer_id, protocol="/meshsub/1.1.0", data=(bytes([len(rpc)]) + rpc).hex())
        await eventually(lambda: b"patience" in b"".join(heard))
        with pytest.raises(trio.WouldBlock):
            line.frames.receive_nowait()
        host.admit(PeerId(js.peer_id))
        with trio.fail_after(10):
            assert await line.frames.receive() == (js.peer_id, b"patience")


async def test_js_finds_the_topics_of_the_known_answers():
    known = VECTORS["commons"]
    async with js_peer() as js:
        for shard, name in enumerate(known["topics"]):
            assert await js.do("topic", key=known["key"], generation=known["generation"], shard=shard) == name
