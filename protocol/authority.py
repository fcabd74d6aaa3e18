"""Authority: who may do what, judged where the doer stood.

Implements docs/spec/events.md, sections Membership, Sessions and Bodies. Control events are given to `judge` parents
first; each is decided in its own causal past and, if it takes effect, becomes a fact that later questions look at. No
fact is ever taken back: what ends a seat or a session is a fact too. So the order among unrelated events is all one.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import Final, assert_never

from tertulia.protocol.ancestry import ANCIENT, Ancestry
from tertulia.protocol.body import Opaque, Words
from tertulia.protocol.charter import LIMIT_MEMBERS, Charter
from tertulia.protocol.epoch import Epoch, make_epoch, roster_hash
from tertulia.protocol.event import Event
from tertulia.protocol.facilitation import Steer
from tertulia.protocol.ids import ActorId, DialogueId, EventId, PersonaId, RoomId
from tertulia.protocol.mark import Accept, Alarm, Lack
from tertulia.protocol.newcomer import Newcomer
from tertulia.protocol.persona import persona_id
from tertulia.protocol.proposing import Motion, put
from tertulia.protocol.room import Breakout, OpenRoom
from tertulia.protocol.roster import Admit, Announce, Cosign, Introduce, Leave, Prekeys, Remove, Role, Settle
from tertulia.protocol.ruling import Record, by_order
from tertulia.protocol.seat import Claim, Order, Removal, Seat, Use
from tertulia.protocol.state import AlarmFact, Introduction, NoOp

LIMIT_ROOMS: Final = 32
"""Rooms a dialogue may have opened when another is asked for."""
FOUNDED: Final = 0
"""The lamport of the founder's seat: before every event, in everybody's past."""


@dataclass(frozen=True, slots=True)
class Announced:
    """An epoch with where it was announced. `false`: it is not for just those in its room, or by none of them."""

    epoch: Epoch
    order: Order
    false: bool = False

    @property
    def event(self) -> EventId:
        """The event that announced it."""
        return self.order[1]


@dataclass(frozen=True, slots=True)
class Opened:
    """A room with where it was opened: that event's id is the room's. `by`: whose power opened it, where it matters."""

    order: Order
    title: str
    by: Use | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> RoomId:
        """The room's id."""
        return RoomId(self.order[1])


