"""One citizen's node: its archive and networks from start to end, its vault and core from unlock to lock.

DESIGN.md §2 and §5. Invariants: a profile is new, locked or unlocked, and only one change of that is under way; a wrong
passphrase changes nothing; a locked node holds no key of the vault and goes on carrying.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.carrying import Carrying
from tertulia.node.driver import Driver
from tertulia.node.problems import LOCKED, NEW, NOT_NEW
from tertulia.node.redaction import Event, log
from tertulia.node.resources import Resources
from tertulia.node.served import Served
from tertulia.node.shelf import Mark, Shelf
from tertulia.node.store.archive import Archive, archive_key
from tertulia.node.store.files import destroy
from tertulia.node.store.passphrase import DEFAULT_COST, Cost, WrongPassphrase, panic, read_wrap, write_wrap
from tertulia.node.store.problems import StoreError, damaged, of_another_version
from tertulia.node.store.vault import Vault
from tertulia.protocol.commons import LIMIT_ADDRESSES, Commons
from tertulia.protocol.core import Core, fresh
from tertulia.protocol.effects import View
from tertulia.protocol.errors import LocalError, Problem, RejectReason, RemoteError
from tertulia.protocol.inputs import (
    Ask,
    CardFollowed,
    CardProposed,
    ClockSeen,
    CommonsAdded,
    ConfirmClock,
    FrameKept,
    Reachable,
)
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.node.clock import Clock
    from tertulia.node.config import Config
    from tertulia.node.nearby import Seeker
    from tertulia.node.network import Tap
    from tertulia.node.profile import Profile
    from tertulia.protocol.commons_card import SignedCard
    from tertulia.protocol.commons_chain import Chain
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import CommonsId, DialogueId
    from tertulia.protocol.inputs import Command
    from tertulia.protocol.timekeeping import Timekeeping

MASTER_KEY: Final = 32
NICKLESS: Final = Problem(
    "You need a nickname.",
    "Nothing was made yet.",
    "Choose one; only the people you invite will see it.",
)

NAMING: Final = frozenset({View.STATUS, View.JOINS, View.DIALOGUES})
"""Views that change when the core learns more about a commons."""

Shown = Callable[[View, "DialogueId | None"], None]


class State(StrEnum):
    """What a profile is."""

    NEW = "new"
    LOCKED = "locked"
    UNLOCKED = "unlocked"


class Service:
    """A running node without any client. Tells the carriers' news to the core, if there is one."""

    def __init__(
        self,
        profile: Profile,
        config: Config,
        clock: Clock,
        *,
        tap: Tap | None = None,
        seeker: Seeker | None = None,
    ) -> None:
        self.profile, self.config, self.clock = profile, config, clock
        self.carrying: Carrying
        self.resources: Resources
        self.on_shown: list[Shown] = []
        """Called, in the service's task, when a view's rows have changed."""
        self._tap, self._seeker = tap, seeker
        self._shelf: Shelf
        self._vault: Vault | None = None
        self._driver: Driver | None = None
        self._driving = trio.CancelScope()
        self._drove = trio.Event()
        self._changing = trio.Lock()
        self._nursery: trio.Nursery

    @property
    def state(self) -> State:
        """What the profile is now."""
        if self._driver is not None:
            return State.UNLOCKED
        return State.NEW if self.profile.is_new else State.LOCKED

    @property
    def driver(self) -> Driver:
        """What drives the core. Raises LocalError unless unlocked."""
        if self._driver is None:
            raise LocalError(NEW if self.profile.is_new else LOCKED)
        return self._driver

    @property
    def core(self) -> Core:
        """The core as of its last batch; only to be looked at. Raises LocalError unless unlocked."""
        return self.driver.core

    async def ask(self, command: Command) -> dict[str, Value]:
        """Have the core carry out a command. Raises LocalError."""
        return await self.driver.ask(command)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the archive and carry, until cancelled; then lock. Raises LocalError (also StoreError)."""
        self._shelf = await trio.to_thread.run_sync(self._open_archive)
        network = self.config.network
        self.carrying = Carrying(
            self._shelf, self.clock, self,
            listen=network.listen, peers=network.peers, tap=self._tap, seeker=self._seeker,
        )  # fmt: skip
        self.resources = Resources(self.profile.vault)
        self.resources.look = lambda: None if self._driver is None else self._driver.core
        self.carrying.resources = self.resources
        self.carrying.on_gone = self._gone
        self.carrying.on_followed = self._card_followed
        self.carrying.on_proposed = self._card_proposed
        self._shelf.on_lowered = self._lowered
        self._shelf.watch.on_heard = self._clock_heard
        self._shelf.watch.on_changed = self.status_changed
        try:
            async with trio.open_nursery() as self._nursery:
                await self._nursery.start(self.carrying.run)
                task_status.started()
                await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await self._close_vault()
                await self._shelf.close()

    def _open_archive(self) -> Shelf:
        path = self.profile.archive
        key = archive_key(self.profile.archive_key)
        return Shelf(Archive.open(path, key) if os.path.lexists(path) else Archive.create(path, key))

    # New, locked, unlocked ------------------------------------------------------------------------------------------

    async def init(self, nick: str, passphrase: str, cost: Cost = DEFAULT_COST) -> float:
        """Make the vault and leave it unlocked; returns the seconds that hashing the passphrase took.

        Raises LocalError; then the profile is as new as before.
        """
        name = clean_name(nick)
        if not name:
            raise LocalError(NICKLESS)
        async with self._changing:
            if not self.profile.is_new:
                raise LocalError(NOT_NEW)
            vault, seconds = await trio.to_thread.run_sync(self._make_vault, name, passphrase, cost)
            log(Event.INITIALISED, mib=cost.mib, ops=cost.ops)
            await self._open(vault)
        return seconds

    def _make_vault(self, nick: str, passphrase: str, cost: Cost) -> tuple[Vault, float]:
        self.profile.set_aside_vault()
        key = os.urandom(MASTER_KEY)
        vault = Vault.create(self.profile.vault, key)
        try:
            vault.commit(fresh(nick))
            began = time.perf_counter()
            # The wrap comes last: with it the profile is no longer new, and everything it opens is on the disk.
            write_wrap(self.profile.wrap, key, passphrase, cost)
            return vault, time.perf_counter() - began
        except BaseException:
            vault.close()
            raise

    async def unlock(self, passphrase: str) -> None:
        """Open the vault and start the core. Raises LocalError; then nothing has changed."""
        async with self._changing:
            if self.profile.is_new:
                raise LocalError(NEW)
            try:
                key = await trio.to_thread.run_sync(read_wrap, self.profile.wrap, passphrase)
            except WrongPassphrase:
                log(Event.WRONG_PASSPHRASE)
                raise
            if self._driver is None:
                await self._open(await trio.to_thread.run_sync(Vault.open, self.profile.vault, key))

    async def lock(self) -> None:
        """Forget the core and every key of the vault; carrying goes on."""
        async with self._changing:
            await self._close_vault()

    async def panic(self) -> None:
        """Destroy the wrap, so that no passphrase opens this vault again; then the keys in memory, then the files.

        The wrap goes first and waits for nothing, not even for an unlocking under way. Raises StoreError when a file
        could not be removed.
        """
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(panic, self.profile.wrap)
            log(Event.PANIC)
            await trio.to_thread.run_sync(destroy, self.profile.archive_key)
            async with self._changing:
                await self._close_vault()
            await trio.to_thread.run_sync(self.profile.remove_stores)

    async def _open(self, vault: Vault) -> None:
        driver = Driver(vault, self._shelf, self.carrying, self.clock, os.urandom)
        try:
            await driver.load()
        except (RemoteError, KeyError, ValueError) as wrong:
            await trio.to_thread.run_sync(vault.close)
            if isinstance(wrong, RemoteError) and wrong.reason is RejectReason.VERSION:
                raise of_another_version(self.profile.vault, "the vault") from wrong
            raise damaged(self.profile.vault, "the vault") from wrong
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(vault.close)
            raise
        await self._introduce(driver)
        self._vault, self._driver = vault, driver
        for carried in self.carrying:  # only now: from here on the core is told itself
            key = carried.served.commons.id
            await driver.feed(CardFollowed(key, carried.keeper.chain))
            for proposal in carried.keeper.proposals:
                await driver.feed(CardProposed(key, proposal))
        self._driving, self._drove = trio.CancelScope(), trio.Event()
        self._nursery.start_soon(self._drive, driver, self._driving, self._drove)
        log(Event.UNLOCKED)
        self._tell_all()

    async def _introduce(self, driver: Driver) -> None:
        """Make archive and vault agree on the commons, and tell the core where it stands."""
        await self.carrying.ready()
        await self._shelf.watch.look(self.clock())
        if self._shelf.watch.vouches(driver.core.time.known):  # it ran while the vault was locked
            await driver.feed(Ask(0, ConfirmClock()))
        for commons in driver.core.commons.values():
            await self.carrying.add(Served(commons))
            await self.carrying.learn(commons)
        for carried in self.carrying:
            commons = carried.served.commons
            if commons.id not in driver.core.commons:
                await driver.feed(CommonsAdded(commons))
            driver.fresh(commons.id)
            await driver.feed(Reachable(commons.id, carried.network.reached))

    async def _drive(self, driver: Driver, scope: trio.CancelScope, done: trio.Event) -> None:
        try:
            with scope:
                await driver.run(self._shown)
        finally:
            done.set()

    async def _close_vault(self) -> None:
        if self._driver is None:
            return
        driver, vault = self._driver, self._vault
        self._driver = self._vault = None
        self._driving.cancel()
        await self._drove.wait()
        del driver
        if vault is not None:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(vault.close)
        log(Event.LOCKED)
        self._tell_all()

    async def confirm_clock(self) -> dict[str, Value]:
        """The person says that this machine's clock is right. Raises LocalError unless unlocked."""
        answer = await self.ask(ConfirmClock())
        await self._shelf.watch.confirm(self.clock())
        return answer

    @property
    def time(self) -> Timekeeping:
        """What the clock is worth: in doubt when it is to the vault, or to the archive."""
        archive = self._shelf.watch.time
        return self._driver.core.time if self._driver is not None and archive.is_sure else archive

    # Commons --------------------------------------------------------------------------------------------------------

    async def serve(self, served: Served) -> None:
        """Serve a commons from now on and let the core know it; of one that is served already, learn new addresses.

        Raises LocalError.
        """
        driver = self.driver
        carried = await self.carrying.add(served)
        commons = with_addresses(carried.served.commons, served.commons)
        if driver.core.commons.get(commons.id) != commons:
            await self.carrying.learn(commons)
            await driver.feed(CommonsAdded(commons))
            await driver.until(lambda core: core.commons.get(commons.id) == commons)
        self.status_changed()

    # What the carriers tell -----------------------------------------------------------------------------------------

    def arrived(self, commons: CommonsId) -> None:
        """New frames have been archived."""
        if self._driver is not None:
            self._driver.fresh(commons)

    async def kept(self, kept: FrameKept) -> None:
        """A peer holds a frame of ours."""
        if self._driver is not None:
            await self._driver.feed(kept)

    async def _clock_heard(self, neighbour: str, clock: int) -> None:
        if self._driver is not None:
            await self._driver.feed(ClockSeen(neighbour, clock))

    async def reach_changed(self, commons: CommonsId) -> None:
        """The number of peers in step, or the trouble with network or disk, has changed."""
        carried = self.carrying.get(commons)
        if carried is not None:
            log(Event.PEERS, peers=carried.network.reached)
            if self._driver is not None:
                await self._driver.feed(Reachable(commons, carried.network.reached))
        self.status_changed()

    def _gone(self, commons: CommonsId, frames: Sequence[Frame]) -> None:
        """Frames came that are over a quota: the core reads them now or never."""
        if self._driver is not None:
            self._driver.passing(commons, frames)

    async def _card_followed(self, commons: CommonsId, chain: Chain) -> None:
        if self._driver is not None:
            await self._driver.feed(CardFollowed(commons, chain))
        self.status_changed()

    async def _card_proposed(self, commons: CommonsId, card: SignedCard) -> None:
        if self._driver is not None:
            await self._driver.feed(CardProposed(commons, card))

    # What others are told -------------------------------------------------------------------------------------------

    def status_changed(self) -> None:
        """Something that the status shows has changed."""
        self._tell(View.STATUS, None)

    def _shown(self, view: View, dialogue: DialogueId | None) -> None:
        if view in NAMING and self._driver is not None:
            for commons in self._driver.core.commons.values():
                carried = self.carrying.get(commons.id)
                if carried is not None and carried.served.commons != commons:
                    self._nursery.start_soon(self._learn, commons.id)
        self._tell(view, dialogue)

    async def _learn(self, commons: CommonsId) -> None:
        if self._driver is None:
            return
        try:
            await self.carrying.learn(self._driver.core.commons[commons])
        except StoreError:
            log(Event.COMMIT_FAILED)  # it is learnt again at the next unlock
        self.status_changed()

    def _tell_all(self) -> None:
        for view in View:
            self._tell(view, None)

    def _tell(self, view: View, dialogue: DialogueId | None) -> None:
        for shown in self.on_shown:
            shown(view, dialogue)

    def _lowered(self, last: Mark) -> None:
        if self._driver is not None:
            self._driver.lowered(last)


def with_addresses(known: Commons, told: Commons) -> Commons:
    """What is known of a commons, and the addresses that somebody told of the same seed, these first."""
    if told.peer != known.peer:
        return known
    addresses = tuple(dict.fromkeys(told.addresses + known.addresses))
    return replace(known, addresses=addresses[:LIMIT_ADDRESSES])
