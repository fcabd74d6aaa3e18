"""From a circuit to a direct connection: both ends dial each other through their routers in the same moment.

libp2p specs/relay, "DCUtR" (TCP, IPv4). Written on the wire format alone: the library's needs an identify that tells
everybody our addresses, and a listener whose port another program can share. Invariants: only a host that was told to
punch does, with a member, over a circuit; each try is from a fresh port; what a member has us dial is one address
outside of local networks, one try at a time; the circuit stays until the direct connection has stood for a moment, and
for good where none comes about; nothing else changes for the streams of the peer.
"""

import os
from collections import Counter
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from typing import Final, cast

import trio
from libp2p.abc import INetConn, INetStream
from libp2p.custom_types import TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.host.ping import ID as PING_PROTOCOL
from libp2p.identity.identify.identify import ID as IDENTIFY_PROTOCOL
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.dcutr_pb2 import HolePunch
from multiaddr import Multiaddr

from tertulia.node.substrate.circuit import CircuitStream
from tertulia.node.substrate.gate import Gate
from tertulia.node.substrate.guard import reset_quietly
from tertulia.node.substrate.peer_ids import library_id, text_of
from tertulia.node.substrate.swarm import HostSwarm
from tertulia.node.substrate.tcp import BufferedTCPStream, endpoint
from tertulia.node.substrate.yamux import HostYamux

PUNCH: Final = TProtocol("/libp2p/dcutr")
TRIES: Final = 3
CROSS_SECONDS: Final = 4.0
"""How long the two dials may take to meet."""
UPGRADE_SECONDS: Final = 10.0
EARLY_SECONDS: Final = 3.0
MOVE_SECONDS: Final = 2.0
"""How long the circuit stays beside the direct connection: the other end may be a moment behind."""
PING_BYTES: Final = 32
LIMIT_ADDRESSES: Final = 8
"""Addresses of a peer that are looked at; one is dialled."""
_LOCAL: Final = tuple(
    map(
        IPv4Network,
        ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
         "192.168.0.0/16", "224.0.0.0/3"),
    )
)  # fmt: skip
"""Where no router leads to from outside: nobody can have us dial our own network."""


class _NoWay(Exception):
    """This try has come to nothing."""


