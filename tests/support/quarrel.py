"""Histories with honest and hostile acts mixed, made from a list of numbers that Hypothesis draws.

Every citizen holds their own part of what happened and acts on it; `meet` brings two parts together. What hostile acts
do is what the wire allows: any header, any parents, keys of one's own, several heads at a time. What comes out is a
`Story` with all events, and what each citizen held at the end: where a checkpoint could be taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from story import Story, drawn, prekey

from tertulia.protocol.event import CONTROL, Event, Kind
from tertulia.protocol.facilitation import DEEDS, About, Deed
from tertulia.protocol.ids import EventId, RoomId
from tertulia.protocol.outcome import Answer, Attach, Conclusion, Minority
from tertulia.protocol.propose import Amendment, Proposal, Take
from tertulia.protocol.revise import Edit, Withdraw
from tertulia.protocol.room import Breakout
from tertulia.protocol.roster import Leave
from tertulia.protocol.say import Say
from tertulia.protocol.session import Session
from tertulia.protocol.stance import Stance, Value
from tertulia.protocol.state import Outcome

CAST = ("ruth", "omar", "selam", "daniel", "amina")
ACTS = (
    *("say", "say", "say", "meet", "meet", "meet", "meet", "admit", "accept", "leave", "remove", "introduce"),
    *("prekeys", "announce", "alarm", "open", "skip", "steal", "revive", "twin", "leap", "unknown", "stranger"),
    *("orphan", "genesis", "misplace", "oust", "oust", "oust", "raise", "lower", "cosign", "cosign", "cosign"),
    *("settle", "fork", "late", "steer", "steer", "steer", "cut", "seal"),
    *("state", "stand", "stand", "revise", "propose", "amend", "conclude"),
    *("split", "split", "aside", "aside", "aside", "share"),
)
Step = tuple[int, str, int, int]


@dataclass
class Quarrel:
    """Carries out steps `(who, act, whom, odd number)`."""

    quorum: int = 1
    story: Story = field(init=False)
    held: dict[str, set[EventId]] = field(default_factory=dict)
    old: dict[str, list[Session]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.story = Story(quorum=self.quorum)
        for name in CAST:
            self.story.person(name)
            self.held[name] = set(self.story.now())
            self.old[name] = []
        self.story.seat(*CAST[1:4])
        for name in CAST[1:3]:
            act = self.story.role(name)
            for other in CAST[1:4]:
                if self.story.outcome(act) is Outcome.PENDING:
                    self.story.cosign(other, act)
        for name in CAST[:4]:
            self.held[name] = set(self.story.now())

    def play(self, steps: list[Step]) -> Quarrel:
        for who, act, whom, odd in steps:
            name = CAST[who % len(CAST)]
            event = self.step(name, act, CAST[whom % len(CAST)], odd)
            if event is not None:
                self.held[name].add(event.id)
        return self

    def step(self, name: str, act: str, other: str, odd: int) -> Event | None:
        story, seen = self.story, self.held[name]
        match act:
            case "say":
                return story.say(name, f"{odd}", seen=seen)
            case "meet":
                theirs = sorted(self.held[other])
                # Sometimes only a part arrives: then there are gaps and things that wait.
                seen.update(theirs if odd % 4 else theirs[: odd % (len(theirs) + 1)])
                return None
            case "admit":
                if odd % 2:
                    self.old[other].append(story.person(other).session)
                    story.anew(other)
                return story.admit(other, by=name if odd % 4 == 0 else "ruth", seen=self._as(name, odd, "ruth"))
            case "accept":
                return story.accept(name, seen=seen)
            case "leave":
                return story.leave(name, seen=seen)
            case "remove":
                return story.remove(other, by=name if odd % 4 == 0 else "ruth", seen=self._as(name, odd, "ruth"))
            case "introduce":
                self.old[name].append(story.person(name).session)
                return story.introduce(name, seen=seen)
            case "prekeys":
                return story.prekeys(name, prekey(name, odd % 8, days=30 + odd % 3), seen=seen)
            case "announce":
                return story.announce(name, odd % 16, seen=seen)
            case "alarm":
                return story.alarm(name, self._some(odd), other, seen=seen)
            case "open":
                return story.open(name if odd % 2 else "ruth", f"{odd}", seen=self._as(name, odd % 2, "ruth"))
            case _:
                return self._hostile(name, act, other, odd)

    def _hostile(self, name: str, act: str, other: str, odd: int) -> Event | None:
        story, seen = self.story, self.held[name]
        match act:
            case "skip":
                return story.say(name, "far ahead", seen=seen, seq=odd % 100 + 1)
            case "steal":  # name somebody else's session key as my next
                return story.introduce(name, key=story.person(other).session.actor, seen=seen)
            case "revive":  # use a session key that was given up
                session = (self.old[name] or [story.person(name).session])[-1]
                if odd % 2:
                    return story.introduce(name, key=drawn("revived", odd), session=session, seen=seen)
                return story.say(name, "again", session=session, seen=seen)
            case "twin":
                actor = story.person(name).session.actor
                seq = max(1, story.state(seen).next_seq(actor, story.plenary) - 1)
                return story.say(name, f"twin {odd}", seen=seen, seq=seq)
            case "leap":
                room = CONTROL if odd % 2 else story.plenary
                return story.act(name, Kind.ROSTER, Leave().encode(), room=room, seen=seen, lamport=1 + odd * odd)
            case "unknown":
                room = CONTROL if odd % 2 else story.plenary
                return story.act(name, Kind(5 + odd % 7), b"\x00", room=room, seen=seen)
            case "stranger":
                session = Session(drawn("stranger", odd), 0, 1)
                return story.say(name, "hello?", session=session, seen=seen)
            case "orphan":
                gone = EventId(drawn("gone", odd))
                if odd % 3 == 0:
                    return story.say(name, "?", seen=seen, control=(gone,))
                if odd % 3 == 1:
                    return story.leave(name, seen=seen, parents=(gone, self._some(odd)))
                return story.say(name, "?", seen=seen, parents=(gone, self._some(odd)))
            case "genesis":
                signer = story.person("ruth" if odd % 2 else name)
                return story.forge(
                    signer, kind=Kind.CHARTER, body=story.body, session=signer.first, seq=1, parents=(), lamport=1
                )
            case "oust":  # a facilitator removes another, on what they know, or on what they knew long ago
                return story.remove(other, by=name, seen=self._some_of(name, odd))
            case "raise" | "lower":
                return story.role(other, act == "raise", by=name, seen=self._some_of(name, odd))
            case "cosign":
                acts = [fact.event for fact in story.state().acts] or [self._some(odd)]
                return story.cosign(name, acts[odd % len(acts)], seen=seen)
            case "settle":
                return story.settle(name, seen=self._some_of(name, odd))
            case "steer":  # a deed to a room, by whoever, on what they know
                deed = Deed(1 + odd % len(Deed))
                subjects = {About.ROOM: b"", About.MEMBER: story.id(other), About.EVENT: self._some(odd)}
                window = (odd, odd + 60) if deed is Deed.ROUND else ()
                known = self._some_of(name, odd // 2)
                return story.steer(deed, subjects[DEEDS[deed].about], by=name, seen=known, window=window)
            case "cut":  # of what one knows, signed by whoever can
                return story.steer(Deed.CUT, by=name, seen=self._some_of(name, odd))
            case "seal":  # an outcome, or what is none
                return story.steer(Deed.SEAL, self._outcome(odd), by=name, seen=self._some_of(name, odd // 2))
            case "fork":  # sign two different things under one number
                actor = story.person(name).session.actor
                seq = max(1, story.state(seen).next_seq(actor, CONTROL) - 1)
                return story.role(other, bool(odd % 2), by=name, seen=self._some_of(name, odd), seq=seq)
            case "late":  # after a removal, with old parents and the right number
                actor = story.person(name).session.actor
                seq = story.state(seen).next_seq(actor, CONTROL)
                return story.remove(other, by=name, seen=self._some_of(name, 4 * odd), seq=seq)
            case "state" | "stand" | "revise" | "propose" | "amend" | "conclude":
                return self._speak(name, act, odd)
            case "split":  # a room for some, whoever asks, also for people who are not in
                people = dict.fromkeys((other, name, *(CAST[number] for number in range(5) if odd >> number & 1)))
                if len(people) == 1:
                    return None
                return story.split(*people, by=name, title=f"{odd}", seen=self._some_of(name, odd // 32))
            case "aside":  # said there, by whoever, where it is open and where it is not
                return story.say(name, f"{odd}", room=self._apart(odd), seen=seen)
            case "share":
                return story.announce(name, odd % 16, room=self._apart(odd), seen=seen)
            case "misplace":
                room = RoomId(self._some(odd))
                return story.act(name, Kind.SAY, b"\x00", room=room, seen=seen, parents=(self._some(odd // 7),))
            case _:
                raise ValueError(act)

    def _speak(self, name: str, act: str, odd: int) -> Event:
        """Something of the method, on anything there is: mostly on what can bear it, said by anybody."""
        said = sorted(event.id for event in self.story.events.values() if event.header.room != CONTROL)
        target = said[odd % len(said)] if said and odd % 5 else self._some(odd)
        kind, body = {
            "state": (Kind.SAY, Say(*(("statement", "So"), ("story", "Once"), ("reply", "No", "", target))[odd % 3])),
            "stand": (Kind.STANCE, Stance(target, tuple(Value)[odd % len(Value)], "why" * (odd % 2))),
            "revise": (Kind.REVISE, Edit(target, odd % 3 + 1, f"{odd}") if odd % 4 else Withdraw(target, odd % 3 + 1)),
            "propose": (Kind.PROPOSE, Proposal("Pilot", f"{odd}")),
            "conclude": (
                Kind.OUTCOME,
                (
                    Conclusion(bool(odd % 2), "Agreed", f"{odd}", "", (target,) if odd % 3 else ()),
                    Minority(self._outcome(odd), "No"),
                    Answer(target, "But"),
                    Attach(self._outcome(odd), target),
                )[odd % 4],
            ),
            "amend": (Kind.PROPOSE, Amendment(target, f"{odd}") if odd % 3 else Take(target)),
        }[act]
        return self.story.act(name, kind, body.encode(), room=self.story.plenary, seen=self.held[name])

    def _outcome(self, odd: int) -> EventId:
        """Some outcome there is, if any."""
        events = self.story.events.values()
        drafted = sorted(event.id for event in events if isinstance(event.content, Conclusion))
        return drafted[odd % len(drafted)] if drafted else self._some(odd)

    def _as(self, name: str, odd: int, other: str) -> set[EventId]:
        """What the signer of a facilitator's act had seen: a forked founder may know what another citizen knows."""
        return self.held[name if odd % 3 == 0 else other]

    def _some_of(self, name: str, odd: int) -> set[EventId]:
        """What a citizen knows; sometimes only a part, such that they could have acted on it."""
        known = self.held[name]
        if odd % 4:
            return known
        order = sorted(known, key=lambda event: self.story.events[event].order)
        return {*order[: len(order) - odd // 4 % 8], *order[:20]}

    def _apart(self, odd: int) -> RoomId:
        """A breakout, opened or only proposed; the plenary where there is none."""
        rooms = [event.id for event in self.story.events.values() if isinstance(event.content, Breakout)]
        return RoomId(rooms[odd % len(rooms)]) if rooms else self.story.plenary

    def _some(self, odd: int) -> EventId:
        events = sorted(self.story.events)
        return events[odd % len(events)]
