"""The checkpoint: what a newcomer starts from, as one member tells it.

Implements docs/spec/events.md, section Checkpoint. It summarises and never excludes: it has every fact that a later
event could still touch, so what comes after folds to the same state as with the whole history; events concurrent with
it are judged exactly, as far as the named window of the control room reaches. It proves nothing: `told_by` answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.act import Need, Part, Proposal
from tertulia.protocol.authority import Announced, Opened
from tertulia.protocol.body import Kind
from tertulia.protocol.charter import LIMIT_CHARTER, LIMIT_MEMBERS, LIMIT_TITLE, dialogue_id
from tertulia.protocol.cover import LIMIT_COVERED, Cover
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.epoch import LIMIT_EPOCH_PARENTS, make_epoch
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import LIMIT_LAMPORT, LIMIT_PARENTS, LIMIT_SEQ
from tertulia.protocol.facilitation import Steer, decode_act
from tertulia.protocol.ids import ActorId, DialogueId, EpochId, EventId, PersonaId, RoomId
from tertulia.protocol.item import LIMIT_ITEM_BYTES
from tertulia.protocol.newcomer import LIMIT_PREKEYS, Newcomer
from tertulia.protocol.prekey import LIMIT_MINUTE, Prekey
from tertulia.protocol.room import Breakout, decode_room
from tertulia.protocol.roster import Remove, Role, Settle, decode_roster
from tertulia.protocol.rounds import Turns, read_turns, turns_value
from tertulia.protocol.seat import Brought, Order
from tertulia.protocol.shape import as_bool, as_bytes, as_id, as_ids, as_int, as_list, as_text, wrong

CHECKPOINT_VERSION: Final = 3
LIMIT_CHECKPOINT: Final = LIMIT_ITEM_BYTES
"""Bytes of a checkpoint."""
LIMIT_SEATS: Final = 4096
LIMIT_TOLD: Final = 4096
"""Entries of any list in a checkpoint that has no limit of its own."""


@dataclass(frozen=True, slots=True)
class KeyTold:
    """A session key of a seat: the events that gave it, those that introduced a successor, those that bear it out.

    `line` has the numbers it gave to its control events, where anybody may still ask for them.
    """

    key: ActorId
    since: tuple[Order, ...]
    endings: tuple[tuple[Order, ActorId], ...]
    witnesses: tuple[EventId, ...]
    line: tuple[tuple[int, EventId], ...] = ()

    def to_value(self) -> Value:
        """`[key, [[lamport, event], …], [[lamport, event, next key], …], [event, …], [[seq, event], …]]`."""
        endings: list[Value] = [[*order, key] for order, key in self.endings]
        return [self.key, self.since, endings, self.witnesses, self.line]

    @classmethod
    def from_value(cls, value: Value) -> KeyTold:
        """Read what `to_value` gives. Raises RemoteError(SHAPE)."""
        key, since, endings, witnesses, line = as_list(value, 5)
        given = tuple(_order(*as_list(entry, 2)) for entry in as_list(since, most=LIMIT_TOLD))
        if not given:
            raise wrong("a key from nowhere")
        ended = []
        for entry in as_list(endings, most=LIMIT_TOLD):
            lamport, event, following = as_list(entry, 3)
            ended.append((_order(lamport, event), ActorId(as_id(following))))
        numbers = []
        for entry in as_list(line, most=LIMIT_TOLD):
            seq, name = as_list(entry, 2)
            numbers.append((as_int(seq, 1, LIMIT_SEQ), EventId(as_id(name))))
        return cls(ActorId(as_id(key)), given, tuple(ended), _events(witnesses), tuple(numbers))


@dataclass(frozen=True, slots=True)
class SeatTold:
    """One admission. `newcomer.session` is the first key still told of; its prekeys stand in `prekeys`, with order.

    `giver` is the place of the seat of who admitted them, where it matters still; `appointed`: they facilitate by what
    is in everybody's past.
    """

    newcomer: Newcomer
    order: Order
    joined: int
    keys: tuple[KeyTold, ...]
    prekeys: tuple[Brought, ...]
    accepted: tuple[EventId, ...]
    endings: tuple[EventId, ...]
    giver: int | None = None
    appointed: bool = False

    def to_value(self) -> Value:
        """`[newcomer, lamport, event, joined, [key, …], [prekey, …], accepted, endings, giver, appointed]`."""
        return [
            self.newcomer.to_value(),
            *self.order,
            self.joined,
            [key.to_value() for key in self.keys],
            [[*order, place, prekey.to_value()] for order, place, prekey in self.prekeys],
            self.accepted,
            self.endings,
            self.giver,
            self.appointed,
        ]

    @classmethod
    def from_value(cls, value: Value, place: int) -> SeatTold:
        """Read what `to_value` gives, for the seat in this place. Raises RemoteError: SHAPE, KEY."""
        newcomer, lamport, event, joined, keys, prekeys, accepted, endings, giver, appointed = as_list(value, 10)
        told = []
        for entry in as_list(prekeys, most=LIMIT_PREKEYS):
            at, name, number, prekey = as_list(entry, 4)
            told.append((_order(at, name), as_int(number, 0, LIMIT_PREKEYS), Prekey.from_value(prekey)))
        return cls(
            Newcomer.from_value(newcomer),
            _order(lamport, event),
            as_int(joined, 0, LIMIT_MINUTE),
            tuple(KeyTold.from_value(key) for key in as_list(keys, most=LIMIT_TOLD)),
            tuple(told),
            _events(accepted),
            _events(endings),
            None if giver is None else as_int(giver, 0, place - 1),
            as_bool(appointed),
        )


@dataclass(frozen=True, slots=True)
class ActTold:
    """An act and who has signed it: `(order, place of their seat, as a facilitator)`, the proposer first."""

    body: Proposal
    need: Need
    signatures: tuple[tuple[Order, int, bool], ...]

    def to_value(self) -> Value:
        """`[body, part, count, [[lamport, event, place, facilitates], …]]`; what a removal knew is not told.

        The body of a facilitation act stands in a list of its own, that of a breakout there with its kind before it.
        The count of both is 0 where it stands in everybody's past.
        """
        body = Remove(self.body.member) if isinstance(self.body, Remove) else self.body
        said: Value = body.encode()
        if isinstance(body, Steer | Breakout):
            said = [body.encode()] if isinstance(body, Steer) else [int(Kind.ROOM), body.encode()]
        signatures: list[Value] = [[*order, place, facilitates] for order, place, facilitates in self.signatures]
        return [said, self.need.part, self.need.count, signatures]

    @classmethod
    def from_value(cls, value: Value, seats: int) -> ActTold:
        """Read what `to_value` gives, beside so many seats. Raises RemoteError: SIZE, ENCODING, SHAPE."""
        said, part, count, signatures = as_list(value, 4)
        body = _decode_body(said)
        if not isinstance(body, Remove | Role | Settle | Steer | Breakout):
            raise wrong("not an act")
        signed = []
        for entry in as_list(signatures, most=LIMIT_TOLD):
            lamport, event, place, facilitates = as_list(entry, 4)
            signed.append((_order(lamport, event), as_int(place, 0, seats - 1), as_bool(facilitates)))
        if not signed:
            raise wrong("an act by nobody")
        least = 0 if isinstance(body, Steer | Breakout) else 1
        need = Need(Part(as_int(part, Part.MEMBER, Part.FACILITATOR)), as_int(count, least, LIMIT_MEMBERS))
        return cls(body, need, tuple(signed))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Facts of the control room, and of each room what is covered. `links` has the parents of each named control event.

    `acts` are those that are pending or that something may still be concurrent with; `epochs` those made for the
    present roster; `rooms` have the place of who opened them, where it matters still; `strays` covers what names none;
    `turns` say who has spoken in the rounds of each room.
    """

    charter_body: bytes = field(repr=False)
    told_by: PersonaId
    seats: tuple[SeatTold, ...]
    acts: tuple[ActTold, ...]
    epochs: tuple[Announced, ...]
    rooms: tuple[tuple[Opened, Cover, int | None], ...]
    control: Cover
    links: Mapping[EventId, tuple[EventId, ...]]
    strays: Cover
    turns: Mapping[RoomId, Turns] = field(default_factory=dict)

    @property
    def dialogue(self) -> DialogueId:
        """The dialogue whose charter this carries."""
        return dialogue_id(self.charter_body)

    def to_value(self) -> Value:
        """Its CBOR, as one string of bytes: it is too deep to stand inside an item otherwise."""
        places = {event: place for place, event in enumerate(self.control.named)}
        return encode([
            CHECKPOINT_VERSION,
            self.charter_body,
            self.told_by,
            [seat.to_value() for seat in self.seats],
            [act.to_value() for act in self.acts],
            [_epoch_value(announced) for announced in self.epochs],
            [[*opened.order, opened.title, cover.to_value(), place] for opened, cover, place in self.rooms],
            self.control.to_value(),
            [[places[parent] for parent in self.links[event]] for event in self.control.named],
            self.strays.to_value(),
            turns_value(self.turns),
        ])  # fmt: skip

    @classmethod
    def from_value(cls, value: Value) -> Checkpoint:
        """Read what `to_value` gives. Raises RemoteError: SIZE, ENCODING, VERSION, SHAPE, KEY."""
        version, *fields = as_list(decode(as_bytes(value), LIMIT_CHECKPOINT), most=32) or [0]
        if as_int(version, 0, LIMIT_MINUTE) != CHECKPOINT_VERSION:
            raise RemoteError(RejectReason.VERSION, "checkpoint")
        charter, told_by, seats, acts, epochs, rooms, control, links, strays, turns = as_list(fields, 10)
        body = as_bytes(charter, most=LIMIT_CHARTER)
        covered = Cover.from_value(control)
        told = tuple(SeatTold.from_value(seat, place) for place, seat in enumerate(as_list(seats, most=LIMIT_SEATS)))
        if any(seat.giver is not None and told[seat.giver].order >= seat.order for seat in told):
            raise wrong("a seat given before its giver's")
        return cls(
            charter_body=body,
            told_by=PersonaId(as_id(told_by)),
            seats=told,
            acts=tuple(ActTold.from_value(act, len(told)) for act in as_list(acts, most=LIMIT_TOLD)),
            epochs=tuple(_epoch(entry, dialogue_id(body)) for entry in as_list(epochs, most=LIMIT_TOLD)),
            rooms=tuple(_room(entry, len(told)) for entry in as_list(rooms, most=LIMIT_TOLD)),
            control=covered,
            links=_links(links, covered),
            strays=Cover.from_value(strays),
            turns=read_turns(turns),
        )


