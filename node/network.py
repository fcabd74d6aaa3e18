"""One commons on the network: its own libp2p host, who it dials, who it is connected with.

DESIGN.md §4 (one host per commons) and §6 (life of a PeerId). Invariants: a published address keeps its PeerId, a node
that only dials takes a fresh one at each start; dialling backs off with jitter and never gives up; a port that cannot
be had costs the listening, not the dialling; no address is logged.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.addresses import can_listen, parse_listen
from tertulia.node.nearby import ANYWHERE, Nearby, Seeker
from tertulia.node.neighbour import Neighbour, jitter
from tertulia.node.problems import CANNOT_LISTEN, NO_NETWORK
from tertulia.node.reach import CIRCUIT, WANTED, Relayed
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
    Stream,
    SubstrateError,
    open_host,
)
from tertulia.node.ways import Ways
from tertulia.protocol.address import peer_text
from tertulia.protocol.commons import HELLO_PROTOCOL, Commons, topic
from tertulia.protocol.errors import RejectReason
from tertulia.protocol.invite import FAULTS, Fault
from tertulia.protocol.resource import RESOURCE_PROTOCOL
from tertulia.protocol.sync_messages import SYNC_PROTOCOL

if TYPE_CHECKING:
    from tertulia.node.carrier import Carrier, Listener
    from tertulia.node.clock import Clock
    from tertulia.node.feed import Feed
    from tertulia.node.resources import Resources
    from tertulia.protocol.errors import Problem

FIRST_DELAY: Final = 0.25
LONGEST_DELAY: Final = 15.0
"""Seconds between two tries to dial one peer."""
GROWTH: Final = 1.5
"""Each delay is so many times the last: whoever was away for a time waits at most about half of it for us."""
RESTART_SECONDS: Final = 5.0
EVICT_SECONDS: Final = 60 * 60.0
AGAIN_SECONDS: Final = 10.0
"""How often frames of ours that the archive refused are tried again."""
LISTEN_AGAIN_SECONDS: Final = 30.0
"""How often a node that could not listen looks whether it could now."""
SEED_SECONDS: Final = 10 * 60.0
"""A relayed node leaves a seed after so long, to look for relays again."""
LIMIT_TARGETS: Final = 32
"""Peers dialled for one commons."""
LIMIT_STREAMS: Final = 2
"""Sessions a peer may have open with us at once."""
SEED: Final = 32

Tap = Callable[[PeerId, bytes], None]


def targets(commons: Commons, peers: Iterable[str], me: PeerId) -> dict[PeerId, list[str]]:
    """Who to dial, by PeerId: the commons' seed, and the peers of the settings; never ourselves."""
    found: dict[PeerId, list[str]] = {}
    if commons.peer:
        seed = PeerId(peer_text(commons.peer))
        found[seed] = [f"{address}/p2p/{seed}" for address in commons.addresses]
    for address in peers:
        _, found_peer, peer = address.rpartition("/p2p/")
        if found_peer:
            found.setdefault(PeerId(peer), []).append(address)
    return {peer: known for peer, known in list(found.items())[:LIMIT_TARGETS] if known and peer != me}


