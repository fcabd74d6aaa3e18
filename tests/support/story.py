"""A dialogue told as a story: people act by name, and what each of them had seen is said where it matters.

    story = Story("ruth")
    story.admit("omar"); story.accept("omar")
    before = story.now()
    story.remove("omar")
    story.say("omar", "I had not heard", seen=before)
    assert story.shown() == []

Everything is real but the randomness: keys, signatures, events. An act is authored on the fold of what its author had
seen (everything so far, unless `seen` says otherwise); `forge` signs whatever header it is told to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import shake_128
from typing import Any

from tertulia.protocol import event as events_of
from tertulia.protocol.charter import Charter, charter_hash, dialogue_id
from tertulia.protocol.cover import Cover
from tertulia.protocol.cut import Cut
from tertulia.protocol.epoch import roster_hash
from tertulia.protocol.event import CONTROL, Event, Kind
from tertulia.protocol.facilitation import BOUNDED, Deed, Steer
from tertulia.protocol.fold import fold
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import EventId, PersonaId, RoomId
from tertulia.protocol.mark import Accept, Alarm
from tertulia.protocol.method.cutting import draw
from tertulia.protocol.newcomer import Newcomer
from tertulia.protocol.persona import Persona
from tertulia.protocol.prekey import Prekey, PrekeySecret
from tertulia.protocol.room import Breakout, OpenRoom
from tertulia.protocol.roster import Admit, Announce, Cosign, Introduce, Leave, Prekeys, Remove, Role, Settle
from tertulia.protocol.say import Say
from tertulia.protocol.session import Session
from tertulia.protocol.state import NoOp, Outcome, State

Seen = Iterable[EventId] | None


def drawn(*words: object, size: int = 32) -> bytes:
    """Return bytes that look random and are the same every time."""
    return shake_128(repr(words).encode()).digest(size)


@lru_cache(maxsize=4096)
def prekey(*words: object, days: int = 30, born: int = 0) -> Prekey:
    return PrekeySecret(drawn("box", words), drawn("hpke", words, size=96), born, days).public


@dataclass
class Person:
    """Somebody's keys; `session` is the one they sign with now, `first` the one they came with."""

    name: str
    persona: Persona
    session: Session
    first: Session
    sessions: int = 1

    @classmethod
    def named(cls, name: str) -> Person:
        session = Session(drawn("session", name, 0), 0, 1440)
        return cls(name, Persona(drawn("sign", name), drawn("box", name)), session, session)

    @property
    def newcomer(self) -> Newcomer:
        first = prekey(self.name)
        knock = drawn("knock", self.name)
        return Newcomer(self.persona.keys, self.first.actor, (first,), self.name, drawn("card"), knock)

    def next_session(self) -> Session:
        return Session(drawn("session", self.name, self.sessions), 1440 * self.sessions, 1440 * (self.sessions + 1))


