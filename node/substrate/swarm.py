"""The connections of one host: only those we asked for or accepted, each slot given back when its connection ends.

A subclass of the library's Swarm, for traps 3 (slots never released), 8 (one address, 60 s refusal, 250 ms wait), 9
(connections left open) and 11 (auto-connector) of research/libp2p.md. Invariants: nothing dials but `connect`; an
inbound connection holds a slot of the limiter exactly as long as it lives; `on_up` and `on_down` are called in the
moment a connection joins or leaves the table, in order; of several connections to a peer, the newest carries streams.
"""

from typing import Protocol, cast

import trio
from libp2p.abc import IMuxedConn, INetConn, INotifee, IRawConnection, ITransport
from libp2p.crypto.keys import KeyPair
from libp2p.custom_types import TProtocol
from libp2p.io.abc import ReadWriteCloser
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.config import ConnectionConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL
from libp2p.transport.upgrader import TransportUpgrader
from multiaddr import Multiaddr

from tertulia.node.substrate.channel import Outbox
from tertulia.node.substrate.charged import charged_to
from tertulia.node.substrate.limiter import InboundLimiter, Slot
from tertulia.node.substrate.noise import HostNoise, Tap
from tertulia.node.substrate.relay import Relaying, is_circuit
from tertulia.node.substrate.yamux import HostMuxers, HostYamux

HANDSHAKE_SECONDS = 10.0
LIMIT_CONNECTIONS_PER_PEER = 4
LIMIT_CONNECTIONS = 4096


class Watcher(Protocol):
    """Who wants to know of connections."""

    def connection_up(self, peer: ID, *, first: bool, dialled: bool) -> None:
        """A connection to `peer` stands; `first` when it is the only one."""

    def connection_placed(self, peer: ID) -> None:
        """An inbound connection of `peer` holds a stranger's place; `keep` makes it a member's."""

    def connection_down(self, peer: ID, connection: SwarmConn, *, last: bool) -> None:
        """A connection to `peer` ended; `last` when none is left."""


class NoAutoConnector(AutoConnector):
    """Never dials: whom we connect to is the node's decision, and a record of who is known is metadata (trap 11)."""

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def run_background_task(self, nursery: trio.Nursery) -> None:
        """Do nothing."""

    async def maybe_connect(self) -> None:
        """Do nothing."""

    def record_disconnect(self, peer_id: ID) -> None:
        """Do nothing."""


class HostSwarmConn(SwarmConn):
    """The library's connection, without the tenth of a second it sleeps whenever one ends."""

    async def _cleanup(self) -> None:
        self.swarm.remove_conn(self)
        await self.muxed_conn.close()
        for stream in list(self.streams):
            await stream.reset()
        await trio.lowlevel.checkpoint()  # the handlers see the reset
        await self._notify_disconnected()


class HostUpgrader(TransportUpgrader):
    """Noise and our yamux, and nothing else to negotiate."""

    def __init__(self, noise: HostNoise, outbox: Outbox) -> None:
        super().__init__({NOISE_PROTOCOL: noise}, {TProtocol(YAMUX_PROTOCOL): HostYamux}, int(HANDSHAKE_SECONDS))
        self.muxer_multistream = HostMuxers(outbox, int(HANDSHAKE_SECONDS))


