"""Matters: everything that was said or put forward in a dialogue, with what became of it.

Implements docs/spec/method.md. Values, made by `gathering` alone and never edited; equal on every node that holds the
same events. What is *provisional* is so by nature: whatever arrives later may still change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tertulia.protocol.ids import EventId, PersonaId, RoomId
from tertulia.protocol.method.cutting import Lines
from tertulia.protocol.method.rules import MethodNoOp, What
from tertulia.protocol.on_record import OnRecord
from tertulia.protocol.outcome import Answer, Conclusion, Minority
from tertulia.protocol.propose import Action, AgendaItem, Amendment, Floor, Proposal
from tertulia.protocol.say import Say
from tertulia.protocol.stance import Value
from tertulia.protocol.survey import Answers, Release, Survey


@dataclass(frozen=True, slots=True)
class Revision:
    """An edit, or with None for `text` a withdrawal, by the author in `event`."""

    counter: int
    event: EventId
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Position:
    """The latest stance of one persona, taken in `event`."""

    event: EventId
    value: Value
    reason: str = field(repr=False)
    open: OnRecord | None = None


Positions = Mapping[PersonaId, Position]


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing said (`content`), and what came of it.

    `target` is what it is about, where that has effect. `revisions` are by counter, the last one counts. `votes` and
    `remarks` have everybody's latest, `beside` what is about this, in order. `versions` of a proposal: itself, then the
    amendments that were taken, the present one last; of an amendment: the proposal's own id. `cuts` govern its stances.
    `answers` to a survey are everybody's latest.
    """

    event: EventId
    room: RoomId
    author: PersonaId
    what: What
    content: (
        Say | Proposal | Amendment | Action | AgendaItem | Floor | Survey | Release | Conclusion | Minority | Answer
    )
    target: EventId | None
    revisions: tuple[Revision, ...]
    votes: Positions
    remarks: Positions
    beside: tuple[EventId, ...]
    versions: tuple[EventId, ...]
    cuts: Lines = field(default=(), repr=False)
    answers: Mapping[PersonaId, Answers] = field(default_factory=dict, repr=False)

    @property
    def cut(self) -> EventId | None:
        """The act that agreed on up to where its stances are counted; None while nobody has."""
        return self.cuts[0].agreed.event if self.cuts else None

    @property
    def is_provisional(self) -> bool:
        """Whether what arrives later may change its tally: it is in no cut, or of the cut not all is here."""
        return not self.cuts or not all(line.whole for line in self.cuts)

    @property
    def text(self) -> str:
        """The words as they are now; empty once withdrawn."""
        return (self.revisions[-1].text or "") if self.revisions else self.content.text

    @property
    def is_withdrawn(self) -> bool:
        """Whether the author took it back."""
        return bool(self.revisions) and self.revisions[-1].text is None

    @property
    def is_edited(self) -> bool:
        """Whether it reads otherwise than at first."""
        return bool(self.revisions)

    @property
    def needing(self) -> frozenset[PersonaId]:
        """Who asks for a source and is not satisfied yet."""
        return self._remarking(Value.NEEDS_SOURCE)

    @property
    def disputing(self) -> frozenset[PersonaId]:
        """Who disputes it."""
        return self._remarking(Value.DISPUTED)

    def _remarking(self, value: Value) -> frozenset[PersonaId]:
        return frozenset(persona for persona, position in self.remarks.items() if position.value is value)


@dataclass(frozen=True, slots=True)
class Matters:
    """All matters of a dialogue, room by room in order, and why what has no effect has none.

    `answers` has the words to each objection, `attached` the objections that go along with each outcome, in order.
    """

    matters: Mapping[EventId, Matter]
    noops: Mapping[EventId, MethodNoOp]
    answers: Mapping[EventId, tuple[EventId, ...]] = field(default_factory=dict)
    attached: Mapping[EventId, tuple[EventId, ...]] = field(default_factory=dict)

    def current(self, proposal: Matter) -> Matter:
        """A proposal in its present version."""
        return self.matters[proposal.versions[-1]]
