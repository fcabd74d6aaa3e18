"""What must hold, whatever goes wrong: watched throughout, judged at the end.

docs/guide/mesh.md, *What must hold*; GOALS R2, B3; docs/spec/{core,events,keys,receipts}.md. Whoever finds a rule
broken writes a finding: its name, then who and what. Invariants: the oracle changes nothing; it knows what nobody in
the world knows, and tells nobody; the hostile are held to no rule, but may not read what is not for them either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.bootstrap.mesh import keeping
from tertulia.protocol import delivery
from tertulia.protocol.core import Core
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import Table
from tertulia.protocol.event import CONTROL
from tertulia.protocol.fold import fold
from tertulia.protocol.ground import stand
from tertulia.protocol.ids import DialogueId, EventId, PersonaId
from tertulia.protocol.outbox import LaneKind
from tertulia.protocol.state import NoOp

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.archive import Carried
    from tertulia.bootstrap.mesh.disk import Row
    from tertulia.bootstrap.mesh.node import Node
    from tertulia.bootstrap.mesh.world import World
    from tertulia.protocol.event import Event
    from tertulia.protocol.inputs import Input

LIMIT_FINDINGS: Final = 8
"""Findings of one rule that are written down; the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that was broken."""

    rule: str
    what: str
    at: int
    """Virtual milliseconds since the world began."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody was told that this is kept."""

    node: Node
    dialogue: DialogueId
    event: EventId
    alone: bool