class Authority:
    """Everything the control room has established. Grows while a fold runs, then is only read."""

    def __init__(self, dialogue: DialogueId, ancestry: Ancestry, charter: Charter, charter_hash: bytes) -> None:
        self.dialogue = dialogue
        self.ancestry = ancestry
        self.charter = charter
        self.charter_hash = charter_hash
        self.record = Record(ancestry)
        self.seats: list[Seat] = []
        self.claims: dict[ActorId, list[Claim]] = {}
        self.epochs: list[Announced] = []
        self.rooms: dict[RoomId, Opened] = {}
        self.introductions: list[Introduction] = []
        self.alarms: list[AlarmFact] = []

    # -- questions ---------------------------------------------------------------------------------------------------

    def speaker(self, actor: ActorId, past: int) -> tuple[Claim | None, NoOp | None]:
        """Whose key this is in that past, and why they may not act there, if they may not.

        Of several whose key it may be: whom its holder has borne out, else the earliest.
        """
        claims = [claim for claim in self.claims.get(actor, ()) if claim.mark & past]
        if not claims:
            return None, NoOp.NOT_A_MEMBER
        standing = [claim for claim in claims if self.stands(claim.seat, past)]
        if not standing:
            return claims[0], NoOp.NOT_A_MEMBER
        claim = next((claim for claim in standing if claim.borne & past), standing[0])
        return claim, NoOp.SESSION_ENDED if claim.ended & past else None

    def roster(self, past: int) -> frozenset[PersonaId]:
        """Who is in, in that past."""
        under = self.record.ruling(past).under
        return frozenset(seat.persona for seat in self.seats if under.stands(seat, past))

    def facilitators(self, past: int) -> frozenset[PersonaId]:
        """Who facilitates, in that past."""
        return frozenset(seat.persona for seat in self.seats if self.facilitates(seat, past))

    def stands(self, seat: Seat, past: int) -> bool:
        """Say whether somebody sits there, in that past."""
        return seat.is_held(past) and not self.record.ruling(past).under.is_taken(seat)

    def facilitates(self, seat: Seat, past: int) -> bool:
        """Say whether who sits there facilitates, in that past."""
        return self.stands(seat, past) and self.record.ruling(past).under.facilitates(seat, past)

    def is_open(self, room: RoomId, past: int) -> bool:
        """Say whether a room had been opened in that past; it stays so whatever becomes of who opened it."""
        act = self.record.breakouts.get(room)
        if act is not None:
            return act.is_complete(past)
        return room in self.rooms and bool(self.ancestry.mark(EventId(room)) & past)

    def room_roster(self, room: RoomId, past: int) -> frozenset[PersonaId]:
        """Who takes part in a room, in that past: everybody who is in; of a breakout those of them it is for."""
        act = self.record.breakouts.get(room)
        roster = self.roster(past)
        if act is None:
            return roster
        assert isinstance(act.body, Breakout), "kept apart when it was proposed"
        return roster.intersection(act.body.members)

    def persona_of(self, newcomer: Newcomer) -> PersonaId:
        """Who these keys are in this dialogue."""
        return persona_id(self.dialogue, newcomer.keys)

    # -- facts -------------------------------------------------------------------------------------------------------

    def found(self, event: EventId, joined: int) -> None:
        """Seat the founder. No event need be seen for it: the dialogue's id is the hash of the charter."""
        founder = self.charter.founder
        order = (FOUNDED, event)
        persona = self.persona_of(founder)
        seat = Seat(persona, founder, order, ANCIENT, ANCIENT, joined, acceptance=ANCIENT, appointed=True)
        seat.prekeys.extend((seat.order, place, prekey) for place, prekey in enumerate(founder.prekeys))
        self.take_seat(seat)
        self.claim_of(seat, founder.session).give(order, ANCIENT)

    def take_seat(self, seat: Seat) -> None:
        """Record a seat."""
        insort(self.seats, seat, key=by_order)

    def claim_of(self, seat: Seat, key: ActorId) -> Claim:
        """A seat's claim to a session key, a new one where it has none; the caller gives it its events."""
        if key not in seat.claims:
            seat.claims[key] = Claim(key, seat)
            self.claims.setdefault(key, []).append(seat.claims[key])
        return seat.claims[key]

    def judge(self, event: Event, past: int) -> tuple[PersonaId | None, NoOp | None]:
        """Decide a placed control event in its past and take it in. Return its author and why it is a no-op.

        Itself is left out of what its author could know: a ruling that is looked up stays as it is.
        """
        past &= ~self.ancestry.mark(event.id)
        claim, reason = self.speaker(event.header.actor, past)
        author = claim.seat.persona if claim else None
        if claim is not None:
            self.record.number(event.header.actor, event.header.seq, event.id)
        if claim is None or reason is not None:
            return author, reason
        self._bear_out(event, claim, past)
        body = event.content
        if isinstance(body, Words):
            return author, NoOp.WRONG_ROOM
        match body:
            case Charter():
                return author, NoOp.SECOND_CHARTER
            case Admit() | OpenRoom():
                return author, self._facilitate(event, body, claim.seat, past)
            case Remove() | Role() | Settle() | Cosign() | Steer() | Breakout():
                people = self.roster(past), self.facilitators(past), self.charter.quorum
                every = (*self.rooms, *self.record.breakouts)
                rooms = frozenset(room for room in every if self.is_open(room, past))
                return author, put(Motion(self.record, event, body, claim.seat, past, *people, rooms))
            case Leave():
                claim.seat.end(event.id, self.ancestry.mark(event.id))
            case Introduce():
                return author, self._introduce(event, body, claim, past)
            case Prekeys():
                claim.seat.prekeys.extend((event.order, place, prekey) for place, prekey in enumerate(body.prekeys))
            case Announce():
                return author, self._announce(event, body, claim.seat, past)
            case Accept():
                return author, self._accept(event, body, claim.seat, past)
            case Alarm():
                self.alarms.append(AlarmFact(event.id, claim.seat.persona, body.event, body.subject))
            case Lack():  # a question to some: it changes nothing, and is nobody's fault
                return author, None
            case Opaque.UNREAD:
                return author, NoOp.UNKNOWN
            case Opaque.MALFORMED:
                return author, NoOp.MALFORMED
            case Opaque.ERASED:
                return author, NoOp.ERASED
            case _:
                assert_never(body)
        return author, None

    def _facilitate(self, event: Event, body: Admit | OpenRoom, seat: Seat, past: int) -> NoOp | None:
        if not self.facilitates(seat, past):
            return NoOp.NOT_A_FACILITATOR
        mark, known = self.ancestry.mark(event.id), self.ancestry.past_of(event.id)
        use = Use(seat, event.order, mark, known, facilitates=True)
        match body:
            case Admit():
                reason = self._admit(event, body, past, use)
            case OpenRoom():
                reason = self._open(event, body, past, use)
            case _:
                assert_never(body)
        if reason is None:
            self.record.use(use)
        return reason

    def _admit(self, event: Event, body: Admit, past: int, use: Use) -> NoOp | None:
        """Seat those who are not in yet, as far as there is room and their key is their own."""
        roster = set(self.roster(past))
        reason: NoOp | None = NoOp.ALREADY_IN
        seated = False
        for newcomer in body.newcomers:
            persona = self.persona_of(newcomer)
            if persona in roster:
                continue
            if len(roster) >= LIMIT_MEMBERS:
                reason = NoOp.ROSTER_FULL
                break
            if self._is_taken(newcomer.session, past):
                reason = NoOp.KEY_TAKEN
                continue
            self._admit_one(event, newcomer, persona, use)
            roster.add(persona)
            seated = True
        return None if seated else reason

    def _admit_one(self, event: Event, newcomer: Newcomer, persona: PersonaId, use: Use) -> None:
        seat = Seat(persona, newcomer, event.order, use.mark, use.past, event.header.tick, given=use)
        seat.prekeys.extend((event.order, place, prekey) for place, prekey in enumerate(newcomer.prekeys))
        self.take_seat(seat)
        self._give(seat, newcomer.session, event)

    def conclude(self) -> None:
        """When every control event is judged: say of each seat which removals end it, a void admission among them."""
        under = self.record.ruling(self.ancestry.whole()).under
        for seat in self.seats:
            removals = [Removal(tuple(use.last for use in act.signatures)) for act in under.removals(seat)]
            if seat.given is not None and under.is_void(seat.given):
                removals.append(Removal(()))
            seat.removals = tuple(removals)

    def _give(self, seat: Seat, key: ActorId, event: Event) -> None:
        """From this event on the key is the seat's; claims to one key stay in the order of their earliest event."""
        self.claim_of(seat, key).give(event.order, self.ancestry.mark(event.id))
        self.claims[key].sort(key=by_order)

    def _bear_out(self, event: Event, claim: Claim, past: int) -> None:
        """Note the first control event of a key whose author knew of one claim to it only."""
        known = sum(1 for other in self.claims[claim.key] if other.mark & past)
        if known == 1 and not claim.borne & past:
            claim.bear_out(event.id, self.ancestry.mark(event.id))

    def _is_taken(self, key: ActorId, past: int) -> bool:
        return any(claim.mark & past for claim in self.claims.get(key, ()))

    def _open(self, event: Event, body: OpenRoom, past: int, use: Use) -> NoOp | None:
        """A room stays open whatever becomes of who opened it; but it takes nobody else's place."""
        under = self.record.ruling(past).under
        opened = (room for room in self.rooms.values() if room.by is None or not under.is_void(room.by))
        if sum(self.is_open(room.id, past) for room in opened) >= LIMIT_ROOMS:
            return NoOp.TOO_MANY_ROOMS
        room = Opened(event.order, body.title, use)
        self.rooms[room.id] = room
        return None

    def _introduce(self, event: Event, body: Introduce, claim: Claim, past: int) -> NoOp | None:
        """The signer's key ends in everything that has seen this; the next one belongs to the same seat."""
        if self._is_taken(body.key, past):
            return NoOp.KEY_TAKEN
        mark = self.ancestry.mark(event.id)
        claim.end(event.order, mark, body.key)
        self._give(claim.seat, body.key, event)
        self.introductions.append(Introduction(event.id, claim.seat.persona, body))
        return None

    def _announce(self, event: Event, body: Announce, seat: Seat, past: int) -> NoOp | None:
        """Record an epoch. Whether its roster is the present one is asked by whoever wants to seal under it."""
        if not self.is_open(body.room, past):
            return NoOp.NO_ROOM
        people = self.room_roster(body.room, past)
        false = body.roster_hash != roster_hash(people) or seat.persona not in people
        epoch = make_epoch(
            self.dialogue, body.room, body.parents, body.roster_hash, seat.persona, body.commitment, body.created
        )
        self.epochs.append(Announced(epoch, event.order, false))
        return None

    def _accept(self, event: Event, body: Accept, seat: Seat, past: int) -> NoOp | None:
        if body.charter_hash != self.charter_hash:
            return NoOp.OTHER_CHARTER
        if not seat.acceptance & past:
            seat.accept(event.id, self.ancestry.mark(event.id))
        return None
