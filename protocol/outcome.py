"""Outcome events: what a dialogue comes to, in words; and what goes along with it.

Implements docs/spec/events.md, section Outcome. A *note* is a rapporteur's, a *joint statement* that of those who
endorse it. Who disagrees adds a minority statement. Somebody's objection is answered, or attached. What becomes of that
is the method's (`method/gathering.py`, `method/sealing.py`); endorsing is a stance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, TypeAlias

from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.ids import EventId
from tertulia.protocol.room import LIMIT_FORM
from tertulia.protocol.say import LIMIT_LANGUAGE, LIMIT_SAY_TEXT, sized
from tertulia.protocol.shape import as_id, as_ids, as_list, as_text, wrong

LIMIT_CITED: Final = 32
"""Proposals, statements and actions that an outcome cites."""
LIMIT_OUTCOME_BODY: Final = LIMIT_SAY_TEXT + 4 * 1024
"""Bytes of the body of an outcome event."""


@unique
class OutcomeForm(StrEnum):
    """What an outcome event is."""

    NOTE = "note"
    JOINT = "joint"
    MINORITY = "minority"
    ANSWER = "answer"
    ATTACH = "attach"


OUTCOMES: Final = frozenset(map(str, OutcomeForm))


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What it comes to: a note, or where `joint` a joint statement. `cited` ascend: what it rests on."""

    joint: bool
    title: str = field(repr=False)
    text: str = field(repr=False)
    lang: str = ""
    cited: tuple[EventId, ...] = ()

    @property
    def form(self) -> OutcomeForm:
        """Which of the two."""
        return OutcomeForm.JOINT if self.joint else OutcomeForm.NOTE

    def encode(self) -> bytes:
        """CBOR `["note" or "joint", title, text, lang, [event, …]]`."""
        return encode([str(self.form), self.title, self.text, self.lang, self.cited])


@dataclass(frozen=True, slots=True)
class Minority:
    """What some hold who do not agree with an outcome: it goes along with it."""

    outcome: EventId
    text: str = field(repr=False)
    lang: str = ""

    def encode(self) -> bytes:
        """CBOR `["minority", outcome, text, lang]`."""
        return encode([str(OutcomeForm.MINORITY), self.outcome, self.text, self.lang])


@dataclass(frozen=True, slots=True)
class Answer:
    """Words to an `objection`: a stance with its reason."""

    objection: EventId
    text: str = field(repr=False)
    lang: str = ""

    def encode(self) -> bytes:
        """CBOR `["answer", objection, text, lang]`."""
        return encode([str(OutcomeForm.ANSWER), self.objection, self.text, self.lang])


@dataclass(frozen=True, slots=True)
class Attach:
    """An objection goes along with an outcome, in the words it was put in."""

    outcome: EventId
    objection: EventId

    def encode(self) -> bytes:
        """CBOR `["attach", outcome, objection]`."""
        return encode([str(OutcomeForm.ATTACH), self.outcome, self.objection])


Outcome: TypeAlias = Conclusion | Minority | Answer | Attach


def decode_outcome(body: bytes) -> Outcome | None:
    """Read the body of an outcome event; None for a form that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_OUTCOME_BODY))
    if not fields:
        raise wrong("no form")
    name, *rest = fields
    match as_text(name, LIMIT_FORM):
        case OutcomeForm.NOTE | OutcomeForm.JOINT as form:
            title, text, lang, cited = as_list(rest, 4)
            heading, words = as_text(title, LIMIT_TITLE), _words(text)
            if not heading.strip():
                raise wrong("no title")
            rests_on = tuple(EventId(event) for event in as_ids(cited, LIMIT_CITED))
            return Conclusion(form == OutcomeForm.JOINT, heading, words, as_text(lang, LIMIT_LANGUAGE), rests_on)
        case OutcomeForm.MINORITY:
            outcome, text, lang = as_list(rest, 3)
            return Minority(EventId(as_id(outcome)), _words(text), as_text(lang, LIMIT_LANGUAGE))
        case OutcomeForm.ANSWER:
            objection, text, lang = as_list(rest, 3)
            return Answer(EventId(as_id(objection)), _words(text), as_text(lang, LIMIT_LANGUAGE))
        case OutcomeForm.ATTACH:
            outcome, objection = as_list(rest, 2)
            return Attach(EventId(as_id(outcome)), EventId(as_id(objection)))
        case _:
            return None


def _words(value: Value) -> str:
    text = sized(value, LIMIT_SAY_TEXT)
    if not text.strip():
        raise wrong("no words")
    return text
