"""Propose events: what the room might decide, do or talk about.

Implements docs/spec/events.md, section Propose. A proposal is amended by version: an amendment names the version it
changes, and counts as a version once the proposal's author takes it. What becomes of that is the method's
(`method/matters.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, TypeAlias

from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.ids import EventId, PersonaId
from tertulia.protocol.prekey import LIMIT_MINUTE
from tertulia.protocol.room import LIMIT_FORM
from tertulia.protocol.say import LIMIT_LANGUAGE, LIMIT_SAY_TEXT, sized
from tertulia.protocol.shape import as_id, as_int, as_list, as_text, wrong
from tertulia.protocol.survey import RELEASE, SURVEY, Release, Survey, read_release, read_survey

LIMIT_PROPOSE_BODY: Final = LIMIT_SAY_TEXT + 16_384
"""Bytes of the body of a propose event."""
LIMIT_FLOOR: Final = 512
"""Bytes of what somebody asks for the floor on."""


@unique
class ProposeForm(StrEnum):
    """What a propose event puts forward."""

    PROPOSAL = "proposal"
    AMENDMENT = "amendment"
    TAKE = "take"
    ACTION = "action"
    AGENDA = "agenda"
    FLOOR = "floor"
    SURVEY = SURVEY
    RELEASE = RELEASE


MOTIONS: Final = frozenset(map(str, ProposeForm))


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something to decide; `closes` is the minute until which stances are asked for, 0 if there is none."""

    title: str = field(repr=False)
    text: str = field(repr=False)
    lang: str = ""
    closes: int = 0

    def encode(self) -> bytes:
        """CBOR `["proposal", title, text, lang, closes]`."""
        return encode([str(ProposeForm.PROPOSAL), self.title, self.text, self.lang, self.closes])


@dataclass(frozen=True, slots=True)
class Amendment:
    """Another text for what `version`, a proposal or an amendment that was taken, says."""

    version: EventId
    text: str = field(repr=False)
    lang: str = ""

    def encode(self) -> bytes:
        """CBOR `["amendment", version, text, lang]`."""
        return encode([str(ProposeForm.AMENDMENT), self.version, self.text, self.lang])


@dataclass(frozen=True, slots=True)
class Take:
    """The proposal's author takes this amendment: its text is the proposal's from here on."""

    amendment: EventId

    def encode(self) -> bytes:
        """CBOR `["take", amendment]`."""
        return encode([str(ProposeForm.TAKE), self.amendment])


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do: by whom, until which minute, and when to look at it again (0: not said)."""

    title: str = field(repr=False)
    text: str = field(repr=False)
    lang: str
    owner: PersonaId
    deadline: int
    review: int = 0

    def encode(self) -> bytes:
        """CBOR `["action", title, text, lang, owner, deadline, review]`."""
        return encode([
            str(ProposeForm.ACTION), self.title, self.text, self.lang, self.owner, self.deadline, self.review
        ])  # fmt: skip


@dataclass(frozen=True, slots=True)
class AgendaItem:
    """Something to talk about, for so many minutes (0: not said)."""

    title: str = field(repr=False)
    text: str = field(repr=False)
    lang: str = ""
    minutes: int = 0

    def encode(self) -> bytes:
        """CBOR `["agenda", title, text, lang, minutes]`."""
        return encode([str(ProposeForm.AGENDA), self.title, self.text, self.lang, self.minutes])


@dataclass(frozen=True, slots=True)
class Floor:
    """Its author asks for the floor; `text` says on what, and may be empty."""

    text: str = field(repr=False)
    lang: str = ""

    def encode(self) -> bytes:
        """CBOR `["floor", text, lang]`."""
        return encode([str(ProposeForm.FLOOR), self.text, self.lang])


Propose: TypeAlias = Proposal | Amendment | Take | Action | AgendaItem | Floor | Survey | Release


def decode_propose(body: bytes) -> Propose | None:
    """Read the body of a propose event; None for a form that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_PROPOSE_BODY))
    if not fields:
        raise wrong("no form")
    name, *rest = fields
    match as_text(name, LIMIT_FORM):
        case ProposeForm.PROPOSAL:
            words, (closes,) = _words(rest, 1)
            return Proposal(*words, as_int(closes, 0, LIMIT_MINUTE))
        case ProposeForm.AMENDMENT:
            version, text, lang = as_list(rest, 3)
            return Amendment(EventId(as_id(version)), sized(text, LIMIT_SAY_TEXT), as_text(lang, LIMIT_LANGUAGE))
        case ProposeForm.TAKE:
            (amendment,) = as_list(rest, 1)
            return Take(EventId(as_id(amendment)))
        case ProposeForm.ACTION:
            words, (owner, deadline, review) = _words(rest, 3)
            return Action(
                *words, PersonaId(as_id(owner)), as_int(deadline, 0, LIMIT_MINUTE), as_int(review, 0, LIMIT_MINUTE)
            )
        case ProposeForm.AGENDA:
            words, (minutes,) = _words(rest, 1)
            return AgendaItem(*words, as_int(minutes, 0, LIMIT_MINUTE))
        case ProposeForm.FLOOR:
            text, lang = as_list(rest, 2)
            return Floor(sized(text, LIMIT_FLOOR), as_text(lang, LIMIT_LANGUAGE))
        case ProposeForm.SURVEY:
            return read_survey(rest)
        case ProposeForm.RELEASE:
            return read_release(rest)
        case _:
            return None


def _words(rest: list[Value], more: int) -> tuple[tuple[str, str, str], list[Value]]:
    """Title, text and language, and so many further fields."""
    title, text, lang, *others = as_list(rest, 3 + more)
    heading = as_text(title, LIMIT_TITLE)
    if not heading:
        raise wrong("no title")
    return (heading, sized(text, LIMIT_SAY_TEXT), as_text(lang, LIMIT_LANGUAGE)), others
