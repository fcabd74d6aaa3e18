"""Reaching a peer: both ways, at any of its addresses, without memory of failures (trap 8)."""

import time

import pytest
import trio
from waiting import eventually

from tertulia.node.substrate import (
    DialFailed,
    HostConfig,
    ListenFailed,
    PeerDown,
    PeerUp,
    StreamFailed,
    open_host,
    peer_id_of,
)

ECHO = "/test/echo/1"
DEAD = "/ip4/127.0.0.1/tcp/1"


async def echo(stream):
    while True:
        await stream.send(await stream.receive(1 << 20))


@pytest.mark.parametrize("size", [0, 1000, 300_000])
async def test_streams_carry_messages_whichever_side_dialled(opened, size):
    message = bytes(i % 251 for i in range(size))
    async with opened(listening=2) as (a, b):
        for host in (a, b):
            host.serve(ECHO, echo, before_hello=True)
        assert await a.dial(b.addresses) == b.peer_id
        for host, other in ((a, b), (b, a)):
            await eventually(lambda host=host, other=other: other.peer_id in host.peers)
            stream = await host.open(other.peer_id, ECHO)
            for _ in range(3):
                await stream.send(message)
                assert await stream.receive(1 << 20) == message
            await stream.close()


async def test_addresses_carry_real_ports_and_the_peer_id(opened):
    async with opened(listening=1) as (host,):
        (address,) = host.addresses
        assert address.endswith(f"/p2p/{host.peer_id}")
        assert int(address.split("/")[4]) > 0


async def test_a_host_that_only_dials_has_no_address_and_listens_nowhere(opened, seed):
    async with opened(HostConfig(seed())) as (host,):
        assert host.addresses == ()
        assert not host.swarm.listeners


async def test_a_name_is_resolved_by_the_system(opened):
    async with opened(listening=2) as (a, b):
        by_name = [address.replace("/ip4/127.0.0.1", "/dns4/localhost") for address in b.addresses]
        assert await a.dial(by_name) == b.peer_id


async def test_ipv6(opened, seed):
    try:
        await (await trio.open_tcp_listeners(0, host="::1"))[0].aclose()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with opened(HostConfig(seed(), ("/ip6/::1/tcp/0",)), HostConfig(seed())) as (a, b):
        assert await b.dial(a.addresses) == a.peer_id


async def test_a_dead_address_before_a_live_one(opened, stock):
    async with opened(listening=2) as (a, b):
        dead = f"{DEAD}/p2p/{b.peer_id}"
        assert await a.dial([dead, *b.addresses]) == b.peer_id
    assert await stock("dead_then_live") == {"dead_then_live": False, "live_at_once": False}


async def test_a_failure_is_not_held_against_the_next_try(opened):
    async with opened(listening=2) as (a, b):
        with pytest.raises(DialFailed):
            await a.dial([f"{DEAD}/p2p/{b.peer_id}"])
        assert await a.dial(b.addresses) == b.peer_id


async def test_an_address_that_accepts_and_says_nothing_does_not_hold_up_the_live_one(opened):
    async with opened(listening=2) as (a, b), trio.open_nursery() as nursery:
        (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def hold(stream):
            async with stream:
                await trio.sleep_forever()

        nursery.start_soon(trio.serve_listeners, hold, [silent])
        port = silent.socket.getsockname()[1]
        began = time.perf_counter()
        assert await a.dial([f"/ip4/127.0.0.1/tcp/{port}/p2p/{b.peer_id}", *b.addresses]) == b.peer_id
        assert time.perf_counter() - began < 5
        nursery.cancel_scope.cancel()


async def test_whoever_answers_must_be_the_peer_that_was_named(opened, seed):
    async with opened(listening=2) as (a, b):
        somebody = peer_id_of(seed())
        with pytest.raises(DialFailed):
            await a.dial([address.replace(b.peer_id, somebody) for address in b.addresses])
        assert somebody not in a.peers
        assert await a.dial(b.addresses) == b.peer_id


async def test_what_cannot_be_dialled_says_so(opened, seed):
    async with opened(listening=2) as (a, b):
        two_peers = [*b.addresses, f"{DEAD}/p2p/{peer_id_of(seed())}"]
        rsa = f"{DEAD}/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
        udp = f"/ip4/127.0.0.1/udp/1/quic-v1/p2p/{b.peer_id}"
        too_many = [f"{DEAD}/p2p/{b.peer_id}"] * 33
        for addresses in ([], ["nonsense"], [DEAD], two_peers, [rsa], [udp], list(a.addresses), too_many):
            with pytest.raises(DialFailed):
                await a.dial(addresses)


async def test_dialling_a_connected_peer_keeps_the_connection(opened):
    async with opened(listening=2) as (a, b):
        await a.dial(b.addresses)
        await a.dial(b.addresses)
        await a.dial([f"{DEAD}/p2p/{b.peer_id}"])
        assert len(a.swarm.get_connections()) == 1


async def test_nothing_is_dialled_for_a_stream(opened):
    async with opened(listening=2) as (a, b):
        b.serve(ECHO, echo, before_hello=True)
        with pytest.raises(StreamFailed):
            await a.open(b.peer_id, ECHO)
        assert a.peers == frozenset()


async def test_a_port_is_taken_by_one_host_alone(opened, seed):
    async with opened(listening=1) as (host,):
        port = host.addresses[0].split("/")[4]
        with pytest.raises(ListenFailed):
            async with open_host(HostConfig(seed(), (f"/ip4/127.0.0.1/tcp/{port}",))):
                pass
    for nonsense in ("nonsense", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/0/quic-v1"):
        with pytest.raises(ListenFailed):
            async with open_host(HostConfig(seed(), (nonsense,))):
                pass


async def test_coming_and_going_is_told_in_order(opened):
    async with opened(listening=2) as (a, b):
        for _ in range(3):
            await a.dial(b.addresses)
            with trio.fail_after(5):
                assert await a.events.receive() == PeerUp(b.peer_id, dialled=True)
                assert await b.events.receive() == PeerUp(a.peer_id, dialled=False)
                await a.disconnect(b.peer_id)
                assert await a.events.receive() == PeerDown(b.peer_id)
                assert await b.events.receive() == PeerDown(a.peer_id)
            assert a.peers == b.peers == frozenset()
