"""Gathering: from rooms as they were folded to the matters that were talked about in them.

Implements docs/spec/method.md. Total, and a function of the rooms' logs, the events' bodies and the charter's rules
alone: so it is the same on every node, whatever came in which order. Each room is read once, in its order (lamport,
id); what an event asks for is granted or refused by the tables of `rules` and what stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from tertulia.protocol.body import Body, Words
from tertulia.protocol.event import Event
from tertulia.protocol.ids import DialogueId, EventId, PersonaId, RoomId
from tertulia.protocol.method.cutting import Lines, governing
from tertulia.protocol.method.matters import Matter, Matters, Position, Revision
from tertulia.protocol.method.rules import ABOUT, FIXED, REASONED, STANCES, MethodNoOp, Rules, What
from tertulia.protocol.on_record import Place, words_hash
from tertulia.protocol.outcome import Answer, Attach, Conclusion, Minority, Outcome
from tertulia.protocol.propose import Action, AgendaItem, Amendment, Floor, Proposal, Propose, Take
from tertulia.protocol.resource import Resource
from tertulia.protocol.revise import Edit, Revise, Withdraw
from tertulia.protocol.say import Say
from tertulia.protocol.stance import OBJECTIONS, REMARKS, Stance, Value
from tertulia.protocol.state import Room, State
from tertulia.protocol.survey import Answers, Release, Survey

UNCUT: Final[Mapping[RoomId, Lines]] = {}
"""No cut is agreed on anywhere."""
NOBODY: Final[Mapping[EventId, PersonaId]] = {}
"""Nobody reports back from anywhere."""
Content: TypeAlias = (
    Say | Proposal | Amendment | Action | AgendaItem | Floor | Survey | Release | Conclusion | Minority | Answer
)


@dataclass(frozen=True, slots=True)
class People:
    """Whose keys sign on the record, in which dialogue, under which rules."""

    dialogue: DialogueId
    charter_hash: bytes
    keys: Mapping[PersonaId, bytes]

    @classmethod
    def of(cls, state: State) -> People:
        """Everybody who is or was in."""
        assert state.dialogue is not None, "there are rooms, so there is a charter"
        return cls(state.dialogue, state.charter_hash, {key: member.keys.sign for key, member in state.members.items()})

    def place(self, room: RoomId, conclusion: Conclusion) -> Place:
        """Where somebody endorses an outcome."""
        words = words_hash(self.dialogue, self.charter_hash, conclusion.encode())
        return Place(self.dialogue, room, self.charter_hash, words)


STRANGERS: Final = People(DialogueId(b""), b"", {})
"""Nothing can be said on the record."""


@dataclass(slots=True)
class _Draft:
    """A matter while its room is read."""

    event: EventId
    author: PersonaId
    what: What
    content: Content
    target: EventId | None
    revisions: list[Revision] = field(default_factory=list)
    votes: dict[PersonaId, Position] = field(default_factory=dict)
    remarks: dict[PersonaId, Position] = field(default_factory=dict)
    beside: list[EventId] = field(default_factory=list)
    versions: list[EventId] = field(default_factory=list)
    answers: dict[PersonaId, Answers] = field(default_factory=dict)
    cuts: Lines = ()

    def done(self, room: RoomId) -> Matter:
        """The matter."""
        return Matter(
            self.event,
            room,
            self.author,
            self.what,
            self.content,
            self.target,
            tuple(sorted(self.revisions, key=lambda revision: (revision.counter, revision.event))),
            self.votes,
            self.remarks,
            tuple(self.beside),
            tuple(self.versions),
            self.cuts,
            self.answers,
        )


def gather(
    rules: Rules,
    rooms: Iterable[Room],
    events: Mapping[EventId, Event],
    cuts: Mapping[RoomId, Lines] = UNCUT,
    people: People = STRANGERS,
) -> Matters:
    """Return what was said in these rooms came to; `events` has all that stand in their logs.

    `cuts` has up to where stances are counted, in the rooms where that is agreed on; `people` who can sign.
    """
    matters: dict[EventId, Matter] = {}
    noops: dict[EventId, MethodNoOp] = {}
    answers: dict[EventId, tuple[EventId, ...]] = {}
    attached: dict[EventId, tuple[EventId, ...]] = {}
    rooms = tuple(rooms)
    reporting = rapporteurs(rooms)
    for room in rooms:
        reading = _Reading(rules, room.id, cuts.get(room.id, ()), reporting, people)
        for entry in room.log:
            if entry.reason is None:
                reason = reading.read(entry.event, entry.author, events[entry.event].content)
                if reason is not None:
                    noops[entry.event] = reason
        matters.update((event, draft.done(room.id)) for event, draft in reading.drafts.items())
        answers.update((event, tuple(words)) for event, words in reading.answers.items())
        attached.update((event, tuple(dissent)) for event, dissent in reading.attached.items())
    return Matters(matters, noops, answers, attached)


def rapporteurs(rooms: Iterable[Room]) -> dict[EventId, PersonaId]:
    """Who reports back from each breakout; it is cited by the event that opened it."""
    return {EventId(room.id): room.breakout.rapporteur for room in rooms if room.breakout is not None}


def foresee(
    rules: Rules,
    room: Room,
    events: Mapping[EventId, Event],
    author: PersonaId,
    words: Words,
    cuts: Lines = (),
    reporting: Mapping[EventId, PersonaId] = NOBODY,
    people: People = STRANGERS,
) -> MethodNoOp | None:
    """Why these words, said next in this room, would not do what they are meant to; None where they would."""
    reading = _Reading(rules, room.id, cuts, reporting, people)
    for entry in room.log:
        if entry.reason is None:
            reading.read(entry.event, entry.author, events[entry.event].content)
    return reading.read(EventId(b""), author, words)


class _Reading:
    """One room as far as it was read."""

    def __init__(
        self, rules: Rules, room: RoomId, cuts: Lines, reporting: Mapping[EventId, PersonaId], people: People
    ) -> None:
        self._rules = rules
        self._room = room
        self._cuts = cuts
        self._reporting = reporting
        self._people = people
        self._objections: dict[EventId, EventId] = {}
        self.answers: dict[EventId, list[EventId]] = {}
        self.attached: dict[EventId, list[EventId]] = {}
        self.drafts: dict[EventId, _Draft] = {}

    def read(self, event: EventId, author: PersonaId, said: Body) -> MethodNoOp | None:
        """Take in what a member said; return why it does not do what it was meant to, if so."""
        match said:
            case Say() as content:
                return self._say(event, author, content)
            case Edit() | Withdraw() as content:
                return self._revise(event, author, content)
            case (
                Proposal() | Amendment() | Take() | Action() | AgendaItem() | Floor() | Survey() | Release()
            ) as content:
                return self._propose(event, author, content)
            case Stance() as content:
                return self._stand(event, author, content)
            case Conclusion() | Minority() | Answer() | Attach() as content:
                return self._conclude(event, author, content)
            case Answers() as content:
                return self._answer(event, author, content)
            case Resource():  # it stands by itself: views_resources.py lists them
                return None
            case _:
                return MethodNoOp.ERASED

    def _say(self, event: EventId, author: PersonaId, content: Say) -> MethodNoOp | None:
        """Words stay words, also where what they are about is none: only the tie is without effect."""
        what = What(content.form)
        about, reason = None, None
        if what is What.REPORT and content.target is not None:
            return self._report(event, author, content, content.target)
        if content.target is not None:
            about, reason = self._about(what, content.target)
        target = None if about is None else about.event
        self.drafts[event] = self._draft(event, author, what, content, target)
        if about is not None:
            about.beside.append(event)
        return reason

    def _report(self, event: EventId, author: PersonaId, content: Say, room: EventId) -> MethodNoOp | None:
        """What is reported from a breakout cites it, if it is its rapporteur who does."""
        reason = None if room in self._reporting else MethodNoOp.NO_TARGET
        if reason is None and self._reporting[room] != author:
            reason = MethodNoOp.NOT_YOURS
        cited = room if reason is None else None
        self.drafts[event] = self._draft(event, author, What.REPORT, content, cited)
        return reason

    def _draft(
        self,
        event: EventId,
        author: PersonaId,
        what: What,
        content: Content,
        target: EventId | None,
        *versions: EventId,
    ) -> _Draft:
        cuts = governing(self._cuts, event)
        return _Draft(event, author, what, content, target, versions=list(versions), cuts=cuts)

    def _about(self, what: What, target: EventId) -> tuple[_Draft | None, MethodNoOp | None]:
        about = self.drafts.get(target)
        if about is None:
            return None, MethodNoOp.NO_TARGET
        if about.what not in ABOUT[what]:
            return None, MethodNoOp.STORY if about.what is What.STORY else MethodNoOp.NOT_ABOUT
        return about, None

    def _revise(self, event: EventId, author: PersonaId, content: Revise) -> MethodNoOp | None:
        draft = self.drafts.get(content.target)
        if draft is None:
            return MethodNoOp.NO_TARGET
        if draft.author != author:
            return MethodNoOp.NOT_YOURS
        text = content.text if isinstance(content, Edit) else None
        if text is not None and draft.what in FIXED:
            return MethodNoOp.FIXED
        draft.revisions.append(Revision(content.counter, event, text))
        return None

    def _propose(self, event: EventId, author: PersonaId, content: Propose) -> MethodNoOp | None:
        match content:
            case Proposal():
                self.drafts[event] = self._draft(event, author, What.PROPOSAL, content, None, event)
            case Action():
                self.drafts[event] = self._draft(event, author, What.ACTION, content, None)
            case AgendaItem():
                self.drafts[event] = self._draft(event, author, What.AGENDA, content, None)
            case Floor():
                self.drafts[event] = self._draft(event, author, What.FLOOR, content, None)
            case Amendment():
                return self._amend(event, author, content)
            case Take():
                return self._take(event, author, content)
            case Survey():
                self.drafts[event] = self._draft(event, author, What.SURVEY, content, None)
            case Release():
                return self._release(event, author, content)
            case _:
                assert_never(content)
        return None

    def _amend(self, event: EventId, author: PersonaId, content: Amendment) -> MethodNoOp | None:
        """Put an amendment to the present version; by the proposal's own author it is taken with that."""
        about, reason = self._about(What.AMENDMENT, content.version)
        if about is None:
            return reason
        proposal = self.drafts[about.versions[0]]
        if proposal.versions[-1] != about.event:
            return MethodNoOp.MOVED
        if _is_late(event, proposal):
            return MethodNoOp.AFTER_CUT
        self.drafts[event] = self._draft(event, author, What.AMENDMENT, content, about.event, proposal.event)
        proposal.beside.append(event)
        if proposal.author == author:
            proposal.versions.append(event)
        return None

    def _take(self, event: EventId, author: PersonaId, content: Take) -> MethodNoOp | None:
        draft = self.drafts.get(content.amendment)
        if draft is None:
            return MethodNoOp.NO_TARGET
        if draft.what is not What.AMENDMENT:
            return MethodNoOp.NOT_ABOUT
        proposal = self.drafts[draft.versions[0]]
        if proposal.author != author:
            return MethodNoOp.NOT_YOURS
        if proposal.versions[-1] != draft.target:
            return MethodNoOp.MOVED
        if _is_late(event, proposal):
            return MethodNoOp.AFTER_CUT
        proposal.versions.append(draft.event)
        return None

    def _release(self, event: EventId, author: PersonaId, content: Release) -> MethodNoOp | None:
        about, reason = self._about(What.RELEASE, content.survey)
        if about is None:
            return reason
        self.drafts[event] = self._draft(event, author, What.RELEASE, content, about.event)
        about.beside.append(event)
        return None

    def _answer(self, event: EventId, author: PersonaId, content: Answers) -> MethodNoOp | None:
        draft = self.drafts.get(content.target)
        if draft is None:
            return MethodNoOp.NO_TARGET
        if not isinstance(draft.content, Survey):
            return MethodNoOp.NOT_FOR_THIS
        if not content.fits(draft.content):
            return MethodNoOp.NO_CHOICE
        if _is_late(event, draft):
            return MethodNoOp.AFTER_CUT
        draft.answers[author] = content
        return None

    def _stand(self, event: EventId, author: PersonaId, content: Stance) -> MethodNoOp | None:
        draft = self.drafts.get(content.target)
        if draft is None:
            return MethodNoOp.NO_TARGET
        if content.value not in STANCES[draft.what]:
            return MethodNoOp.STORY if draft.what is What.STORY else MethodNoOp.NOT_FOR_THIS
        if content.value is Value.BLOCK and not self._rules.block and draft.what is not What.RELEASE:
            return MethodNoOp.NO_BLOCK
        if content.value in REASONED.get(draft.what, ()) and not content.reason.strip():
            return MethodNoOp.REASON_REQUIRED
        if _is_late(event, draft):
            return MethodNoOp.AFTER_CUT
        if content.open is not None and not self._is_signed(author, draft, content):
            return MethodNoOp.NOT_SIGNED
        positions = draft.remarks if content.value in REMARKS else draft.votes
        positions[author] = Position(event, content.value, content.reason, content.open)
        if content.value in OBJECTIONS and content.reason.strip():
            self._objections[event] = draft.event
        return None

    def _is_signed(self, author: PersonaId, draft: _Draft, stance: Stance) -> bool:
        """Say whether what is said on the record is about an outcome, and signed by its author's persona."""
        key = self._people.keys.get(author)
        if key is None or stance.open is None or not isinstance(draft.content, Conclusion):
            return False
        place = self._people.place(self._room, draft.content)
        return stance.open.is_by(key, place, str(stance.value), stance.reason)

    def _conclude(self, event: EventId, author: PersonaId, content: Outcome) -> MethodNoOp | None:
        match content:
            case Conclusion():
                what = What(content.form)
                for cited in content.cited:
                    about, reason = self._about(what, cited)
                    if about is None:
                        return reason
                self.drafts[event] = self._draft(event, author, what, content, None)
            case Minority():
                about, reason = self._about(What.MINORITY, content.outcome)
                if about is None:
                    return reason
                self.drafts[event] = self._draft(event, author, What.MINORITY, content, about.event)
                about.beside.append(event)
            case Answer():
                if content.objection not in self._objections:
                    return MethodNoOp.NO_TARGET
                about = self.drafts[self._objections[content.objection]]
                self.drafts[event] = self._draft(event, author, What.ANSWER, content, about.event)
                about.beside.append(event)
                self.answers.setdefault(content.objection, []).append(event)
            case Attach():
                return self._attach(content)
            case _:
                assert_never(content)
        return None

    def _attach(self, content: Attach) -> MethodNoOp | None:
        about, reason = self._about(What.MINORITY, content.outcome)
        if about is None:
            return reason
        if content.objection not in self._objections:
            return MethodNoOp.NO_TARGET
        dissent = self.attached.setdefault(about.event, [])
        if content.objection not in dissent:
            dissent.append(content.objection)
        return None


def _is_late(event: EventId, draft: _Draft) -> bool:
    """Say whether this came after a cut up to which stances on that are counted."""
    return any(event not in line.events for line in draft.cuts)
