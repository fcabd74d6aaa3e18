"""A modelled citizen's node: a real core, and around it what `node.driver` and `node.carrier` do, in virtual time.

docs/spec/core.md §1, docs/spec/carrying.md. Invariants: nothing is answered, published or timed before its batch is on
the disk; a refused commit drops the overlay, refuses the asks and tries everything else again; a node that dies keeps
`disk` and `archive`, nothing more; a frame is judged and archived before it is handed on or reaches the core.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never, cast

from tertulia.bootstrap.mesh.archive import Archive, Carried
from tertulia.bootstrap.mesh.disk import Disk, NoRoom, PowerLost, Range, Row
from tertulia.node.own_frames import OwnFrames
from tertulia.protocol import frame as frames
from tertulia.protocol import hpke
from tertulia.protocol.core import Core
from tertulia.protocol.effects import (
    Changed,
    ClearTimer,
    Effect,
    Erase,
    HpkeSeal,
    Publish,
    Put,
    Refuse,
    Reply,
    Rescan,
    SetTimer,
)
from tertulia.protocol.errors import Problem
from tertulia.protocol.inputs import (
    Ask,
    Command,
    CommonsAdded,
    FrameArrived,
    FrameKept,
    HpkeSealed,
    Input,
    Reachable,
    TimerFired,
)
from tertulia.protocol.turn import MS_PER_MINUTE, Turn

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.dice import Dice
    from tertulia.bootstrap.mesh.world import World
    from tertulia.node.substrate import PeerId

LIMIT_BATCH: Final = 256
"""Inputs of one batch, as in `node.batch`."""
TURN_MS: Final = 50
"""How long inputs gather before the core looks at them."""
PAUSE_MS: Final = 2_000
"""After a refused commit, everything is tried again this much later."""
SEAL_MS: Final = 20
"""How long a worker seals."""
FULL: Final = Problem("The disk is full.", "Nothing was kept or sent.", "Make room, then try again.")

Answer = Callable[[Reply | Refuse], None]
Deed = Callable[[Core, Turn], None]
"""What a hostile citizen does to their own core, outside every command."""


@dataclass(slots=True)
class Manners:
    """How a citizen treats what passes through their hands. The honest pass everything on at once and serve anyone."""

    drops: bool = False
    delays: int = 0


@dataclass(slots=True)
class Node:
    """One citizen. `core` is None while the node is down; `life` counts its starts."""

    number: int
    name: str
    world: World = field(repr=False)
    dice: Dice = field(repr=False)
    entropy: Callable[[int], bytes] = field(repr=False)
    skew: int
    disk: Disk = field(default_factory=Disk, repr=False)
    archive: Archive = field(default_factory=Archive, repr=False)
    neighbours: tuple[int, ...] = ()
    manners: Manners = field(default_factory=Manners)
    hostile: bool = False
    doomed: int | None = None
    """The machine dies when so many effects of the next batch have been done."""
    core: Core | None = field(default=None, repr=False)
    life: int = 0
    in_step: set[int] = field(default_factory=set)
    own: OwnFrames = field(default_factory=OwnFrames, repr=False)
    _inbox: deque[Input] = field(default_factory=deque, repr=False)
    _deeds: deque[Deed] = field(default_factory=deque, repr=False)
    _answers: dict[int, Answer] = field(default_factory=dict, repr=False)
    _timers: dict[str, int] = field(default_factory=dict, repr=False)
    _seen: set[int] = field(default_factory=set, repr=False)
    _unkept: dict[int, Carried] = field(default_factory=dict, repr=False)
    _cursor: int = 0
    _rescan: tuple[Range, deque[int]] | None = field(default=None, repr=False)
    _awake: bool = False
    _asked: int = 0

    @property
    def now(self) -> int:
        """What this node's clock shows, in milliseconds since the Unix epoch."""
        return self.world.loop.now + self.skew

    @property
    def up(self) -> bool:
        """Whether the node runs."""
        return self.core is not None

    @property
    def idle(self) -> bool:
        """Nothing waits for the core, and the core waits for nothing that is on its way."""
        waiting = self._inbox or self._deeds or self._answers or self._unkept or self.disk.rescans
        return not waiting and self._cursor >= len(self.archive.rows)

    # Life and death -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load the core from the rows, and go on where it stopped."""
        self.disk.recover()
        core = Core.load(self.disk.read(), self.entropy)
        self.world.oracle.loaded(self, core)
        self.life += 1
        overlay = core.stage()
        rows, effects = _parted(overlay.start(self.now))
        self._cursor, self._rescan = self.disk.cursor, None
        self.disk.commit(rows, self._cursor, _with_rescans(self.disk.rescans, effects))
        self.core = overlay
        self.world.started(self)
        self._do(effects)
        if self.world.commons.id not in overlay.commons:
            self.feed(CommonsAdded(self.world.commons))
        self.feed(Reachable(self.world.commons.id, 0))

    def die(self) -> None:
        """Lose everything that is not on the disk."""
        self.core = None
        self.own = OwnFrames()
        for memory in (self._inbox, self._deeds, self._answers, self._timers, self._seen, self._unkept, self.in_step):
            memory.clear()
        self._awake, self._rescan, self.doomed = False, None, None

    def then(self, milliseconds: int, work: Callable[[], None]) -> None:
        """Do this so much later, unless the node has died meanwhile."""
        life = self.life

        def still() -> None:
            if self.core is not None and self.life == life:
                work()

        self.world.loop.after(milliseconds, still)

    def set_clock(self, skew: int) -> None:
        """The clock is set anew; timers are looked at again."""
        self.skew = skew
        for name, at in tuple(self._timers.items()):
            self._arm(name, at)

    # What comes in --------------------------------------------------------------------------------------------------

    def feed(self, given: Input) -> None:
        """Hand the core an input."""
        self._inbox.append(given)
        self._wake()

    def ask(self, command: Command, answer: Answer) -> None:
        """Ask the core for something. If the node dies first, nobody is answered."""
        self._asked += 1
        self._answers[self._asked] = answer
        self.feed(Ask(self._asked, command))

    def force(self, deed: Deed) -> None:
        """Do something to the core that no command allows."""
        self._deeds.append(deed)
        self._wake()

    def reach(self, neighbour: int, *, reached: bool) -> None:
        """A neighbour is in step with us, or has gone."""
        if reached != (neighbour in self.in_step):
            (self.in_step.add if reached else self.in_step.discard)(neighbour)
            self.feed(Reachable(self.world.commons.id, len(self.in_step)))

    # The batch loop -------------------------------------------------------------------------------------------------

    def _wake(self, after: int = TURN_MS) -> None:
        if not self._awake and self.core is not None:
            self._awake = True
            self.then(after, self._turn)

    def _turn(self) -> None:
        self._awake = False
        assert self.core is not None
        overlay = self.core.stage()
        cursor, rescans = self._cursor, self.disk.rescans
        made: list[Effect] = []
        asks: list[Input] = []
        deeds = tuple(self._deeds)
        self._deeds.clear()
        for given in self._gather():
            made += overlay.handle(given, self.now)
            if not isinstance(given, FrameArrived):
                asks.append(given)
        for deed in deeds:
            turn = Turn(self.now, self.entropy)
            deed(overlay, turn)
            made += turn.effects
        made += overlay.settle(self.now)
        rows, effects = _parted(made)
        if self._rescan is not None and not self._rescan[1]:
            rescans = tuple(one for one in rescans if one != self._rescan[0])
        rescans = _with_rescans(rescans, effects)
        self.disk.full = self.world.vault_refuses(self)
        try:
            if rows or rescans != self.disk.rescans:
                self.disk.commit(rows, self._cursor, rescans)
        except NoRoom:
            self._drop(asks, deeds, cursor)
            return
        except PowerLost:
            self.world.died(self)
            return
        if self._rescan is not None and (self._rescan[0] not in rescans or self._rescan[0] in _wanted(effects)):
            self._rescan = None  # done, or asked for again: from its beginning
        self.core = overlay
        self.world.oracle.committed(self, asks, rows)
        self._do(effects)
        if self.core is not None and (self._inbox or self._hungry):
            self._wake()

    @property
    def _hungry(self) -> bool:
        return self._cursor < len(self.archive.rows) or bool(self.disk.rescans)

    def _gather(self) -> Iterator[Input]:
        """What people and machines brought, then frames that were never tried, then those to be tried again."""
        left = LIMIT_BATCH
        while self._inbox and left:
            left -= 1
            yield self._inbox.popleft()
        commons = self.world.commons.id
        while self._cursor < len(self.archive.rows) and left:
            one = self.archive.rows[self._cursor]
            self._cursor += 1
            if one is not None:
                left -= 1
                yield FrameArrived(commons, one.frame)
        if self._rescan is None and self.disk.rescans:
            wanted = self.disk.rescans[0]
            self._rescan = wanted, deque(self.archive.between(*wanted))
        while self._rescan is not None and self._rescan[1] and left:
            one = self.archive.rows[self._rescan[1].popleft()]
            if one is not None:
                left -= 1
                yield FrameArrived(commons, one.frame)

    def _drop(self, asks: Collection[Input], deeds: Collection[Deed], cursor: int) -> None:
        """The commit was refused: asks are refused, the rest comes again."""
        self._cursor, self._rescan = cursor, None
        self._deeds.extendleft(reversed(tuple(deeds)))
        for given in reversed(tuple(asks)):
            if isinstance(given, Ask):
                self._answer(Refuse(given.id, FULL))
            else:
                self._inbox.appendleft(given)
        self._wake(PAUSE_MS)

    # What goes out --------------------------------------------------------------------------------------------------

    def _do(self, effects: list[Effect]) -> None:
        published: list[Carried] = []
        for done, effect in enumerate(effects):
            if self.doomed is not None and done >= self.doomed:
                self.world.died(self)
                return
            match effect:
                case Publish(_, frame):
                    published.append(self.world.carried(frame))
                case HpkeSeal():
                    self.then(SEAL_MS, lambda job=effect: self._seal(job))  # type: ignore[misc]
                case SetTimer(name, at):
                    self._timers[name] = at
                    self._arm(name, at)
                case ClearTimer(name):
                    self._timers.pop(name, None)
                case Reply() | Refuse():
                    self._answer(effect)
                case Rescan():
                    self._wake()
                case Changed() | Put() | Erase():
                    pass
                case _:
                    assert_never(effect)
        if published:
            self.world.oracle.published(self, published)
            self.publish(published)

    def _answer(self, answer: Reply | Refuse) -> None:
        told = self._answers.pop(answer.id, None)
        if told is not None:
            told(answer)

    def _seal(self, job: HpkeSeal) -> None:
        sealed = tuple(hpke.seal(one.public, one.info, one.plaintext) for one in job.requests)
        self.feed(HpkeSealed(job.job, sealed))

    def _arm(self, name: str, at: int) -> None:
        def due() -> None:
            if self._timers.get(name) == at:
                if self.now < at:
                    self._arm(name, at)
                    return
                del self._timers[name]
                self.feed(TimerFired(name))

        self.then(max(1, at - self.now), due)

    # Carrying -------------------------------------------------------------------------------------------------------

    def publish(self, batch: Collection[Carried]) -> None:
        """Archive frames of ours and gossip them; sessions bring them to those whom gossip does not reach."""
        if not self.keep(batch):
            self._unkept.update((one.number, one) for one in batch)
            self.then(PAUSE_MS, self._publish_again)
            return
        self.own.add([one.frame for one in batch])
        for one in batch:
            self._seen.add(one.number)
            self._pass_on(one, self.number)
        self.world.offer_soon(self)

    def _publish_again(self) -> None:
        batch = tuple(self._unkept.values())
        self._unkept.clear()
        if batch:
            self.publish(batch)

    def gossip(self, one: Carried) -> None:
        """Hand a frame to every neighbour, whatever it is."""
        self._pass_on(one, self.number)

    def _pass_on(self, one: Carried, source: int) -> None:
        for neighbour in self.neighbours:
            if neighbour != source:
                other = self.world.nodes[neighbour]
                self.world.links.send(self.number, neighbour, lambda other=other: other.hear(one, self.number))  # type: ignore[misc]

    def hear(self, one: Carried, sender: int) -> None:
        """A frame from gossip: judged, then archived, then handed on."""
        if self.core is None or one.frame.minute not in frames.gossip_window(self.now):
            return
        if not one.genuine or one.number in self._seen:
            return
        self._seen.add(one.number)
        if not self.keep((one,)):
            self._seen.discard(one.number)
        elif not self.manners.drops:
            if self.manners.delays:
                self.then(self.manners.delays, lambda: self._pass_on(one, sender))
            else:
                self._pass_on(one, sender)

    def keep(self, batch: Collection[Carried]) -> bool:
        """Archive frames. False when the disk refused: nothing was kept."""
        if self.world.archive_refuses(self):
            return False
        for one in batch:
            self.archive.add(one)
        if self._hungry:
            self._wake()
        return True

    def accepts(self, one: Carried) -> bool:
        """Judge a frame from a session."""
        window = frames.sync_window(self.now, self.world.commons.retention_days)
        return one.genuine and one.frame.minute in window

    def told_kept(self, one: Carried, peer: int) -> None:
        """A peer says that it holds this frame."""
        if self.own.holds(_peer(peer), one.frame.id):
            self.feed(FrameKept(one.frame.id, str(peer)))

    def owed(self, peer: int) -> tuple[tuple[Carried, ...], int]:
        """Frames of ours that this peer has not been heard about, and the lowest of their minutes."""
        owed = tuple(self.world.registry[key] for key in self.own.owed(_peer(peer)))
        return owed, min((one.frame.minute for one in owed), default=0)

    def unheard(self, peer: int, first: int) -> list[Carried]:
        """Frames of ours, of minute `first` or later and archived, that this peer is not known to hold."""
        unheard = (self.world.registry[frame] for minute, frame in self.own.unheard(_peer(peer)) if minute >= first)
        return [one for one in unheard if one in self.archive]

    def settle(self, peer: int, offered: Collection[Carried]) -> None:
        """A whole session is over: what the peer did not take of these it will not take."""
        self.own.settle(_peer(peer), [one.frame.id for one in offered])

    def housekeep(self) -> None:
        """Let go of frames beyond the retention."""
        oldest = self.now // MS_PER_MINUTE - self.world.commons.retention_days * 24 * 60
        self.archive.evict(oldest)
        self.own.forget_before(oldest)
        if len(self._seen) > 65_536:
            self._seen.clear()


def _peer(number: int) -> PeerId:
    return cast("PeerId", str(number))


def _parted(effects: Collection[Effect]) -> tuple[list[Row], list[Effect]]:
    rows: list[Row] = []
    others: list[Effect] = []
    for effect in effects:
        if isinstance(effect, Put | Erase):
            rows.append(effect)
        else:
            others.append(effect)
    return rows, others


def _with_rescans(known: tuple[Range, ...], effects: Collection[Effect]) -> tuple[Range, ...]:
    """The minutes to be tried again, with those that these effects ask for."""
    wanted = _wanted(effects)
    return tuple(dict.fromkeys((*(one for one in known if one not in wanted), *wanted)))


def _wanted(effects: Collection[Effect]) -> list[Range]:
    return [(one.first, one.last) for one in effects if isinstance(one, Rescan)]
