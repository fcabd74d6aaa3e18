"""Circuit relay v2 beside js-libp2p: each of us as relay, as caller and as the one behind."""

import pytest
from js_peer import JsRefused, js_peer
from waiting import eventually

from tertulia.node.substrate import CircuitLimit, PeerId, RelayLimits

ECHO = "/tertulia-test/echo/1"
REDIALS = 200


async def test_js_redials_one_behind_our_relay_two_hundred_times_without_a_failure(our_host):
    async with our_host() as relay, our_host(listen=False) as behind, js_peer(circuit=True) as js:
        relay.serve_relay(RelayLimits())
        await behind.dial(relay.addresses)
        await js.do("dial", address=relay.addresses[0])
        for peer in (behind.peer_id, PeerId(js.peer_id)):
            await eventually(lambda peer=peer: peer in relay.peers)
            relay.admit(peer)
        await behind.reserve(relay.peer_id)
        through = f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}"
        assert await js.do("redial", address=through, times=REDIALS, ping=True, seconds=180) == []
        await eventually(lambda: js.peer_id not in behind.peers)


async def test_we_redial_one_behind_a_js_relay_two_hundred_times_without_a_failure(our_host, echoed):
    async with (
        js_peer(listen=True, relay=True) as relay, our_host(listen=False) as behind, our_host(listen=False) as us,
    ):
        await behind.dial(relay.addresses)
        await behind.reserve(PeerId(relay.peer_id))
        through = f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}"
        for _ in range(REDIALS):
            assert await us.dial([through]) == behind.peer_id
            assert await echoed(us, behind.peer_id, 100)
            await us.disconnect(behind.peer_id)


async def test_js_learns_what_our_relay_lets_a_circuit_carry(our_host):
    async with our_host() as relay, our_host(listen=False) as behind, js_peer(circuit=True) as js:
        relay.serve_relay(RelayLimits(circuit_bytes=100_000, circuit_seconds=600))
        await behind.dial(relay.addresses)
        await js.do("dial", address=relay.addresses[0])
        for peer in (behind.peer_id, PeerId(js.peer_id)):
            await eventually(lambda peer=peer: peer in relay.peers)
            relay.admit(peer)
        await behind.reserve(relay.peer_id)
        told = await js.do("dial", address=f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}")
        assert told["limited"]
        assert behind.circuit_to(PeerId(js.peer_id)).limit == CircuitLimit(100_000, 600)
        with pytest.raises(JsRefused):
            await js.do("echo", peer=behind.peer_id, size=300_000)
        await eventually(lambda: relay.counts["relay circuit cut bytes"] == 1)
        await eventually(lambda: behind.counts["circuit cut bytes"] == 1)


async def test_we_are_reached_and_reach_through_a_js_relay(our_host):
    async with (
        js_peer(listen=True, relay=True) as relay, our_host(listen=False) as behind, our_host(listen=False) as us,
    ):
        await behind.dial(relay.addresses)
        place = await behind.reserve(PeerId(relay.peer_id))
        through = f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}"
        assert await us.dial([through]) == behind.peer_id
        stream = await us.open(behind.peer_id, ECHO)
        await stream.send(bytes(300_000))
        assert await stream.receive(2**20) == bytes(300_000)
        async with js_peer(circuit=True) as js:
            assert (await js.do("dial", address=through))["peer"] == behind.peer_id
            await js.do("echo", peer=behind.peer_id, size=100_000)
        assert not place.lost.is_set()


async def test_js_is_reached_and_reaches_through_our_relay(our_host):
    async with our_host() as relay, js_peer(circuit=True) as behind, our_host(listen=False) as us:
        relay.serve_relay(RelayLimits())
        await behind.do("dial", address=relay.addresses[0])
        await eventually(lambda: behind.peer_id in relay.peers)
        relay.admit(PeerId(behind.peer_id))
        await us.dial(relay.addresses)
        await eventually(lambda: us.peer_id in relay.peers)
        relay.admit(us.peer_id)

        async def listens():
            return any("p2p-circuit" in address for address in (await behind.do("about"))["addresses"])

        await eventually(listens)
        assert await us.dial([f"{relay.addresses[0]}/p2p-circuit/p2p/{behind.peer_id}"]) == behind.peer_id
        stream = await us.open(PeerId(behind.peer_id), ECHO)
        await stream.send(bytes(300_000))
        assert await stream.receive(2**20) == bytes(300_000)
        await us.reserve(relay.peer_id)
        async with js_peer(circuit=True) as js:
            await js.do("dial", address=relay.addresses[0])
            await eventually(lambda: js.peer_id in relay.peers)
            relay.admit(PeerId(js.peer_id))
            through = f"{relay.addresses[0]}/p2p-circuit/p2p/{us.peer_id}"
            assert (await js.do("dial", address=through))["peer"] == us.peer_id
            await js.do("echo", peer=us.peer_id, size=100_000)
