"""The portrait: the state, drawn from what a fold has found.

Implements docs/spec/events.md, sections State, Epochs and State hash. What is here is about everything that is held;
what an author could know was looked at before, in `authority` and `room_log`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from tertulia.protocol.act import Act
from tertulia.protocol.ancestry import ANCIENT
from tertulia.protocol.authority import Announced, Authority
from tertulia.protocol.citing import Citing, Head
from tertulia.protocol.cover import Cover
from tertulia.protocol.crypto import digest
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.epoch import roster_hash
from tertulia.protocol.event import CONTROL
from tertulia.protocol.fold_speech import Speech
from tertulia.protocol.ground import Ground
from tertulia.protocol.ids import ActorId, EpochId, EventId, PersonaId, RoomId
from tertulia.protocol.labels import Label
from tertulia.protocol.precedence import Did, voids
from tertulia.protocol.room import Breakout
from tertulia.protocol.room_hash import Tally
from tertulia.protocol.room_log import Numbers, RoomLog, number
from tertulia.protocol.ruling import Under, by_order
from tertulia.protocol.seat import Seat
from tertulia.protocol.state import ActFact, EpochFact, Member, NoOp, Outcome, Room, State, Status
from tertulia.protocol.steering import Steering, steering

LIMIT_LIVE_EPOCHS: Final = 64
"""Epochs of the present roster, the newest, that a checkpoint carries and the control hash covers."""


@dataclass(slots=True)
class Findings:
    """What a fold finds out in the control room besides what is established."""

    waiting: set[EventId] = field(default_factory=set)
    missing: set[EventId] = field(default_factory=set)
    covered: set[EventId] = field(default_factory=set)
    noops: dict[EventId, NoOp] = field(default_factory=dict)
    authors: dict[EventId, PersonaId] = field(default_factory=dict)
    numbers: Numbers = field(default_factory=lambda: number(()))

    def branch(self) -> Findings:
        """A copy that may grow without this one noticing."""
        known = set(self.waiting), set(self.missing), set(self.covered), dict(self.noops), dict(self.authors)
        return Findings(*known, self.numbers)


def empty(held: frozenset[EventId]) -> State:
    """The state without a charter: whatever is held waits."""
    citing = Citing((), {}, ANCIENT, {}, {}, {}, {CONTROL: 0}, held, frozenset(), ())
    return State(
        dialogue=None,
        charter=None,
        charter_body=b"",
        charter_hash=b"",
        members={},
        actors={},
        roster=frozenset(),
        roster_hash=roster_hash(()),
        epochs={},
        rooms={},
        control_heads=(),
        noops={},
        equivocations={},
        introductions=(),
        alarms=(),
        acts=(),
        steering={},
        waiting=held,
        missing=frozenset(),
        control_hash=digest(Label.STATE_CONTROL, b""),
        hash=digest(Label.STATE_HASH, b""),
        citing=citing,
        ground=None,
    )


def portray(ground: Ground, findings: Findings, speech: Speech, held: Container[EventId]) -> State:
    """Draw the state; from here on the ground covers what was said as well."""
    authority = ground.authority
    ground.covers = {room: log.cover for room, log in speech.logs.items()}
    ground.strays = speech.strays
    ground.turns = {room: log.turns for room, log in speech.logs.items()}
    everything = authority.ancestry.whole()
    under = authority.record.ruling(everything).under
    members = _members(authority, everything)
    roster = authority.roster(everything)
    rooms = _rooms(authority, speech, everything)
    ground.live, ground.sure = _live(authority, everything, roster)
    control = _control_hash(ground, [members[persona] for persona in sorted(roster)])
    return State(
        dialogue=authority.dialogue,
        charter=authority.charter,
        charter_body=ground.charter_body,
        charter_hash=authority.charter_hash,
        members=members,
        actors=_actors(authority),
        roster=roster,
        roster_hash=roster_hash(roster),
        epochs=_epochs(authority),
        rooms=rooms,
        control_heads=ground.control.heads,
        acts=_acts(authority, everything),
        steering={room: steering(authority.record, room, everything) for room in rooms},
        noops={**_void(authority, under), **findings.noops, **speech.noops},
        equivocations=_equivocations(findings, speech),
        introductions=tuple(authority.introductions),
        alarms=tuple(authority.alarms),
        waiting=speech.waiting.union(findings.waiting),
        missing=frozenset(event for event in speech.lacks.union(findings.missing) if event not in held),
        control_hash=control,
        hash=state_hash(control, ground),
        citing=_citing(ground, findings, speech),
        ground=ground,
    )


def _rooms(authority: Authority, speech: Speech, everything: int) -> dict[RoomId, Room]:
    """The rooms in order: those for everybody, then the breakouts that were opened."""
    found = {
        opened.id: _room(opened.id, opened.title, authority, speech, everything)
        for opened in sorted(authority.rooms.values(), key=by_order)
    }
    for room, body in _opened(authority, everything):
        found[room] = replace(_room(room, body.title, authority, speech, everything), breakout=body)
    return found


def _room(key: RoomId, title: str, authority: Authority, speech: Speech, everything: int) -> Room:
    empty_room = Room(key, title, (), (), frozenset(), Tally(), authority.room_roster(key, everything))
    return heard(empty_room, speech.logs[key])


def heard(room: Room, log: RoomLog) -> Room:
    """A room with what was said in it."""
    cover = log.cover
    return replace(
        room, log=log.entries, heads=cover.heads, missing=log.missing, tally=cover.tally, turns=log.turns
    )


def _opened(authority: Authority, everything: int) -> list[tuple[RoomId, Breakout]]:
    """The breakouts that enough have signed, in order."""
    acts = sorted(authority.record.breakouts.values(), key=by_order)
    return [
        (RoomId(act.event), act.body)
        for act in acts
        if isinstance(act.body, Breakout) and act.is_complete(everything)
    ]


def _members(authority: Authority, everything: int) -> dict[PersonaId, Member]:
    """Everybody who is or was in. Of several seats of a person the first that stands counts, else the last."""
    seats: dict[PersonaId, Seat] = {}
    for seat in authority.seats:
        before = seats.get(seat.persona)
        if before is None or not authority.stands(before, everything):
            seats[seat.persona] = seat
    return {persona: _member(seat, authority, everything) for persona, seat in seats.items()}


def _member(seat: Seat, authority: Authority, everything: int) -> Member:
    sessions = tuple(seat.chain())
    stands = authority.stands(seat, everything)
    status = Status.IN if stands else Status.REMOVED if seat.removals else Status.LEFT
    return Member(
        id=seat.persona,
        keys=seat.newcomer.keys,
        nickname=seat.newcomer.nickname,
        session=sessions[-1],
        sessions=sessions,
        prekeys=tuple(prekey for _, _, prekey in seat.newest()),
        status=status,
        facilitator=authority.facilitates(seat, everything),
        accepted=bool(seat.acceptance),
        admitted_by=seat.order[1],
        joined=seat.joined,
        card_hash=seat.newcomer.card_hash,
        knock_id=seat.newcomer.knock_id,
        told_by=seat.told_by,
    )


def _actors(authority: Authority) -> dict[ActorId, PersonaId]:
    """Whose each session key is; where several claim one, as `Authority.speaker` decides."""
    everything = authority.ancestry.whole()
    speakers = (
        (key, claims[0] if len(claims) == 1 else authority.speaker(key, everything)[0])
        for key, claims in authority.claims.items()
    )
    return {key: claim.seat.persona for key, claim in speakers if claim is not None}


def _acts(authority: Authority, everything: int) -> tuple[ActFact, ...]:
    """What was proposed, in order, who has signed it, and what became of it."""
    ruling = authority.record.ruling(everything)
    found = []
    for act in sorted(authority.record.acts.values(), key=by_order):
        if not act.is_complete(everything):
            outcome = Outcome.PENDING
        elif act in ruling.strikes or ruling.under.is_in_force(act, everything):
            outcome = Outcome.DONE
        else:
            outcome = Outcome.VOID
        signers = tuple(dict.fromkeys(use.seat.persona for use in act.signatures))
        found.append(ActFact(act.event, act.body, act.need, signers, outcome))
    return tuple(found)


def _void(authority: Authority, under: Under) -> dict[EventId, NoOp]:
    """Uses of power that a removal or a change of roles has voided."""
    return {use.event: NoOp.VOID for use in authority.record.uses if under.is_void(use)}


def _epochs(authority: Authority) -> dict[EpochId, EpochFact]:
    """The epochs announced, in order.

    Voided: a removal of the sealer and the announcement knew nothing of each other; or it says that it is for the
    present roster of its room, but its sealer, who knows its secret, is not of it; or it is for people who were not
    that roster as far as its sealer could know.
    """
    ancestry = authority.ancestry
    everything = ancestry.whole()
    present: dict[RoomId, tuple[frozenset[PersonaId], bytes]] = {}
    removals: dict[PersonaId | None, list[Act]] = {}
    for act in authority.record.ruling(everything).strikes:
        if act.ends and voids(act.ends, Did.SEALED):
            removals.setdefault(act.target, []).append(act)
    facts: dict[EpochId, EpochFact] = {}
    for announced in sorted(authority.epochs, key=by_order):
        epoch = announced.epoch
        mark, past = ancestry.mark(announced.event), ancestry.past_of(announced.event)
        struck = any(
            not (removal.is_complete(past) or removal.has_seen(mark, everything))
            for removal in removals.get(epoch.sealer, ())
        )
        if epoch.room not in present:
            people = authority.room_roster(epoch.room, everything)
            present[epoch.room] = people, roster_hash(people)
        people, name = present[epoch.room]
        foreign = epoch.sealer not in people and epoch.roster_hash == name
        facts.setdefault(epoch.id, EpochFact(epoch, announced.event, struck or foreign or announced.false))
    return facts


def _live(
    authority: Authority, everything: int, roster: frozenset[PersonaId]
) -> tuple[tuple[Announced, ...], tuple[Announced, ...]]:
    """The newest announcements of epochs for the present roster whose sealer had seen every change that led to it.

    And those of them whose sealer had seen every act as well. What ended somebody's power may turn out void, and an
    epoch from before it be live again, of which a newcomer was not told; it is none of these then. Epochs of breakouts
    are none: whoever comes later is in no breakout that there is.
    """
    ancestry = authority.ancestry
    present = roster_hash(roster)
    given = 0
    for seat in authority.seats:
        given |= seat.mark
    gone = [seat for seat in authority.seats if not authority.stands(seat, everything)]
    sure: dict[EpochId, Announced] = {}
    perhaps: dict[EpochId, Announced] = {}
    for announced in sorted(authority.epochs, key=by_order, reverse=True):
        past = ancestry.past_of(announced.event)
        if announced.epoch.room not in authority.rooms or announced.epoch.roster_hash != present or given & ~past:
            continue
        if any(authority.stands(seat, past) for seat in gone):
            continue
        found = perhaps if authority.record.matters & ~past else sure
        if len(found) < LIMIT_LIVE_EPOCHS:
            found.setdefault(announced.epoch.id, announced)
    spare = LIMIT_LIVE_EPOCHS - len(sure)
    others = [announced for key, announced in perhaps.items() if key not in sure][:spare]
    return tuple(sorted([*sure.values(), *others], key=by_order)), tuple(reversed(sure.values()))


def _equivocations(findings: Findings, speech: Speech) -> dict[PersonaId, frozenset[EventId]]:
    """Events that share actor, room and number with another, by the member whose key signed them."""
    found: dict[PersonaId, set[EventId]] = {}
    authors = {**findings.authors, **speech.authors}
    for event in findings.numbers.twins | speech.twins:
        author = authors.get(event)
        if author is not None:
            found.setdefault(author, set()).add(event)
    return {author: frozenset(events) for author, events in found.items()}


def _citing(ground: Ground, findings: Findings, speech: Speech) -> Citing:
    authority, ancestry = ground.authority, ground.authority.ancestry
    changes = ANCIENT
    standing: dict[ActorId, int] = {}
    actors: dict[PersonaId, set[ActorId]] = {}
    for seat in authority.seats:
        changes |= seat.mark | seat.ended
        accepted = ancestry.mark(seat.accepted[0]) if seat.accepted else ANCIENT
        for claim in seat.claims.values():
            standing[claim.key] = standing.get(claim.key, 0) | seat.mark | claim.mark | accepted
            actors.setdefault(seat.persona, set()).add(claim.key)
    for act in authority.record.acts.values():
        for use in act.signatures:
            changes |= use.mark
    for key, line in authority.record.lines.items():
        standing[key] = standing.get(key, ANCIENT) | ancestry.mark(line[max(line)][-1])
    heads = ground.control.heads
    return Citing(
        control=tuple(Head(head, ancestry.lamport(head), ancestry.past_of(head)) for head in heads),
        rooms={room: cited(cover) for room, cover in ground.covers.items()},
        changes=changes,
        standing=standing,
        last={CONTROL: findings.numbers.last, **{room: log.numbers.last for room, log in speech.logs.items()}},
        actors={persona: frozenset(keys) for persona, keys in actors.items()},
        lamports={
            CONTROL: _greatest(ground.control.named.values()),
            **{room: _greatest(cover.named.values()) for room, cover in ground.covers.items()},
        },
        waiting=speech.waiting.union(findings.waiting),
        covered=speech.covered.union(findings.covered),
        named=named_in(ground),
    )


def cited(cover: Cover) -> tuple[tuple[EventId, int], ...]:
    """The heads of a room, each with its lamport."""
    return tuple((head, cover.named[head]) for head in cover.heads)


def named_in(ground: Ground) -> tuple[Container[EventId], ...]:
    """Where to look whether an event is known."""
    return ground.control.named, ground.strays.named, *(cover.named for cover in ground.covers.values())


def _greatest(lamports: Iterable[int]) -> int:
    return max(lamports, default=0)


def _control_hash(ground: Ground, members: list[Member]) -> bytes:
    """H over what the control room has come to. Nothing in it is beyond a newcomer's knowledge."""
    authority = ground.authority
    people: list[Value] = [
        [
            member.id,
            member.keys.to_value(),
            member.nickname,
            member.session,
            [prekey.id for prekey in member.prekeys],
            member.facilitator,
            member.accepted,
        ]
        for member in members
    ]
    rooms: list[Value] = [[opened.id, opened.title] for opened in sorted(authority.rooms.values(), key=by_order)]
    epochs = sorted(announced.epoch.id for announced in ground.sure)
    everything = authority.ancestry.whole()
    stands = ((room, steering(authority.record, room, everything)) for room in sorted(authority.record.steers))
    steered: list[Value] = [[room, stand.to_value()] for room, stand in stands if stand != Steering()]
    apart: list[Value] = [[room, *body.to_value()] for room, body in _opened(authority, everything)]
    rest = [steered, apart] if apart else [steered] if steered else []
    covered = encode([authority.charter_hash, people, epochs, rooms, *_sum(ground.control.tally), *rest])
    return digest(Label.STATE_CONTROL, covered)


def state_hash(control: bytes, ground: Ground) -> bytes:
    """H over the control hash and the sums of all rooms for everybody, and of what names none.

    What was said in a breakout is not in it: others cannot have it.
    """
    common = ((room, cover) for room, cover in sorted(ground.covers.items()) if room in ground.authority.rooms)
    rooms: list[Value] = [[room, *_sum(cover.tally)] for room, cover in common]
    return digest(Label.STATE_HASH, encode([control, rooms, _sum(ground.strays.tally)]))


def _sum(tally: Tally) -> list[Value]:
    return [tally.sum, tally.count]