def _decode_body(said: Value) -> object:
    if not isinstance(said, list):
        return decode_roster(as_bytes(said))
    *kind, body = as_list(said, most=2) or [b""]
    if kind:
        as_int(kind[0], Kind.ROOM, Kind.ROOM)
        return decode_room(as_bytes(body))
    return decode_act(as_bytes(body))


def _order(lamport: Value, event: Value) -> Order:
    return as_int(lamport, 0, LIMIT_LAMPORT), EventId(as_id(event))


def _events(value: Value) -> tuple[EventId, ...]:
    return tuple(EventId(as_id(event)) for event in as_list(value, most=LIMIT_TOLD))


def _epoch_value(announced: Announced) -> Value:
    epoch = announced.epoch
    made: list[Value] = [epoch.room, epoch.parents, epoch.roster_hash, epoch.sealer, epoch.commitment, epoch.created]
    return [*announced.order, *made]


def _epoch(value: Value, dialogue: DialogueId) -> Announced:
    lamport, event, room, parents, roster, sealer, commitment, created = as_list(value, 8)
    epoch = make_epoch(
        dialogue,
        RoomId(as_id(room)),
        [EpochId(parent) for parent in as_ids(parents, LIMIT_EPOCH_PARENTS)],
        as_id(roster),
        PersonaId(as_id(sealer)),
        as_id(commitment),
        as_int(created, 0, LIMIT_MINUTE),
    )
    return Announced(epoch, _order(lamport, event))


def _room(value: Value, seats: int) -> tuple[Opened, Cover, int | None]:
    lamport, event, title, cover, place = as_list(value, 5)
    opened = Opened(_order(lamport, event), as_text(title, LIMIT_TITLE))
    return opened, Cover.from_value(cover), None if place is None else as_int(place, 0, seats - 1)


def _links(value: Value, covered: Cover) -> dict[EventId, tuple[EventId, ...]]:
    """The parents of each named event, given by place: each older than the event itself, so that none is its own past.

    An event that was refused names none here, and is named by none.
    """
    names = list(covered.named)
    rows = as_list(value, most=LIMIT_COVERED)
    if len(rows) != len(names):
        raise wrong("links of another length")
    links = {}
    for place, row in enumerate(rows):
        places = [as_int(parent, 0, place - 1) for parent in as_list(row, most=LIMIT_PARENTS)]
        name, parents = names[place], tuple(names[parent] for parent in places)
        if not all(0 < covered.named[parent] < covered.named[name] for parent in parents):
            raise wrong("a parent that is not older than what names it")
        links[name] = parents
    return links