class HostSwarm(Swarm):
    """See the module's head."""

    def __init__(self, key_pair: KeyPair, tap: Tap | None, inbound_limit: int, transport: ITransport) -> None:
        peer_id = ID.from_pubkey(key_pair.public_key)
        peerstore = PeerStore()
        peerstore.add_key_pair(peer_id, key_pair)
        self._transport = transport
        self.outbox = Outbox()
        super().__init__(
            peer_id,
            peerstore,
            HostUpgrader(HostNoise(key_pair, tap), self.outbox),
            [transport],
            connection_config=ConnectionConfig(
                max_connections=LIMIT_CONNECTIONS,
                high_watermark=LIMIT_CONNECTIONS,
                min_connections=0,
                low_watermark=0,
                max_connections_per_peer=LIMIT_CONNECTIONS_PER_PEER,
                inbound_upgrade_timeout=HANDSHAKE_SECONDS,
                outbound_upgrade_timeout=HANDSHAKE_SECONDS,
                inbound_stream_protocol_negotiation_timeout=HANDSHAKE_SECONDS,
                outbound_stream_protocol_negotiation_timeout=HANDSHAKE_SECONDS,
            ),
        )
        self.auto_connector = NoAutoConnector(self)
        self.notifees: list[INotifee] = []  # the library's own watchers keep records of peers that we do not want
        self.inbound = InboundLimiter(inbound_limit)
        self.relaying: Relaying | None = None
        self._slots: dict[IMuxedConn, Slot] = {}
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every connection from now on."""
        self._watchers.append(watcher)

    # Dialling: one address, one attempt, no memory of failures.

    async def connect(self, address: Multiaddr, peer: ID) -> INetConn:
        """A connection to `peer` at `address`. Raises SwarmException, OpenConnectionError and what a peer provokes."""
        if self.relaying is not None and is_circuit(address):
            raw: IRawConnection = await self.relaying.dial(address, self)
        else:
            raw = await self._transport.dial(address)
        try:
            return await self.upgrade_outbound_raw_conn(raw, peer)
        except BaseException:
            await raw.close()
            raise

    async def reach(self, address: Multiaddr, peer: ID) -> None:
        """A connection to `peer`, at `address` unless one stands. Raises as `connect` does."""
        if not self.get_connections(peer):
            await self.connect(address, peer)

    async def accept_circuit(self, circuit: ReadWriteCloser, address: Multiaddr) -> None:
        """Serve an inbound connection that came through a relay; returns when it ended."""
        await self._handle_inbound_connection(circuit, address)

    async def dial_peer(self, peer_id: ID) -> list[INetConn]:
        """Refuse: the library dials on its own whenever a stream to an unconnected peer is asked for."""
        raise SwarmException("not connected")

    # Accepting.

    async def _handle_inbound_connection(self, read_write_closer: ReadWriteCloser, maddr: Multiaddr) -> None:
        address = charged_to(read_write_closer.get_remote_address())
        muxed: HostYamux | None = None
        with self.inbound.slot(address) as slot:
            try:
                if slot is not None and not self._closing:
                    with slot.scope:
                        raw = RawConnection(read_write_closer, False)
                        muxed = cast("HostYamux", await self.upgrade_inbound_raw_conn(raw, maddr))
                        slot.shaken = True
                        self._slots[muxed] = slot
                        for watcher in self._watchers:
                            watcher.connection_placed(muxed.peer_id)
                        await muxed.event_closed.wait()
            finally:
                with trio.CancelScope(shield=True):
                    if muxed is not None:
                        del self._slots[muxed]
                        await muxed.close()
                    await read_write_closer.close()

    def keep(self, peer: ID) -> None:
        """`peer` proved itself a member: its inbound connections are not put out for strangers."""
        for connection in self.connections.get(peer, ()):
            slot = self._slots.get(connection.muxed_conn)
            if slot is not None:
                slot.member = True

    # The table of connections.

    async def add_conn(self, muxed_conn: IMuxedConn, direction: str = "unknown") -> SwarmConn:
        """Start `muxed_conn` and take it into the table. Raises SwarmException when it ended meanwhile."""
        connection = HostSwarmConn(muxed_conn, self, direction=direction)
        try:
            self.manager.run_task(muxed_conn.start)
            await muxed_conn.event_started.wait()
            self.manager.run_task(connection.start)
            await connection.event_started.wait()
            if muxed_conn.is_closed or connection.is_closed or len(self.get_connections()) >= LIMIT_CONNECTIONS:
                raise SwarmException("the connection ended while it started, or there are too many")  # noqa: TRY301
            self.connections.setdefault(muxed_conn.peer_id, []).append(connection)
            await self.notify_connected(connection)
        except BaseException:
            with trio.CancelScope(shield=True):
                await connection.close()
            raise
        return connection

    async def notify_connected(self, conn: INetConn) -> None:
        """Tell the watchers, and keep at most `LIMIT_CONNECTIONS_PER_PEER`: the oldest leave first."""
        assert isinstance(conn, SwarmConn)
        peer = conn.muxed_conn.peer_id
        standing = self.connections[peer]
        for watcher in self._watchers:
            watcher.connection_up(peer, first=len(standing) == 1, dialled=conn.muxed_conn.is_initiator)
        for surplus in list(standing[:-LIMIT_CONNECTIONS_PER_PEER]):
            await surplus.close()
        await super().notify_connected(conn)

    def remove_conn(self, swarm_conn: SwarmConn) -> None:
        """Take a connection out of the table, and tell the watchers if it was in."""
        peer = swarm_conn.muxed_conn.peer_id
        stood = swarm_conn in self.connections.get(peer, [])
        super().remove_conn(swarm_conn)
        if stood:
            for watcher in self._watchers:
                watcher.connection_down(peer, swarm_conn, last=peer not in self.connections)

    async def notify_disconnected(self, conn: INetConn) -> None:
        """Tell the library's watchers only: ours learnt it from `remove_conn`, and nothing is dialled in its place."""
        await self._notify("disconnected", conn)

    def _trim_connections(self, peer_id: ID) -> None:
        """Do nothing: `notify_connected` keeps the bound, without a grace period in which it does not hold."""

    def _schedule_prune(self) -> None:
        """Do nothing: the limiter bounds inbound connections, and outbound ones are ours to end."""

    def _schedule_auto_connect(self) -> None:
        """Do nothing (trap 11)."""

    def _best_connection(self, connections: list[INetConn]) -> INetConn:
        """The newest: the library prefers the busiest, which is the dead one after a peer restarted."""
        return connections[-1]

    async def close_all(self) -> None:
        """Stop listening, then end every connection, all at once (trap 9)."""
        self._closing = True
        for listener in list(self.listeners.values()):
            await listener.close()
        self.listeners.clear()
        async with trio.open_nursery() as nursery:
            for connection in self.get_connections():
                nursery.start_soon(connection.close)
