"""The control room: its events placed parents first, then each judged in its causal past.

Implements docs/spec/events.md, section Fold, points 2 and 3. `judge_all` does it with everything that is held;
`judge_more` goes on from there with what comes after all of it, and finds the same. What is judged, is judged in the
order (lamport, id): a sound event has a greater lamport than its parents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tertulia.protocol.ancestry import Ancestry
from tertulia.protocol.branch import branch
from tertulia.protocol.cover import Cover
from tertulia.protocol.event import Event
from tertulia.protocol.ground import Ground
from tertulia.protocol.ids import EventId
from tertulia.protocol.portrait import Findings
from tertulia.protocol.room_log import number
from tertulia.protocol.seat import Order
from tertulia.protocol.state import NoOp


def judge_all(ground: Ground, control: Iterable[Event]) -> Findings:
    """Place and judge the control events, given in order; then the ground's cover of the control room has them too."""
    before, ancestry, findings = ground.control, ground.authority.ancestry, Findings()
    new: list[Event] = []
    for event in control:
        if before.covers(event.id, event.header.lamport):
            findings.covered.add(event.id)
        else:
            new.append(event)
    placed, pending = _place_all(ancestry, new)
    findings.waiting.update(event.id for held in pending.values() for event in held)
    findings.missing.update(pending)
    _judge(ground, findings, placed)
    return findings


@dataclass(frozen=True, slots=True)
class Step:
    """How far the control room had been judged: `last` is the order of the latest sound event. Never changed."""

    ground: Ground
    findings: Findings
    last: Order

    @classmethod
    def of(cls, ground: Ground, findings: Findings) -> Step:
        """A step that others can go on from."""
        last = max(((lamport, event) for event, lamport in ground.control.named.items()), default=(0, EventId(b"")))
        return cls(ground, findings, last)

    def knows(self, event: EventId) -> bool:
        """Say whether a control event was held then."""
        findings = self.findings
        return event in self.ground.control.named or event in findings.waiting or event in findings.covered


def judge_more(step: Step, news: Iterable[Event]) -> Step | None:
    """Go on with control events that were not held at that step, given in order.

    None where they do not come after all that was judged, or where others wait for one, or it is covered.
    """
    last = step.last
    after, found = branch(step.ground), step.findings.branch()
    ancestry = after.authority.ancestry
    placed: list[Event] = []
    for event in news:
        if event.id in found.missing or step.ground.control.covers(event.id, event.header.lamport):
            return None
        parent = lacking(ancestry, event)
        if parent is not None:
            found.waiting.add(event.id)
            found.missing.add(parent)
            continue
        if _place(ancestry, event):
            if event.order < last:
                return None
            last = event.order
        placed.append(event)
    _judge(after, found, placed)
    return Step(after, found, last)


def lacking(ancestry: Ancestry, event: Event) -> EventId | None:
    """The first parent of an event that has no place yet; None where all have."""
    return next((parent for parent in event.header.parents if parent not in ancestry), None)


def _judge(ground: Ground, findings: Findings, placed: list[Event]) -> None:
    """Judge what has been placed, in its order; what is refused counts, and does nothing."""
    authority, ancestry, before = ground.authority, ground.authority.ancestry, ground.control
    known = dict(before.named)
    heads = set(before.heads)
    for event in placed:
        if event.id in ancestry.refused:
            known[event.id] = 0
            findings.noops[event.id] = NoOp.LAMPORT
            continue
        known[event.id] = event.header.lamport
        heads.difference_update(event.header.parents)
        heads.add(event.id)
        author, reason = authority.judge(event, ancestry.past_of(event.id))
        if author is not None:
            findings.authors[event.id] = author
        if reason is not None and event.id != ground.genesis:
            findings.noops[event.id] = reason
    authority.conclude()
    findings.numbers = number(placed, findings.numbers)
    tally = before.tally.plus(event.element for event in placed)
    ground.control = Cover(tally, known, tuple(sorted(heads, key=lambda head: (known[head], head))), before.floor)


def _place_all(ancestry: Ancestry, events: Iterable[Event]) -> tuple[list[Event], dict[EventId, list[Event]]]:
    """Give each event whose parents are known its place in the ancestry; return them, and who waits for which parent.

    Events come in order (lamport, id). One that has to wait for a parent later in the order has too low a lamport.
    """
    placed: list[Event] = []
    pending: dict[EventId, list[Event]] = {}
    for next_event in events:
        ready = [next_event]
        while ready:
            event = ready.pop()
            parent = lacking(ancestry, event)
            if parent is not None:
                pending.setdefault(parent, []).append(event)
                continue
            _place(ancestry, event)
            placed.append(event)
            ready.extend(pending.pop(event.id, ()))
    return placed, pending


def _place(ancestry: Ancestry, event: Event) -> bool:
    """Give an event its place after its parents; says whether it is sound, as its lamport tells."""
    parents, lamport = event.header.parents, event.header.lamport
    sound = lamport == ancestry.follows(parents) and ancestry.refused.isdisjoint(parents)
    ancestry.add(event.id, parents, lamport, sound=sound)
    return sound
