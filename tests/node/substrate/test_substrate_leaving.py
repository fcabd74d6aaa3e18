"""Leaving a topic: the others know, nothing more comes or passes, and one may come back."""

import pytest
import trio
from waiting import eventually

from tertulia.node.substrate import HostConfig, SubstrateError, open_host
from tertulia.node.substrate.memory import MemoryNet

SOON = 20.0


@pytest.fixture
async def three(seed, meet, autojump_clock):
    """Hosts in a line in memory; virtual time."""
    net = MemoryNet(delay=(0.01, 0.01))
    async with (
        open_host(HostConfig(seed(), ("/ip4/10.0.0.1/tcp/1",), network=net)) as a,
        open_host(HostConfig(seed(), ("/ip4/10.0.0.2/tcp/1",), network=net)) as b,
        open_host(HostConfig(seed(), ("/ip4/10.0.0.3/tcp/1",), network=net)) as c,
    ):
        await meet(a, b)
        await meet(c, b)
        yield a, b, c


async def heard(line):
    with trio.fail_after(SOON):
        return (await line.frames.receive())[1]


async def test_who_leaves_hears_and_passes_on_nothing_and_may_return(three, joined, accept_all, autojump_clock):
    a, b, c = three
    line_a, line_b, line_c = await joined(three)
    await line_a.publish(b"one")
    assert await heard(line_b) == await heard(line_c) == b"one"

    await line_a.publish(b"before")
    await eventually(lambda: line_b.frames.statistics().current_buffer_used)
    await line_b.leave()
    assert await heard(line_b) == b"before"  # what had come can be read
    with pytest.raises(trio.EndOfChannel):
        await line_b.frames.receive()
    assert await heard(line_c) == b"before"
    await eventually(lambda: line_a.neighbours == line_c.neighbours == 0)
    assert await line_a.publish(b"two") == 0
    await trio.sleep(5)
    with pytest.raises(trio.WouldBlock):
        line_c.frames.receive_nowait()
    with pytest.raises(SubstrateError):
        await line_b.publish(b"three")
    await line_b.leave()
    assert b.router.mesh == {}
    assert not b.router.mcache.msgs

    again = await b.join("room", accept_all)
    await eventually(lambda: again.neighbours == 2)
    await line_c.publish(b"four")
    assert await heard(again) == b"four"
    assert await heard(line_a) == b"four"
    assert a.peers == c.peers == {b.peer_id}


async def test_topics_are_left_one_by_one(three, accept_all, autojump_clock):
    a, b, _ = three
    rooms = {name: (await a.join(name, accept_all), await b.join(name, accept_all)) for name in ("one", "two")}
    await eventually(lambda: all(line.neighbours for pair in rooms.values() for line in pair))
    await rooms["one"][1].leave()
    await eventually(lambda: rooms["one"][0].neighbours == 0)
    assert rooms["two"][0].neighbours == 1
    await rooms["two"][0].publish(b"still here")
    assert await heard(rooms["two"][1]) == b"still here"
    assert list(b.router.mesh) == ["two"]


async def test_after_leaving_a_graft_is_answered_with_a_prune_and_a_frame_is_left(three, joined, autojump_clock):
    a, b, _ = three
    line_a, line_b, _ = await joined(three)
    await line_b.leave()
    a.pubsub.peer_topics.setdefault("room", set()).add(b.swarm.self_id)  # a neighbour that does not listen
    await line_a.publish(b"anyway")
    await eventually(lambda: b.counts["other topic"] == 1)
    assert b.counts["accept"] == 0