class Network:
    """The host of one commons, and everyone it is connected with."""

    def __init__(
        self,
        carrier: Carrier,
        listen: tuple[str, ...],
        seed: bytes | None,
        peers: tuple[str, ...],
        listener: Listener,
        seeker: Seeker | None = None,
    ) -> None:
        self.carrier = carrier
        self.problem: Problem | None = None
        """Why others cannot reach us, or we cannot reach others; None when all is well."""
        self.listening = False
        self.tap: Tap | None = None
        self._listen, self._seed, self._peers, self._listener = listen, seed, peers, listener
        self._addresses: tuple[str, ...] = ()
        self._neighbours: dict[PeerId, Neighbour] = {}
        self._changed = trio.Event()
        self._reach_changed = trio.Event()
        self.relayed: Relayed | None = None
        """Whom a relayed node dials; None while the reach of this commons is direct. Changed by `go`."""
        self.also: tuple[str, ...] = ()
        """Relays that a node of direct reach dials besides."""
        self.lan = False
        """Looks for members on the local network, in any reach."""
        self.nearby = Nearby(seeker, carrier.counts, self._note)
        self.ways = Ways(self._note)
        """Direct ways through routers; looked for in direct reach alone."""
        self.unanswered: set[PeerId] = set()
        """Relays that did not answer when they were dialled last."""
        self.switched = ""
        """In words, which relay took the place of which, the last time one did."""
        self._going = trio.Event()
        self.host: Host | None = None
        """The host, while it stands."""
        self.resources: Resources | None = None
        """What is served to who asks for a dialogue's files."""
        self._noticed = 0  # how often a relay was found not to stand by its word
        carrier.watch.on_noticed = self._notice

    def _notice(self) -> None:
        self._noticed += 1
        self._note()

    def _note(self) -> None:
        """Something that status shows may have changed; the event is another one each time."""
        self._reach_changed.set()

    def go(self, relayed: Relayed | None, also: tuple[str, ...] = (), *, lan: bool = False) -> None:
        """Take another reach, other relays, another word about the LAN: the host is started anew. None is direct."""
        if (relayed, also, lan) != (self.relayed, self.also, self.lan):
            self.relayed, self.also, self.lan = relayed, also, lan
            self._going.set()
            self._going = trio.Event()

    def feed(self, peer: PeerId) -> Feed | None:
        """What this peer streams to us, if it is a relay and connected."""
        neighbour = self._neighbours.get(peer)
        return None if neighbour is None else neighbour.feed

    @property
    def neighbours(self) -> tuple[PeerId, ...]:
        """Who is connected."""
        return tuple(self._neighbours)

    @property
    def near(self) -> int:
        """Neighbours on the local network that are connected."""
        return len(self.nearby.among(self._neighbours))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the host listens for everybody, each with its PeerId; empty while it does not."""
        return self._addresses

    @property
    def reached(self) -> int:
        """Peers with which hello and a whole sync are behind us."""
        return sum(neighbour.in_step for neighbour in self._neighbours.values())

    async def run(self, clock: Clock, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be on the network until cancelled. `started` when the host stands, or could not be made to stand yet."""
        may_listen = bool(self._listen)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._evict)
            nursery.start_soon(self._publish_again)
            nursery.start_soon(self._tell_reach)
            ready = _Once(task_status)
            while True:
                relayed = self.relayed
                listen = self._listen if may_listen and relayed is None else ()
                seed = self._seed if listen and self._seed else secrets.token_bytes(SEED)
                try:
                    async with open_host(self._config(seed, listen)) as host:
                        self.host = host
                        self._addresses = host.addresses if listen else ()
                        self._stands(listening=bool(listen))
                        ready()
                        if relayed is None:
                            may_listen = await self._serve(host, clock, may_listen=may_listen)
                        else:
                            await self._be_relayed(host, clock, relayed)
                except ListenFailed:
                    log(Event.LISTEN_FAILED)
                    may_listen = False
                except SubstrateError:
                    log(Event.RETRIED)
                    self.problem = NO_NETWORK
                    ready()
                    await trio.sleep(jitter(RESTART_SECONDS, 1))
                finally:
                    self.listening, self._addresses, self.host = False, (), None
                    self._neighbours.clear()
                    self.carrier.apart.clear()
                    self._reach_changed.set()

    def _config(self, seed: bytes, listen: tuple[str, ...]) -> HostConfig:
        """What the host is started with. One that listens for neighbours alone turns everybody else away."""
        if self.lan and not listen:
            return HostConfig(seed, (ANYWHERE,), tap=self.tap, admits=self.nearby.admits)
        return HostConfig(seed, listen, tap=self.tap)

    def _stands(self, *, listening: bool) -> None:
        self.listening = listening
        self.problem = CANNOT_LISTEN if self._listen and not listening and self.relayed is None else None
        self._reach_changed.set()

    async def _serve(self, host: Host, clock: Clock, *, may_listen: bool) -> bool:
        """Use a host that stands; returns, with True, when it should be started again to listen as well."""
        commons = self.carrier.commons
        gossip = await host.join(topic(commons), self.carrier.validate)
        again = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_going, nursery.cancel_scope, (None, self.also, self.lan))
            nursery.start_soon(self.carrier.receive, gossip)
            host.serve_punch()
            for peer in targets(commons, (*self._peers, *self.also), host.peer_id):
                nursery.start_soon(self._keep_dialled, host, peer)
            for address in {address.rpartition("/p2p/")[2]: address for address in self.also}.values():
                if CIRCUIT not in address:
                    nursery.start_soon(self.ways.keep_place, host, address)
            if self._listen and not may_listen:
                nursery.start_soon(self._until_listening, nursery.cancel_scope)
                again = True
            await self._meet(host, clock, nursery, None)
            nursery.cancel_scope.cancel()
        return again or may_listen

    async def _be_relayed(self, host: Host, clock: Clock, relayed: Relayed) -> None:
        """Use a host that neither listens nor gossips: it dials relays, and nobody else."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_going, nursery.cancel_scope, (relayed, self.also, self.lan))
            order, taken = relayed.order(), set[PeerId]()
            for _ in range(max(1, min(WANTED, len(relayed.relays)))):
                nursery.start_soon(self._keep_a_relay, host, relayed, order, taken)
            await self._meet(host, clock, nursery, relayed)
            nursery.cancel_scope.cancel()

    async def _meet(self, host: Host, clock: Clock, nursery: trio.Nursery, relayed: Relayed | None) -> None:
        """Serve streams and accompany who is connected, until the host ends."""
        if self.lan:
            nursery.start_soon(self.nearby.run, host, self.carrier.commons)

        def neighbour(peer: PeerId) -> Neighbour:
            if peer not in self._neighbours:
                relay = relayed is not None and peer in relayed.relays
                made = Neighbour(peer, host, self.carrier, clock, self._note, relay=relay)
                if made.feed is not None:
                    made.feed.on_changed = partial(self._feed_changed, made.feed)
                    made.feed.on_fed = lambda peer, frames: self.carrier.watch.fed(peer, frames, trio.current_time())
                self._neighbours[peer] = made
                self._tell()
            return self._neighbours[peer]

        async def hello(stream: Stream) -> None:
            await neighbour(stream.peer).take_hello(stream)
            if stream.peer not in host.peers:
                self._forget(stream.peer)

        async def session(stream: Stream) -> None:
            await neighbour(stream.peer).serve_sync(stream)

        async def chunks(stream: Stream) -> None:
            if self.resources is not None:
                await self.resources.serve(self.carrier.commons.id, host.peer_id, stream)

        host.serve(RESOURCE_PROTOCOL, chunks, limit=LIMIT_STREAMS)
        host.serve(HELLO_PROTOCOL, hello, before_hello=True, limit=LIMIT_STREAMS)
        host.serve(SYNC_PROTOCOL, session, limit=LIMIT_STREAMS)
        scopes: dict[PeerId, trio.CancelScope] = {}
        async for event in host.events:
            match event:
                case PeerUp(peer, dialled):
                    scopes[peer] = trio.CancelScope()
                    nursery.start_soon(self._accompany, host, neighbour(peer), scopes[peer], dialled)
                case PeerDown(peer):
                    if peer in scopes:
                        scopes.pop(peer).cancel()
                    self._forget(peer)

    async def _until_going(self, scope: trio.CancelScope, now: tuple[Relayed | None, tuple[str, ...], bool]) -> None:
        """End the host when reach, relays or the local network are to be others than these."""
        while (self.relayed, self.also, self.lan) == now:
            await self._going.wait()
        scope.cancel()

    def _feed_changed(self, feed: Feed) -> None:
        self.carrier.watch.stands(feed.peer, standing=feed.standing, skew=feed.skew, now=trio.current_time())
        self._reach_changed.set()

    async def _keep_a_relay(self, host: Host, relayed: Relayed, order: list[PeerId], taken: set[PeerId]) -> None:
        """Stay connected with one relay, whichever answers; with a seed while no relay does."""
        delay, lost = FIRST_DELAY, ""
        while True:
            connected = any(peer in relayed.relays for peer in host.peers)
            free = [peer for peer in order if peer not in taken and not (connected and peer not in relayed.relays)]
            if free:
                peer = free[0]
                order.remove(peer)
                order.append(peer)
                taken.add(peer)
                name = relayed.names[peer]
                if await self._hold(host, peer, relayed, f"{name} took the place of {lost}." if lost else ""):
                    delay, lost = FIRST_DELAY, name
                taken.discard(peer)
            await trio.sleep(jitter(delay, delay / 2))
            delay = min(GROWTH * delay, LONGEST_DELAY)

    async def _hold(self, host: Host, peer: PeerId, relayed: Relayed, words: str) -> bool:
        """Dial one relay or seed and stay with it while it lasts; tells whether it came into step."""
        try:
            await host.dial(relayed.addresses(peer))
        except DialFailed:
            self.carrier.counts["dial failed"] += 1
            self.unanswered.add(peer)
            self._reach_changed.set()
            return False
        self.unanswered.discard(peer)
        stepped, began = False, trio.current_time()
        while peer in host.peers:
            changed = self._changed
            with trio.move_on_after(1.0):
                await changed.wait()
            neighbour = self._neighbours.get(peer)
            if not stepped and neighbour is not None and neighbour.in_step:
                stepped = True
                self.switched = words or self.switched
                self._reach_changed.set()
            if peer not in relayed.relays and relayed.relays and trio.current_time() - began > SEED_SECONDS:
                await host.disconnect(peer)  # a relay may answer again
        return stepped

    async def _accompany(self, host: Host, neighbour: Neighbour, scope: trio.CancelScope, dialled: bool) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                if dialled:
                    nursery.start_soon(self.ways.shorten, host, neighbour.peer)
                await neighbour.run(dialled=dialled)
                nursery.cancel_scope.cancel()
            if dialled and neighbour.refused is RejectReason.HELLO and not self.reached:
                self.problem = FAULTS[Fault.OTHER_COMMUNITY]
                self._reach_changed.set()

    def _forget(self, peer: PeerId) -> None:
        if self._neighbours.pop(peer, None) is not None:
            self.carrier.apart.pop(peer, None)
            self._tell()
            self._reach_changed.set()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _keep_dialled(self, host: Host, peer: PeerId) -> None:
        """Stay connected with one peer, at whatever addresses of it are known at the time."""
        delay = FIRST_DELAY
        while True:
            await self.ways.patience(peer)
            if peer not in host.peers:
                try:
                    known = targets(self.carrier.commons, (*self._peers, *self.also), host.peer_id)
                    await host.dial(known.get(peer, []))
                except DialFailed:
                    self.carrier.counts["dial failed"] += 1
            before = self._neighbours.get(peer)
            while peer in host.peers:
                changed = self._changed
                with trio.move_on_after(1.0):
                    await changed.wait()
                before = before or self._neighbours.get(peer)
            if before is not None and before.in_step:
                delay = FIRST_DELAY
            await trio.sleep(jitter(delay, delay / 2))
            delay = min(GROWTH * delay, LONGEST_DELAY)

    async def _until_listening(self, scope: trio.CancelScope) -> None:
        """End the host when its addresses can be listened on, so that it starts again with them."""
        while True:
            await trio.sleep(jitter(LISTEN_AGAIN_SECONDS, 5))
            if all(can_listen(parse_listen(address)) for address in self._listen):
                scope.cancel()
                return

    async def _evict(self) -> None:
        while True:
            cleared = self.carrier.shelf.watch.cleared
            try:
                await self.carrier.evict()
            except StoreError:
                log(Event.COMMIT_FAILED)
            with trio.move_on_after(jitter(EVICT_SECONDS, EVICT_SECONDS / 4)):
                await cleared.wait()

    async def _publish_again(self) -> None:
        while True:
            await trio.sleep(AGAIN_SECONDS)
            await self.carrier.publish_again()

    async def _tell_reach(self) -> None:
        told: object = None
        while True:
            await self._reach_changed.wait()
            self._reach_changed = trio.Event()
            if self.reached and self.problem is FAULTS[Fault.OTHER_COMMUNITY]:
                self.problem = None
            fed = (one.feed for one in self._neighbours.values())
            feeds = [
                (feed.peer, feed.standing, feed.draining, feed.refused, feed.card, feed.card_refused)
                for feed in fed
                if feed is not None
            ]
            now = (
                self.reached, self.listening, self.problem, feeds, self.switched, frozenset(self.unanswered),
                self._noticed, self.near, self.nearby.problem, self.ways.places, frozenset(self.ways.found),
                frozenset(self.ways.none),
            )  # fmt: skip
            if now != told:
                told = now
                await self._listener.reach_changed(self.carrier.commons.id)


class _Once:
    """Tells that a task has started, the first time it is called."""

    def __init__(self, task_status: trio.TaskStatus[None]) -> None:
        self._status: trio.TaskStatus[None] | None = task_status

    def __call__(self) -> None:
        if self._status is not None:
            self._status.started()
            self._status = None