@dataclass(slots=True)
class Oracle:
    """The rules, and what has been found."""

    world: World
    findings: list[Finding] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    """How many findings each rule has."""
    said: list[Acknowledged] = field(default_factory=list)
    sealed: dict[EventId, frozenset[PersonaId]] = field(default_factory=dict)
    """For each event, the roster it was first sealed for."""
    handled: set[EventId] = field(default_factory=set)
    """Events that somebody hostile has sent, whoever wrote them: to whom, nobody answers for."""
    twins: dict[tuple[DialogueId, PersonaId], set[EventId]] = field(default_factory=dict)
    gaps: int = 0
    """Events that somebody who came while they were said will never read, as the design has it."""
    _before: dict[int, Core] = field(default_factory=dict)
    _found: set[tuple[str, str]] = field(default_factory=set)
    _hashes: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def find(self, rule: str, what: str) -> None:
        """Write down that a rule was broken."""
        if (rule, what) in self._found:
            return
        self._found.add((rule, what))
        self.broken[rule] += 1
        if self.broken[rule] <= LIMIT_FINDINGS:
            self.findings.append(Finding(rule, what, self.world.elapsed))
        self.world.note("FINDING", rule)

    # What happens ---------------------------------------------------------------------------------------------------

    def broke(self, text: str) -> None:
        """An exception came out of a core, or out of the lab."""
        self.find("no exception", text)

    def appeared(self, one: Carried) -> None:
        """A frame has come into the world: nothing in it may be readable."""
        if self.world.needle.encode() in one.frame.raw:
            self.find("no plaintext", f"frame {one.number}")

    def committed(self, node: Node, asked: Collection[Input], rows: Collection[Row]) -> None:
        """A batch is on the disk and adopted."""
        self.world.counts["batches"] += 1
        self.world.note(node.number, "batch", *(type(one).__name__ for one in asked), len(rows))

    def published(self, node: Node, batch: Iterable[Carried]) -> None:
        """A node sends frames of its own: check whom what is in them is sealed for."""
        assert node.core is not None
        for one in batch:
            self.world.counts["frames of the honest"] += not node.hostile
            self.world.note(node.number, "publishes", one.number, one.frame.minute, len(one.frame.raw))
            sent = node.core.outbox.sent.get(one.frame.id)
            if sent is not None and sent.dialogue:
                roster = node.core.dialogues[DialogueId(sent.dialogue)].state.roster
                for event in sent.events:
                    self.sealed.setdefault(event, roster)
                    if node.hostile:
                        self.handled.add(event)

    def acknowledged(self, node: Node, dialogue: DialogueId, event: bytes) -> None:
        """A person was told that what they said is kept."""
        if not node.hostile and node.core is not None:
            self.said.append(Acknowledged(node, dialogue, EventId(event), node.core.dialogues[dialogue].alone))

    def equivocated(self, node: Node, dialogue: Dialogue, twin: EventId) -> None:
        """Somebody has signed two events with one number."""
        self.twins.setdefault((dialogue.id, dialogue.me), set()).add(twin)
        self.world.note(node.number, "equivocates")

    def stopped(self, node: Node) -> None:
        """A node stops: remember what it was."""
        if node.core is not None:
            self._before[node.number] = node.core

    def loaded(self, node: Node, core: Core) -> None:
        """A node is loaded from its rows: it must be what it was."""
        before = self._before.pop(node.number, None)
        if before is not None:
            for what in keeping.lost(before, core):
                self.find("the rows are the core", f"{node.number}: {what}")

    # Throughout -----------------------------------------------------------------------------------------------------

    def audit(self) -> None:
        """Once an hour: states, keys, sizes, and what the screen says."""
        for node in self.world.honest:
            if node.core is None:
                continue
            for dialogue in node.core.dialogues.values():
                self._one_state(node, dialogue)
            for what in keeping.overdue(node.core, node.disk, node.now):
                self.find("no key beyond its life", f"{node.number}: {what}")
            for what in keeping.overgrown(node.core, node.disk):
                self.find("no growth without bound", f"{node.number}: {what}")
            self._truth(node)

    def _one_state(self, node: Node, dialogue: Dialogue) -> None:
        told = None if dialogue.checkpoint is None else bytes(repr(dialogue.checkpoint), "utf-8")
        total = sum(int.from_bytes(event) for event in dialogue.events)
        key = (dialogue.id, told, len(dialogue.events), total)
        known = self._hashes.setdefault(key, dialogue.state.hash)
        if known != dialogue.state.hash:
            self.find("one state for a set of events", f"{node.number} in {dialogue.id.hex()[:8]}")

    def _truth(self, node: Node) -> None:
        """Nobody honest is said to have received what they do not hold."""
        assert node.core is not None
        for key, dialogue in node.core.dialogues.items():
            if dialogue.standing is not Standing.IN:
                continue
            holders = self._holders(key)
            for entry in dialogue.state.rooms[dialogue.plenary].log[-64:]:
                if entry.reason is not None:
                    continue
                for persona in delivery.receivers(dialogue, dialogue.events[entry.event]):
                    holder = holders.get(persona)
                    if holder is not None and key + entry.event not in holder.disk.rows.get(Table.EVENT, {}):
                        self.find(
                            "what is said to be received is",
                            f"{node.number} says that {holder.number} has {entry.event.hex()[:8]}",
                        )

    def _holders(self, key: DialogueId) -> dict[PersonaId, Node]:
        """The honest by the personas they have now."""
        return {
            node.core.dialogues[key].me: node
            for node in self.world.honest
            if node.core is not None and key in node.core.dialogues
        }

    # At the end -----------------------------------------------------------------------------------------------------

    def at_rest(self) -> bool:
        """Whether nothing is on its way: honest archives alike, cores idle, outboxes empty."""
        honest = self.world.honest
        first = honest[0].archive
        for node in honest:
            if node.core is None or not node.idle or _unsent(node.core) or node.core.jobs:
                return False
            if _recent(node) != _recent(honest[0]):
                return False
        return bool(first.rows)

    def judge(self) -> None:
        """The verdict."""
        self.audit()
        if not self.at_rest():
            self._unrest()
        held = (one.events for node in self.world.nodes if node.core for one in node.core.dialogues.values())
        events = {event for some in held for event in some}
        frames = self.world.counts["frames of the honest"]
        if frames > keeping.LIMIT_FRAMES * (len(events) + keeping.FEW):
            self.find("no growth without bound", f"{frames} frames for {len(events)} events")
        for circle in self.world.people.circles:
            if circle.id is not None:
                members = self._members(circle.id)
                self._converged(circle.id, members)
                self._heard(circle.id, members)
                self._shown(circle.id, members)
                self._kept_out(circle.id, members)

    def _unrest(self) -> None:
        for node in self.world.honest:
            assert node.core is not None
            waiting = [entry.lane.kind.name for entry in node.core.outbox.entries.values()]
            if _unsent(node.core) or not node.idle or node.core.jobs:
                sent, jobs = len(node.core.outbox.sent), len(node.core.jobs)
                self.find("everything drains", f"{node.number}: entries {waiting}, frames {sent}, jobs {jobs}")
        if len({tuple(sorted(_recent(node).items())) for node in self.world.honest}) > 1:
            self.find("everything drains", "archives differ")

    def _members(self, key: DialogueId) -> dict[int, Dialogue]:
        """The honest who are in at the end, by their own account."""
        return {
            node.number: node.core.dialogues[key]
            for node in self.world.honest
            if node.core is not None and key in node.core.dialogues
            and node.core.dialogues[key].standing is Standing.IN
        }  # fmt: skip

    def _converged(self, key: DialogueId, members: dict[int, Dialogue]) -> None:
        """Whoever has the same events has the same state; and nobody lacks what was sealed for them."""
        union: dict[EventId, Event] = {}
        for dialogue in members.values():
            union.update(dialogue.events)
        groups: dict[frozenset[EventId], tuple[int, bytes]] = {}
        for number, dialogue in sorted(members.items()):
            lacking = frozenset(_lacking(dialogue, union))
            for event in sorted(lacking):
                mine = dialogue.me in self.sealed.get(event, ())
                if mine or union[event].header.room == CONTROL:
                    kind = "control event" if union[event].header.room == CONTROL else "event"
                    author = self._author(union[event])
                    self.find("nothing lost", f"{number} lacks {kind} {event.hex()[:8]} by {author} in {key.hex()[:8]}")
                else:
                    self.gaps += 1
            other, state = groups.setdefault(lacking, (number, dialogue.state.hash))
            if state != dialogue.state.hash:
                self.find("one state at the end", f"{number} and {other} differ in {key.hex()[:8]}")
            if fold(dialogue.checkpoint, dict(sorted(dialogue.events.items()))).hash != dialogue.state.hash:
                self.find("state is a function of the events", f"{number} in {key.hex()[:8]}")
        rosters = {dialogue.state.roster for dialogue in members.values()}
        if len(rosters) > 1:
            self.find("one roster at the end", f"{key.hex()[:8]}: {sorted(len(roster) for roster in rosters)}")

    def _author(self, event: Event) -> str:
        """Who of the world wrote an event, for whoever reads the finding."""
        for node in self.world.nodes:
            dialogue = None if node.core is None else node.core.dialogues.get(event.header.dialogue)
            if dialogue is not None and dialogue.state.actors.get(event.header.actor) == dialogue.me:
                return f"{'hostile ' if node.hostile else ''}{node.number}"
        return "somebody"

    def _heard(self, key: DialogueId, members: dict[int, Dialogue]) -> None:
        """What was acknowledged is shown to everybody it was sealed for, and to its author."""
        for one in self.said:
            if one.dialogue != key:
                continue
            author = one.node.core.dialogues[key] if one.node.core is not None else None
            roster = self.sealed.get(one.event)
            still_in = author is not None and author.standing is Standing.IN and one.node.number in members
            if roster is None:
                if still_in and not one.alone and author is not None and one.event in author.events:
                    self.find("nothing acknowledged is lost", f"{one.node.number} never sent {one.event.hex()[:8]}")
                roster = frozenset()
            if author is None or one.event not in author.events:
                self.find("nothing acknowledged is lost", f"{one.node.number} lost {one.event.hex()[:8]} itself")
            for number, dialogue in members.items():
                if dialogue.me in roster and not _shows(dialogue, one.event):
                    held = "held" if one.event in dialogue.events else "not held"
                    self.find(
                        "nothing acknowledged is lost",
                        f"{number} does not show {one.event.hex()[:8]} of {one.node.number}: "
                        f"{dialogue.state.noops.get(one.event, held)}",
                    )

    def _shown(self, key: DialogueId, members: dict[int, Dialogue]) -> None:
        """Who signed two events with one number is shown to everybody those were sealed for."""
        for (dialogue_id, persona), events in self.twins.items():
            for number, dialogue in members.items():
                due = any(dialogue.me in self.sealed.get(event, ()) for event in events)
                if dialogue_id == key and due and persona not in dialogue.state.equivocations:
                    self.find("the equivocator is shown to all", f"{number} does not see {persona.hex()[:8]}")

    def _kept_out(self, key: DialogueId, members: dict[int, Dialogue]) -> None:
        """Whoever is out holds nothing that was sealed for a roster without them."""
        for node in self.world.nodes:
            dialogue = None if node.core is None else node.core.dialogues.get(key)
            if dialogue is None or node.number in members or dialogue.standing is Standing.IN:
                continue
            for event, held in dialogue.events.items():
                roster = self.sealed.get(event, frozenset((dialogue.me,)))
                speech = held.header.room != CONTROL and event not in self.handled
                if speech and dialogue.me not in roster and not dialogue.former:
                    self.find("nobody reads on", f"{node.number} holds {event.hex()[:8]} in {key.hex()[:8]}")

    def fingerprints(self) -> list[str]:
        """What everybody's state is, for the trace."""
        return [
            f"{node.number}:{dialogue.state.hash.hex()[:16]}"
            for node in self.world.nodes
            if node.core is not None
            for _, dialogue in sorted(node.core.dialogues.items())
        ]


