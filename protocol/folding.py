"""Folding on: from what was folded and the events that came since, to what a whole fold of everything held gives.

Implements docs/spec/core.md §2. Invariant: `advance` equals `fold_whole` in every field, whatever comes in whatever
order; only the cost differs. Speech joins its room where it belongs; control events that change no verdict already
given are judged anew without the rooms being read again; everything else is folded whole. Values are never changed, so
an overlay that is forgotten leaves no trace.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tertulia.protocol.act import Proposal
from tertulia.protocol.authority import Authority
from tertulia.protocol.bench import Bench
from tertulia.protocol.charter import Charter
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.cover import Cover
from tertulia.protocol.event import CONTROL, Event
from tertulia.protocol.fold import Folded, fold_control, fold_whole
from tertulia.protocol.fold_control import Step, judge_more, lacking
from tertulia.protocol.fold_one import join
from tertulia.protocol.fold_speech import Speech, in_order
from tertulia.protocol.ground import Ground
from tertulia.protocol.ids import EventId, RoomId
from tertulia.protocol.portrait import cited, heard, named_in, portray, state_hash
from tertulia.protocol.room import OpenRoom
from tertulia.protocol.roster import Cosign
from tertulia.protocol.state import NoOp, State

LIMIT_STEPS: Final = 8
"""How many times the control room can be gone back to before all of it is judged anew."""

Held = Mapping[EventId, Event]


def advance(folded: Folded, checkpoint: Checkpoint | None, held: Held, news: Iterable[Event]) -> Folded:
    """Return what `fold_whole(checkpoint, held)` does: `held` is what was folded before, and the `news`.

    Raises as `fold` does.
    """
    news = tuple(news)
    control = sorted((event for event in news if event.header.room == CONTROL), key=in_order)
    if folded.bench is None or any(event.id in folded.state.missing for event in control):
        return fold_whole(checkpoint, held)
    following: Folded | None = folded
    if control:
        following = _judge(folded, checkpoint, held, control)
    for event in news:
        if following is not None and event.header.room != CONTROL:
            following = _hear(following, event, held)
    return fold_whole(checkpoint, held) if following is None else following


def forget(folded: Folded, checkpoint: Checkpoint | None, held: Held, dropped: Collection[EventId]) -> Folded:
    """Return what `fold_whole(checkpoint, held)` does after some events that were `waiting` are held no more."""
    if folded.bench is None:
        return fold_whole(checkpoint, held)
    state, ancestry = folded.state, folded.bench.ancestry
    assert state.waiting.issuperset(dropped), "only what waits can go without a trace"
    spoken = folded.speech.waiting.difference(dropped)
    lacks = frozenset(head for event in spoken for head in held[event].header.control if head not in ancestry)
    findings = folded.findings.branch()
    findings.waiting.difference_update(dropped)
    findings.missing = {parent for event in findings.waiting if (parent := lacking(ancestry, held[event])) is not None}
    waiting = spoken.union(findings.waiting)
    state = replace(
        state,
        waiting=waiting,
        missing=frozenset(event for event in lacks.union(findings.missing) if event not in held),
        citing=replace(state.citing, waiting=waiting),
    )
    control = tuple(event for event in folded.control if event.id not in dropped)
    return Folded(state, control, replace(folded.speech, waiting=spoken, lacks=lacks), folded.bench, findings)


def _judge(folded: Folded, checkpoint: Checkpoint | None, held: Held, news: Sequence[Event]) -> Folded | None:
    """More control events, in order; None when the rooms are to be read anew.

    Mostly they come after all others, and are judged alone; else with what has come since the step they come after.
    """
    ordered = list(folded.control)
    for event in news:
        insort(ordered, event, key=in_order)
    control, speech, before = tuple(ordered), folded.speech, folded.state.ground
    assert before is not None, "only what has a charter is gone on from"
    steps = folded.steps or (Step.of(before, folded.findings),)
    place = max((n for n, step in enumerate(steps) if step.last < news[0].order), default=len(steps) - 1)
    fresh = {event.id for event in news}
    since = [event for event in control if event.id in fresh or not steps[place].knows(event.id)]
    after = judge_more(steps[place], since)
    if after is None:
        return None if any(map(_stirs, news)) else fold_control(checkpoint, control, speech, held)
    ground, findings = after.ground, after.findings
    if _moves_speech(before.authority, ground.authority):
        return None
    kept = (*steps[: place + 1], after)[-LIMIT_STEPS:]
    return Folded(portray(ground, findings, speech, held), control, speech, Bench(ground.authority), findings, kept)


def _stirs(event: Event) -> bool:
    """Say whether a control event may change what became of speech."""
    return isinstance(event.content, Charter | OpenRoom | Proposal | Cosign)


def _moves_speech(before: Authority, after: Authority) -> bool:
    """Say whether what was judged last changes what became of speech: a removal does, and a new room."""
    known = {seat.order for seat in before.seats}
    removals = [seat.removals for seat in after.seats if seat.order in known]
    rooms = before.rooms.keys() != after.rooms.keys() or before.record.breakouts.keys() != after.record.breakouts.keys()
    return rooms or removals != [seat.removals for seat in before.seats]


def _hear(folded: Folded, event: Event, held: Held) -> Folded | None:
    """One more event outside the control room; None when its room is to be read anew."""
    state, speech, bench = folded.state, folded.speech, folded.bench
    ground = state.ground
    assert ground is not None and bench is not None, "only what has a charter is gone on from"  # noqa: PT018
    authority, header = ground.authority, event.header
    if event.id in ground.strays.named or ground.covers.get(header.room, Cover()).covers(event.id, header.lamport):
        speech = replace(speech, covered=speech.covered | {event.id})
        return replace(folded, state=_covered(state, event), speech=speech)
    absent = [head for head in header.control if head not in authority.ancestry]
    if absent:
        speech = replace(speech, waiting=speech.waiting | {event.id}, lacks=speech.lacks.union(absent))
        return replace(folded, state=_waiting(state, event, absent, held), speech=speech)
    apart = header.room in authority.record.breakouts
    if not apart and not authority.is_open(header.room, bench.verdict(event).past):
        speech = _astray(speech, event)
        return replace(folded, state=_told(state, speech, event, NoOp.NO_ROOM, None), speech=speech)
    log = join(header.room, speech.logs[header.room], event, bench, held)
    if log is None:
        return None
    speech = replace(speech, logs={**speech.logs, header.room: log})
    return replace(folded, state=_told(state, speech, event, log.noops.get(event.id), header.room), speech=speech)


def _astray(speech: Speech, event: Event) -> Speech:
    """Speech in a room its author could not know of."""
    named = {**speech.strays.named, event.id: event.header.lamport}
    strays = Cover(speech.strays.tally.plus((event.element,)), named)
    return replace(speech, strays=strays, nowhere=speech.nowhere | {event.id})


def _covered(state: State, event: Event) -> State:
    """What the checkpoint covers has turned up again."""
    citing = replace(state.citing, covered=state.citing.covered | {event.id})
    return replace(state, missing=state.missing - {event.id}, citing=citing)


def _waiting(state: State, event: Event, absent: list[EventId], held: Held) -> State:
    """Speech that names control events which are not placed."""
    missing = (state.missing - {event.id}).union(head for head in absent if head not in held)
    waiting = state.waiting | {event.id}
    return replace(
        state, waiting=waiting, missing=missing, citing=replace(state.citing, waiting=state.citing.waiting | {event.id})
    )


def _told(state: State, speech: Speech, event: Event, reason: NoOp | None, room: RoomId | None) -> State:
    """The state with an event that has its place in a room, or among the strays."""
    before = state.ground
    assert before is not None, "only what has a charter is gone on from"
    covers = {key: log.cover for key, log in speech.logs.items()}
    turns = {key: log.turns for key, log in speech.logs.items()}
    ground = Ground(
        before.charter_body, before.authority, before.genesis, before.control, covers, speech.strays, turns, before.live
    )
    citing = replace(state.citing, named=named_in(ground))
    rooms = state.rooms
    if room is not None:
        log = speech.logs[room]
        if room in rooms:  # else a breakout that is only proposed
            rooms = {**rooms, room: heard(rooms[room], log)}
        reached = max(citing.lamports[room], log.cover.named[event.id])
        citing = replace(
            citing,
            rooms={**citing.rooms, room: cited(log.cover)},
            last={**citing.last, room: log.numbers.last},
            lamports={**citing.lamports, room: reached},
        )
    return replace(
        state,
        rooms=rooms,
        noops=state.noops if reason is None else {**state.noops, event.id: reason},
        missing=state.missing - {event.id},
        hash=state_hash(state.control_hash, ground),
        citing=citing,
        ground=ground,
    )
