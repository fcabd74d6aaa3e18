"""A host that breaks can be started again at once; dead addresses are tried last; what happens is counted."""

import pytest
import trio
from waiting import eventually

from tertulia.node.substrate import DialFailed, HostConfig, SubstrateError, open_host
from tertulia.node.substrate.dialing import BACK_OFF_SECONDS, LIMIT_REMEMBERED, LONGEST_BACK_OFF_SECONDS, Failures
from tertulia.node.substrate.memory import MemoryNet

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)


async def crash():
    raise RuntimeError("broken underneath")


@pytest.mark.parametrize("service", ["swarm", "pubsub", "router"])
async def test_a_host_that_breaks_starts_again_with_its_key_and_port(seed, service, accept_all):
    """Whatever part broke: one error, nothing left behind, and the same peer comes back at the same place."""
    key, listen, crashed = seed(), LOOPBACK, 0
    async with open_host(HostConfig(seed())) as member:
        line = await member.join("room", accept_all)
        while crashed < 3:
            with pytest.raises(SubstrateError):  # noqa: PT012
                async with open_host(HostConfig(key, listen)) as host:
                    listen = tuple(address.partition("/p2p/")[0] for address in host.addresses)
                    theirs = await host.join("room", accept_all)
                    await member.dial(host.addresses)
                    await eventually(lambda host=host: member.peer_id in host.peers)
                    host.admit(member.peer_id)
                    member.admit(host.peer_id)
                    await eventually(lambda theirs=theirs: line.neighbours == theirs.neighbours == 1)
                    await line.publish(b"%d" % crashed)
                    with trio.fail_after(5):
                        await theirs.frames.receive()
                    crashed += 1
                    getattr(host, service).manager.run_task(crash)
                    await trio.sleep_forever()
            await eventually(lambda: not member.peers)


async def test_a_dead_address_is_tried_last_the_next_time(seed, autojump_clock):
    net = MemoryNet()
    async with (
        open_host(HostConfig(seed(), ("/ip4/10.0.0.1/tcp/1",), network=net)) as target,
        open_host(HostConfig(seed(), network=net)) as dialler,
    ):
        tried = []
        real = dialler.swarm.connect

        async def noting(address, peer):
            tried.append(str(address).split("/")[2])
            return await real(address, peer)

        dialler.swarm.connect = noting
        dead = f"/ip4/10.0.0.9/tcp/1/p2p/{target.peer_id}"
        for _ in range(2):
            assert await dialler.dial([dead, *target.addresses]) == target.peer_id
            await dialler.disconnect(target.peer_id)
        assert tried == ["10.0.0.9", "10.0.0.1", "10.0.0.1"]
        with pytest.raises(DialFailed):
            await dialler.dial([dead])  # put off, not refused
        assert tried[-1] == "10.0.0.9"


async def test_failures_are_forgotten_in_time_and_bounded_in_number(autojump_clock):
    failures = Failures()
    failures.note("a")
    assert failures.put_off("a")
    await trio.sleep(BACK_OFF_SECONDS + 0.1)
    assert not failures.put_off("a")
    for _ in range(20):
        failures.note("a")
    await trio.sleep(LONGEST_BACK_OFF_SECONDS - 1)
    assert failures.put_off("a")
    await trio.sleep(2)
    assert not failures.put_off("a")
    failures.note("a")
    failures.forget("a")
    assert not failures.put_off("a")
    for number in range(LIMIT_REMEMBERED + 10):
        failures.note(str(number))
    assert not failures.put_off("9")
    assert failures.put_off("10")


async def test_what_happens_is_counted(opened, meet, joined):
    async with opened(listening=2) as (a, b):
        await meet(a, b)
        line, other = await joined((a, b))
        before = dict(b.counts)
        for number in range(10):
            await line.publish(number.to_bytes(8, "big") + bytes(1016))
            await other.frames.receive()
        after = b.counts
        assert after["connections"] == after["inbound standing"] == 1
        assert after["bytes in"] - before["bytes in"] >= 10 * 1024
        assert after["messages in"] - before["messages in"] >= 10
        assert after["accept"] == 10
        assert a.counts["bytes out"] >= 10 * 1024
        with pytest.raises(TypeError):
            after["accept"] = 0
