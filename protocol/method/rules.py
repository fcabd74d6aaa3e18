"""Who may do what with what was said, and what wins, as data.

Implements docs/spec/method.md, whose tables are these (a test holds them equal). The fold looks everything up here;
what the charter leaves open is in `Rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from tertulia.protocol.charter import Charter
from tertulia.protocol.stance import Value


@unique
class What(StrEnum):
    """What can be talked about: a form of saying, or something put forward."""

    MESSAGE = "message"
    STATEMENT = "statement"
    STORY = "story"
    QUESTION = "question"
    REPLY = "reply"
    TRANSLATION = "translation"
    SOURCE = "source"
    CORRECTION = "correction"
    SCRIBE = "scribe"
    AUTOMATED = "automated"
    REPORT = "report"
    PROPOSAL = "proposal"
    AMENDMENT = "amendment"
    ACTION = "action"
    AGENDA = "agenda"
    FLOOR = "floor"
    NOTE = "note"
    JOINT = "joint"
    MINORITY = "minority"
    ANSWER = "answer"
    SURVEY = "survey"
    RELEASE = "release"


@unique
class MethodNoOp(StrEnum):
    """Why something said in a room does not do what it was meant to. Its words stay to be read."""

    NO_TARGET = "no-target"
    NOT_ABOUT = "not-about"
    STORY = "story"
    NOT_FOR_THIS = "not-for-this"
    NO_BLOCK = "no-block"
    REASON_REQUIRED = "reason-required"
    NOT_YOURS = "not-yours"
    FIXED = "fixed"
    MOVED = "moved"
    AFTER_CUT = "after-cut"
    NOT_SIGNED = "not-signed"
    UNANSWERED = "unanswered"
    NO_CHOICE = "no-choice"
    ERASED = "erased"


REASONS: Final[Mapping[MethodNoOp, str]] = {
    MethodNoOp.NO_TARGET: "it is about nothing that was said in this room before it",
    MethodNoOp.NOT_ABOUT: "this form does not go with what it is about",
    MethodNoOp.STORY: "a story is heard or asked about, nothing else",
    MethodNoOp.NOT_FOR_THIS: "this stance cannot be taken on that",
    MethodNoOp.NO_BLOCK: "the charter allows no block",
    MethodNoOp.REASON_REQUIRED: "who disagrees with a proposal, blocks it, or has a reservation says why",
    MethodNoOp.NOT_YOURS: "only who said it may do this",
    MethodNoOp.FIXED: "what others take a stance on keeps its words: withdraw it and say it anew, or amend it",
    MethodNoOp.MOVED: "the proposal has another version by now",
    MethodNoOp.AFTER_CUT: "stances on that are counted already",
    MethodNoOp.NOT_SIGNED: "it says that it is on the record, and the signature is not its author's",
    MethodNoOp.UNANSWERED: "an objection to what it rests on is neither answered nor attached",
    MethodNoOp.NO_CHOICE: "an answer has one of its options, or none, for each question",
    MethodNoOp.ERASED: "its body is gone, and only that would tell",
}

_SAID: Final = frozenset(
    {What.MESSAGE, What.STATEMENT, What.QUESTION, What.REPLY, What.SCRIBE, What.AUTOMATED, What.REPORT}
)
_PUT: Final = frozenset({
    What.PROPOSAL, What.AMENDMENT, What.ACTION, What.AGENDA, What.SURVEY, What.RELEASE
})  # fmt: skip
_CONCLUDED: Final = frozenset({What.NOTE, What.JOINT})
_WORDED: Final = _PUT | _CONCLUDED | {What.MINORITY, What.ANSWER}
_RESTING: Final = frozenset({What.STATEMENT, What.PROPOSAL, What.AMENDMENT, What.ACTION})
_BESIDE: Final = frozenset({What.TRANSLATION, What.SOURCE, What.CORRECTION})

ABOUT: Final[Mapping[What, frozenset[What]]] = {
    What.MESSAGE: _SAID | _WORDED | _BESIDE,
    What.QUESTION: _SAID | _WORDED | _BESIDE | {What.STORY},
    What.REPLY: _SAID | _WORDED | _BESIDE,
    What.TRANSLATION: _SAID | _WORDED | {What.STORY, What.CORRECTION},
    What.SOURCE: _SAID | _WORDED | {What.CORRECTION},
    What.CORRECTION: _SAID | _WORDED | {What.SOURCE},
    What.SCRIBE: _SAID | _WORDED | _BESIDE,
    What.AUTOMATED: _SAID | _WORDED | _BESIDE,
    What.AMENDMENT: frozenset({What.PROPOSAL, What.AMENDMENT}),
    What.NOTE: _RESTING,
    What.JOINT: _RESTING,
    What.MINORITY: _CONCLUDED,
    What.RELEASE: frozenset({What.SURVEY}),
}
"""What each form may be about. Statements, stories, proposals, actions and agenda items are about nothing else; reports
about a breakout; an answer is about a stance, a note or a joint statement about several things or none."""

_VOTE: Final = frozenset({Value.AGREE, Value.DISAGREE, Value.PASS})
_ENDORSE: Final = frozenset({Value.ENDORSE, Value.RESERVE, Value.PASS})
_DOUBT: Final = frozenset({Value.NEEDS_SOURCE, Value.SATISFIED})
_DISPUTE: Final = frozenset({Value.DISPUTED, Value.SATISFIED})

STANCES: Final[Mapping[What, frozenset[Value]]] = {
    What.MESSAGE: _DOUBT,
    What.STATEMENT: _VOTE | _DOUBT,
    What.STORY: frozenset({Value.HEARD}),
    What.QUESTION: frozenset(),
    What.REPLY: _DOUBT,
    What.TRANSLATION: _DISPUTE,
    What.SOURCE: _DISPUTE,
    What.CORRECTION: _DISPUTE,
    What.SCRIBE: _DOUBT,
    What.AUTOMATED: _DOUBT,
    What.REPORT: _DOUBT,
    What.PROPOSAL: _VOTE | _DOUBT | {Value.BLOCK},
    What.AMENDMENT: _VOTE | _DOUBT | {Value.BLOCK},
    What.ACTION: _VOTE,
    What.AGENDA: _VOTE,
    What.FLOOR: frozenset(),
    What.NOTE: _ENDORSE | _DOUBT,
    What.JOINT: _ENDORSE | _DOUBT,
    What.MINORITY: frozenset(),
    What.ANSWER: frozenset(),
    What.SURVEY: frozenset(),
    What.RELEASE: _VOTE | {Value.BLOCK},
}
"""Which stances can be taken on what."""

REASONED: Final[Mapping[What, frozenset[Value]]] = {
    What.PROPOSAL: frozenset({Value.DISAGREE, Value.BLOCK}),
    What.AMENDMENT: frozenset({Value.DISAGREE, Value.BLOCK}),
    What.NOTE: frozenset({Value.RESERVE}),
    What.JOINT: frozenset({Value.RESERVE}),
    What.RELEASE: frozenset({Value.DISAGREE, Value.BLOCK}),
}
"""Which stances need a reason."""

FIXED: Final = _WORDED | {What.STATEMENT}
"""What is never edited, because others take a stance on its words."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the charter says: whether a proposal may be blocked; whether tallies are hidden until one's own stance."""

    block: bool = False
    hidden: bool = False

    @classmethod
    def of(cls, charter: Charter | None) -> Rules:
        """What a charter says; without one nothing is allowed that needs to be."""
        return cls() if charter is None else cls(charter.terms.block, charter.terms.hidden)
