"""One commons in a relay: its own libp2p host, other relays by gossip and sync, citizens by feed and sync.

DESIGN.md §4 (one host per commons), §6. Invariants: a peer is nothing before its hello, and a banned one is not even
that; a relay opens nothing towards who came to it; what it is told to do while it runs it does without letting go of
anybody it need not; a host that breaks is started again under the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from tertulia.bootstrap.relay.card import signed_card
from tertulia.bootstrap.relay.carrier import RelayCarrier
from tertulia.bootstrap.relay.feed import Feed
from tertulia.bootstrap.relay.rates import Rates
from tertulia.node.card_keeper import CardKeeper
from tertulia.node.neighbour import Neighbour, jitter
from tertulia.node.network import FIRST_DELAY, GROWTH, LIMIT_STREAMS, LONGEST_DELAY, RESTART_SECONDS, targets
from tertulia.node.reach import relayed
from tertulia.node.redaction import Event, log
from tertulia.node.store.problems import StoreError
from tertulia.node.substrate import (
    DialFailed,
    Host,
    HostConfig,
    ListenFailed,
    PeerDown,
    PeerId,
    PeerUp,
    RelayLimits,
    Stream,
    StreamFailed,
    SubstrateError,
    open_host,
)
from tertulia.protocol.commons import HELLO_PROTOCOL, topic
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.feed_messages import FEED_PROTOCOL, Refusal
from tertulia.protocol.sync_messages import SYNC_PROTOCOL

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.bans import Bans
    from tertulia.bootstrap.relay.settings import Settings
    from tertulia.node.clock import Clock
    from tertulia.node.served import Served
    from tertulia.node.shelf import Shelf
    from tertulia.protocol.commons_chain import Chain
    from tertulia.protocol.ids import CommonsId
    from tertulia.protocol.inputs import FrameKept

EVICT_SECONDS: Final = 10 * 60.0
LIMIT_SESSIONS: Final = 8
"""Sessions of sync served at once, of all communities together: the rest wait."""
SESSION_WAIT_SECONDS: Final = 20.0
LIMIT_SESSIONS_PER_ADDRESS: Final = 4
STRANGERS: Final = 128
"""Connections beyond the feeds: those not yet through the hello, other relays, and members who only sync."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all stations of one relay have in common."""

    shelf: Shelf
    clock: Clock
    bans: Bans
    sessions: trio.CapacityLimiter
    puts: Rates


