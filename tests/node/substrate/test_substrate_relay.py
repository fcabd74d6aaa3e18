"""Circuit relay v2, both roles: reserve, renew, dial, speak, notice the dead (trap 15); in memory, virtual time."""

import os
from contextlib import asynccontextmanager

import pytest
import trio
from libp2p.custom_types import TProtocol
from libp2p.host.exceptions import StreamFailure
from libp2p.network.stream.exceptions import StreamReset
from libp2p.relay.circuit_v2.pb import circuit_pb2 as pb
from libp2p.utils import encode_varint_prefixed
from waiting import eventually

from tertulia.node.substrate import DialFailed, HostConfig, RelayLimits, StreamFailed, open_host
from tertulia.node.substrate.memory import MemoryNet
from tertulia.node.substrate.peer_ids import library_id
from tertulia.node.substrate.relay import HOP, STOP

NOTICED_SECONDS = 15.0
RELAY_AT = ("/ip4/10.0.0.1/tcp/1",)
BEHIND_AT = ("/ip4/10.0.0.2/tcp/1",)


def through(relay, peer):
    return [f"{relay.addresses[0]}/p2p-circuit/p2p/{peer.peer_id}"]


async def echo(stream):
    await stream.send(await stream.receive(2**20))


@pytest.fixture
def relayed(seed, meet):
    """A net, a relay, and two hosts that are members of it and listen nowhere others know; one has a place there."""

    @asynccontextmanager
    async def open_three(limits=None, reserve=True):
        net = MemoryNet(delay=(0.01, 0.01))
        async with (
            open_host(HostConfig(seed(), RELAY_AT, network=net)) as relay,
            open_host(HostConfig(seed(), BEHIND_AT, network=net)) as behind,
            open_host(HostConfig(seed(), network=net)) as caller,
        ):
            relay.serve_relay(limits or RelayLimits())
            behind.serve("/echo/1", echo, before_hello=True)
            for member in (behind, caller):
                await meet(member, relay)
            place = await behind.reserve(relay.peer_id) if reserve else None
            yield net, relay, behind, caller, place

    return open_three


async def test_a_peer_behind_a_relay_is_dialled_spoken_to_and_gossiped_with(relayed, accept_all, autojump_clock):
    async with relayed() as (_, relay, behind, caller, _):
        line_b, line_c = await behind.join("room", accept_all), await caller.join("room", accept_all)
        assert await caller.dial(through(relay, behind)) == behind.peer_id
        await eventually(lambda: caller.peer_id in behind.peers)
        stream = await caller.open(behind.peer_id, "/echo/1")
        data = os.urandom(300_000)  # the library's relay cuts at 131,072
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send, data)
            assert await stream.receive(2**20) == data
        caller.admit(behind.peer_id)
        behind.admit(caller.peer_id)
        await eventually(lambda: line_b.neighbours == line_c.neighbours == 1)
        await line_c.publish(b"through")
        assert (await line_b.frames.receive())[1] == b"through"
        await trio.sleep(3600)  # a place and a circuit last as long as they are wanted
        await line_b.publish(b"an hour later")
        assert (await line_c.frames.receive())[1] == b"an hour later"
        await caller.disconnect(behind.peer_id)
        await eventually(lambda: caller.peer_id not in behind.peers and not relay.counts["relay circuits standing"])


async def test_what_the_relay_carries_it_cannot_read(seed, meet, wire, autojump_clock):
    net, tap = MemoryNet(), wire()
    async with (
        open_host(HostConfig(seed(), RELAY_AT, network=net, tap=tap)) as relay,
        open_host(HostConfig(seed(), network=net)) as behind,
        open_host(HostConfig(seed(), network=net)) as caller,
    ):
        relay.serve_relay(RelayLimits())
        behind.serve("/echo/1", echo, before_hello=True)
        for member in (behind, caller):
            await meet(member, relay)
        await behind.reserve(relay.peer_id)
        await caller.dial(through(relay, behind))
        stream = await caller.open(behind.peer_id, "/echo/1")
        await stream.send(b"canary-8812")
        assert await stream.receive(100) == b"canary-8812"
        assert b"/libp2p/circuit/relay/0.2.0/hop" in tap.everything
        assert b"canary-8812" not in tap.everything
        assert b"/echo/1" not in tap.everything


async def test_a_place_is_renewed_until_it_is_given_up(relayed, autojump_clock):
    async with relayed(RelayLimits(reservation_seconds=60)) as (_, relay, behind, caller, place):
        await trio.sleep(1000)
        assert not place.lost.is_set()
        await caller.dial(through(relay, behind))
        await caller.disconnect(behind.peer_id)
        place.end()
        assert place.lost.is_set()
        await trio.sleep(61)
        with pytest.raises(DialFailed):
            await caller.dial(through(relay, behind))


async def test_nobody_is_called_who_has_no_place(relayed, autojump_clock):
    async with relayed(reserve=False) as (_, relay, behind, caller, _):
        with pytest.raises(DialFailed):
            await caller.dial(through(relay, behind))
        assert relay.counts["relay circuit refused"] == 1


