"""The memory network and the virtual clock: real hosts, no socket, the same again from the same seed."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing
from trio._core import _run as trio_run
from waiting import eventually

from tertulia.node.substrate import DialFailed, HostConfig, ListenFailed, StreamFailed, open_host
from tertulia.node.substrate.memory import LIMIT_IN_FLIGHT_BYTES, MemoryNet, MemoryStream
from tertulia.node.substrate.virtual import fixed_order, run_virtual

NODES = 100


def at(number):
    return (f"/ip4/10.0.0.{number}/tcp/1",)


@pytest.fixture
def on_net(seed, opened):
    """Hosts of one MemoryNet at 10.0.0.1, 10.0.0.2, …"""
    return lambda net, count: opened(*(HostConfig(seed(), at(n + 1), network=net) for n in range(count)))


async def test_hosts_meet_and_gossip_in_memory(on_net, meet, joined, autojump_clock):
    async with on_net(MemoryNet(delay=(0.01, 0.05), loss=0.1), 3) as (a, b, c):
        assert a.addresses == (f"/ip4/10.0.0.1/tcp/1/p2p/{a.peer_id}",)
        await meet(a, b)
        await meet(b, c)
        line_a, _, line_c = await joined((a, b, c))
        for number in range(50):
            await line_a.publish(number.to_bytes(4, "big") + os.urandom(1020))
        with trio.fail_after(10):
            assert {(await line_c.frames.receive())[1][:4] for _ in range(50)} == {
                number.to_bytes(4, "big") for number in range(50)
            }


async def test_a_host_that_only_dials_has_an_address_of_its_own(on_net, seed, autojump_clock):
    net = MemoryNet()
    async with on_net(net, 1) as (a,), open_host(HostConfig(seed(), network=net)) as b:
        assert b.addresses == ()
        await b.dial(a.addresses)
        await eventually(lambda: b.peer_id in a.peers)


async def test_a_port_is_taken_once_and_given_back(seed, autojump_clock):
    net = MemoryNet()
    async with open_host(HostConfig(seed(), at(1), network=net)):
        with pytest.raises(ListenFailed):
            async with open_host(HostConfig(seed(), at(1), network=net)):
                pass
    async with open_host(HostConfig(seed(), at(1), network=net)):
        pass


async def test_large_messages_pass_a_small_window(on_net, autojump_clock):
    async with on_net(MemoryNet(delay=(0.02, 0.02)), 2) as (a, b):

        async def echo(stream):
            await stream.send(await stream.receive(2**22))

        b.serve("/echo/1", echo, before_hello=True)
        await a.dial(b.addresses)
        stream = await a.open(b.peer_id, "/echo/1")
        data = os.urandom(3 * 2**20)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send, data)
            assert await stream.receive(2**22) == data


async def test_what_is_parted_stalls_cannot_be_dialled_and_goes_on_after_healing(on_net, meet, joined, autojump_clock):
    net = MemoryNet(delay=(0.01, 0.01))
    async with on_net(net, 3) as (a, b, c):
        await meet(a, b)
        line_a, line_b = await joined((a, b))
        net.part({"10.0.0.1"}, {"10.0.0.2"})
        await line_a.publish(b"across the gap")
        with trio.move_on_after(20) as gap:
            await line_b.frames.receive()
        assert gap.cancelled_caught
        with pytest.raises(DialFailed):
            await c.dial(a.addresses)  # named by neither side
        net.heal()
        with trio.fail_after(1):
            assert (await line_b.frames.receive())[1] == b"across the gap"
        assert await c.dial(a.addresses) == a.peer_id


async def test_a_gap_longer_than_the_patience_of_a_ping_ends_the_link(on_net, autojump_clock):
    net = MemoryNet()
    async with on_net(net, 2) as (a, b):
        await a.dial(b.addresses)
        await eventually(lambda: a.peer_id in b.peers)
        net.part({"10.0.0.1"}, {"10.0.0.2"})
        await eventually(lambda: not a.peers and not b.peers, seconds=60)
        net.heal()
        await a.dial(b.addresses)


async def test_bytes_under_way_are_bounded_and_arrive_after_a_close(autojump_clock):
    net = MemoryNet(delay=(0.1, 0.1))
    there, back = net.way("a", "b"), net.way("b", "a")
    near, far = MemoryStream(there, back, ("b", 1)), MemoryStream(back, there, ("a", 1))
    assert near.send_now(bytes(LIMIT_IN_FLIGHT_BYTES + 10)) == LIMIT_IN_FLIGHT_BYTES
    assert near.send_now(b"x") == 0
    await near.close()
    assert len(await far.receive()) == LIMIT_IN_FLIGHT_BYTES
    assert trio.current_time() == pytest.approx(0.1)
    assert await far.receive() == b""


async def test_a_stream_to_a_host_that_ended_fails(on_net, seed, autojump_clock):
    net = MemoryNet()
    async with on_net(net, 1) as (a,):
        async with open_host(HostConfig(seed(), at(9), network=net)) as b:
            await a.dial(b.addresses)
            peer = b.peer_id
        await eventually(lambda: not a.peers)
        with pytest.raises(StreamFailed):
            await a.open(peer, "/echo/1")
        with pytest.raises(DialFailed):
            await a.dial([f"{at(9)[0]}/p2p/{peer}"])


# The canary: trio's order of tasks, which is not its public word.


def order_of_tasks():
    order = []

    async def main():
        async def task(number):
            for _ in range(3):
                await trio.lowlevel.checkpoint()
                order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(task, number)

    trio.run(main)
    return order


def test_the_private_switch_is_where_it_was_and_still_does_it():
    before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate(), random.getstate()
    runs = []
    for seed in (7, 7, 8):
        with fixed_order(seed):
            assert trio_run._ALLOW_DETERMINISTIC_SCHEDULING
            runs.append(([order_of_tasks() for _ in range(5)], random.random()))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert (trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate(), random.getstate()) == before


def test_a_run_that_could_not_be_replayed_is_refused():
    """In a process of its own, whose hashes are drawn at random."""
    script = """
from tertulia.node.substrate.virtual import run_virtual
async def main(): pass
try:
    run_virtual(1, main)
except RuntimeError as error:
    print(error)
"""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert b"PYTHONHASHSEED=0" in done.stdout
    assert callable(run_virtual)


async def village(nodes, seed):
    command = [sys.executable, str(Path(__file__).with_name("virtual_village.py")), str(nodes), str(seed)]
    done = await trio.run_process(command, capture_stdout=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    return json.loads(done.stdout)


async def test_a_village_is_the_same_again_from_the_same_seed():
    first, again, other = [await village(12, seed) for seed in (1, 1, 2)]
    assert first == again
    assert first["digest"] != other["digest"]
    assert first["delivered"] == other["delivered"] == first["expected"]


async def test_a_hundred_real_nodes_in_one_process():
    result = await village(NODES, 3)
    assert result["delivered"] == result["expected"] == NODES * (NODES - 1)
