"""One world: who there is, how they are connected, what goes wrong when, and how it ends.

docs/guide/mesh.md; GOALS R2, B3. Troubles come for `days`; then links, disks and clocks are mended, everybody is up,
and after `rest` there must come a moment at which nothing is on its way any more. Invariants: everything is drawn
from the seed; an exception anywhere in a core is a finding, never an end without a report.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tertulia.bootstrap.mesh.archive import Carried
from tertulia.bootstrap.mesh.dice import dice, spread
from tertulia.bootstrap.mesh.links import Links
from tertulia.bootstrap.mesh.loop import Loop
from tertulia.bootstrap.mesh.mischief import Mischief, manners
from tertulia.bootstrap.mesh.node import Node
from tertulia.bootstrap.mesh.oracle import Oracle
from tertulia.bootstrap.mesh.people import People
from tertulia.bootstrap.mesh.scenario import Scenario
from tertulia.bootstrap.mesh.session import LIMIT_FAILURES, RETRY_MS, Session
from tertulia.bootstrap.mesh.trace import Trace
from tertulia.protocol import frame as frames
from tertulia.protocol.commons import Commons
from tertulia.protocol.core import fresh
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.frame import MINUTE_STEP, Frame, Window
from tertulia.protocol.ids import FrameId

BEGINNING: Final = 1_900_000_800_000
"""When every world begins: a day in March 2030, in milliseconds since the Unix epoch."""
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
SOON_MS: Final = 250
"""How long after publishing the neighbours are offered what gossip may not have brought them."""
LIMIT_UNREST: Final = 12 * HOUR
"""How long after the rest everything may still be on its way."""
ANY: Final = Window(0, 2**32)


@dataclass(slots=True)
class World:
    """Everything of one run."""

    scenario: Scenario
    seed: int
    keeping: bool = False
    loop: Loop = field(default_factory=lambda: Loop(BEGINNING))
    nodes: list[Node] = field(default_factory=list)
    registry: dict[FrameId, Carried] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    healed: bool = False
    links: Links = field(init=False)
    commons: Commons = field(init=False)
    needle: str = field(init=False)
    trace: Trace = field(init=False)
    oracle: Oracle = field(init=False)
    people: People = field(init=False)
    mischief: Mischief = field(init=False)
    _failures: Counter[tuple[int, int]] = field(default_factory=Counter)
    _busy: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        first = dice(self.seed, "world")
        self.trace = Trace(self.keeping)
        self.needle = "zz" + first.randbytes(6).hex()
        self.links = Links(self.loop, dice(self.seed, "links"), self.scenario.links)
        days = self.scenario.retention_days
        where = ("/ip4/192.0.2.7/tcp/4001",)
        self.commons = Commons(first.randbytes(32), 1, f"Aldea {self.needle}", days, where, bytes(32))
        self.oracle = Oracle(self)
        self._settle_citizens()
        self.people = People(self, dice(self.seed, "people"))
        self.mischief = Mischief(self, dice(self.seed, "mischief"))

    @property
    def elapsed(self) -> int:
        """Milliseconds since the world began."""
        return self.loop.now - BEGINNING

    @property
    def honest(self) -> list[Node]:
        """Those who keep the protocol."""
        return [node for node in self.nodes if not node.hostile]

    def note(self, *words: object) -> None:
        """Write down what happened."""
        self.trace.note(self.elapsed, *words)

    # Who there is ---------------------------------------------------------------------------------------------------

    def _settle_citizens(self) -> None:
        scenario, draw = self.scenario, dice(self.seed, "citizens")
        skew = scenario.clocks.skew
        hostile = round(scenario.hostile.share * scenario.nodes)
        for number in range(scenario.nodes):
            found = Node(
                number,
                f"{self.needle} {number}",
                self,
                dice(self.seed, f"node {number}"),
                dice(self.seed, f"entropy {number}").randbytes,
                draw.randint(-skew, skew),
                hostile=number >= scenario.nodes - hostile,
            )
            for put in fresh(found.name):
                found.disk.rows.setdefault(put.table, {})[put.key] = put.value
            if found.hostile:
                found.manners = manners(scenario.hostile.acts, draw)
            self.nodes.append(found)
        self._connect()

    def _connect(self) -> None:
        """The honest in a ring, so that no hostile neighbour stands between them; then at random up to the degree."""
        draw = dice(self.seed, "topology")
        edges: set[frozenset[int]] = set()
        ring = [node.number for node in self.honest]
        draw.shuffle(ring)
        edges.update(frozenset(pair) for pair in zip(ring, (*ring[1:], ring[0]), strict=True) if len(ring) > 1)
        for node in self.nodes:
            others = [other.number for other in self.nodes if other is not node]
            draw.shuffle(others)
            for other in others:
                if sum(node.number in edge for edge in edges) >= self.scenario.degree:
                    break
                edges.add(frozenset((node.number, other)))
        for node in self.nodes:
            linked = {number for edge in edges if node.number in edge for number in edge}
            node.neighbours = tuple(sorted(linked - {node.number}))

    def carried(self, frame: Frame) -> Carried:
        """This frame as the world knows it: looked at once, for everybody."""
        found = self.registry.get(frame.id)
        if found is None:
            try:
                frames.check(frame.raw, self.commons.key, ANY)
                genuine = True
            except RemoteError:
                genuine = False
            number = len(self.registry) + 1
            found = Carried(number, dice(self.seed, f"frame {number}").getrandbits(64), frame, genuine)
            self.registry[frame.id] = found
            self.counts["frames"] += 1
            self.counts["bytes"] += len(frame.raw)
            self.oracle.appeared(found)
        return found

    # A run ----------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """From the beginning to the verdict."""
        try:
            self._run()
        except Exception:  # noqa: BLE001 - the boundary: whatever broke is what was looked for, and is reported
            self.oracle.broke(traceback.format_exc())

    def _run(self) -> None:
        for node in self.nodes:
            self.loop.after(node.dice.randrange(30_000), node.start)
        for node in self.nodes:
            for neighbour in node.neighbours:
                self._sync_later(node, self.nodes[neighbour])
        self._troubles()
        self.people.begin()
        self.mischief.begin()
        self._every(HOUR, self.oracle.audit)
        self._every(HOUR, self._housekeep)
        troubled = BEGINNING + int(self.scenario.days * DAY)
        self.loop.run(troubled)
        self._heal()
        self.loop.run(troubled + self.scenario.rest)
        end = self.loop.now + LIMIT_UNREST
        while self.loop.now < end and not self.oracle.at_rest():
            self.loop.run(self.loop.now + MINUTE)
        self.oracle.judge()
        self.note("end", *self.oracle.fingerprints())

    def _every(self, period: int, work: Callable[[], None]) -> None:
        def again() -> None:
            work()
            self.loop.after(period, again)

        self.loop.after(period, again)

    def _housekeep(self) -> None:
        for node in self.nodes:
            if node.up:
                node.housekeep()

    # What goes wrong ------------------------------------------------------------------------------------------------

    def _troubles(self) -> None:
        scenario, draw = self.scenario, dice(self.seed, "troubles")
        length = int(scenario.days * DAY)
        for node in self.honest:
            if scenario.crashes.every:
                at = 0
                while (at := at + round(draw.expovariate(1 / scenario.crashes.every))) < length:
                    torn, rows = draw.random(), draw.randrange(8)
                    self.loop.after(at, partial(self._strike, node, torn, rows))
            if draw.random() < scenario.crashes.absent:
                at = round(draw.uniform(0.1, 0.8) * length)
                self.loop.after(at, lambda node=node: self._absent(node))  # type: ignore[misc]
            if draw.random() < scenario.clocks.jumping:
                skew = draw.randint(-scenario.clocks.skew, scenario.clocks.skew)
                at = round(draw.uniform(0.1, 0.9) * length)
                self.loop.after(at, lambda node=node, skew=skew: self._jump(node, skew))  # type: ignore[misc]
        if scenario.partitions.every:
            at = 0
            while (at := at + round(draw.expovariate(1 / scenario.partitions.every))) < length:
                side = draw.sample(range(scenario.nodes), max(1, round(scenario.partitions.share * scenario.nodes)))
                lasts = spread(draw, scenario.partitions.lasts)
                self.loop.after(at, lambda side=side: self._part(side))  # type: ignore[misc]
                self.loop.after(at + lasts, lambda: self._part([]))
                at += lasts

    def _strike(self, node: Node, torn: float, rows: int) -> None:
        """The machine dies: now, amid its next commit, or amid what follows from it."""
        if not node.up or self.healed:
            return
        if torn < self.scenario.crashes.torn / 2:
            node.disk.cut = rows
        elif torn < self.scenario.crashes.torn:
            node.doomed = rows
        else:
            self.died(node)

    def died(self, node: Node) -> None:
        """A node has stopped; it comes back later."""
        self.counts["crashes"] += 1
        self._stop(node, spread(node.dice, self.scenario.crashes.down))

    def _absent(self, node: Node) -> None:
        if node.up and not self.healed:
            self.counts["absences"] += 1
            self._stop(node, self.scenario.crashes.absence)

    def _stop(self, node: Node, down: int) -> None:
        self.note(node.number, "stops")
        self.oracle.stopped(node)
        node.die()
        self.loop.after(down, lambda: None if node.up else node.start())

    def started(self, node: Node) -> None:
        """A node has loaded its core."""
        self.note(node.number, "starts")
        for neighbour in node.neighbours:
            other = self.nodes[neighbour]
            node.then(node.dice.randrange(5_000), lambda other=other: self.sync(node, other, 0))  # type: ignore[misc]

    def _jump(self, node: Node, skew: int) -> None:
        if not self.healed:
            self.counts["jumps"] += 1
            node.set_clock(skew)

    def _part(self, side: list[int]) -> None:
        if not self.healed:
            self.counts["partitions"] += bool(side)
            self.note("apart", *sorted(side))
            self.links.part(side)

    def vault_refuses(self, node: Node) -> bool:
        """Whether the next commit of this node's vault finds no room."""
        return self._refuses(node, self.scenario.disks.vault, "vault refusals")

    def archive_refuses(self, node: Node) -> bool:
        """Whether this node's archive finds no room now."""
        return self._refuses(node, self.scenario.disks.archive, "archive refusals")

    def _refuses(self, node: Node, share: float, what: str) -> bool:
        if not share or self.healed or node.hostile or node.dice.random() >= share:
            return False
        self.counts[what] += 1
        return True

    def _heal(self) -> None:
        """Links, disks and clocks are as they should be; everybody is up."""
        self.note("healed")
        self.healed = True
        self.links.mend()
        for node in self.nodes:
            node.disk.recover()
            node.doomed = None
            node.set_clock(0)
            if not node.up:
                node.start()

    # Staying in step ------------------------------------------------------------------------------------------------

    def _sync_later(self, node: Node, other: Node) -> None:
        def due() -> None:
            if node.up:
                self.sync(node, other, 0)
            self._sync_later(node, other)

        self.loop.after(spread(node.dice, self.scenario.sync.every), due)

    def offer_soon(self, node: Node) -> None:
        """This node has published: its neighbours are offered what they may lack."""
        for neighbour in node.neighbours:
            if neighbour in node.in_step:
                other = self.nodes[neighbour]
                node.then(SOON_MS, lambda other=other: self._offer(node, other))  # type: ignore[misc]

    def _offer(self, node: Node, other: Node) -> None:
        owed, first = node.owed(other.number)
        if owed and other.number in node.in_step:
            self.sync(node, other, first - MINUTE_STEP)

    def sync(self, node: Node, other: Node, first: int) -> None:
        """Have a session, unless these two are at it."""
        pair = (node.number, other.number)
        if pair in self._busy:
            return
        self._busy.add(pair)
        offered, _ = node.owed(other.number)

        def ended(whole: bool) -> None:
            self._busy.discard(pair)
            self.counts["sessions"] += whole
            if not node.up:
                return
            if not whole:
                self._failed(node, other, first)
                return
            self._failures[pair] = 0
            node.settle(other.number, offered)
            if first == 0:
                node.reach(other.number, reached=True)
                if other.up:
                    other.reach(node.number, reached=True)
            self._offer(node, other)

        Session(self, node, other, first, ended).begin()

    def _failed(self, node: Node, other: Node, first: int) -> None:
        pair = (node.number, other.number)
        self._failures[pair] += 1
        if self._failures[pair] >= LIMIT_FAILURES:
            self._failures[pair] = 0
            node.reach(other.number, reached=False)
        else:
            node.then(RETRY_MS, lambda: self.sync(node, other, first))
