"""The host: one libp2p peer, started whole and stopped whole.

The seam of `node/substrate` (DESIGN.md §2, §6). Traps 9, 10, 13, 14 of research/libp2p.md. Invariants: what is built is
run, and what is run has ended when `open_host` returns: no task, no thread, no socket is left, and the same key can
start again at once; an error of the caller's own block leaves `open_host` as it was raised.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from types import MappingProxyType

import trio
from libp2p.abc import ITransport
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.peer.id import ID
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr
from multiaddr.exceptions import Error as MultiaddrError

from tertulia.node.substrate.circuit import Circuit
from tertulia.node.substrate.config import HostConfig
from tertulia.node.substrate.dialing import Failures, dial
from tertulia.node.substrate.errors import ListenFailed, StreamFailed, SubstrateError
from tertulia.node.substrate.events import Event, PeerEvents
from tertulia.node.substrate.gate import Gate
from tertulia.node.substrate.gossip import Gossip, Validator
from tertulia.node.substrate.gossipsub import AuthorlessGossipSub
from tertulia.node.substrate.identify import QuietHost
from tertulia.node.substrate.logs import silence_library
from tertulia.node.substrate.peer_ids import PeerId, library_id, text_of
from tertulia.node.substrate.pubsub import AuthorlessPubsub
from tertulia.node.substrate.punch import Punching
from tertulia.node.substrate.relay import Relaying, Reservation
from tertulia.node.substrate.relay_books import RelayLimits
from tertulia.node.substrate.streams import Handler, Server, Stream
from tertulia.node.substrate.swarm import HostSwarm
from tertulia.node.substrate.tcp import HostTCP, endpoint
from tertulia.node.substrate.yamux import HostYamux

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 5.0
LIMIT_STREAMS_PER_PEER = 16


class Host:
    """A running host. Made by `open_host`."""

    def __init__(self, config: HostConfig) -> None:
        self._counts: Counter[str] = Counter()
        self._gate = Gate()
        self._events = PeerEvents()
        keys = create_new_key_pair(config.key_seed)
        self.swarm = HostSwarm(keys, config.tap, config.inbound_limit, _transport(config))
        self.library = QuietHost(self.swarm, config.agent, self._counts)
        self.router = AuthorlessGossipSub(self._counts)
        self.pubsub = AuthorlessPubsub(self.library, self.swarm, self.router, self._gate, self._counts)
        self._servers: dict[str, Server] = {}
        self._failures = Failures()
        self._relaying = Relaying(self.library, self._gate, self._counts, self.swarm.accept_circuit)
        self.swarm.relaying = self._relaying
        self._punching = Punching(self.library, self.swarm, self._gate, self._counts)
        self._nursery: trio.Nursery | None = None
        self.swarm.watch(self)

    @property
    def peer_id(self) -> PeerId:
        """Our own name."""
        return text_of(self.swarm.self_id)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What we listen on, with real ports, each ending in `/p2p/<peer_id>`. A wildcard is reported as one."""
        return tuple(f"{address}/p2p/{self.peer_id}" for address in self.library.get_transport_addrs())

    @property
    def peers(self) -> frozenset[PeerId]:
        """Who is connected now, admitted or not."""
        return frozenset(text_of(peer) for peer in self.swarm.connections)

    @property
    def events(self) -> trio.MemoryReceiveChannel[Event]:
        """PeerUp and PeerDown, alternating for each peer; a slow reader misses nothing it must know."""
        return self._events.receive

    @property
    def counts(self) -> Mapping[str, int]:
        """What was carried, refused, dropped or failed since the start, by kind. Names no peer and no content."""
        inbound, traffic = self.swarm.inbound, self.swarm.outbox.traffic
        now = {
            "connections": len(self.swarm.get_connections()),
            "inbound standing": inbound.standing,
            "inbound refused": inbound.refused,
            "inbound evicted": inbound.evicted,
            **self._relaying.standing,
            **{name.replace("_", " "): value for name, value in asdict(traffic).items()},
        }
        return MappingProxyType(Counter(self._counts) | Counter(now))

    async def dial(self, addresses: Sequence[str]) -> PeerId:
        """Connect to the one peer that `addresses` name (each ends in `/p2p/<PeerId>`); all are tried.

        Raises DialFailed, after at most 15 s; the next try is free, but begins with the addresses that did not fail.
        """
        return await dial(self.swarm, addresses, self._failures)

    async def open(self, peer: PeerId, protocol: str) -> Stream:
        """A new stream to a connected peer. Raises StreamFailed, after at most 10 s."""
        with trio.move_on_after(OPEN_SECONDS):
            try:
                stream = await self.library.new_stream(library_id(peer), [TProtocol(protocol)])
            except Exception as error:
                raise StreamFailed("the peer is not connected, or does not serve this protocol") from error
            return Stream(stream, peer)
        raise StreamFailed("the peer did not answer in time")

    def serve(
        self, protocol: str, handler: Handler, *, before_hello: bool = False, limit: int = LIMIT_STREAMS_PER_PEER
    ) -> None:
        """Let `handler` serve each stream that asks for `protocol`; the stream is closed when it returns.

        What it raises resets its own stream. Streams of peers that are not admitted are reset, after a moment's grace
        for a hello that is just ending, unless `before_hello`; so are those beyond `limit` at once from one peer.
        """
        server = Server(handler, self._gate, before_hello=before_hello, limit=limit)
        self._servers[protocol] = server
        self.library.set_stream_handler(TProtocol(protocol), server)

    def admit(self, peer: PeerId) -> None:
        """`peer` proved itself: from now on it takes part in GossipSub. Does nothing when it is not connected."""
        identity = library_id(peer)
        if identity in self.swarm.connections:
            self.pubsub.admit(identity)
            self.swarm.keep(identity)

    async def admitted(self, peer: PeerId, seconds: float) -> bool:
        """Whether `peer` has proved itself, now or within `seconds`; False at once when too many wait for that."""
        return await self._gate.wait(library_id(peer), seconds)

    async def disconnect(self, peer: PeerId) -> None:
        """End every connection to `peer`."""
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_SECONDS):
            await self.swarm.close_peer(library_id(peer))

    async def join(self, topic: str, validate: Validator) -> Gossip:
        """Take part in `topic`. Raises SubstrateError when it is joined already."""
        return await self.pubsub.join(topic, validate)

    def serve_relay(self, limits: RelayLimits) -> None:
        """Carry circuits for members, as many as `limits` says; called again, `limits` hold from then on.

        What stands is left as it was granted. `RelayLimits(reservations=0, circuits=0)` empties the relay. The counts
        tell how it goes, all of them beginning with "relay".
        """
        self._relaying.serve(limits)
        self.library.tells_observed = True

    def circuit_to(self, peer: PeerId) -> Circuit | None:
        """What carries us to `peer` and how far it may; None when it is connected without a relay, or not at all."""
        connections = self.swarm.get_connections(library_id(peer))
        muxed = connections[-1].muxed_conn if connections else None
        return muxed.circuit.so_far() if isinstance(muxed, HostYamux) and muxed.circuit is not None else None

    def serve_punch(self) -> None:
        """Let members to whom a circuit leads try for a direct connection. They learn our address by it."""
        self._punching.serve()

    async def punch(self, peer: PeerId) -> bool:
        """Try for a direct connection to a member to whom a circuit leads and who serves it; whether one stands now.

        Where it does, the circuit is closed soon after; where not, it stands as before. Both ends learn each other's
        address. Takes at most half a minute.
        """
        return await self._punching.punch(library_id(peer))

    async def reserve(self, relay: PeerId) -> Reservation:
        """A place at a connected relay: from now on `…/p2p/<relay>/p2p-circuit/p2p/<us>` reaches us.

        It is renewed until the relay is lost or `end` is called. Raises StreamFailed, with the relay's reason in
        `refusal` when it said no.
        """
        assert self._nursery is not None
        return await self._relaying.reserve(relay, self._nursery)

    # What the swarm tells.

    def connection_up(self, peer: ID, *, first: bool, dialled: bool) -> None:
        """A connection stands."""
        if first:
            self._events.up(text_of(peer), dialled=dialled)

    def connection_placed(self, peer: ID) -> None:
        """Another connection of a member is a member's."""
        if self._gate.admits(peer):
            self.swarm.keep(peer)

    def connection_down(self, peer: ID, connection: SwarmConn, *, last: bool) -> None:
        """A connection ended."""
        for server in self._servers.values():
            server.connection_ended(connection.muxed_conn)
        if last:
            self.pubsub.drop(peer)
            self._relaying.connection_lost(peer)
            muxed = connection.muxed_conn
            cut = muxed.circuit.cut() if isinstance(muxed, HostYamux) and muxed.circuit is not None else None
            if cut is not None:
                self._counts[f"circuit cut {cut.name.lower()}"] += 1
            self._events.down(text_of(peer), cut)
        else:
            self.pubsub.connection_changed(peer, connection)

    # What `open_host` does.

    async def listen(self, addresses: Sequence[str]) -> None:
        """Listen on every address. Raises ListenFailed."""
        for text in addresses:
            try:
                heard = await self.swarm.listen(Multiaddr(text))
            except (MultiaddrError, ValueError, LookupError) as error:
                raise ListenFailed("this is not an address to listen on") from error
            if not heard:
                raise ListenFailed("this machine cannot listen on that address; the port may be taken")

    def begin(self, nursery: trio.Nursery) -> None:
        """Start what runs beside the library, until `nursery` is cancelled."""
        self._nursery = nursery
        nursery.start_soon(self._events.run)
        nursery.start_soon(self.swarm.outbox.run)


def _transport(config: HostConfig) -> ITransport:
    """How this host reaches others."""
    if config.network is None:
        return HostTCP(config.admits)
    return config.network.transport(endpoint(Multiaddr(config.listen[0]))[0] if config.listen else None)


@asynccontextmanager
async def open_host(config: HostConfig) -> AsyncIterator[Host]:
    """A running host, for as long as the block lasts.

    Raises ListenFailed, and SubstrateError should the library fail underneath. The block's own errors pass unchanged.
    """
    silence_library()
    host = Host(config)
    failure: Exception | None = None
    try:
        async with (
            background_trio_service(host.swarm),
            background_trio_service(host.pubsub),
            background_trio_service(host.router),
            trio.open_nursery() as nursery,
        ):
            host.begin(nursery)
            try:
                await host.listen(config.listen)
                yield host
            except Exception as error:  # noqa: BLE001  carried round the nurseries, which would wrap it in groups
                failure = error
            finally:
                with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_SECONDS):
                    await host.swarm.close_all()
                nursery.cancel_scope.cancel()
    except* Exception as broken:
        raise SubstrateError("the network layer failed; start it again") from broken
    if failure is not None:
        raise failure
