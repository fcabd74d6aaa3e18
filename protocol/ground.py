"""The ground a fold stands on: the charter, or a checkpoint; and how a fold becomes the next one's checkpoint.

Implements docs/spec/events.md, section Checkpoint. `stand` and `checkpoint_of` are each other's mirror: what goes into
a checkpoint is what later events may still touch. A fact drops out when everything that could touch it has left the
window of named control events: then it is in everybody's past.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from tertulia.protocol.act import Act, Need
from tertulia.protocol.ancestry import ANCIENT, Ancestry
from tertulia.protocol.authority import FOUNDED, Announced, Authority
from tertulia.protocol.charter import Charter, charter_hash
from tertulia.protocol.checkpoint import ActTold, Checkpoint, KeyTold, SeatTold
from tertulia.protocol.cover import Cover
from tertulia.protocol.facilitation import DEEDS, Deed
from tertulia.protocol.ids import EventId, PersonaId, RoomId
from tertulia.protocol.roster import Remove
from tertulia.protocol.rounds import LIMIT_ROUNDS_TOLD, LIMIT_SPOKEN_TOLD, Turns, rounds
from tertulia.protocol.ruling import by_order
from tertulia.protocol.seat import Claim, Order, Seat, Use
from tertulia.protocol.steering import lifts, steers

Recent: TypeAlias = Callable[[EventId], bool]
"""Says whether a control event is named by the checkpoint that is being made."""
LIMIT_KEYS_TOLD: Final = 1024
"""Session keys of one seat in a checkpoint."""


@dataclass(slots=True)
class Ground:
    """What is established, and what of each room is covered: by a checkpoint, and after the fold by all that is held.

    `genesis` is the charter's event where it is held; `turns` say who has spoken in the rounds of each room; `live` are
    the announcements of epochs made for the present roster, in order, and `sure` those of them that nothing yet unheard
    can have been concurrent with.
    """

    charter_body: bytes
    authority: Authority
    genesis: EventId | None = None
    control: Cover = field(default_factory=Cover)
    covers: dict[RoomId, Cover] = field(default_factory=dict)
    strays: Cover = field(default_factory=Cover)
    turns: dict[RoomId, Turns] = field(default_factory=dict)
    live: tuple[Announced, ...] = ()
    sure: tuple[Announced, ...] = ()


def stand(checkpoint: Checkpoint) -> Ground:
    """The ground of a newcomer.

    Raises RemoteError when the checkpoint's charter is none.
    """
    ancestry = Ancestry()
    for event, lamport in checkpoint.control.named.items():
        ancestry.add(event, checkpoint.links[event], lamport, sound=lamport > 0)
    body = checkpoint.charter_body
    authority = Authority(checkpoint.dialogue, ancestry, Charter.decode(body), charter_hash(body))
    seats: list[Seat] = []
    for told in checkpoint.seats:
        seats.append(_seat(told, checkpoint.told_by, authority, seats))
    _acts(checkpoint, authority, seats)
    authority.epochs.extend(checkpoint.epochs)
    for opened, _, place in checkpoint.rooms:
        by = None if place is None else _used(authority, seats[place], opened.order)
        authority.rooms[opened.id] = replace(opened, by=by)
    covers = {opened.id: cover for opened, cover, _ in checkpoint.rooms}
    return Ground(body, authority, None, checkpoint.control, covers, checkpoint.strays, dict(checkpoint.turns))


def _used(authority: Authority, seat: Seat, order: Order) -> Use:
    """A facilitator's use of power that a checkpoint tells of; one event may admit several people."""
    found = next((use for use in authority.record.uses if use.order == order), None)
    if found is None:
        ancestry = authority.ancestry
        found = Use(seat, order, ancestry.mark(order[1]), ancestry.past_of(order[1]), facilitates=True)
        authority.record.use(found)
    return found


