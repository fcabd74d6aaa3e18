"""Every commons this node serves: carried from start to end, whether the vault is open or not.

DESIGN.md §5 *At rest* (lock closes the vault; a resident node goes on carrying) and §6. Invariants: what is served
stands in the archive before it is on the network; each commons has its own host, and none can tell of another.
libp2p takes most of a second to load, so it is loaded beside what clients ask first, not before it.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import trio

from tertulia.node.card_keeper import CardKeeper
from tertulia.node.problems import MANY_COMMONS, NO_SEEKER, UNREADABLE_COMMONS
from tertulia.node.reach import Reach, decide, relayed
from tertulia.node.redaction import Event, log
from tertulia.node.served import Served, read_record
from tertulia.node.store.problems import StoreError
from tertulia.protocol.errors import LocalError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tertulia.node.carrier import Carrier, Listener
    from tertulia.node.clock import Clock
    from tertulia.node.nearby import Seeker
    from tertulia.node.network import Network, Tap
    from tertulia.node.resources import Resources
    from tertulia.node.shelf import Shelf
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.commons_card import CommonsCard, Relay, SignedCard
    from tertulia.protocol.commons_chain import Chain
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import CommonsId

LIMIT_COMMONS: Final = 16
"""Commons one node serves; each has a host of its own."""
LIMIT_TRIED: Final = 8
"""Pasted relays that are dialled for one commons."""

T = TypeVar("T")
Heard: TypeAlias = "Callable[[CommonsId, T], Awaitable[None]]"


def _nobody(_commons: CommonsId, _frames: Sequence[Frame]) -> None:
    """Until somebody wants to hear of them."""


@dataclass(slots=True)
class Carried:
    """A commons, its frames and its network."""

    served: Served
    carrier: Carrier
    network: Network
    keeper: CardKeeper
    chosen: Reach | None = None
    """The reach that was chosen, by the person or by a card that listed relays: never left for a barer one unasked."""
    tried: tuple[Relay, ...] = ()
    """Relays whose address the person pasted."""
    through: tuple[str, ...] = ()
    """Addresses of members through a relay, pasted by the person; dialled in direct reach alone."""
    lan: bool = False
    """The person chose to look for members on the local network."""

    @property
    def card(self) -> CommonsCard | None:
        """The commons' card that is followed."""
        return self.keeper.chain[-1].card if self.keeper.chain else None

    @property
    def reach(self) -> Reach:
        """How this node is reached in the commons."""
        return decide(self.chosen, self.card)


