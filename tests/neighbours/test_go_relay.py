"""Circuit relay v2 beside go-libp2p 0.32.1: each of us as relay, as caller and as the one behind."""

import os

import pytest
import trio
from go_daemon import HAS_GO, go_daemon
from waiting import eventually

from tertulia.node.substrate import CircuitCut, CircuitLimit, PeerDown, PeerId, PeerUp, RelayLimits, StreamFailed

pytestmark = pytest.mark.skipif(not HAS_GO, reason="the wheel carries the go daemon for Linux on x86-64 only")

ECHO = "/tertulia-test/echo/1"
GO_ECHO = "/tertulia-test/go-echo/1"
GO_LIMIT = CircuitLimit(128 * 1024, 120)
REDIALS = 200
# The daemon starts two relay services, one with its own limits and one as told, and either may answer: both have these.
RELAY = ("-relayService=true", "-forceReachabilityPublic", "-relayDataLimit=131072", "-relayTimeLimit=2m")


async def test_we_are_reached_and_reach_through_a_go_relay(our_host, echoed, tmp_path):
    async with (
        go_daemon(tmp_path, *RELAY) as relay, our_host(listen=False) as behind, our_host(listen=False) as us,
    ):
        await behind.dial(relay.addresses)
        place = await behind.reserve(PeerId(relay.peer_id))
        through = f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}"
        assert await us.dial([through]) == behind.peer_id
        assert us.circuit_to(behind.peer_id).limit == GO_LIMIT
        assert await echoed(us, behind.peer_id, 50_000)
        assert not place.lost.is_set()


async def test_go_reaches_one_behind_our_relay(our_host, tmp_path):
    async with our_host() as relay, our_host(listen=False) as behind, go_daemon(tmp_path) as go:
        relay.serve_relay(RelayLimits())
        await behind.dial(relay.addresses)
        await eventually(lambda: behind.peer_id in relay.peers)
        relay.admit(behind.peer_id)
        await behind.reserve(relay.peer_id)
        await go.dial(relay.addresses[0])
        await eventually(lambda: go.peer_id in relay.peers)
        relay.admit(PeerId(go.peer_id))
        await go.dial(f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}")
        await eventually(lambda: go.peer_id in behind.peers)
        message = os.urandom(100_000)
        stream = await go.open(behind.peer_id, ECHO)
        await stream.write(len(message).to_bytes(4, "big") + message)
        assert await stream.exactly(4 + len(message)) == len(message).to_bytes(4, "big") + message
        await stream.aclose()


async def test_go_is_reached_behind_our_relay(our_host, tmp_path):
    """The daemon asks for a place on its own, and only with its DHT: it has no command for it."""

    async def echo(stream) -> None:
        while True:
            length = await stream.exactly(4)
            await stream.write(length + await stream.exactly(int.from_bytes(length, "big")))

    async with our_host() as relay, our_host(listen=False) as us:
        relay.serve_relay(RelayLimits())
        await us.dial(relay.addresses)
        await eventually(lambda: us.peer_id in relay.peers)
        relay.admit(us.peer_id)
        behind = ("-dht", "-autoRelay", "-trustedRelays", relay.addresses[0], "-forceReachabilityPrivate")
        async with go_daemon(tmp_path, *behind) as go:
            await eventually(lambda: go.peer_id in relay.peers)
            relay.admit(PeerId(go.peer_id))
            await eventually(lambda: relay.counts["relay places standing"], 60)
            await go.serve(GO_ECHO, echo)
            assert await us.dial([f"{relay.addresses[0]}/p2p-circuit/p2p/{go.peer_id}"]) == go.peer_id
            stream = await us.open(PeerId(go.peer_id), GO_ECHO)
            await stream.send(bytes(100_000))
            assert await stream.receive(100_000) == bytes(100_000)


async def test_exception_a_go_relay_cuts_at_its_limit_and_both_ends_know_why(our_host, tmp_path):
    """128 KiB each way and two minutes: what is larger goes in several circuits."""
    async with (
        go_daemon(tmp_path, *RELAY) as relay, our_host(listen=False) as behind, our_host(listen=False) as us,
    ):
        await behind.dial(relay.addresses)
        await behind.reserve(PeerId(relay.peer_id))
        through = f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}"
        await us.dial([through])
        for host, other in ((us, behind), (behind, us)):
            await told(host, PeerUp, other.peer_id)
        stream = await us.open(behind.peer_id, ECHO)
        with trio.fail_after(15), pytest.raises(StreamFailed):
            await send_on_and_on(stream)
        assert (await told(us, PeerDown, behind.peer_id)).cut is CircuitCut.BYTES
        assert (await told(behind, PeerDown, us.peer_id)).cut is CircuitCut.BYTES
        assert await us.dial([through]) == behind.peer_id


async def send_on_and_on(stream):
    while True:  # what fits the windows and the kernel is taken before the cut is known
        await stream.send(bytes(100_000))


async def told(host, kind, peer):
    with trio.fail_after(15):
        while True:
            event = await host.events.receive()
            if isinstance(event, kind) and event.peer == peer:
                return event


async def test_a_relay_of_go_that_ends_is_noticed(our_host, tmp_path):
    async with our_host(listen=False) as behind, our_host(listen=False) as us:
        async with go_daemon(tmp_path, *RELAY) as relay:
            await behind.dial(relay.addresses)
            place = await behind.reserve(PeerId(relay.peer_id))
            await us.dial([f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}"])
            await eventually(lambda: us.peer_id in behind.peers)
        with trio.fail_after(15):
            await place.lost.wait()
            await eventually(lambda: not us.peers and not behind.peers)


async def test_two_hundred_circuits_one_after_the_other_without_a_failure(our_host, echoed, tmp_path):
    """Through our relay, each spoken over and hung up; then as many as go allows through go's."""
    async with our_host() as relay, our_host(listen=False) as behind, our_host(listen=False) as us:
        relay.serve_relay(RelayLimits())
        for host in (behind, us):
            await host.dial(relay.addresses)
            await eventually(lambda host=host: host.peer_id in relay.peers)
            relay.admit(host.peer_id)
        await behind.reserve(relay.peer_id)
        await redial(us, behind, relay.addresses[0], echoed, REDIALS)
        assert relay.counts["relay circuit"] == REDIALS
        await eventually(lambda: not relay.counts["relay circuits standing"])
    async with (
        go_daemon(tmp_path, *RELAY) as go, our_host(listen=False) as behind, our_host(listen=False) as us,
    ):
        await behind.dial(go.addresses)
        await behind.reserve(PeerId(go.peer_id))
        await redial(us, behind, go.addresses[0], echoed, REDIALS)


async def redial(us, behind, relay, echoed, times):
    """Dial through `relay`, speak, hang up, at once again."""
    for _ in range(times):
        assert await us.dial([f"{relay}/p2p-circuit/p2p/{behind.peer_id}"]) == behind.peer_id
        assert await echoed(us, behind.peer_id, 100)
        await us.disconnect(behind.peer_id)


async def test_we_redial_go_two_hundred_times_without_a_failure(our_host, tmp_path):
    async with our_host(listen=False) as host, go_daemon(tmp_path) as go:
        for _ in range(REDIALS):
            assert await host.dial(go.addresses) == go.peer_id
            await host.disconnect(PeerId(go.peer_id))
            assert not host.peers
