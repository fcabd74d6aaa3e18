"""One dialogue as this machine holds it: my persona and keys, the events, and the state they fold to.

Implements docs/spec/core.md §2. Everything held here has a vault row written in the same turn that changed it.
The state is a function of checkpoint and events, folded on when first asked for after a change; it is never edited.
A `Dialogue` is branched (shallow copies) before a batch touches it, so that a failed commit leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from tertulia.protocol import event as events_of
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.commons import LIMIT_RETENTION_DAYS
from tertulia.protocol.cover import Cover
from tertulia.protocol.effects import Table, View
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.event import CONTROL, LIMIT_SEQ, Event, Kind
from tertulia.protocol.fold import Folded, fold, fold_whole
from tertulia.protocol.folding import advance, forget
from tertulia.protocol.frame import FrameKeys
from tertulia.protocol.ids import ActorId, CommonsId, DialogueId, EpochId, EventId, PersonaId, PrekeyId, RoomId
from tertulia.protocol.lacking import Asking
from tertulia.protocol.lineage import past
from tertulia.protocol.method.cutting import Lines, lines
from tertulia.protocol.method.gathering import People, gather
from tertulia.protocol.method.matters import Matters
from tertulia.protocol.method.rules import Rules
from tertulia.protocol.persona import Persona
from tertulia.protocol.prekey import PrekeySecret
from tertulia.protocol.session import Session
from tertulia.protocol.shape import as_bool, as_bytes, as_int, as_list
from tertulia.protocol.share import Share
from tertulia.protocol.state import Status

if TYPE_CHECKING:
    from tertulia.protocol.state import Entry, EpochFact, Member, Room, State
    from tertulia.protocol.turn import Turn

SALT_BYTES: Final = 16
LIMIT_ROW: Final = 1 << 20
"""Bytes of one vault row; ours are far smaller, a larger one is damage."""
LIMIT_WAITING: Final = 1_024
"""Events of one dialogue that wait for what they name; they come again with a later rescan."""
LIMIT_NEWS: Final = 256
"""Events to fold on with one by one; of more, everything is folded anew."""
LIMIT_LOST: Final = 4_096
"""Ids remembered as lost."""
STAY: Final = 4
"""Bytes of the number of a stay in the name of its row; rows of one byte are older, and count as well."""
LIMIT_MS: Final = 1 << 62
"""No time we wrote is later."""


class Standing(StrEnum):
    """What I am in a dialogue."""

    IN = "in"
    LEFT = "left"
    REMOVED = "removed"


@dataclass(slots=True)
class Dialogue:
    """What one member holds of one dialogue. Secrets never appear in its repr."""

    id: DialogueId
    commons: CommonsId
    persona: Persona = field(repr=False)
    me: PersonaId
    session: Session = field(repr=False)
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    former: tuple[Checkpoint | None, ...] = field(default=(), repr=False)
    events: dict[EventId, Event] = field(default_factory=dict, repr=False)
    arrivals: dict[EventId, int] = field(default_factory=dict, repr=False)
    prekeys: dict[PrekeyId, PrekeySecret] = field(default_factory=dict, repr=False)
    secrets: dict[EpochId, bytes] = field(default_factory=dict, repr=False)
    doors: dict[EpochId, bytes] = field(default_factory=dict, repr=False)
    shares: dict[tuple[EpochId, PrekeyId], Share] = field(default_factory=dict, repr=False)
    checked_codes: frozenset[PersonaId] = frozenset()
    seen: int = 0
    confirmed: bool = False
    introductions_seen: frozenset[EventId] = frozenset()
    received: dict[PersonaId, dict[ActorId, int]] = field(default_factory=dict, repr=False)
    receipted: dict[ActorId, int] = field(default_factory=dict, repr=False)
    receipted_alone: int = 0
    pairs: Mapping[PersonaId, FrameKeys] = field(default_factory=dict, repr=False)
    """The keys of the lane to each of the others."""
    asking: Asking | None = None
    lost: frozenset[bytes] = frozenset()
    """What nobody asked could give me: ids of epochs and events."""
    answered: dict[PersonaId, tuple[int, int]] = field(default_factory=dict)
    """Whom I answered on which day, and how often."""
    rooted: tuple[Mapping[EpochId, EpochFact], Mapping[EpochId, frozenset[EpochId]]] = field(
        default_factory=lambda: ({}, {}), repr=False
    )
    """For which epochs, and for each of them which open its doors (keyring.py)."""
    fresh: tuple[Event, ...] = field(default=(), repr=False)
    counted: tuple[tuple[Entry, ...], int, int] = field(default=((), 0, 0), repr=False)
    """The log that was last counted, `seen` at that time, and how many of it were unread."""
    _folded: Folded | None = field(default=None, repr=False)
    _news: tuple[Event, ...] = field(default=(), repr=False)
    _chapters: tuple[State, ...] | None = field(default=None, repr=False)
    _gathered: tuple[tuple[tuple[Entry, ...], ...], object, Matters] | None = field(default=None, repr=False)
    """The rooms' logs that were last read for matters, the cuts that were made in them, and the matters."""

    def branch(self) -> Dialogue:
        """A copy that may be changed without this one noticing (values are shared, containers are not)."""
        return replace(
            self,
            events=dict(self.events),
            arrivals=dict(self.arrivals),
            prekeys=dict(self.prekeys),
            secrets=dict(self.secrets),
            doors=dict(self.doors),
            shares=dict(self.shares),
            received=dict(self.received),
            answered=dict(self.answered),
        )

    @property
    def state(self) -> State:
        """The fold of everything held."""
        if self._folded is None:
            self._folded = fold_whole(self.checkpoint, self.events)
        elif self._news:
            self._folded = advance(self._folded, self.checkpoint, self.events, self._news)
        self._news = ()
        return self._folded.state

    @property
    def matters(self) -> Matters:
        """What was said and put forward in this stay, and what became of it: read again when a room has changed."""
        state = self.state
        logs = tuple(room.log for room in state.rooms.values())
        cuts = {
            room: (stands.cuts, state.rooms[room].tally)
            for room, stands in state.steering.items()
            if stands.cuts
        }
        before = self._gathered
        if before is None or before[1] != cuts or any(one is not two for one, two in zip_longest(before[0], logs)):
            found = gather(Rules.of(state.charter), state.rooms.values(), self.events, self.lines, People.of(state))
            self._gathered = before = logs, cuts, found
        return before[2]

    @property
    def covers(self) -> dict[RoomId, Cover]:
        """What I was told of each room when I came."""
        return {} if self.checkpoint is None else {opened.id: cover for opened, cover, _ in self.checkpoint.rooms}

    @property
    def lines(self) -> dict[RoomId, Lines]:
        """The cuts of each room that has any, as far as I hold what they count."""
        return lines(self.state.steering, self.events, self.covers)

    @property
    def chapters(self) -> tuple[State, ...]:
        """What I saw during earlier stays, before I left and came back as somebody else; then the present state."""
        if self._chapters is None:
            self._chapters = tuple(fold(checkpoint, self.events) for checkpoint in self.former)
        return (*self._chapters, self.state)

    @property
    def member(self) -> Member | None:
        """Me on the roster, present or former."""
        return self.state.members.get(self.me)

    @property
    def standing(self) -> Standing:
        """Whether I am in, have left or was removed."""
        member = self.member
        if member is None or member.status is Status.REMOVED:
            return Standing.REMOVED
        return Standing.IN if member.status is Status.IN else Standing.LEFT

    @property
    def told_by(self) -> PersonaId | None:
        """Who told me what came before me, until somebody else's introduction has confirmed it."""
        return None if self.checkpoint is None or self.confirmed else self.checkpoint.told_by

    def control_hash_at(self, heads: Iterable[EventId]) -> bytes:
        """The hash of the control state that these heads lead to, as I hold it."""
        return fold(self.checkpoint, {key: self.events[key] for key in past(self.events, heads)}).control_hash

    @property
    def alone(self) -> bool:
        """Nobody else is on the roster: nothing needs to be carried anywhere."""
        return self.state.roster <= {self.me}

    @property
    def plenary(self) -> RoomId:
        """The one room of a `conversation`: the earliest opened."""
        return next(iter(self.state.rooms))

    @property
    def places(self) -> tuple[Room, ...]:
        """The plenary, then the breakouts that I take part in."""
        rooms = self.state.rooms
        mine = (room for room in rooms.values() if room.breakout is not None and self.me in room.members)
        return (rooms[self.plenary], *mine)

    def is_over(self, room: RoomId, minute: int) -> bool:
        """Say whether a room is closed, by facilitators or by its time."""
        found = self.state.rooms[room]
        return self.state.steering[room].closed or (found.breakout is not None and found.breakout.is_over(minute))

    def is_known_apart(self, room: RoomId) -> bool:
        """Say whether a room was a breakout when the state was last looked at: it costs no fold."""
        return self._folded is not None and self._folded.state.is_apart(room)

    def accept(self, turn: Turn, event: Event) -> None:
        """Hold a verified event of this dialogue that was not held before."""
        self.events[event.id] = event
        self.arrivals[event.id] = turn.now
        self.fresh = (*self.fresh, event)
        if len(self._news) < LIMIT_NEWS:
            self._news = (*self._news, event)
        else:
            self._fold_anew()
        turn.put(Table.EVENT, self.id + event.id, encode([turn.now, events_of.to_item(event).body]))
        view = View.PEOPLE if event.header.room == CONTROL else View.MESSAGES
        turn.changed(view, self.id)
        turn.changed(View.DIALOGUES)

    def _fold_anew(self) -> None:
        """What is held has changed otherwise than by events that came."""
        self._folded, self._news = None, ()

    def bound_waiting(self, turn: Turn) -> bool:
        """Let go of events beyond those that may wait for what they name; says whether any was.

        First those of nobody's keys, so that making up a key for each gains nothing; then the newest of whoever has
        most waiting. What is shown of an earlier stay is kept, whatever it waits for in this one.
        """
        if len(self.state.waiting) <= LIMIT_WAITING:
            return False
        known = self.state.actors.keys()
        earlier = (room.log for state in self.chapters[:-1] for room in state.rooms.values())
        waiting = self.state.waiting.difference(entry.event for log in earlier for entry in log)
        excess = len(waiting) - LIMIT_WAITING
        if excess <= 0:
            return False
        by_actor: dict[ActorId, list[Event]] = {}
        dropped: set[EventId] = set()
        for event in sorted((self.events[key] for key in waiting), key=lambda event: event.order):
            by_actor.setdefault(event.header.actor, []).append(event)
        for _ in range(excess):
            left = [actor for actor, events in by_actor.items() if events]
            last = by_actor[max(left, key=lambda actor: (actor not in known, len(by_actor[actor]), actor))].pop()
            del self.events[last.id], self.arrivals[last.id]
            dropped.add(last.id)
            turn.erase(Table.EVENT, self.id + last.id)
        assert self._folded is not None, "the state was looked at above"
        self._folded = forget(self._folded, self.checkpoint, self.events, dropped)
        return True

    def author(self, turn: Turn, room: RoomId, kind: Kind, body: bytes) -> Event:
        """Say or do something under my current session key; it is held and persisted, not yet sent."""
        state = self.state
        parents, control, lamport = state.cite(room, self.session.actor)
        event = events_of.make(
            dialogue=self.id,
            room=room,
            kind=kind,
            seq=state.next_seq(self.session.actor, room),
            parents=parents,
            control=control,
            lamport=lamport,
            tick=turn.minute,
            session_seed=self.session.seed,
            salt=turn.entropy(SALT_BYTES),
            body=body,
        )
        self.accept(turn, event)
        return event

    def hold_session(self, turn: Turn, session: Session) -> None:
        """Make this my session key and destroy the private half of the one before."""
        if session.actor != self.session.actor:
            turn.erase(Table.SESSION, self.id + self.session.actor)
        self.session = session
        turn.put(Table.SESSION, self.id + session.actor, encode([session.seed, session.start, session.end]))

    def hold_prekey(self, turn: Turn, secret: PrekeySecret) -> None:
        """Keep a prekey's private half."""
        key = secret.public.id
        self.prekeys[key] = secret
        row = encode([secret.box_secret, secret.hpke_seed, secret.born, secret.retention_days])
        turn.put(Table.PREKEY, self.id + key, row)

    def forget_prekey(self, turn: Turn, key: PrekeyId) -> None:
        """Destroy a prekey's private half: recorded shares to it can never be opened again."""
        del self.prekeys[key]
        turn.erase(Table.PREKEY, self.id + key)

    def give_up_keys(self, turn: Turn) -> None:
        """I come back as somebody else: what I was before keeps no key."""
        turn.erase(Table.SESSION, self.id + self.session.actor)
        for prekey in tuple(self.prekeys):
            self.forget_prekey(turn, prekey)
        for epoch, prekey in self.shares:
            turn.erase(Table.SHARE, self.id + epoch + prekey)

    def remember(self, before: Dialogue) -> None:
        """What I read before I left stays, as a chapter of its own."""
        self.former = (*before.former, before.checkpoint)
        self.events.update(before.events)
        self.arrivals.update(before.arrivals)
        self.secrets.update(before.secrets)
        self.doors.update(before.doors)
        self.received.update(before.received)
        self._fold_anew()

    def hold_checkpoint(self, turn: Turn, checkpoint: Checkpoint) -> None:
        """Start from what a welcome told."""
        self.checkpoint = checkpoint
        self._fold_anew()
        turn.put(Table.CHECKPOINT, self.id + len(self.former).to_bytes(STAY, "big"), encode(checkpoint.to_value()))

    def hold_self(self, turn: Turn) -> None:
        """Write down that this dialogue is mine, and what I have seen and compared in it."""
        turn.put(Table.DIALOGUE, self.id, encode([self.commons, sorted(self.checked_codes), self.seen, self.confirmed]))

    def hold_lost(self, turn: Turn, ids: frozenset[bytes]) -> None:
        """Nobody I asked could give me these."""
        self.lost = frozenset(sorted(self.lost | ids)[:LIMIT_LOST])
        turn.put(Table.LOST, self.id, encode(sorted(self.lost)))

    def hold_persona(self, turn: Turn) -> None:
        """Keep my persona's private halves."""
        turn.put(Table.PERSONA, self.id, encode([self.persona.sign_seed, self.persona.box_secret]))