def _unsent(core: Core) -> int:
    """Entries and frames still to go out. What somebody said before they left waits until they come back."""
    left = {key for key, dialogue in core.dialogues.items() if dialogue.standing is Standing.LEFT}
    kept = [e for e in core.outbox.entries.values() if e.lane.kind is LaneKind.ROOM and e.lane.dialogue in left]
    return core.outbox.unsent - len(kept)


def _recent(node: Node) -> dict[int, int]:
    """The outline of what must be alike: a day of the retention is left for eviction."""
    days = node.world.commons.retention_days
    return node.archive.outline(node.now // 60_000 - (days * 24 - 3) * 60)


def _lacking(dialogue: Dialogue, union: dict[EventId, Event]) -> list[EventId]:
    """Events that neither this member holds nor their checkpoint covers."""
    missing = [event for key, event in union.items() if key not in dialogue.events]
    if dialogue.checkpoint is None:
        return [event.id for event in missing]
    ground = stand(dialogue.checkpoint)
    found = []
    for event in missing:
        cover = ground.control if event.header.room == CONTROL else ground.covers.get(event.header.room)
        covered = cover is not None and cover.covers(event.id, event.header.lamport)
        if not covered and event.id not in ground.strays.named:
            found.append(event.id)
    return found


def _shows(dialogue: Dialogue, event: EventId) -> bool:
    """Whether an event has its place, shown or silenced because its author was removed before anyone had heard it."""
    log = dialogue.state.rooms[dialogue.plenary].log
    return any(entry.event == event and entry.reason in {None, NoOp.REMOVED_AUTHOR} for entry in log)