class Carrying:
    """All of them."""

    def __init__(
        self,
        shelf: Shelf,
        clock: Clock,
        listener: Listener,
        *,
        listen: tuple[str, ...] = (),
        peers: tuple[str, ...] = (),
        tap: Tap | None = None,
        seeker: Seeker | None = None,
    ) -> None:
        self._shelf, self._clock, self._listener = shelf, clock, listener
        self._listen, self._peers, self._tap, self._seeker = listen, peers, tap, seeker
        self.on_gone: Callable[[CommonsId, Sequence[Frame]], None] = _nobody
        """Told of frames that are valid, and over a quota: nobody will find them in the archive."""
        self.on_followed: Heard[Chain] | None = None
        """Told when another card of a commons is followed."""
        self.on_proposed: Heard[SignedCard] | None = None
        """Told of a card that lacks signatures."""
        self.resources: Resources | None = None
        """The files of dialogues, served beside frames; a relay has none."""
        self._all: dict[CommonsId, Carried] = {}
        self._named: tuple[Served, ...] = ()
        self._begun = trio.Event()
        self._adding = trio.Lock()
        self._nursery: trio.Nursery

    def __iter__(self) -> Iterator[Carried]:
        return iter(tuple(self._all.values()))

    @property
    def served(self) -> tuple[Served, ...]:
        """What this node serves, also before it is on the network."""
        return tuple(carried.served for carried in self) if self._begun.is_set() else self._named

    def get(self, commons: CommonsId) -> Carried | None:
        """This commons as it is carried here, if it is."""
        return self._all.get(commons)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry what the archive names, and what is added, until cancelled. Raises StoreError, LocalError."""
        rows = await self._shelf.run(lambda archive: archive.commons())
        try:
            self._named = tuple(read_record(row.record, row.seed) for row in rows)
        except RemoteError as damaged:
            raise LocalError(UNREADABLE_COMMONS) from damaged
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.to_thread.run_sync(importlib.import_module, "tertulia.node.network")
            for served in self._named:
                carried = self._begin(served)
                await self._settle(carried)
                self._nursery.start_soon(self._carry, carried)
            self._begun.set()
            await trio.sleep_forever()

    async def ready(self) -> None:
        """Wait until everything that is served is on its way to the network."""
        await self._begun.wait()

    async def add(self, served: Served) -> Carried:
        """Serve a commons from now on, at every start. Raises LocalError, StoreError; then it is not served."""
        await self._begun.wait()
        async with self._adding:
            known = self._all.get(served.commons.id)
            if known is not None:
                return known
            if len(self._all) >= LIMIT_COMMONS:
                raise LocalError(MANY_COMMONS)
            await self._keep(served)
            carried = self._begin(served)
            await self._settle(carried)
            await self._nursery.start(self._carry, carried)
            return carried

    async def choose(self, commons: CommonsId, reach: Reach) -> None:
        """Take this reach from now on, at every start. Raises StoreError; then nothing has changed."""
        carried = self._all[commons]
        await self._remember(carried, reach)
        self._go(carried)

    async def look_around(self, commons: CommonsId, *, on: bool) -> None:
        """Look for members on the local network or not, from now on. Raises LocalError, StoreError."""
        carried = self._all[commons]
        if on and self._seeker is None:
            raise LocalError(NO_SEEKER)
        key = _lan_setting(carried)
        await self._shelf.run(lambda archive: archive.put_setting(key, b"on" if on else b"off"))
        carried.lan = on
        self._go(carried)

    def try_relay(self, commons: CommonsId, relay: Relay) -> None:
        """Dial this relay too, until this node ends."""
        carried = self._all[commons]
        carried.tried = (relay, *(one for one in carried.tried if one.peer != relay.peer))[:LIMIT_TRIED]
        self._go(carried)

    def try_through(self, commons: CommonsId, address: str) -> None:
        """Look for a direct way to the member with this address, `…/p2p-circuit/p2p/…`, until this node ends."""
        carried = self._all[commons]
        carried.through = tuple(dict.fromkeys((address, *carried.through)))[:LIMIT_TRIED]
        self._go(carried)

    async def follow(self, commons: CommonsId, chain: Chain) -> None:
        """Follow a card that the core made or heard of, if it is to be followed."""
        await self._all[commons].keeper.follow(chain)

    async def learn(self, commons: Commons) -> None:
        """The core knows this commons better (its name, its retention). Raises StoreError."""
        await self._begun.wait()
        carried = self._all.get(commons.id)
        if carried is not None and carried.served.commons != commons:
            served = replace(carried.served, commons=commons)
            await self._keep(served)
            carried.served, carried.carrier.commons = served, commons
            carried.keeper.learn(commons)

    async def publish(self, commons: CommonsId, frames: Sequence[Frame]) -> None:
        """Archive frames of ours and send them."""
        carried = self._all.get(commons)
        if carried is not None:
            await carried.carrier.publish(frames)

    async def _keep(self, served: Served) -> None:
        key, record, seed = served.commons.id, served.record, served.seed
        await self._shelf.run(lambda archive: archive.put_commons(key, record))
        if seed is not None:
            await self._shelf.run(lambda archive: archive.put_seed(key, seed))

    def _let_go(self, commons: CommonsId, frames: Sequence[Frame]) -> None:
        """Pass on what is gone, to whoever is there to hear it by then."""
        self.on_gone(commons, frames)

    def _begin(self, served: Served) -> Carried:
        from tertulia.node.carrier import Carrier
        from tertulia.node.network import Network

        carrier = Carrier(served.commons, self._shelf, self._clock, self._listener)
        listen = served.listen or self._listen
        network = Network(carrier, listen, served.seed, self._peers, self._listener, self._seeker)
        network.tap = self._tap
        network.resources = self.resources
        keeper = CardKeeper(served.commons, self._shelf, self._clock)
        carried = Carried(served, carrier, network, keeper)
        carrier.heeds = keeper.look
        carrier.lets_go = self._let_go
        keeper.on_followed = partial(self._followed, carried)
        keeper.on_proposed = partial(self._proposed, carried)
        self._all[served.commons.id] = carried
        return carried

    # Card and reach -------------------------------------------------------------------------------------------------

    async def _settle(self, carried: Carried) -> None:
        """Take up card and reach as the archive has them, before anyone is dialled. Raises StoreError."""
        key = _reach_setting(carried)
        chosen = await self._shelf.run(lambda archive: archive.setting(key))
        carried.chosen = None if chosen is None else Reach(chosen.decode())
        lan = _lan_setting(carried)
        looks = await self._shelf.run(lambda archive: archive.setting(lan))
        carried.lan = looks == b"on" and self._seeker is not None
        await carried.keeper.load()
        self._go(carried)

    async def _carry(
        self, carried: Carried, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(carried.keeper.run, carried.carrier.publish)
            await nursery.start(carried.network.run, self._clock)
            task_status.started()

    async def _followed(self, carried: Carried, chain: Chain) -> None:
        if carried.chosen is None and carried.reach is Reach.RELAYED:
            try:
                await self._remember(carried, Reach.RELAYED)
            except StoreError:
                log(Event.COMMIT_FAILED)  # the card itself says so at the next start
        self._go(carried)
        if self.on_followed is not None:
            await self.on_followed(carried.served.commons.id, chain)

    async def _proposed(self, carried: Carried, card: SignedCard) -> None:
        if self.on_proposed is not None:
            await self.on_proposed(carried.served.commons.id, card)

    async def _remember(self, carried: Carried, reach: Reach) -> None:
        key = _reach_setting(carried)
        await self._shelf.run(lambda archive: archive.put_setting(key, reach.value.encode()))
        carried.chosen = reach

    def _go(self, carried: Carried) -> None:
        """Let the network know whom to dial."""
        plan = relayed(carried.card, carried.tried)
        if carried.reach is Reach.RELAYED:
            carried.network.go(plan, lan=carried.lan)
        else:
            also = tuple(address for known in plan.relays.values() for address in known)
            carried.network.go(None, (*carried.through, *also), lan=carried.lan)


def _reach_setting(carried: Carried) -> str:
    return f"reach {carried.served.commons.id.hex()}"


def _lan_setting(carried: Carried) -> str:
    return f"lan {carried.served.commons.id.hex()}"
