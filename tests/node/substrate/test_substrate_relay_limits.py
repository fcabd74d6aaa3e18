"""What our relay lets others take: places, circuits, bytes, time, per peer and address; and that both ends know."""

from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb import circuit_pb2 as pb
from waiting import eventually

from tertulia.node.substrate import (
    CircuitCut,
    CircuitLimit,
    DialFailed,
    HostConfig,
    PeerDown,
    PeerUp,
    RelayLimits,
    RelayRefusal,
    StreamFailed,
    open_host,
)
from tertulia.node.substrate.charged import charged_to
from tertulia.node.substrate.memory import MemoryNet
from tertulia.node.substrate.relay_books import LIMIT_ALLOWANCES, Grant, RelayBooks

KIB = 1024
RELAY_AT = ("/ip4/10.0.0.1/tcp/1",)
BEHIND_AT = ("/ip4/10.0.0.2/tcp/1",)
CALLER_AT = ("/ip4/10.0.0.3/tcp/1",)


async def swallow(stream):
    while True:
        await stream.receive(2**20)


def through(relay, peer):
    return [f"{relay.addresses[0]}/p2p-circuit/p2p/{peer.peer_id}"]


@pytest.fixture
def net():
    return MemoryNet(delay=(0.01, 0.01))


@pytest.fixture
def ends(net, seed, meet):
    """A relay with these limits, one behind it with a place there, a caller; all members."""

    @asynccontextmanager
    async def open_three(limits):
        async with (
            open_host(HostConfig(seed(), RELAY_AT, network=net)) as relay,
            open_host(HostConfig(seed(), BEHIND_AT, network=net)) as behind,
            open_host(HostConfig(seed(), CALLER_AT, network=net)) as caller,
        ):
            relay.serve_relay(limits)
            behind.serve("/swallow/1", swallow, before_hello=True)
            for member in (behind, caller):
                await meet(member, relay)
            await behind.reserve(relay.peer_id)
            yield relay, behind, caller

    return open_three


async def told(host, kind, peer):
    """The next event of this kind about `peer`."""
    with trio.fail_after(300):
        while True:
            event = await host.events.receive()
            if isinstance(event, kind) and event.peer == peer:
                return event


async def call(relay, caller, behind):
    """Dial through the relay; both ends heard of it."""
    assert await caller.dial(through(relay, behind)) == behind.peer_id
    await told(caller, PeerUp, behind.peer_id)
    await told(behind, PeerUp, caller.peer_id)


