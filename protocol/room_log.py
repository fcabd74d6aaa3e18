"""One room's events, in order, each with what became of it.

Implements docs/spec/events.md, sections Rooms, Lamport and Removal. What an author may do was settled in the control
room; here events find their place. One whose parent is missing is shown with a gap and hides nothing after it. Late
speech of somebody removed stays when an event that is shown names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tertulia.protocol.bench import Verdict, reason_of
from tertulia.protocol.cover import Cover
from tertulia.protocol.event import Event, Kind
from tertulia.protocol.ids import ActorId, EventId, RoomId
from tertulia.protocol.rounds import Turns, has_spoken, with_turn
from tertulia.protocol.seat import Seat
from tertulia.protocol.state import Entry, NoOp

LIMIT_LAMPORT_LEAP: Final = 2**20
"""How far beyond everything known an event's lamport may be when some of what it names is missing."""

Judged: TypeAlias = tuple[Event, Verdict]


@dataclass(frozen=True, slots=True)
class Numbers:
    """How actors numbered their events in a room: the last (seq, id) of each, each number's event, and what shares one.

    `twins` are all events that share a number with another: equivocation.
    """

    last: Mapping[ActorId, tuple[int, EventId]]
    taken: Mapping[ActorId, Mapping[int, EventId]]
    twins: frozenset[EventId]


@dataclass(frozen=True, slots=True)
class RoomLog:
    """What a room's events come to; `cover` is what there is, with what was covered.

    `gaps` are the events that name something of `missing`; `reached` is the greatest lamport covered to begin with.
    """

    entries: tuple[Entry, ...]
    missing: frozenset[EventId]
    gaps: frozenset[EventId]
    noops: Mapping[EventId, NoOp]
    numbers: Numbers
    cover: Cover
    reached: int
    turns: Turns = field(default_factory=dict)


def read_room(room: RoomId, cover: Cover, judged: Sequence[Judged], turns: Turns | None = None) -> RoomLog:
    """Go through what was said in a room: events that can be judged, in order (lamport, id), with their verdicts.

    `turns` were taken in what is covered.
    """
    taken = turns or {}
    known = dict(cover.named)
    reached = max(known.values(), default=cover.floor)
    gaps: set[EventId] = set()
    missing: set[EventId] = set()
    noops: dict[EventId, NoOp] = {}
    named: set[EventId] = set()
    heads = list(cover.heads)
    here = {event.id for event, _ in judged}
    for event, verdict in judged:
        lamport, lacking = place(known, here, reached, event, verdict)
        known[event.id] = lamport
        if lacking:
            gaps.add(event.id)
            missing.update(lacking)
        if lamport:
            named.update(event.header.parents)
            heads.append(event.id)
            reason, taken = heed(event, verdict, taken)
        else:
            reason = NoOp.LAMPORT
        if reason is not None:
            noops[event.id] = reason
    numbers = number(event for event, _ in judged)
    _hear_out(room, judged, noops, numbers.twins)
    entries = tuple(
        Entry(event.id, verdict.seat.persona, noops.get(event.id), event.id in gaps)
        for event, verdict in judged
        if verdict.seat is not None
    )
    open_heads = sorted((head for head in heads if head not in named), key=lambda head: (known[head], head))
    tally = cover.tally.plus(event.element for event, _ in judged)
    after = Cover(tally, known, tuple(open_heads), cover.floor)
    return RoomLog(entries, frozenset(missing), frozenset(gaps), noops, numbers, after, reached, taken)


def heed(event: Event, verdict: Verdict, turns: Turns) -> tuple[NoOp | None, Turns]:
    """Why an event changes nothing, and the turns with the one it takes: every word does, whatever its form."""
    reason = reason_of(event, verdict)
    if reason is not None or not verdict.rounds or event.header.kind != Kind.SAY:
        return reason, turns
    assert verdict.seat is not None, "nobody else may speak"
    who = verdict.seat.persona
    if has_spoken(turns, verdict.rounds, verdict.here, who, event.order):
        return NoOp.SPOKEN, turns
    return None, with_turn(turns, verdict.rounds, who, event.order)


def place(
    known: Mapping[EventId, int], here: Collection[EventId], reached: int, event: Event, verdict: Verdict
) -> tuple[int, list[EventId]]:
    """An event's lamport, 0 where it is not one more than the greatest of what it names; and what of that is missing.

    With something missing it must be more than that, and not leap. `known` has the lamports of what comes before it,
    `here` is everything in the room: what is only there comes later in the order, so this one's lamport is too low.
    """
    header = event.header
    after, sound = verdict.lamport, not verdict.refused
    lacking: list[EventId] = []
    for parent in header.parents:
        lamport = known.get(parent)
        if lamport is None:
            if parent in here:
                sound = False
            else:
                lacking.append(parent)
        elif lamport == 0:
            sound = False
        elif lamport > after:
            after = lamport
    if lacking:
        sound = sound and after < header.lamport <= max(after, reached) + LIMIT_LAMPORT_LEAP
    else:
        sound = sound and header.lamport == after + 1
    return header.lamport if sound else 0, lacking


def number(events: Iterable[Event], before: Numbers | None = None) -> Numbers:
    """Look through the numbers of a room's events, in addition to those looked through before."""
    known = Numbers({}, {}, frozenset()) if before is None else before
    last: dict[ActorId, tuple[int, EventId]] = dict(known.last)
    taken: dict[ActorId, dict[int, EventId]] = {actor: dict(line) for actor, line in known.taken.items()}
    twins: set[EventId] = set(known.twins)
    for event in events:
        header = event.header
        actor, seq = header.actor, header.seq
        twin = taken.setdefault(actor, {}).setdefault(seq, event.id)
        if twin is not event.id:
            twins.update((twin, event.id))
        latest = last.get(actor)
        if latest is None or latest < (seq, event.id):
            last[actor] = (seq, event.id)
    return Numbers(last, taken, frozenset(twins))


def _hear_out(room: RoomId, judged: Sequence[Judged], noops: dict[EventId, NoOp], twins: frozenset[EventId]) -> None:
    """Silence what somebody removed said unheard: neither the remover knew it, nor does anything shown name it.

    Backwards: what is named by an event that stays, stays.
    """
    if not any(verdict.seat is not None and verdict.seat.removals for _, verdict in judged):
        return
    named: set[EventId] = set()
    for event, verdict in reversed(judged):
        if event.id in noops or verdict.seat is None:
            continue
        if event.id not in named and is_unheard(room, event, verdict.seat, twin=event.id in twins):
            noops[event.id] = NoOp.REMOVED_AUTHOR
        if event.id not in noops:
            named.update(event.header.parents)


def is_unheard(room: RoomId, event: Event, seat: Seat, *, twin: bool) -> bool:
    """Say whether those who removed the author did not know this event; a `twin` is not known by its number."""
    header = event.header
    return not all(
        removal.knows(room, header.actor, header.seq, event.id, twin=twin) for removal in seat.removals
    )
