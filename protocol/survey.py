"""Questionnaires: questions with options, what somebody answers, and the asking whether the counts may leave the room.

Implements docs/spec/events.md, sections Propose and Stance; what comes of them is `method/evaluating.py`. An answer is
an event of its author's, so those in the room hold it. No view tells whose it is, and nothing that is exported can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.ids import EventId
from tertulia.protocol.say import LIMIT_LANGUAGE, LIMIT_SAY_TEXT, sized
from tertulia.protocol.shape import as_id, as_int, as_list, as_text, wrong

SURVEY: Final = "survey"
"""The form of a propose event that asks questions."""
RELEASE: Final = "release"
"""The form of a propose event that asks whether an evaluation may leave the room."""
ANSWERS: Final = "answers"
"""In a stance event, in the place of a value."""
LIMIT_QUESTIONS: Final = 16
LIMIT_OPTIONS: Final = 8
LEAST_OPTIONS: Final = 2
LIMIT_QUESTION: Final = 256
"""Characters of a question."""
LIMIT_OPTION: Final = 80
"""Characters of an option."""
LIMIT_ANSWERS_BODY: Final = 256
"""Bytes of the body of a stance event that answers."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `options` are 2 to 8, all different."""

    text: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """Questions to everybody; `text` says what for."""

    title: str = field(repr=False)
    text: str = field(repr=False)
    lang: str
    questions: tuple[Question, ...] = field(repr=False)

    def encode(self) -> bytes:
        """CBOR `["survey", title, text, lang, [[question, [option, …]], …]]`."""
        asked: list[Value] = [[question.text, list(question.options)] for question in self.questions]
        return encode([SURVEY, self.title, self.text, self.lang, asked])


@dataclass(frozen=True, slots=True)
class Release:
    """May the evaluation of this survey that has this hash leave the room? `text` says to whom, and why."""

    survey: EventId
    pack: bytes
    text: str = field(repr=False)
    lang: str = ""

    def encode(self) -> bytes:
        """CBOR `["release", survey, hash of the pack, text, lang]`."""
        return encode([RELEASE, self.survey, self.pack, self.text, self.lang])


@dataclass(frozen=True, slots=True)
class Answers:
    """What one person answers to a survey: for each question the option, counted from 1, or 0 for none."""

    target: EventId
    choices: tuple[int, ...] = field(repr=False)

    def encode(self) -> bytes:
        """CBOR `[survey, "answers", [choice, …]]`."""
        return encode([self.target, ANSWERS, list(self.choices)])

    def fits(self, survey: Survey) -> bool:
        """Whether there is a choice for each question, and each is an option of its own."""
        return len(self.choices) == len(survey.questions) and all(
            choice <= len(question.options) for choice, question in zip(self.choices, survey.questions, strict=True)
        )


def read_survey(rest: list[Value]) -> Survey:
    """Read what follows the form. Raises RemoteError: SHAPE, SIZE."""
    title, text, lang, asked = as_list(rest, 4)
    heading = as_text(title, LIMIT_TITLE)
    questions = tuple(_question(one) for one in as_list(asked))
    if not heading or not 1 <= len(questions) <= LIMIT_QUESTIONS:
        raise wrong("no title, or too few or too many questions")
    return Survey(heading, sized(text, LIMIT_SAY_TEXT), as_text(lang, LIMIT_LANGUAGE), questions)


def _question(value: Value) -> Question:
    asked, found = as_list(value, 2)
    question = Question(as_text(asked, LIMIT_QUESTION), tuple(as_text(one, LIMIT_OPTION) for one in as_list(found)))
    enough = LEAST_OPTIONS <= len(question.options) <= LIMIT_OPTIONS
    if not enough or len({*question.options, ""}) != len(question.options) + 1 or not question.text:
        raise wrong("a question that cannot be answered")
    return question


def read_release(rest: list[Value]) -> Release:
    """Read what follows the form. Raises RemoteError: SHAPE, SIZE."""
    survey, pack, text, lang = as_list(rest, 4)
    return Release(EventId(as_id(survey)), as_id(pack), sized(text, LIMIT_SAY_TEXT), as_text(lang, LIMIT_LANGUAGE))


def read_answers(body: bytes) -> Answers:
    """Read the body of a stance event whose value is `answers`. Raises RemoteError: SIZE, ENCODING, SHAPE."""
    target, _, choices = as_list(decode(body, LIMIT_ANSWERS_BODY), 3)
    found = tuple(as_int(choice, 0, LIMIT_OPTIONS) for choice in as_list(choices))
    if not 1 <= len(found) <= LIMIT_QUESTIONS:
        raise wrong("too few or too many answers")
    return Answers(EventId(as_id(target)), found)