def _acts(checkpoint: Checkpoint, authority: Authority, seats: list[Seat]) -> None:
    ancestry, record = authority.ancestry, authority.record
    numbered = {event: twins for line in record.lines.values() for twins in line.values() for event in twins}
    for told in checkpoint.acts:
        order = told.signatures[0][0]
        act = Act(told.body, told.need, order, ancestry.past_of(order[1]))
        record.propose(act)
        if told.need.count == 0:
            continue
        for signed, place, facilitates in told.signatures:
            mark, past = ancestry.mark(signed[1]), ancestry.past_of(signed[1])
            record.sign(act, Use(seats[place], signed, mark, past, facilitates, numbered.get(signed[1], [])))


def _seat(told: SeatTold, told_by: PersonaId, authority: Authority, before: list[Seat]) -> Seat:
    ancestry = authority.ancestry
    founded = told.order[0] == FOUNDED
    seat = Seat(
        persona=authority.persona_of(told.newcomer),
        newcomer=told.newcomer,
        order=told.order,
        mark=ANCIENT if founded else ancestry.mark(told.order[1]),
        past=ANCIENT if founded else ancestry.past_of(told.order[1]),
        joined=told.joined,
        told_by=told_by,
        prekeys=list(told.prekeys),
        acceptance=ANCIENT if founded else 0,
        given=None if told.giver is None else _used(authority, before[told.giver], told.order),
        appointed=told.appointed,
    )
    for event in told.accepted:
        seat.accept(event, ancestry.mark(event))
    for event in told.endings:
        seat.end(event, ancestry.mark(event))
    authority.take_seat(seat)
    for key in told.keys:
        claim = authority.claim_of(seat, key.key)
        for order in key.since:
            claim.give(order, ANCIENT if order[0] == FOUNDED else ancestry.mark(order[1]))
        for order, following in key.endings:
            claim.end(order, ancestry.mark(order[1]), following)
        for event in key.witnesses:
            claim.bear_out(event, ancestry.mark(event))
        for seq, event in key.line:
            authority.record.number(key.key, seq, event)
        authority.claims[key.key].sort(key=by_order)
    return seat


def summarise(ground: Ground, told_by: PersonaId) -> Checkpoint:
    """The checkpoint of a ground that a fold has filled in."""
    authority = ground.authority
    control = ground.control.trimmed()
    recent = control.named.__contains__
    ancient = authority.ancestry.without(control.named)
    everything = authority.ancestry.whole()
    acts = [
        act
        for act in sorted(authority.record.acts.values(), key=by_order)
        if not act.is_complete(everything) or any(recent(use.event) for use in act.signatures)
    ]
    standing = _standing(authority, ancient, acts)
    rooms = sorted(authority.rooms.values(), key=by_order)
    openers = {room.id: room.by.seat for room in rooms if room.by is not None and recent(room.by.event)}
    wanted = {use.seat for act in acts for use in act.signatures} | set(openers.values())
    for seat in reversed(authority.seats):
        if seat in wanted or not seat.mark & ancient or authority.stands(seat, ancient):
            wanted.add(seat)
            if seat.given is not None and recent(seat.given.event):
                wanted.add(seat.given.seat)
    seats = [seat for seat in authority.seats if seat in wanted]
    places = {seat: place for place, seat in enumerate(seats)}
    return Checkpoint(
        charter_body=ground.charter_body,
        told_by=told_by,
        seats=tuple(_told(seat, authority, ancient, recent, places) for seat in seats),
        acts=tuple(
            ActTold(
                Remove(act.body.member) if isinstance(act.body, Remove) else act.body,
                act.need,
                tuple((use.order, places[use.seat], use.facilitates) for use in act.signatures),
            )
            for act in acts
        )
        + standing,
        epochs=ground.live,
        rooms=tuple(
            (opened, ground.covers[opened.id].trimmed(), places[openers[opened.id]] if opened.id in openers else None)
            for opened in rooms
        ),
        control=control,
        links={
            event: tuple(filter(recent, authority.ancestry.parents[event])) if lamport else ()
            for event, lamport in control.named.items()
        },
        strays=ground.strays.trimmed(),
        turns=_turns(ground, everything),
    )


