"""Say events: what people tell each other, and in which form.

Implements docs/spec/events.md, section Say. The text is kept as it came; whoever shows it cleans it first
(`text.clean`), because cleaning must never decide whether an event is valid. What a form may answer, and what may be
done with it, is the method's (`method/rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final

from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import EventId
from tertulia.protocol.room import LIMIT_FORM
from tertulia.protocol.shape import as_id, as_list, as_text, wrong

LIMIT_SAY_TEXT: Final = 8 * 1024
"""Bytes of a message's text in UTF-8."""
LIMIT_STATEMENT: Final = 1_024
"""Bytes of a statement's text in UTF-8: one thought, that one can agree with or not."""
LIMIT_LANGUAGE: Final = 35
"""Characters of a language tag (RFC 5646 §4.4.1)."""
LIMIT_VOICE: Final = 40
"""Characters of the name of somebody whose words a scribe enters."""
LIMIT_SAY_BODY: Final = LIMIT_SAY_TEXT + 512
"""Bytes of the body of a say event."""


@unique
class Form(StrEnum):
    """What somebody means their words to be."""

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


FORMS: Final = frozenset(map(str, Form))
MESSAGE: Final = Form.MESSAGE
UNBOUND: Final = frozenset({Form.STATEMENT, Form.STORY})
"""Forms that answer nothing."""
BOUND: Final = frozenset({Form.REPLY, Form.TRANSLATION, Form.SOURCE, Form.CORRECTION, Form.REPORT})
"""Forms that are about something, and say about what."""


@dataclass(frozen=True, slots=True)
class Say:
    """`lang` is a language tag or empty; `target` what this is about: an event, or the breakout that a report is from;
    `voice` whose words a scribe enters.
    """

    form: str
    text: str = field(repr=False)
    lang: str = ""
    target: EventId | None = None
    voice: str = field(default="", repr=False)

    def encode(self) -> bytes:
        """CBOR `[form, text, lang, target or null]`; of a scribe, and the voice."""
        voice = [self.voice] if self.form == Form.SCRIBE else []
        return encode([str(self.form), self.text, self.lang, self.target, *voice])


def decode_say(body: bytes) -> Say | None:
    """Read the body of a say event; None for a form that we do not know.

    Raises RemoteError: SIZE (of the body, or of a text beyond LIMIT_SAY_TEXT bytes, of a statement LIMIT_STATEMENT),
    ENCODING; SHAPE, also where a form lacks its target, a translation its language, or a scribe's entry its voice.
    """
    fields = as_list(decode(body, LIMIT_SAY_BODY))
    if not fields:
        raise wrong("no form")
    name = as_text(fields[0], LIMIT_FORM)
    if name not in FORMS:
        return None
    form = Form(name)
    text, lang, target, *voice = as_list(fields[1:], 4 if form is Form.SCRIBE else 3)
    said = sized(text, LIMIT_STATEMENT if form is Form.STATEMENT else LIMIT_SAY_TEXT)
    about = None if target is None else EventId(as_id(target))
    if about is None and form in BOUND:
        raise wrong("about nothing")
    if about is not None and form in UNBOUND:
        raise wrong("an answer")
    spoken = as_text(lang, LIMIT_LANGUAGE)
    if form is Form.TRANSLATION and not spoken:
        raise wrong("no language")
    whose = as_text(voice[0], LIMIT_VOICE) if voice else ""
    if form is Form.SCRIBE and not whose:
        raise wrong("nobody's voice")
    return Say(form, said, spoken, about, whose)


def sized(text: object, most: int) -> str:
    """Return text of at most `most` bytes of UTF-8. Raises RemoteError: SHAPE, SIZE."""
    if not isinstance(text, str):
        raise wrong("not text")
    if len(text.encode()) > most:
        raise RemoteError(RejectReason.SIZE, "text")
    return text
