"""Circuit relay v2, both roles: carry others' circuits, and be reached or reach through a relay.

libp2p specs/relay, "circuit-v2"; trap 15 of research/libp2p.md (a dead circuit reads as connected). Written on the
wire format alone, because the library's transport refuses circuit addresses where a host dials, cuts after 128 KiB, and
leaves dead circuits standing. Invariants: only members use us as a relay (which members, and how much, is the node's
policy); what is granted is in the books (`relay_books`), and a circuit's limits are told to both ends before it stands;
nobody reserves or calls through a circuit; an inbound circuit is accepted only from a relay we reserved at, and is then
a stranger like any other; a relay that is lost is noticed, and its reservation told as lost.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb import circuit_pb2 as pb
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import Multiaddr

from tertulia.node.substrate.charged import charged_to
from tertulia.node.substrate.circuit import CircuitStream, RefusedCircuit, RelaySaidNo, pump
from tertulia.node.substrate.errors import StreamFailed
from tertulia.node.substrate.gate import Gate
from tertulia.node.substrate.guard import reset_quietly
from tertulia.node.substrate.peer_ids import PeerId, is_ed25519, library_id, text_of
from tertulia.node.substrate.relay_books import Grant, RelayBooks, RelayLimits
from tertulia.node.substrate.relay_reasons import CircuitLimit, refusal_of
from tertulia.node.substrate.yamux import HostYamux

HOP = TProtocol("/libp2p/circuit/relay/0.2.0/hop")
STOP = TProtocol("/libp2p/circuit/relay/0.2.0/stop")
OPEN_SECONDS = 10.0
EARLY_SECONDS = 3.0
LONGEST_RENEWAL_SECONDS = 1800.0
SHORTEST_RENEWAL_SECONDS = 5.0
Accept = Callable[[CircuitStream, Multiaddr], Awaitable[None]]


class Connector(Protocol):
    """What dialling through a relay needs of the swarm."""

    async def reach(self, address: Multiaddr, peer: ID) -> None:
        """A connection to `peer`, at `address` unless one stands."""


class Reservation:
    """Our place at a relay; renewed until `end` or until the relay is lost."""

    def __init__(self, relay: PeerId, scope: trio.CancelScope) -> None:
        self.relay = relay
        self.lost = trio.Event()
        """Set when the relay is gone or no longer keeps our place."""
        self._scope = scope

    def end(self) -> None:
        """Renew no more, accept nothing more from it."""
        self._scope.cancel()
        self.lost.set()


class Relaying:
    """Both roles of one host."""

    def __init__(self, host: BasicHost, gate: Gate, counts: Counter[str], accept: Accept) -> None:
        self._host = host
        self._gate = gate
        self._counts = counts
        self._accept = accept
        self._books: RelayBooks | None = None
        self._reserved: dict[ID, Reservation] = {}

    def connection_lost(self, peer: ID) -> None:
        """The last connection to `peer` ended: its place with us is free, and ours with it is gone."""
        if self._books is not None:
            self._books.leave(peer)
        reservation = self._reserved.pop(peer, None)
        if reservation is not None:
            reservation.end()

    # Carrying for others.

    def serve(self, limits: RelayLimits) -> None:
        """Carry circuits for members from now on; called again, with other limits from now on."""
        if self._books is not None:
            self._books.limits = limits
            return
        self._books = RelayBooks(limits)
        self._host.set_stream_handler(HOP, self._hop)

    @property
    def standing(self) -> dict[str, int]:
        """What we keep and carry for others now."""
        if self._books is None:
            return {}
        return {"relay places standing": self._books.places, "relay circuits standing": self._books.circuits}

    async def _hop(self, stream: INetStream) -> None:
        assert isinstance(stream.muxed_conn, HostYamux)
        peer = stream.muxed_conn.peer_id
        circuit = CircuitStream(stream, text_of(peer))
        try:
            ask = await circuit.hear(pb.HopMessage)
            if stream.muxed_conn.circuit is not None or not await self._gate.wait(peer, EARLY_SECONDS):
                await circuit.tell(_hop_status(pb.PERMISSION_DENIED))
                self._counts["relay stranger refused"] += 1
            elif ask.type == pb.HopMessage.RESERVE:
                await circuit.tell(self._reserve_for(peer, charged_to(stream.muxed_conn.get_remote_address())))
            elif ask.type == pb.HopMessage.CONNECT:
                await self._connect_for(peer, ask, circuit, charged_to(stream.muxed_conn.get_remote_address()))
                return
            else:
                await circuit.tell(_hop_status(pb.UNEXPECTED_MESSAGE))
            await stream.close()
        except RefusedCircuit:
            await reset_quietly(stream)

    def _reserve_for(self, peer: ID, address: str) -> pb.HopMessage:
        assert self._books is not None
        status = self._books.reserve(peer, address, trio.current_time())
        answer = _hop_status(status)
        if status != pb.OK:
            self._counts["relay reservation refused"] += 1
            return answer
        self._counts["relay reservation"] += 1
        limits = self._books.limits
        answer.reservation.expire = int(time.time()) + limits.reservation_seconds
        _tell_limit(answer, limits.for_each_circuit)
        return answer

    async def _connect_for(self, peer: ID, ask: pb.HopMessage, near: CircuitStream, address: str) -> None:
        assert self._books is not None
        target = ID(ask.peer.id)
        if not is_ed25519(target) or target == peer:
            grant: Grant | pb.Status.ValueType = pb.MALFORMED_MESSAGE
        else:
            grant = self._books.open(peer, target, address, trio.current_time())
        if not isinstance(grant, Grant):
            self._counts["relay circuit refused"] += 1
            await near.tell(_hop_status(grant))
            return
        try:
            await self._carry(grant, near)
        finally:
            self._books.close(grant, near.received, trio.current_time())

    async def _carry(self, grant: Grant, near: CircuitStream) -> None:
        """The life of one circuit. Leaves in `near.received` what was carried, both directions together."""
        far = await self._call(grant)
        near.received = 0
        if far is None:
            await near.tell(_hop_status(pb.CONNECTION_FAILED))
            return
        answer = _hop_status(pb.OK)
        _tell_limit(answer, grant.limit)
        try:
            await near.tell(answer)
            near.stands(grant.limit)
            far.stands(grant.limit)
            self._counts["relay circuit"] += 1
            cut = await pump(near, far, grant.limit)
            if cut is not None:
                self._counts[f"relay circuit cut {cut.name.lower()}"] += 1
        finally:
            self._counts["relay bytes"] += near.received + far.received
            near.received += far.received
            with trio.CancelScope(shield=True):
                await far.close()

    async def _call(self, grant: Grant) -> CircuitStream | None:
        """A stream to the target that agreed to speak with the caller."""
        call = pb.StopMessage(type=pb.StopMessage.CONNECT, peer=pb.PeerId(id=grant.caller.to_bytes()))
        _tell_limit(call, grant.limit)
        far: CircuitStream | None = None
        try:
            with trio.fail_after(OPEN_SECONDS):
                far = CircuitStream(await self._host.new_stream(grant.target, [STOP]), text_of(grant.target))
                await far.tell(call)
                answer = await far.hear(pb.StopMessage)
        except Exception:  # noqa: BLE001  however the library says it, the other end cannot be had
            if far is not None:
                await far.close()
            return None
        if answer.type != pb.StopMessage.STATUS or answer.status != pb.OK:
            await far.close()
            return None
        return far

    # Being reached.

    async def reserve(self, relay: PeerId, nursery: trio.Nursery) -> Reservation:
        """A place at a connected relay, renewed until it is lost. Raises StreamFailed when it says no."""
        peer = library_id(relay)
        self._host.set_stream_handler(STOP, self._stop)  # not before: identify tells what we serve
        seconds = await self._ask_for_place(peer)
        older = self._reserved.get(peer)
        if older is not None:
            older.end()
        reservation = Reservation(relay, trio.CancelScope())
        self._reserved[peer] = reservation
        nursery.start_soon(self._renew, peer, reservation, seconds)
        return reservation

    async def _renew(self, peer: ID, reservation: Reservation, seconds: float) -> None:
        with reservation._scope:
            while True:
                await trio.sleep(min(max(seconds / 2, SHORTEST_RENEWAL_SECONDS), LONGEST_RENEWAL_SECONDS))
                try:
                    seconds = await self._ask_for_place(peer)
                except StreamFailed:
                    break
        if self._reserved.get(peer) is reservation:
            del self._reserved[peer]
        reservation.lost.set()

    async def _ask_for_place(self, peer: ID) -> float:
        """For how many seconds the relay keeps our place. Raises StreamFailed."""
        try:
            with trio.fail_after(OPEN_SECONDS):
                circuit = CircuitStream(await self._host.new_stream(peer, [HOP]), text_of(peer))
                await circuit.tell(pb.HopMessage(type=pb.HopMessage.RESERVE))
                answer = await circuit.hear(pb.HopMessage)
        except Exception as error:
            raise StreamFailed("the relay did not answer") from error
        await circuit.close()
        if answer.type != pb.HopMessage.STATUS or answer.status != pb.OK:
            raise StreamFailed("the relay keeps no place for us", refusal=refusal_of(answer.status))
        return max(0.0, answer.reservation.expire - time.time())

    async def _stop(self, stream: INetStream) -> None:
        relay = stream.muxed_conn.peer_id
        if relay not in self._reserved:
            await reset_quietly(stream)
            return
        circuit = CircuitStream(stream, text_of(relay))
        try:
            call = await circuit.hear(pb.StopMessage)
        except RefusedCircuit:
            await reset_quietly(stream)
            return
        if call.type != pb.StopMessage.CONNECT:
            await reset_quietly(stream)
            return
        await circuit.tell(pb.StopMessage(type=pb.StopMessage.STATUS, status=pb.OK))
        circuit.stands(CircuitLimit.from_wire(call.limit))
        self._counts["circuit accepted"] += 1
        await self._accept(circuit, Multiaddr(f"/p2p/{text_of(relay)}/p2p-circuit"))

    # Reaching.

    async def dial(self, address: Multiaddr, swarm: Connector) -> RawConnection:
        """The wire of a circuit to the last peer of `address`. Raises OpenConnectionError."""
        text, _, target = str(address).partition("/p2p-circuit/p2p/")
        try:
            relay, peer = library_id(text.rpartition("/p2p/")[2]), library_id(target)
        except ValueError as error:
            raise OpenConnectionError("not an address through a relay") from error
        circuit: CircuitStream | None = None
        try:
            await swarm.reach(Multiaddr(text), relay)
            with trio.fail_after(OPEN_SECONDS):
                circuit = CircuitStream(await self._host.new_stream(relay, [HOP]), text_of(relay))
                await circuit.tell(pb.HopMessage(type=pb.HopMessage.CONNECT, peer=pb.PeerId(id=peer.to_bytes())))
                answer = await circuit.hear(pb.HopMessage)
        except (RefusedCircuit, ConnectionClosedError, trio.TooSlowError) as error:
            if circuit is not None:
                await circuit.close()
            raise OpenConnectionError("the relay did not answer") from error
        if answer.type != pb.HopMessage.STATUS or answer.status != pb.OK:
            await circuit.close()
            raise RelaySaidNo(refusal_of(answer.status))
        circuit.stands(CircuitLimit.from_wire(answer.limit))
        return RawConnection(circuit, True)


def _hop_status(status: pb.Status.ValueType) -> pb.HopMessage:
    return pb.HopMessage(type=pb.HopMessage.STATUS, status=status)


def _tell_limit(message: pb.HopMessage | pb.StopMessage, limit: CircuitLimit) -> None:
    """Say in `message` what a circuit may carry; nothing, which means no limit, when there is none."""
    told = limit.to_wire()
    if told is not None:
        message.limit.CopyFrom(told)


def is_circuit(address: Multiaddr) -> bool:
    """Whether `address` leads through a relay."""
    return "/p2p-circuit/" in str(address)