def _turns(ground: Ground, everything: int) -> dict[RoomId, Turns]:
    """Who has spoken in the rounds that are still of account, by rooms and rounds ascending."""
    found: dict[RoomId, Turns] = {}
    for room, turns in sorted(ground.turns.items()):
        if room not in ground.authority.rooms:  # who has spoken in a breakout is for those in it
            continue
        known = [known.event for known in rounds(ground.authority.record, room, everything) if known.event in turns]
        if known:
            told = sorted(known)[:LIMIT_ROUNDS_TOLD]
            found[room] = {event: dict(sorted(turns[event].items())[:LIMIT_SPOKEN_TOLD]) for event in told}
    return found


def _standing(authority: Authority, ancient: int, told: list[Act]) -> tuple[ActTold, ...]:
    """What facilitators did that stands in everybody's past, as needing nobody's signature any more; so breakouts too.

    Of what lifts, only that which lifts something told.
    """
    found = {
        act.event: ActTold(body, Need(act.need.part, 0), ((act.order, 0, False),))
        for room in authority.record.steers
        for deed in Deed
        for act, body in steers(authority.record, room, deed, ancient)
        if act not in told
        and (DEEDS[deed].stands or any(lifts(body, other.steer) for other in told if other.steer is not None))
    }
    for act in authority.record.breakouts.values():
        if act not in told:
            found[act.event] = ActTold(act.body, Need(act.need.part, 0), ((act.order, 0, False),))
    return tuple(sorted(found.values(), key=lambda act: act.signatures[0][0]))


def _told(seat: Seat, authority: Authority, ancient: int, recent: Recent, places: Mapping[Seat, int]) -> SeatTold:
    """A seat as a checkpoint tells it: keys given up in everybody's past are left out, the chain begins after them.

    One that is empty in everybody's past, and is told of because of what its holder signed, ends with its admission.
    """
    claims = [claim for claim in seat.claims.values() if all(recent(order[1]) for order, _ in claim.endings)]
    kept = {claim.key for claim in claims[:LIMIT_KEYS_TOLD]}
    first = next((key for key in seat.chain() if key in kept), seat.newcomer.session)
    over = bool(seat.mark & ancient) and not authority.stands(seat, ancient)
    return SeatTold(
        newcomer=replace(seat.newcomer, session=first, prekeys=()),
        order=seat.order,
        joined=seat.joined,
        keys=tuple(_key_told(claim, authority, recent) for claim in claims[:LIMIT_KEYS_TOLD]),
        prekeys=() if over or seat.ended else tuple(seat.newest()),
        accepted=_needed(seat.accepted, recent),
        endings=(*seat.endings, seat.order[1]) if over else tuple(seat.endings),
        giver=places[seat.given.seat] if seat.given is not None and recent(seat.given.event) else None,
        appointed=bool(seat.mark & ancient) and authority.facilitates(seat, ancient),
    )


def _key_told(claim: Claim, authority: Authority, recent: Recent) -> KeyTold:
    events = {claim.order[1], *_needed([event for _, event in claim.since], recent)}
    since = tuple(order for order in sorted(claim.since) if order[1] in events)
    line = [(seq, event) for seq, events in authority.record.lines.get(claim.key, {}).items() for event in events]
    settled = max((entry for entry in line if not recent(entry[1])), default=None)
    numbers = tuple(sorted(entry for entry in line if entry == settled or recent(entry[1])))
    return KeyTold(claim.key, since, tuple(claim.endings), _needed(claim.witnesses, recent), numbers)


def _needed(events: list[EventId], recent: Recent) -> tuple[EventId, ...]:
    """Of events that establish the same: one that is in everybody's past, or else all of them."""
    settled = [event for event in events if not recent(event)]
    return tuple(settled[:1] or events)