class Station:
    """See the module's head. Also the listener of its carrier."""

    def __init__(self, served: Served, seed: bytes, settings: Settings, shared: Shared) -> None:
        self.served = served
        self.carrier = RelayCarrier(served.commons, shared.shelf, shared.clock, self, settings)
        self.feed = Feed(self.carrier, shared.puts)
        self.keeper = CardKeeper(served.commons, shared.shelf, shared.clock)
        """The card of the commons: it names its other relays."""
        self.carrier.heeds = self.keeper.look
        self.keeper.on_followed = self._followed
        self.listening = False
        self.addresses: tuple[str, ...] = ()
        self.host: Host | None = None
        self._seed, self._settings, self._shared = seed, settings, shared
        self._neighbours: dict[PeerId, Neighbour] = {}
        self._origins: dict[PeerId, str] = {}
        self._syncing: dict[str, int] = {}
        self._draining = False
        self._others: tuple[str, ...] = ()
        self._dialling: set[PeerId] = set()
        self._left = trio.Event()  # set, and replaced, when somebody's connection ended
        self._dialler: trio.Nursery | None = None

    # What the carrier tells -----------------------------------------------------------------------------------------

    def arrived(self, commons: CommonsId) -> None:  # noqa: ARG002 - the seam's shape: a station has one commons
        """New frames are on the disk."""
        self.feed.arrived()

    async def kept(self, kept: FrameKept) -> None:
        """A relay has no frames of its own."""

    async def reach_changed(self, commons: CommonsId) -> None:
        """The disk refused, or works again: the carrier's `trouble` says which."""

    # Life -----------------------------------------------------------------------------------------------------------

    @property
    def peers(self) -> int:
        """Who is connected and through the hello."""
        return len(self._origins)

    def carried(self, what: str) -> int:
        """One of the host's counts of what stands; 0 while there is no host."""
        return 0 if self.host is None else self.host.counts.get(what, 0)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started when the host stands or could not be made to."""
        started = False
        self.sign()
        await self.keeper.load()
        async with trio.open_nursery() as nursery:
            await nursery.start(self.feed.run)
            nursery.start_soon(self.keeper.run, self.carrier.publish)
            nursery.start_soon(self._evict)
            while True:
                config = HostConfig(self._seed, self.served.listen, inbound_limit=self._inbound)
                try:
                    async with open_host(config) as host:
                        self.host, self.addresses, self.listening = host, host.addresses, True
                        log(Event.LISTENING)
                        if not started:
                            task_status.started()
                            started = True
                        await self._serve(host)
                except ListenFailed:
                    log(Event.LISTEN_FAILED)
                except SubstrateError:
                    log(Event.RETRIED)
                finally:
                    self.host, self.addresses, self.listening = None, (), False
                    self._neighbours.clear()
                    self._origins.clear()
                    self._dialling.clear()
                    self._dialler = None
                if not started:
                    task_status.started()
                    started = True
                await trio.sleep(jitter(RESTART_SECONDS, 1))

    @property
    def _inbound(self) -> int:
        return self._settings.quota.feeds + STRANGERS

    async def _serve(self, host: Host) -> None:
        serve = self._settings.serve
        async with trio.open_nursery() as nursery:
            host.serve(HELLO_PROTOCOL, self._hello, before_hello=True, limit=LIMIT_STREAMS)
            host.serve(SYNC_PROTOCOL, self._sync, limit=LIMIT_STREAMS)
            host.serve(FEED_PROTOCOL, self._feed, limit=1)
            if serve.gossip:
                gossip = await host.join(topic(self.served.commons), self.carrier.validate)
                nursery.start_soon(self.carrier.receive, gossip)
            self._limit_circuits(host)
            self._dialler = nursery
            self._dial(host)
            scopes: dict[PeerId, trio.CancelScope] = {}
            async for event in host.events:
                match event:
                    case PeerUp(peer, dialled):
                        scopes[peer] = trio.CancelScope()
                        nursery.start_soon(self._accompany, self._neighbour(peer), scopes[peer], dialled)
                    case PeerDown(peer):
                        if peer in scopes:
                            scopes.pop(peer).cancel()
                        self._forget(peer)
                        self._left.set()
                        self._left = trio.Event()
            nursery.cancel_scope.cancel()

    def join(self, others: Sequence[str]) -> None:
        """Stay connected with these other relays of the commons."""
        self._others = tuple(others)
        if self.host is not None and self._dialler is not None:
            self._dial(self.host)

    async def _followed(self, chain: Chain) -> None:  # noqa: ARG002 - the keeper has it
        """The commons has another card, and with it perhaps other relays."""
        if self.host is not None and self._dialler is not None:
            self._dial(self.host)

    def _targets(self, me: PeerId) -> dict[PeerId, list[str]]:
        """Who to stay connected with: the seed, the relays of the card, and those the operator named."""
        card = self.keeper.chain[-1].card if self.keeper.chain else None
        listed = [address for known in relayed(card).relays.values() for address in known]
        return targets(self.served.commons, (*self._others, *listed), me)

    def _dial(self, host: Host) -> None:
        assert self._dialler is not None
        for peer in self._targets(host.peer_id):
            if peer not in self._dialling:
                self._dialling.add(peer)
                self._dialler.start_soon(self._keep_dialled, host, peer)

    async def _accompany(self, neighbour: Neighbour, scope: trio.CancelScope, dialled: bool) -> None:
        with scope:
            await neighbour.run(dialled=dialled)

    async def _keep_dialled(self, host: Host, peer: PeerId) -> None:
        """Stay connected with one relay or seed, for as long as it is one."""
        delay = FIRST_DELAY
        while addresses := self._targets(host.peer_id).get(peer):
            if peer not in host.peers:
                try:
                    await host.dial(addresses)
                except DialFailed:
                    self.carrier.counts["dial failed"] += 1
                else:
                    delay = FIRST_DELAY
            while peer in host.peers:
                await self._left.wait()
            await trio.sleep(jitter(delay, delay / 2))
            delay = min(GROWTH * delay, LONGEST_DELAY)
        self._dialling.discard(peer)

    def sign(self) -> None:
        """Make the card anew, of the settings and the day."""
        self.feed.show(signed_card(self._settings, self._seed, self._shared.clock()))

    async def _evict(self) -> None:
        while True:
            self.sign()
            before = self.carrier.counts["evicted"] + self.carrier.counts["evicted for room"]
            try:
                await self.carrier.evict()
            except StoreError:
                log(Event.COMMIT_FAILED)
            if self.carrier.counts["evicted"] + self.carrier.counts["evicted for room"] != before:
                self.feed.evicted()
            await trio.sleep(jitter(EVICT_SECONDS, EVICT_SECONDS / 4))

    # Peers ----------------------------------------------------------------------------------------------------------

    def _neighbour(self, peer: PeerId) -> Neighbour:
        assert self.host is not None
        if peer not in self._neighbours:
            self._neighbours[peer] = Neighbour(
                peer, self.host, self.carrier, self._shared.clock, lambda: None, passive=True
            )
        return self._neighbours[peer]

    def _forget(self, peer: PeerId) -> None:
        self._neighbours.pop(peer, None)
        self._origins.pop(peer, None)

    async def _hello(self, stream: Stream) -> None:
        if self._banned(stream.peer, stream.origin):
            self.carrier.counts["banned"] += 1
            await stream.reset()
            assert self.host is not None
            await self.host.disconnect(stream.peer)
            return
        self._origins[stream.peer] = stream.origin
        await self._neighbour(stream.peer).take_hello(stream)
        if self.host is None or stream.peer not in self.host.peers:
            self._forget(stream.peer)

    async def _sync(self, stream: Stream) -> None:
        """One session, of a few at once: an archive can be asked for whole, but not by everybody at the same time."""
        if not self._settings.serve.sync:
            await stream.reset()
            return
        origin = stream.origin
        if self._syncing.get(origin, 0) >= LIMIT_SESSIONS_PER_ADDRESS:
            self.carrier.counts["sync refused"] += 1
            await stream.reset()
            return
        self._syncing[origin] = self._syncing.get(origin, 0) + 1
        try:
            waited = False
            with trio.move_on_after(SESSION_WAIT_SECONDS):
                await self._shared.sessions.acquire()
                waited = True
            if not waited:
                self.carrier.counts["sync refused"] += 1
                await stream.reset()
                return
            try:
                await self._neighbour(stream.peer).serve_sync(stream)
            finally:
                self._shared.sessions.release()
        finally:
            self._syncing[origin] -= 1
            if not self._syncing[origin]:
                del self._syncing[origin]

    async def _feed(self, stream: Stream) -> None:
        if not self._settings.serve.feed:
            await stream.reset()
            return
        try:
            await self.feed.serve(stream)
        except RemoteError as wrong:
            self.carrier.counts[f"feed {wrong.reason}"] += 1
            await stream.reset()
            if self.host is not None:
                await self.host.disconnect(stream.peer)
        except StreamFailed:
            self.carrier.counts["feed broken"] += 1

    # The operator ---------------------------------------------------------------------------------------------------

    def _banned(self, peer: PeerId, origin: str) -> bool:
        return self._shared.bans.find(peer, origin, self._shared.clock()) is not None

    async def put_out_banned(self) -> int:
        """Disconnect everyone here who is banned now; how many that were."""
        out = [peer for peer, origin in self._origins.items() if self._banned(peer, origin)]
        for peer in out:
            if self.host is not None:
                await self.host.disconnect(peer)
        return len(out)

    def adopt(self, settings: Settings) -> None:
        """Keep to these settings from now on; what was switched on or off counts from the next stream."""
        self._settings = settings
        self.carrier.adopt(settings)
        self.sign()
        if self.host is not None:
            self._limit_circuits(self.host)

    def drain(self, until: int) -> None:
        """Take nobody new, and tell everyone; 0 takes it back."""
        self._draining = bool(until)
        self.feed.drain(until)
        if self.host is not None:
            self._limit_circuits(self.host)

    async def close_feeds(self) -> None:
        """The drain is over."""
        await self.feed.end(Refusal.DRAINING)

    def _limit_circuits(self, host: Host) -> None:
        quota = self._settings.quota
        carried = quota.circuits if self._settings.serve.circuits and not self._draining else 0
        host.serve_relay(
            RelayLimits(
                reservations=quota.feeds if carried else 0,
                circuits=carried,
                circuit_bytes=quota.circuit_bytes,
                circuit_seconds=quota.circuit_seconds,
                address_bytes=quota.circuit_bytes_per_hour,
            )
        )