Rows = Mapping[Table, Iterable[tuple[bytes, bytes]]]


def load(rows: Rows) -> dict[DialogueId, Dialogue]:
    """Every dialogue the vault holds.

    Raises: RemoteError or KeyError when a row is not what this program wrote (a damaged or newer vault).
    """
    found: dict[DialogueId, Dialogue] = {}
    personas = {key: as_list(decode(value, LIMIT_ROW), 2) for key, value in rows.get(Table.PERSONA, ())}
    sessions = {}
    for key, value in rows.get(Table.SESSION, ()):
        seed, start, end = as_list(decode(value, LIMIT_ROW), 3)
        sessions[key[:32]] = Session(as_bytes(seed, 32), as_int(start, 0, LIMIT_MS), as_int(end, 0, LIMIT_MS))
    for key, value in rows.get(Table.DIALOGUE, ()):
        commons, checked, seen, confirmed = as_list(decode(value, LIMIT_ROW), 4)
        sign_seed, box_secret = personas[key]
        persona = Persona(as_bytes(sign_seed, 32), as_bytes(box_secret, 32))
        dialogue = DialogueId(key)
        found[dialogue] = Dialogue(
            id=dialogue,
            commons=CommonsId(as_bytes(commons, 32)),
            persona=persona,
            me=persona.id(dialogue),
            session=sessions[key],
            checked_codes=frozenset(PersonaId(as_bytes(item, 32)) for item in as_list(checked)),
            seen=as_int(seen, 0, LIMIT_MS),
            confirmed=as_bool(confirmed),
        )
    _load_history(rows, found)
    _load_keys(rows, found)
    return found


