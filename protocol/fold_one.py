"""One more event in a room that has been read: the log that reading the room anew would give.

Implements docs/spec/events.md, sections Rooms, Lamport and Removal, for the common case. Only those who name an event
can be touched by it, and they had it `missing`. Where others would be judged otherwise than before (equivocation, a
lamport that turns out wrong, speech of somebody removed that is now heard, a turn taken before what others said) the
room is to be read anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace

from tertulia.protocol.bench import Bench, Verdict
from tertulia.protocol.cover import Cover
from tertulia.protocol.event import Event
from tertulia.protocol.ids import ActorId, EventId, RoomId
from tertulia.protocol.room_log import Numbers, RoomLog, heed, is_unheard, place
from tertulia.protocol.state import Entry, NoOp

Held = Mapping[EventId, Event]
"""All events of the dialogue by id, the one that comes included."""


def join(room: RoomId, log: RoomLog, event: Event, bench: Bench, held: Held) -> RoomLog | None:
    """The log with an event that was not in it, and can be judged; None when the room must be read anew."""
    header, verdict = event.header, bench.verdict(event)
    numbers = _numbered(log.numbers, header.actor, header.seq, event.id)
    if numbers is None:
        return None
    lamport, lacking = place(log.cover.named, (), log.reached, event, verdict)
    known = {**log.cover.named, event.id: lamport}
    gaps = log.gaps | {event.id} if lacking else log.gaps
    entries = log.entries
    named = False
    if event.id in log.missing:
        for child in (held[gap] for gap in log.gaps):
            if event.id not in child.header.parents:
                continue
            found, still = place(known, (), log.reached, child, bench.verdict(child))
            if found != known[child.id]:
                return None
            named = named or found > 0
            if not still:
                gaps -= {child.id}
                entries = _closed(entries, child, held)
    at = _at(entries, event, held)
    reason, turns = heed(event, verdict, log.turns) if lamport else (NoOp.LAMPORT, log.turns)
    if turns is not log.turns and at < len(entries):
        return None
    if reason is None:
        heard = _heard(room, log, event, verdict, named=named)
        if heard is None:
            return None
        reason = None if heard else NoOp.REMOVED_AUTHOR
    if verdict.seat is not None:
        entry = Entry(event.id, verdict.seat.persona, reason, bool(lacking))
        entries = (*entries[:at], entry, *entries[at:])
    heads = log.cover.heads
    if lamport:
        left = {*heads, event.id}.difference(header.parents, (event.id,) if named else ())
        heads = tuple(sorted(left, key=lambda head: (known[head], head)))
    return replace(
        log,
        entries=entries,
        missing=(log.missing - {event.id}).union(lacking),
        gaps=gaps,
        noops=log.noops if reason is None else {**log.noops, event.id: reason},
        numbers=numbers,
        cover=Cover(log.cover.tally.plus((event.element,)), known, heads, log.cover.floor),
        turns=turns,
    )


def _numbered(numbers: Numbers, actor: ActorId, seq: int, event: EventId) -> Numbers | None:
    """The numbers with one more; None when it was used before."""
    theirs = numbers.taken.get(actor, {})
    if seq in theirs:
        return None
    last = numbers.last
    if last.get(actor, (0, b"")) < (seq, event):
        last = {**last, actor: (seq, event)}
    return Numbers(last, {**numbers.taken, actor: {**theirs, seq: event}}, numbers.twins)


def _heard(room: RoomId, log: RoomLog, event: Event, verdict: Verdict, *, named: bool) -> bool | None:
    """Whether what is well said is heard too; None when that depends on others, or what others said on this."""
    if verdict.seat is not None and verdict.seat.removals:
        if named:
            return None
        if is_unheard(room, event, verdict.seat, twin=False):
            return False
    if any(log.noops.get(parent) is NoOp.REMOVED_AUTHOR for parent in event.header.parents):
        return None
    return True


def _closed(entries: tuple[Entry, ...], child: Event, held: Held) -> tuple[Entry, ...]:
    """The entries where nothing that `child` names is missing any more."""
    at = _at(entries, child, held)
    if at == len(entries) or entries[at].event != child.id:  # nobody's: it has no entry
        return entries
    return (*entries[:at], replace(entries[at], gap=False), *entries[at + 1 :])


def _at(entries: tuple[Entry, ...], event: Event, held: Held) -> int:
    """Where an event's entry is, or would be."""
    if not entries or held[entries[-1].event].order < event.order:
        return len(entries)
    return bisect_left(entries, event.order, key=lambda entry: held[entry.event].order)
