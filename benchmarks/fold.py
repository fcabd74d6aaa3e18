"""F12: folding 10,000 events, mostly speech, by 25 members over ten days; and one more, said or of the control
room; and one that reaches far back.

GOALS.md F12 (whole <= 150 ms, one more <= 1 ms). Members introduce a new session each day and speak on what they had
seen, sometimes two at once. The yardstick of the whole is what no fold can do without: putting the same events in order
and adding up their room hash; that of the others is the whole, or the same in a dialogue of few events. Rounds
alternate, so that a busy machine slows both. Signatures are checked where events arrive: in the batch's figure alone.
"""

from __future__ import annotations

import random
from functools import partial
from hashlib import shake_128
from operator import attrgetter

from benchmarks.figure import Figure, figure, in_turns, wall_ms
from tertulia.protocol import epoch as epochs
from tertulia.protocol import event as events_of
from tertulia.protocol import frame as frames
from tertulia.protocol.charter import Charter, charter_hash, dialogue_id
from tertulia.protocol.commons import Commons
from tertulia.protocol.core import Core
from tertulia.protocol.dialogue import Dialogue
from tertulia.protocol.event import CONTROL, Event, Kind
from tertulia.protocol.fold import fold, fold_whole
from tertulia.protocol.folding import advance
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import EventId, PersonaId, RoomId
from tertulia.protocol.inputs import FrameArrived
from tertulia.protocol.mark import Accept
from tertulia.protocol.newcomer import Newcomer
from tertulia.protocol.persona import Persona
from tertulia.protocol.room import OpenRoom
from tertulia.protocol.roster import Admit, Announce, Introduce, Prekeys, Remove
from tertulia.protocol.say import Say
from tertulia.protocol.session import Session
from tertulia.protocol.turn import MS_PER_MINUTE

GOAL_MS = 150.0
GOAL_ONE_MS = 1.0
ROUNDS = 15
MORE = 101
EVENTS = 10_000
FEW = 400
LATE = 5_000
MEMBERS = 25
DAYS = 10
NOW = 30_000_000
"""The minute at which a batch arrives."""


def measure() -> list[Figure]:
    """The figures F12, F12_control, F12_whole, F12_late_removal, batch_at_10000: medians in ms, with their spread."""
    author = _Author().converse(EVENTS)
    return [*_folds(author), _batch(author, _Author().converse(FEW))]


def _folds(author: _Author) -> list[Figure]:
    removal, held = author.late, dict(author.events)
    taken = in_turns(
        ROUNDS,
        ours=partial(wall_ms, partial(fold, None, held)),
        bare=partial(wall_ms, partial(_bare, list(held.values()))),
    )
    state = fold(None, held)
    assert (len(held), len(state.noops), len(state.waiting)) == (EVENTS, 0, 0)
    compared = {"bare sort and sum": taken["bare"]}
    whole = figure(
        "F12_whole", taken["ours"], "ms", most=GOAL_MS, compared=compared, events=EVENTS, shown=_shown(author, held)
    )

    folded = fold_whole(None, held)
    last = list(held.values())[-1]
    before = fold_whole(None, {name: event for name, event in held.items() if event != last})
    one = in_turns(MORE, ours=partial(wall_ms, partial(advance, before, None, held, (last,))))
    assert advance(before, None, held, (last,)).state == state
    more = {"whole fold": taken["ours"]}
    first = figure("F12", one["ours"], "ms", most=GOAL_ONE_MS, compared=more, events=EVENTS)

    word = author.act(author.sessions[3], Kind.ROSTER, Prekeys(()).encode(), CONTROL)
    with_word = {**held, word.id: word}
    one = in_turns(MORE, ours=partial(wall_ms, partial(advance, folded, None, with_word, (word,))))
    assert advance(folded, None, with_word, (word,)).speech is folded.speech
    control = figure("F12_control", one["ours"], "ms", compared=more, events=EVENTS, control=len(folded.control))

    after = {**held, removal.id: removal}
    late = in_turns(
        ROUNDS,
        ours=partial(wall_ms, partial(advance, folded, None, after, (removal,))),
        whole=partial(wall_ms, partial(fold, None, held)),
    )
    told = {"events_late": LATE, "shown": _shown(author, after)}
    compared = {"whole fold without it": late["whole"]}
    return [first, control, whole, figure("F12_late_removal", late["ours"], "ms", compared=compared, **told)]


def _shown(author: _Author, held: dict[EventId, Event]) -> int:
    return sum(entry.reason is None for entry in fold(None, held).rooms[author.room].log)


def _batch(many: _Author, few: _Author) -> Figure:
    """A frame with one message arrives, is opened, folded and settled: as a batch of its own, up to its commit."""
    taken = in_turns(MORE, many=_Listener(many).hear, few=_Listener(few).hear)
    return figure("batch_at_10000", taken["many"], "ms", compared={f"the same at {FEW}": taken["few"]}, events=EVENTS)