async def test_a_stranger_gets_neither_place_nor_circuit(relayed, seed, autojump_clock):
    async with relayed() as (net, relay, behind, _, _), open_host(HostConfig(seed(), network=net)) as stranger:
        await stranger.dial(relay.addresses)
        with pytest.raises(StreamFailed):
            await stranger.reserve(relay.peer_id)
        with pytest.raises(DialFailed):
            await stranger.dial(through(relay, behind))


async def test_limits_of_a_relay_hold(relayed, seed, meet, autojump_clock):
    limits = RelayLimits(reservations=1, circuits_per_peer=1)
    async with relayed(limits) as (net, relay, behind, caller, _), open_host(HostConfig(seed(), network=net)) as third:
        await meet(third, relay)
        with pytest.raises(StreamFailed):
            await third.reserve(relay.peer_id)
        await behind.reserve(relay.peer_id)  # renewing is not another place
        await caller.dial(through(relay, behind))
        with pytest.raises(DialFailed):
            await third.dial(through(relay, behind))
        await caller.disconnect(behind.peer_id)
        await trio.sleep(1)
        await third.dial(through(relay, behind))


async def test_a_relay_that_ends_is_noticed_at_both_ends(seed, meet, autojump_clock):
    net = MemoryNet(delay=(0.01, 0.01))
    async with (
        open_host(HostConfig(seed(), network=net)) as behind,
        open_host(HostConfig(seed(), network=net)) as caller,
    ):
        async with open_host(HostConfig(seed(), RELAY_AT, network=net)) as relay:
            relay.serve_relay(RelayLimits())
            for member in (behind, caller):
                await meet(member, relay)
            place = await behind.reserve(relay.peer_id)
            await caller.dial(through(relay, behind))
            await eventually(lambda: caller.peer_id in behind.peers)
        ended = trio.current_time()
        with trio.fail_after(NOTICED_SECONDS):
            await place.lost.wait()
            await eventually(lambda: not behind.peers and not caller.peers, NOTICED_SECONDS)
        assert trio.current_time() - ended <= NOTICED_SECONDS


async def test_an_end_that_vanishes_without_a_word_is_noticed(relayed, autojump_clock):
    """No FIN, no RST: its link to the relay stalls, and the relay still believes in it."""
    async with relayed() as (net, relay, behind, caller, _):
        await caller.dial(through(relay, behind))
        await eventually(lambda: caller.peer_id in behind.peers)
        net.part({"10.0.0.2"})
        began = trio.current_time()
        await eventually(lambda: behind.peer_id not in caller.peers, 60)
        assert trio.current_time() - began <= NOTICED_SECONDS
        assert behind.peer_id in relay.peers


async def test_a_call_from_a_relay_we_have_no_place_at_is_not_answered(relayed, autojump_clock):
    async with relayed() as (_, relay, behind, caller, _):
        await caller.dial(behind.addresses)
        with pytest.raises(StreamReset):  # the negotiation is hardly over, and already the stream
            await _call(await caller.library.new_stream(library_id(behind.peer_id), [STOP]), relay)
    async with relayed(reserve=False) as (_, relay, behind, caller, _):
        with pytest.raises(StreamFailure):  # who has no place anywhere does not even speak of it
            await relay.library.new_stream(library_id(behind.peer_id), [STOP])


async def _call(stream, whom):
    call = pb.StopMessage(type=pb.StopMessage.CONNECT, peer=pb.PeerId(id=library_id(whom.peer_id).to_bytes()))
    await stream.write(encode_varint_prefixed(call.SerializeToString()))
    await stream.read(1)


HOP_GARBAGE = [
    b"\x00",
    b"\xff\xff\xff\xff",
    b"\x05\xff\xff\xff\xff\xff",
    encode_varint_prefixed(pb.HopMessage(type=pb.HopMessage.STATUS, status=pb.OK).SerializeToString()),
    encode_varint_prefixed(pb.HopMessage(type=pb.HopMessage.CONNECT).SerializeToString()),
    encode_varint_prefixed(pb.HopMessage(type=pb.HopMessage.CONNECT, peer=pb.PeerId(id=b"x" * 99)).SerializeToString()),
]


@pytest.mark.parametrize("garbage", HOP_GARBAGE)
@pytest.mark.parametrize("protocol", [HOP, STOP])
async def test_garbage_for_a_relay_and_from_one_changes_nothing(relayed, garbage, protocol, autojump_clock):
    async with relayed() as (_, relay, behind, caller, _):
        hostile, victim = (caller, relay) if protocol is HOP else (relay, behind)
        for _ in range(20):
            stream = await hostile.library.new_stream(library_id(victim.peer_id), [TProtocol(protocol)])
            await stream.write(garbage)
            await stream.reset()
        await caller.dial(through(relay, behind))
        stream = await caller.open(behind.peer_id, "/echo/1")
        await stream.send(b"as before")
        assert await stream.receive(100) == b"as before"


NO_RELAY = [
    "/p2p-circuit/p2p/{b}",
    "{r}/p2p-circuit/p2p/nobody",
    "/ip4/10.0.0.9/tcp/1/p2p/{b}/p2p-circuit/p2p/{b}",
]


@pytest.mark.parametrize("bad", NO_RELAY)
async def test_addresses_that_lead_through_no_relay(relayed, bad, autojump_clock):
    async with relayed() as (_, relay, behind, caller, _):
        with pytest.raises(DialFailed):
            await caller.dial([bad.format(r=relay.addresses[0], b=behind.peer_id)])
