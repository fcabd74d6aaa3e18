"""The fold: from a checkpoint and a set of events to the state, the same whatever order they came in.

Implements docs/spec/events.md, section Fold. Total: whatever verified events a dialogue is handed, there is a state,
and what has no effect is recorded with its reason. Control events are placed and judged first (`fold_control`); then
every room is read. Nothing here looks at a clock. `folding` goes on from a `Folded` and must come to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tertulia.protocol.ancestry import Ancestry
from tertulia.protocol.authority import Authority
from tertulia.protocol.bench import Bench
from tertulia.protocol.charter import Charter, charter_hash, dialogue_id
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.event import CONTROL, Event
from tertulia.protocol.fold_control import Step, judge_all
from tertulia.protocol.fold_speech import Speech, in_order, read_speech
from tertulia.protocol.ground import Ground, stand, summarise
from tertulia.protocol.ids import EventId, PersonaId
from tertulia.protocol.portrait import Findings, empty, portray
from tertulia.protocol.state import State


@dataclass(frozen=True, slots=True)
class Folded:
    """A state with what it was drawn from, to go on from; `control` are the control events in order.

    `bench` is None while there is no charter; `findings` are of the control room. `steps` are how it came to be judged,
    as far as they are kept, the latest last: what comes late is judged from an earlier one.
    """

    state: State
    control: tuple[Event, ...]
    speech: Speech
    bench: Bench | None
    findings: Findings = field(default_factory=Findings)
    steps: tuple[Step, ...] = ()


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
    findings = judge_all(ground, control)
    bench = Bench(ground.authority)
    speech = read_speech(ground, bench, (event for event in events.values() if event.header.room != CONTROL))
    return Folded(portray(ground, findings, speech, events), control, speech, bench, findings)


def fold_control(
    checkpoint: Checkpoint | None, control: tuple[Event, ...], speech: Speech, events: Mapping[EventId, Event]
) -> Folded:
    """The same where speech has been read and stays as it is; the charter is held."""
    ground = _founded(control) if checkpoint is None else stand(checkpoint)
    assert ground is not None, "no speech is read without a charter"
    findings = judge_all(ground, control)
    return Folded(portray(ground, findings, speech, events), control, speech, Bench(ground.authority), findings)


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