async def fill(host, peer, size):
    """Send `size` bytes through a circuit, or as many as it takes."""
    stream = await host.open(peer, "/swallow/1")
    try:
        for _ in range(size // (16 * KIB)):
            await stream.send(bytes(16 * KIB))
    except StreamFailed:
        return


async def test_a_circuit_is_cut_at_its_bytes_with_the_reason_at_both_ends(ends, autojump_clock):
    limits = RelayLimits(circuit_bytes=256 * KIB, circuit_seconds=3600)
    async with ends(limits) as (relay, behind, caller):
        await call(relay, caller, behind)
        for host, other in ((caller, behind), (behind, caller)):
            circuit = host.circuit_to(other.peer_id)
            assert circuit.limit == CircuitLimit(256 * KIB, 3600)
            assert circuit.relay == relay.peer_id
            assert host.circuit_to(relay.peer_id) is None
        await fill(caller, behind.peer_id, 1024 * KIB)
        assert (await told(caller, PeerDown, behind.peer_id)).cut is CircuitCut.BYTES
        assert (await told(behind, PeerDown, caller.peer_id)).cut is CircuitCut.BYTES
        assert caller.counts["circuit cut bytes"] == behind.counts["circuit cut bytes"] == 1
        assert relay.counts["relay circuit cut bytes"] == 1
        assert 256 * KIB <= relay.counts["relay bytes"] <= 2 * 256 * KIB + 128 * KIB
        await eventually(lambda: not relay.counts["relay circuits standing"])


async def test_a_circuit_below_its_limits_carries_and_ends_without_a_reason(ends, autojump_clock):
    async with ends(RelayLimits(circuit_bytes=256 * KIB, circuit_seconds=60)) as (relay, behind, caller):
        await call(relay, caller, behind)
        await fill(caller, behind.peer_id, 128 * KIB)
        await caller.disconnect(behind.peer_id)
        assert (await told(behind, PeerDown, caller.peer_id)).cut is None
        assert not relay.counts["relay circuit cut bytes"]


async def test_a_circuit_is_cut_at_its_time_with_the_reason_at_both_ends(ends, autojump_clock):
    async with ends(RelayLimits(circuit_seconds=60)) as (relay, behind, caller):
        began = trio.current_time()
        await call(relay, caller, behind)
        assert (await told(caller, PeerDown, behind.peer_id)).cut is CircuitCut.SECONDS
        assert (await told(behind, PeerDown, caller.peer_id)).cut is CircuitCut.SECONDS
        assert trio.current_time() - began == pytest.approx(60, abs=2)
        assert relay.counts["relay circuit cut seconds"] == 1
        await call(relay, caller, behind)  # and it may call again


async def test_circuits_are_no_free_bandwidth(ends, autojump_clock):
    """Calling again and again: the caller's address has an allowance, and what is left of it is told."""
    limits = RelayLimits(circuit_bytes=256 * KIB, address_bytes=2 * 256 * KIB + 64 * KIB, allowance_seconds=3600)
    async with ends(limits) as (relay, behind, caller):
        carried = []

        async def call_until_refused():
            while True:
                await call(relay, caller, behind)
                carried.append(caller.circuit_to(behind.peer_id).limit.bytes)
                await fill(caller, behind.peer_id, 1024 * KIB)
                await told(caller, PeerDown, behind.peer_id)
                await eventually(lambda: not relay.counts["relay circuits standing"])

        with pytest.raises(DialFailed) as refused:
            await call_until_refused()
        assert refused.value.refusal is RelayRefusal.FULL
        assert carried[0] == 256 * KIB
        assert carried[-1] < 256 * KIB
        assert len(carried) < 8
        assert relay.counts["relay bytes"] <= limits.address_bytes + 256 * KIB
        await trio.sleep(3600)
        await call(relay, caller, behind)


async def test_places_cannot_be_hoarded_from_one_address(net, ends, seed, meet, autojump_clock):
    async with ends(RelayLimits(reservations=8, reservations_per_address=2)) as (relay, behind, _):
        refusals = []
        async with AsyncExitStack() as stack:

            async def member(address):
                host = await stack.enter_async_context(open_host(HostConfig(seed(), (address,), network=net)))
                await meet(host, relay)
                return host

            for number in range(5):
                hoarder = await member(f"/ip4/10.0.0.66/tcp/{number + 1}")
                try:
                    await hoarder.reserve(relay.peer_id)
                except StreamFailed as error:
                    refusals.append(error.refusal)
            assert refusals == [RelayRefusal.NO_PLACE_LEFT] * 3
            assert relay.counts["relay reservation refused"] == 3
            honest = await member("/ip4/10.0.0.7/tcp/1")
            await honest.reserve(relay.peer_id)
            assert relay.counts["relay places standing"] == 4
        await eventually(lambda: relay.counts["relay places standing"] == 1)  # they left, and their places with them
        assert behind.peer_id in relay.peers


async def test_a_relay_is_emptied_without_breaking_what_stands(ends, seed, net, meet, autojump_clock):
    async with ends(RelayLimits(reservation_seconds=60)) as (relay, behind, caller):
        await call(relay, caller, behind)
        relay.serve_relay(RelayLimits(reservations=0, circuits=0))
        async with open_host(HostConfig(seed(), ("/ip4/10.0.0.8/tcp/1",), network=net)) as late:
            await meet(late, relay)
            with pytest.raises(StreamFailed) as no_place:
                await late.reserve(relay.peer_id)
            assert no_place.value.refusal is RelayRefusal.NO_PLACE_LEFT
            with pytest.raises(DialFailed) as full:
                await late.dial(through(relay, behind))
            assert full.value.refusal is RelayRefusal.FULL
        await trio.sleep(120)
        assert behind.peer_id in caller.peers


async def test_what_a_relay_refuses_has_its_reason(ends, seed, net, autojump_clock):
    async with ends(RelayLimits()) as (relay, behind, caller):
        with pytest.raises(DialFailed) as absent:
            await behind.dial(through(relay, caller))
        assert absent.value.refusal is RelayRefusal.NOT_THERE
        async with open_host(HostConfig(seed(), network=net)) as stranger:
            await stranger.dial(relay.addresses)
            with pytest.raises(StreamFailed) as denied:
                await stranger.reserve(relay.peer_id)
            assert denied.value.refusal is RelayRefusal.NOT_ALLOWED


async def test_nobody_reserves_or_calls_through_a_circuit(ends, autojump_clock):
    """Or one relay's members would be another's, without an address to charge."""
    async with ends(RelayLimits()) as (relay, behind, caller):
        behind.serve_relay(RelayLimits())
        await call(relay, caller, behind)
        behind.admit(caller.peer_id)
        with pytest.raises(StreamFailed) as denied:
            await caller.reserve(behind.peer_id)
        assert denied.value.refusal is RelayRefusal.NOT_ALLOWED


# The books alone.

A, B, C = (ID(bytes([n]) * 38) for n in (1, 2, 3))
ALLOWED = RelayLimits(circuit_bytes=64 * KIB, address_bytes=256 * KIB, allowance_seconds=100)


def test_bytes_are_set_aside_and_what_was_not_used_is_given_back():
    books = RelayBooks(ALLOWED)
    books.reserve(B, "b", 0)
    first, second = books.open(A, B, "a", 0), books.open(A, B, "a", 0)
    assert first.limit.bytes == second.limit.bytes == 64 * KIB
    assert books.open(C, B, "a", 0) == pb.RESOURCE_LIMIT_EXCEEDED  # another PeerId of the same address
    assert isinstance(books.open(C, B, "c", 0), Grant)
    books.close(first, 0, 0)
    again = books.open(A, B, "a", 0)
    assert again.limit.bytes == 64 * KIB
    books.close(second, 128 * KIB, 0)
    assert books.open(A, B, "a", 0) == pb.RESOURCE_LIMIT_EXCEEDED
    assert books.open(A, B, "a", 25).limit.bytes == 32 * KIB  # a quarter of the time, a quarter of the allowance
    books.close(again, 128 * KIB, 25)
    assert books.open(A, B, "a", 200).limit.bytes == 64 * KIB


def test_circuits_are_bounded_for_each_peer_each_address_and_in_all():
    for limits in (RelayLimits(circuits_per_peer=2), RelayLimits(circuits_per_address=2), RelayLimits(circuits=2)):
        books = RelayBooks(limits)
        books.reserve(B, "b", 0)
        grants = [books.open(A, B, "a", 0) for _ in range(3)]
        assert grants[2] == pb.RESOURCE_LIMIT_EXCEEDED
        books.close(grants[0], 0, 0)
        assert isinstance(books.open(A, B, "a", 0), Grant)
        assert books.circuits == 2


def test_nobody_is_shut_off_by_callers_at_one_address():
    books = RelayBooks(RelayLimits(circuits_per_peer=8))
    books.reserve(C, "b", 0)
    books.reserve(B, "b", 0)
    callers = [ID(bytes([n]) * 38) for n in range(10, 20)]
    taken = [books.open(caller, B, "one line", 0) for caller in callers]
    assert sum(isinstance(grant, Grant) for grant in taken) == 4
    assert isinstance(books.open(A, B, "another", 0), Grant)
    assert isinstance(books.open(callers[9], C, "one line", 0), Grant)


def test_a_place_ends_unrenewed_at_its_hour():
    books = RelayBooks(RelayLimits(reservations=1, reservation_seconds=60))
    assert books.reserve(B, "b", 0) == pb.OK
    assert books.reserve(C, "c", 30) == pb.RESERVATION_REFUSED
    assert books.reserve(B, "b", 30) == pb.OK
    assert isinstance(books.open(A, B, "a", 89), Grant)
    assert books.open(A, B, "a", 90) == pb.NO_RESERVATION
    assert books.reserve(C, "c", 90) == pb.OK


def test_allowances_are_remembered_for_a_bounded_number_of_addresses():
    books = RelayBooks(RelayLimits(circuit_bytes=64 * KIB, address_bytes=256 * KIB, allowance_seconds=100, circuits=2))
    books.reserve(B, "b", 0)
    for number in range(LIMIT_ALLOWANCES):
        books.close(books.open(A, B, f"10.0.0.{number}", 0), 128 * KIB, 0)
    assert books.open(A, B, "one more", 0) == pb.RESOURCE_LIMIT_EXCEEDED
    assert isinstance(books.open(A, B, "one more", 100), Grant)


@pytest.mark.parametrize("wrong", [
    {"reservations": -1}, {"circuits": -1}, {"reservations_per_address": 0}, {"circuits_per_peer": 0},
    {"circuit_bytes": 10}, {"circuit_seconds": 0}, {"address_bytes": 2**30}, {"allowance_seconds": 0},
    {"circuit_bytes": 2**20, "address_bytes": 20_000},
])  # fmt: skip
def test_numbers_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValueError, match=r"\w"):
        RelayLimits(**wrong)


def test_an_ipv6_line_is_one_address():
    assert charged_to(("2001:db8:1:2::5", 1)) == charged_to(("2001:db8:1:2:ffff::1", 9)) == "2001:db8:1:2::/64"
    assert charged_to(("2001:db8:1:3::5", 1)) != charged_to(("2001:db8:1:2::5", 1))
    assert charged_to(("::ffff:10.0.0.1", 1)) == charged_to(("10.0.0.1", 2)) == "10.0.0.1"
    assert charged_to(("fe80::1%eth0", 1)) == "fe80::/64"
    assert charged_to(("12D3KooWrelay", 0)) == "12D3KooWrelay"
    assert charged_to(None) == charged_to(None)