class Punching:
    """Both roles of one host."""

    def __init__(self, host: BasicHost, swarm: HostSwarm, gate: Gate, counts: Counter[str]) -> None:
        self._host, self._swarm, self._gate, self._counts = host, swarm, gate, counts
        self._trying: set[ID] = set()

    def serve(self) -> None:
        """Take part when a member begins, from now on."""
        self._host.set_stream_handler(PUNCH, self._answer)

    async def punch(self, peer: ID) -> bool:
        """Begin, with a member that a circuit leads to; whether a direct connection stands now."""
        if peer in self._trying:
            return False
        self._trying.add(peer)
        try:
            for _ in range(TRIES):
                if await self._comes_about(peer):
                    self._counts["punched"] += 1
                    await trio.sleep(MOVE_SECONDS)
                    for connection in self._circuits(peer):
                        await connection.close()
                    return True
        finally:
            self._trying.discard(peer)
        self._counts["not punched"] += 1
        return False

    async def _comes_about(self, peer: ID) -> bool:
        try:
            await self._try(peer)
        except Exception:  # noqa: BLE001  however the library, the peer or a router says it, there is no way
            return False
        return True

    async def _try(self, peer: ID) -> None:
        """Raises _NoWay, and what a peer or a router provokes."""
        outside = await self._outside(self._relay_to(peer))
        words = CircuitStream(await self._host.new_stream(peer, [PUNCH]), text_of(peer))
        mine = await _fresh()
        try:
            await words.tell(_connect(outside, mine))
            target = _target(await words.hear(HolePunch))
            seconds = await self._round_trip(peer)
            await words.tell(HolePunch(type=HolePunch.SYNC))
            await trio.sleep(seconds / 2)
            wire = await _cross(mine, target)
        except BaseException:
            mine.close()
            raise
        finally:
            with trio.CancelScope(shield=True):
                await words.close()
        # Who began is the one that is dialled, in the eyes of Noise.
        with trio.fail_after(UPGRADE_SECONDS):
            muxed = await self._swarm.upgrade_inbound_raw_conn(RawConnection(wire, False), _multiaddr(*target))
        if cast("HostYamux", muxed).peer_id != peer:
            await muxed.close()
            raise _NoWay

    async def _answer(self, stream: INetStream) -> None:
        peer = stream.muxed_conn.peer_id
        if peer in self._trying or not self._circuits(peer) or not await self._gate.wait(peer, EARLY_SECONDS):
            await reset_quietly(stream)
            return
        self._trying.add(peer)
        try:
            await self._follow(peer, CircuitStream(stream, text_of(peer)))
        except Exception:  # noqa: BLE001  as in `_comes_about`
            self._counts["not followed"] += 1
        finally:
            self._trying.discard(peer)
            await reset_quietly(stream)

    async def _follow(self, peer: ID, words: CircuitStream) -> None:
        """The other half of `_try`. Raises as it does."""
        target = _target(await words.hear(HolePunch))
        outside = await self._outside(self._relay_to(peer))
        mine = await _fresh()
        try:
            await words.tell(_connect(outside, mine))
            _sync(await words.hear(HolePunch))
            wire = await _cross(mine, target)
        except BaseException:
            mine.close()
            raise
        with trio.fail_after(UPGRADE_SECONDS):
            await self._swarm.upgrade_outbound_raw_conn(RawConnection(wire, True), peer)

    def _circuits(self, peer: ID) -> list[INetConn]:
        found = self._swarm.get_connections(peer)
        return [one for one in found if isinstance(one.muxed_conn, HostYamux) and one.muxed_conn.circuit is not None]

    def _relay_to(self, peer: ID) -> ID:
        for connection in self._circuits(peer):
            muxed = connection.muxed_conn
            if isinstance(muxed, HostYamux) and muxed.circuit is not None:
                return library_id(muxed.circuit.so_far().relay)
        raise _NoWay

    async def _outside(self, relay: ID) -> IPv4Address:
        """Our address as a relay sees it. Raises _NoWay when it does not say, or says one of a local network."""
        words = CircuitStream(await self._host.new_stream(relay, [IDENTIFY_PROTOCOL]), text_of(relay))
        try:
            seen = (await words.hear(Identify)).observed_addr
        finally:
            await words.close()
        return _public(seen)[0]

    async def _round_trip(self, peer: ID) -> float:
        """Seconds to the peer and back, through the relay."""
        words = CircuitStream(await self._host.new_stream(peer, [PING_PROTOCOL]), text_of(peer))
        try:
            began, left = trio.current_time(), PING_BYTES
            await words.write(os.urandom(PING_BYTES))
            with trio.fail_after(CROSS_SECONDS):
                while left > 0:
                    echo = await words.read(left)
                    if not echo:
                        raise _NoWay
                    left -= len(echo)
            return trio.current_time() - began
        finally:
            await words.close()


async def _fresh() -> trio.socket.SocketType:
    """A socket with a port of its own: most routers keep the number when they lend theirs."""
    mine = trio.socket.socket()
    await mine.bind(("0.0.0.0", 0))
    return mine


async def _cross(mine: trio.socket.SocketType, target: tuple[IPv4Address, int]) -> BufferedTCPStream:
    """Dial the peer from our port while it dials us from its own. Raises OSError, trio.TooSlowError."""
    with trio.fail_after(CROSS_SECONDS):
        await mine.connect((str(target[0]), target[1]))
    return BufferedTCPStream(trio.SocketStream(mine))


def _connect(outside: IPv4Address, mine: trio.socket.SocketType) -> HolePunch:
    port = mine.getsockname()[1]
    return HolePunch(type=HolePunch.CONNECT, ObsAddrs=[_multiaddr(outside, port).to_bytes()])


def _target(told: HolePunch) -> tuple[IPv4Address, int]:
    """The first address that can be dialled. Raises _NoWay."""
    if told.type != HolePunch.CONNECT:
        raise _NoWay
    for data in told.ObsAddrs[:LIMIT_ADDRESSES]:
        with suppress(_NoWay):
            return _public(data)
    raise _NoWay


def _sync(told: HolePunch) -> None:
    """Raises _NoWay for anything but the word to begin."""
    if told.type != HolePunch.SYNC:
        raise _NoWay


def _public(data: bytes) -> tuple[IPv4Address, int]:
    """Host and port of a TCP address outside of local networks. Raises _NoWay for any other, and for no address."""
    try:
        host, port, _ = endpoint(Multiaddr(data))
        place = IPv4Address(host)
    except Exception as error:  # multiaddr raises whatever its parts raise, a TypeError too
        raise _NoWay from error
    if not port or any(place in local for local in _LOCAL):
        raise _NoWay
    return place, port


def _multiaddr(host: IPv4Address, port: int) -> Multiaddr:
    return Multiaddr(f"/ip4/{host}/tcp/{port}")