class _Listener:
    """A member's core that hears what somebody says, each time a frame of its own."""

    def __init__(self, author: _Author) -> None:
        self.author = author
        self.commons = Commons(author.drawn("key"), 1, "Aldea", 30, ("/ip4/192.0.2.7/tcp/4001",), bytes(32))
        secret = author.drawn("secret")
        state = fold(None, author.events)
        body = Announce(author.room, (), state.roster_hash, epochs.commitment(secret), NOW).encode()
        epoch = author.act(author.sessions[0], Kind.ROSTER, body, CONTROL)
        state = fold(None, author.events)
        me = author.personas[1]
        dialogue = Dialogue(author.dialogue, self.commons.id, me, me.id(author.dialogue), author.sessions[1])
        dialogue.events = dict(author.events)
        dialogue.arrivals = dict.fromkeys(author.events, 1)
        (fact,) = (fact for fact in state.epochs.values() if fact.event == epoch.id)
        dialogue.secrets[fact.epoch.id] = secret
        self.keys = epochs.epoch_keys(secret)
        self.core = Core(author.chance.randbytes, commons={self.commons.id: self.commons})
        self.core.reachable[self.commons.id] = 1
        self.core.dialogues[dialogue.id] = dialogue
        self.hear()

    def hear(self) -> float:
        author = self.author
        event = author.say(author.sessions[2])
        item = events_of.to_item(event)
        frame = frames.seal(self.commons.key, self.keys, FrameClass.SMALL, NOW, author.chance.randbytes(24), (item,))
        arrived = FrameArrived(self.commons.id, frame)
        overlay = self.core

        def run() -> None:
            nonlocal overlay
            overlay = self.core.stage()
            overlay.handle(arrived, NOW * MS_PER_MINUTE)
            overlay.settle(NOW * MS_PER_MINUTE)

        took = wall_ms(run)
        self.core = overlay
        log = overlay.dialogues[author.dialogue].state.rooms[author.room].log
        assert (log[-1].event, log[-1].reason) == (event.id, None)
        return took


def _bare(events: list[Event]) -> int:
    return sum(event.element for event in sorted(events, key=attrgetter("order"))) % (1 << 2048)


class _Author:
    """Signs events on what is there, without asking a fold: citing the last heads of both rooms."""

    def __init__(self) -> None:
        self.chance = random.Random(12)
        self.events: dict[EventId, Event] = {}
        self.heads: dict[RoomId, list[EventId]] = {CONTROL: []}
        self.seqs: dict[tuple[bytes, RoomId], int] = {}
        self.count = 0

    def drawn(self, *words: object) -> bytes:
        return shake_128(repr(words).encode()).digest(32)

    def act(self, session: Session, kind: Kind, body: bytes, room: RoomId, *, beside: bool = False) -> Event:
        """One event; `beside` leaves the heads it names open, as somebody who speaks at the same time does."""
        heads = self.heads.setdefault(room, [])
        parents = heads[-4:]
        control = self.heads[CONTROL][-8:] if room != CONTROL else []
        known = [self.events[name].header.lamport for name in (*parents, *control)]
        seq = self.seqs[session.actor, room] = self.seqs.get((session.actor, room), 0) + 1
        self.count += 1
        event = events_of.make(
            dialogue=self.dialogue,
            room=room,
            kind=kind,
            seq=seq,
            parents=parents,
            control=control,
            lamport=1 + max(known, default=0),
            tick=self.count,
            session_seed=session.seed,
            salt=self.drawn("salt", self.count)[:16],
            body=body,
        )
        self.events[event.id] = event
        if not beside:
            heads[-4:] = []
        heads.append(event.id)
        return event

    def found(self, persona: Persona, session: Session) -> bytes:
        founder = Newcomer(persona.keys, session.actor, (), "Ruth", b"", b"")
        charter = Charter(
            "conversation", "A month", founder, 30, FrameClass.SMALL, "since", "room", self.drawn("charter")
        ).encode()
        self.dialogue = dialogue_id(charter)
        self.act(session, Kind.CHARTER, charter, CONTROL)
        return charter

    def converse(self, count: int) -> _Author:
        """Until so many events have happened; `late` is a removal that nobody has heard of since `LATE` events."""
        self.personas = [Persona(self.drawn("sign", n), self.drawn("box", n)) for n in range(MEMBERS)]
        self.sessions = [Session(self.drawn("session", n), 0, 1440) for n in range(MEMBERS)]
        charter = self.found(self.personas[0], self.sessions[0])
        self.room = RoomId(self.act(self.sessions[0], Kind.ROOM, OpenRoom("plenary", "Plenary").encode(), CONTROL).id)
        newcomers = tuple(
            Newcomer(persona.keys, session.actor, (), f"Citizen {n}", self.drawn("card"), self.drawn("knock", n))
            for n, (persona, session) in enumerate(zip(self.personas[1:], self.sessions[1:], strict=True), 1)
        )
        self.act(self.sessions[0], Kind.ROSTER, Admit(newcomers).encode(), CONTROL)
        for session in self.sessions:
            self.act(session, Kind.MARK, Accept(charter_hash(charter)).encode(), CONTROL)
        for day in range(DAYS):
            for n, session in enumerate(self.sessions):
                following = Session(self.drawn("session", n, day), 1440 * (day + 1), 1440 * (day + 2))
                body = Introduce(following.actor, following.start, following.end, (), bytes(32))
                self.act(session, Kind.ROSTER, body.encode(), CONTROL)
                self.sessions[n] = following
            for _ in range((count - len(self.events)) // (DAYS - day)):
                self.say(self.chance.choice(self.sessions), beside=self.chance.random() < 0.2)
                if len(self.events) == count - LATE:
                    self.late = self.removal(self.personas[-1].id(self.dialogue))
        return self

    def say(self, session: Session, *, beside: bool = False) -> Event:
        words = Say("message", f"Statement {self.count}").encode()
        return self.act(session, Kind.SAY, words, self.room, beside=beside)

    def removal(self, member: PersonaId) -> Event:
        """A removal that is signed now and told to nobody."""
        last = fold(None, self.events).last_of(member)
        heads = list(self.heads[CONTROL])
        event = self.act(self.sessions[0], Kind.ROSTER, Remove(member, last).encode(), CONTROL)
        del self.events[event.id]
        self.heads[CONTROL] = heads
        return event


if __name__ == "__main__":
    for taken in measure():
        print(taken)
