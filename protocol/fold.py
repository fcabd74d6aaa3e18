"""The fold: from a checkpoint and a set of events to the state, the same whatever order they came in.

Implements docs/spec/events.md, section Fold. Total: whatever verified events a dialogue is handed, there is a state,
and what has no effect is recorded with its reason. Control events are placed and judged first, parents before children;
then every room is read. Nothing here looks at a clock. `folding` goes on from a `Folded` and must come to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tertulia.protocol.ancestry import Ancestry
from tertulia.protocol.authority import Authority
from tertulia.protocol.bench import Bench
from tertulia.protocol.charter import Charter, charter_hash, dialogue_id
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.cover import Cover
from tertulia.protocol.event import CONTROL, Event
from tertulia.protocol.fold_speech import Speech, in_order, read_speech
from tertulia.protocol.ground import Ground, stand, summarise
from tertulia.protocol.ids import EventId, PersonaId
from tertulia.protocol.portrait import Findings, empty, portray
from tertulia.protocol.room_log import number
from tertulia.protocol.state import NoOp, State


@dataclass(frozen=True, slots=True)
class Folded:
    """A state with what it was drawn from, to go on from; `control` are the control events in order.

    `bench` is None while there is no charter.
    """

    state: State
    control: tuple[Event, ...]
    speech: Speech
    bench: Bench | None


def fold(checkpoint: Checkpoint | None, events: Mapping[EventId, Event]) -> State:
    """Return what the events of one dialogue come to, on top of what a checkpoint tells.

    Without a checkpoint the charter's event must be among them; while it is not, everything waits.
    Raises RemoteError when the checkpoint's charter is none: before anything is kept, where a welcome is taken.
    """
    return fold_whole(checkpoint, events).state


def fold_whole(checkpoint: Checkpoint | None, events: Mapping[EventId, Event]) -> Folded:
    """The same, with what it takes to go on. Raises as `fold` does."""
    control = tuple(sorted((event for event in events.values() if event.header.room == CONTROL), key=in_order))
    ground = _founded(control) if checkpoint is None else stand(checkpoint)
    if ground is None:
        return Folded(empty(frozenset(events)), control, Speech(), None)
    findings = _fold_control(ground, control)
    bench = Bench(ground.authority)
    speech = read_speech(ground, bench, (event for event in events.values() if event.header.room != CONTROL))
    return Folded(portray(ground, findings, speech, events), control, speech, bench)


def fold_control(
    checkpoint: Checkpoint | None, control: tuple[Event, ...], speech: Speech, events: Mapping[EventId, Event]
) -> Folded:
    """The same where speech has been read and stays as it is; the charter is held."""
    ground = _founded(control) if checkpoint is None else stand(checkpoint)
    assert ground is not None, "no speech is read without a charter"
    findings = _fold_control(ground, control)
    return Folded(portray(ground, findings, speech, events), control, speech, Bench(ground.authority))


def checkpoint_of(state: State, told_by: PersonaId) -> Checkpoint:
    """What a newcomer starts from who has nothing of what this state was folded from; `told_by` is who says so.

    Raises ValueError for a state without a charter.
    """
    if state.ground is None:
        raise ValueError("a dialogue without its charter has no checkpoint")
    return summarise(state.ground, told_by)


def _founded(control: Iterable[Event]) -> Ground | None:
    """The ground of a dialogue whose charter's event is held: it names no parents and its body hashes to the dialogue.

    The founder may have signed it twice; the body is the same, so nothing depends on which is taken for it.
    """
    for event in control:
        header, charter, body = event.header, event.content, event.body
        if not isinstance(charter, Charter) or body is None or header.parents:
            continue
        if dialogue_id(body) == header.dialogue and header.actor == charter.founder.session:
            authority = Authority(header.dialogue, Ancestry(), charter, charter_hash(body))
            authority.found(event.id, header.tick)
            return Ground(body, authority, event.id)
    return None


def _fold_control(ground: Ground, control: Iterable[Event]) -> Findings:
    """Place and judge the control events; then the control room's cover has them too."""
    authority, ancestry = ground.authority, ground.authority.ancestry
    before, findings = ground.control, Findings()
    new: list[Event] = []
    for event in control:
        if before.covers(event.id, event.order[0]):
            findings.covered.add(event.id)
        else:
            new.append(event)
    placed, pending = _place(ancestry, new)
    findings.waiting.update(event.id for held in pending.values() for event in held)
    findings.missing.update(pending)
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
    findings.numbers = number(placed)
    tally = before.tally.plus(event.element for event in placed)
    ground.control = Cover(tally, known, tuple(sorted(heads, key=lambda head: (known[head], head))), before.floor)
    return findings


def _place(ancestry: Ancestry, events: Iterable[Event]) -> tuple[list[Event], dict[EventId, list[Event]]]:
    """Give each event whose parents are known its place in the ancestry; return them, and who waits for which parent.

    Events come in order (lamport, id). One that has to wait for a parent later in the order has too low a lamport.
    """
    placed: list[Event] = []
    pending: dict[EventId, list[Event]] = {}
    for next_event in events:
        ready = [next_event]
        while ready:
            event = ready.pop()
            parents = event.header.parents
            lacking = next((parent for parent in parents if parent not in ancestry), None)
            if lacking is not None:
                pending.setdefault(lacking, []).append(event)
                continue
            if event.header.lamport != ancestry.follows(parents) or not ancestry.refused.isdisjoint(parents):
                ancestry.refused.add(event.id)
            ancestry.add(event.id, parents, event.header.lamport)
            placed.append(event)
            ready.extend(pending.pop(event.id, ()))
    return placed, pending