def _load_history(rows: Rows, found: dict[DialogueId, Dialogue]) -> None:
    stays = ((key[:32], int.from_bytes(key[32:], "big"), value) for key, value in rows.get(Table.CHECKPOINT, ()))
    for key, stay, value in sorted(stays):
        dialogue = found[DialogueId(key)]
        if stay > 0:
            dialogue.former = (*dialogue.former, dialogue.checkpoint)
        dialogue.checkpoint = Checkpoint.from_value(decode(value, LIMIT_ROW))
    for key, value in rows.get(Table.EVENT, ()):
        dialogue = found[DialogueId(key[:32])]
        arrived, body = as_list(decode(value, LIMIT_ROW), 2)
        event = events_of.from_value(body, erasable=True)
        dialogue.events[event.id] = event
        dialogue.arrivals[event.id] = as_int(arrived, 0, LIMIT_MS)


def _load_keys(rows: Rows, found: dict[DialogueId, Dialogue]) -> None:
    for key, value in rows.get(Table.PREKEY, ()):
        box, hpke, born, days = as_list(decode(value, LIMIT_ROW), 4)
        age = as_int(born, 0, LIMIT_MS), as_int(days, 1, LIMIT_RETENTION_DAYS)
        secret = PrekeySecret(as_bytes(box, 32), as_bytes(hpke, 96), *age)
        found[DialogueId(key[:32])].prekeys[PrekeyId(key[32:])] = secret
    for key, value in rows.get(Table.EPOCH, ()):
        found[DialogueId(key[:32])].secrets[EpochId(key[32:])] = value
    for key, value in rows.get(Table.SHARE, ()):
        share = Share.from_value(decode(value, LIMIT_ROW))
        found[DialogueId(key[:32])].shares[share.epoch, share.prekey] = share
    for key, value in rows.get(Table.LOST, ()):
        found[DialogueId(key)].lost = frozenset(as_bytes(item, 32) for item in as_list(decode(value, LIMIT_ROW)))
    for key, value in rows.get(Table.RECEIPT, ()):
        entries = (as_list(entry, 2) for entry in as_list(decode(value, LIMIT_ROW)))
        vector = {ActorId(as_bytes(actor, 32)): as_int(number, 1, LIMIT_SEQ) for actor, number in entries}
        found[DialogueId(key[:32])].received[PersonaId(key[32:])] = vector
    for key, value in rows.get(Table.DOOR, ()):
        found[DialogueId(key[:32])].doors[EpochId(key[32:])] = value


__all__ = ["LIMIT_ROW", "Dialogue", "Rows", "Standing", "load"]