@dataclass
class Story:
    """`events` is all that ever happened. `founder` has founded the dialogue and opened its plenary."""

    founder: str = "ruth"
    title: str = "Visas and family visits"
    events: dict[EventId, Event] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    count: int = 0
    quorum: int = 1

    def __post_init__(self) -> None:
        ruth = self.person(self.founder)
        noise = drawn("charter", self.title)
        self.charter = Charter(
            "conversation", self.title, ruth.newcomer, 30, FrameClass.SMALL, "since", "room", noise, self.quorum
        )
        self.body = self.charter.encode()
        self.dialogue = dialogue_id(self.body)
        self.genesis = self.forge(ruth, kind=Kind.CHARTER, body=self.body, seq=1, parents=(), lamport=1)
        self.plenary = RoomId(self.open(self.founder, "Plenary").id)

    # -- who -----------------------------------------------------------------------------------------------------------

    def person(self, name: str) -> Person:
        return self.people.setdefault(name, Person.named(name))

    def id(self, name: str) -> PersonaId:
        return self.person(name).persona.id(self.dialogue)

    def name(self, persona: PersonaId) -> str:
        return next(name for name in self.people if self.id(name) == persona)

    def anew(self, name: str) -> None:
        """Somebody draws new keys to knock again with."""
        person = self.person(name)
        person.session = person.first = person.next_session()
        person.sessions += 1

    # -- acts ----------------------------------------------------------------------------------------------------------

    def act(self, name: str, kind: Kind, body: bytes, room: RoomId = CONTROL, seen: Seen = None, **odd: Any) -> Event:
        """Somebody acts as their client would, on what they have seen; `odd` replaces fields of the header."""
        person = self.person(name)
        signer = odd.pop("session", person.session)
        state = self.state(seen)
        parents, control, lamport = state.cite(room, signer.actor)
        fields = {
            "room": room,
            "seq": state.next_seq(signer.actor, room),
            "parents": parents,
            "control": control,
            "lamport": lamport,
            **odd,
        }
        return self.forge(person, kind=kind, body=body, session=signer, **fields)

    def forge(self, person: Person, *, kind: int, body: bytes, session: Session | None = None, **fields: Any) -> Event:
        """Sign just what is said."""
        self.count += 1
        header: dict[str, Any] = {"dialogue": self.dialogue, "room": CONTROL, "control": (), "tick": self.count}
        header.update(fields)
        signer = session or person.session
        event = events_of.make(
            **header, kind=kind, body=body, session_seed=signer.seed, salt=drawn("salt", self.count, size=16)
        )
        self.events[event.id] = event
        return event

    def open(self, name: str, title: str, **odd: Any) -> Event:
        return self.act(name, Kind.ROOM, OpenRoom("plenary", title).encode(), **odd)

    def split(self, *names: str, by: str = "", title: str = "Corner", closes: int = 0, **odd: Any) -> Event:
        """A facilitator opens a breakout for people, of whom the first reports back; or proposes to."""
        body = Breakout(title, tuple(sorted(self.id(name) for name in names)), self.id(names[0]), closes)
        return self.act(by or self.founder, Kind.ROOM, body.encode(), **odd)

    def admit(self, *names: str, by: str = "", newcomers: Iterable[Newcomer] = (), **odd: Any) -> Event:
        body = Admit((*(self.person(name).newcomer for name in names), *newcomers))
        return self.act(by or self.founder, Kind.ROSTER, body.encode(), **odd)

    def accept(self, name: str, **odd: Any) -> Event:
        return self.act(name, Kind.MARK, Accept(odd.pop("charter", charter_hash(self.body))).encode(), **odd)

    def seat(self, *names: str) -> None:
        """Admit people, all of whom accept."""
        self.admit(*names)
        for name in names:
            self.accept(name)

    def leave(self, name: str, **odd: Any) -> Event:
        return self.act(name, Kind.ROSTER, Leave().encode(), **odd)

    def remove(self, name: str, by: str = "", seen: Seen = None, last: Any = None, **odd: Any) -> Event:
        member = self.id(name)
        body = Remove(member, self.state(seen).last_of(member) if last is None else last)
        return self.act(by or self.founder, Kind.ROSTER, body.encode(), seen=seen, **odd)

    def role(self, name: str, facilitator: bool = True, by: str = "", **odd: Any) -> Event:
        """Somebody proposes that `name` facilitate, or no more."""
        return self.act(by or self.founder, Kind.ROSTER, Role(self.id(name), facilitator).encode(), **odd)

    def cosign(self, name: str, act: Event | EventId, seen: Seen = None, last: Any = None, **odd: Any) -> Event:
        """Somebody signs what was proposed, with what they know of whom it removes."""
        event = act.id if isinstance(act, Event) else act
        content = self.events[event].content if event in self.events else None
        if last is None:
            last = self.state(seen).last_of(content.member) if isinstance(content, Remove) else ()
        return self.act(name, Kind.ROSTER, Cosign(event, last).encode(), seen=seen, **odd)

    def settle(self, name: str, seen: Seen = None, **odd: Any) -> Event:
        """Somebody proposes that nothing void what they know of."""
        return self.act(name, Kind.ROSTER, Settle(self.state(seen).control_hash).encode(), seen=seen, **odd)

    def steer(self, deed: Deed, about: bytes = b"", by: str = "", room: bytes = b"", **odd: Any) -> Event:
        """A facilitator does something to the plenary, or proposes to."""
        where = RoomId(room or self.plenary)
        window = odd.pop("window", None) or (0, 0)
        upto = odd.pop("upto", None)
        if deed in BOUNDED and upto is None:
            upto = self.cut(where, odd.get("seen"))
        proof = bytes(64) if deed is Deed.SEAL else b""
        body = Steer(deed, where, about, odd.pop("text", "Because."), *window, upto, proof)
        return self.act(by or self.founder, Kind.ACT, body.encode(), **odd)

    def cut(self, room: RoomId, seen: Seen = None) -> Cut:
        """Everything there is in a room, as far as it was seen; of an empty one, of what nobody said."""
        state = self.state(seen)
        heads = state.rooms[room].heads if room in state.rooms else ()
        return draw(room, heads or (EventId(drawn("nothing")),), self.of(seen), Cover())

    def appoint(self, *names: str) -> None:
        """Admit people who accept and are made facilitators, by all who have to sign it."""
        for name in names:
            self.seat(name)
            act = self.role(name)
            for other in (*names, *self.people):
                if self.outcome(act) is Outcome.PENDING:
                    self.cosign(other, act)

    def introduce(self, name: str, key: bytes | None = None, **odd: Any) -> Event:
        """The next session key takes over (or `key`, and then nobody changes theirs)."""
        person = self.person(name)
        following = person.next_session()
        body = Introduce(key or following.actor, following.start, following.end, (), bytes(32))
        event = self.act(name, Kind.ROSTER, body.encode(), **odd)
        if key is None:
            person.session = following
            person.sessions += 1
        return event

    def prekeys(self, name: str, *prekeys: Prekey, **odd: Any) -> Event:
        return self.act(name, Kind.ROSTER, Prekeys(prekeys).encode(), **odd)

    def announce(
        self, name: str, word: object, seen: Seen = None, roster: bytes = b"", room: bytes = b"", **odd: Any
    ) -> Event:
        state = self.state(seen)
        place = RoomId(room or self.plenary)
        people = state.rooms[place].members if place in state.rooms else state.roster
        body = Announce(place, (), roster or roster_hash(people), drawn("epoch", word), 5)
        return self.act(name, Kind.ROSTER, body.encode(), seen=seen, **odd)

    def alarm(self, name: str, event: EventId, subject: str, **odd: Any) -> Event:
        return self.act(name, Kind.MARK, Alarm(event, self.id(subject)).encode(), **odd)

    def say(self, name: str, text: str, room: RoomId | None = None, **odd: Any) -> Event:
        return self.act(name, Kind.SAY, Say("message", text).encode(), room=room or self.plenary, **odd)

    # -- what came of it -----------------------------------------------------------------------------------------------

    def now(self) -> frozenset[EventId]:
        """Everything that has happened so far, to be given as `seen` later."""
        return frozenset(self.events)

    def of(self, seen: Seen = None) -> Mapping[EventId, Event]:
        return self.events if seen is None else {event: self.events[event] for event in seen}

    def state(self, seen: Seen = None) -> State:
        return fold(None, self.of(seen))

    def reason(self, event: Event) -> NoOp | None:
        """Why an event changed nothing, if so."""
        return self.state().noops.get(event.id)

    def outcome(self, event: Event) -> Outcome | None:
        """What became of a proposal; None where it is none."""
        return next((act.outcome for act in self.state().acts if act.event == event.id), None)

    def facilitators(self) -> set[str]:
        return {self.name(member.id) for member in self.state().members.values() if member.facilitator}

    def roster(self) -> set[str]:
        return {self.name(persona) for persona in self.state().roster}

    def shown(self, state: State | None = None) -> list[str]:
        """What the plenary's screen shows."""
        log = (state or self.state()).rooms[self.plenary].log
        return [f"{self.name(entry.author)}: {self._text(entry.event)}" for entry in log if entry.reason is None]

    def _text(self, event: EventId) -> str:
        content = self.events[event].content
        return content.text if isinstance(content, Say) else f"({content})"
