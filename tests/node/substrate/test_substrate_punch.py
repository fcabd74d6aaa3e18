"""Hole punching, the parts that need no routers: whom we would dial, and who may have us try.

That it comes about between two real routers is shown in tests/e2e/test_lab_punch.py.
"""

import pytest
import trio
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.relay.circuit_v2.pb.dcutr_pb2 import HolePunch
from multiaddr import Multiaddr

from tertulia.node.substrate import HostConfig, RelayLimits, StreamFailed
from tertulia.node.substrate.circuit import CircuitStream
from tertulia.node.substrate.peer_ids import library_id
from tertulia.node.substrate.punch import LIMIT_ADDRESSES, PUNCH, _NoWay, _sync, _target

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)


def told(*addresses: bytes, kind: HolePunch.Type = HolePunch.CONNECT) -> HolePunch:
    return HolePunch(type=kind, ObsAddrs=list(addresses))


def at(text: str) -> bytes:
    return Multiaddr(text).to_bytes()


@pytest.mark.parametrize(
    "address",
    [
        at("/ip4/127.0.0.1/tcp/4001"), at("/ip4/10.0.0.1/tcp/4001"), at("/ip4/172.31.0.1/tcp/4001"),
        at("/ip4/192.168.1.1/tcp/80"), at("/ip4/100.64.0.1/tcp/4001"), at("/ip4/169.254.1.1/tcp/4001"),
        at("/ip4/0.0.0.0/tcp/4001"), at("/ip4/224.0.0.1/tcp/4001"), at("/ip4/255.255.255.255/tcp/4001"),
        at("/ip4/198.51.100.7/tcp/0"), at("/ip4/198.51.100.7/udp/4001"), at("/ip6/2001:db8::1/tcp/4001"),
        at("/dns4/router.local/tcp/80"), b"", b"\xff" * 40, at("/ip4/198.51.100.7/tcp/4001")[:-1],
    ],
)  # fmt: skip
def test_what_a_member_cannot_have_us_dial(address: bytes) -> None:
    with pytest.raises(_NoWay):
        _target(told(address))
    assert _target(told(address, at("/ip4/198.51.100.7/tcp/4001")))[1] == 4001


def test_one_address_is_dialled_and_few_are_looked_at() -> None:
    ours = at("/ip4/198.51.100.7/tcp/4001")
    assert str(_target(told(ours, at("/ip4/198.51.100.8/tcp/4002")))[0]) == "198.51.100.7"
    with pytest.raises(_NoWay):
        _target(told(*[b""] * LIMIT_ADDRESSES, ours))


def test_words_out_of_turn_end_the_try() -> None:
    with pytest.raises(_NoWay):
        _target(told(at("/ip4/198.51.100.7/tcp/4001"), kind=HolePunch.SYNC))
    with pytest.raises(_NoWay):
        _sync(told(kind=HolePunch.CONNECT))
    _sync(told(kind=HolePunch.SYNC))


async def test_without_a_circuit_nothing_is_tried_nor_told(opened, seed) -> None:
    async with opened(HostConfig(seed(), LOOPBACK), HostConfig(seed(), LOOPBACK)) as (a, b):
        b.serve_punch()
        await a.dial(b.addresses)
        for one, other in ((a, b), (b, a)):
            one.admit(other.peer_id)
        assert await a.punch(b.peer_id) is False
        stream = await a.open(b.peer_id, str(PUNCH))
        with pytest.raises(StreamFailed), trio.fail_after(10):
            await stream.receive(100)
        assert a.counts["not punched"] == 1


async def test_only_a_relay_tells_who_asks_where_it_sees_them(opened, seed) -> None:
    async def asked(host, other) -> bytes:
        words = CircuitStream(
            await host.library.new_stream(library_id(other.peer_id), [TProtocol("/ipfs/id/1.0.0")]), other.peer_id
        )
        return (await words.hear(Identify)).observed_addr

    async with opened(HostConfig(seed(), LOOPBACK), HostConfig(seed(), LOOPBACK)) as (a, b):
        await a.dial(b.addresses)
        assert await asked(a, b) == b""
        b.serve_relay(RelayLimits())
        assert str(Multiaddr(await asked(a, b))).startswith("/ip4/127.0.0.1/tcp/")
        assert await asked(b, a) == b""
