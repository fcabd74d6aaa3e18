"""The charter: the rules of a dialogue, accepted by everyone in it, and its very name.

Implements docs/spec/events.md, section Charter. A dialogue's id is the hash of its charter's body, so rules, founder
and first keys cannot be exchanged under anybody. A `conversation` says little, and means its preset; a track's charter
has its terms in full. `quorum` facilitators must agree to what changes who is in, who facilitates, or what is heard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.commons import LIMIT_RETENTION_DAYS
from tertulia.protocol.crypto import digest
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import ID, DialogueId
from tertulia.protocol.labels import Label
from tertulia.protocol.newcomer import Newcomer
from tertulia.protocol.presets import CONVERSATION, PRESETS, ROOM_GRADE, keeps_to
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_text, wrong
from tertulia.protocol.terms import Terms

SINCE: Final = "since"
LIMIT_CHARTER: Final = 12 * 1024
"""Bytes of a charter's body."""
LIMIT_TITLE: Final = 80
"""Characters of the title of a dialogue or room."""
LIMIT_MEMBERS: Final = 30
"""People on the roster of a dialogue."""
LIMIT_QUORUM: Final = LIMIT_MEMBERS
"""Facilitators that a charter may ask for."""
LIMIT_PRESET: Final = 32
"""Characters of the name of a preset."""
_FIELDS: Final = 8


@dataclass(frozen=True, slots=True)
class Charter:
    """`retention_days` in days; `grade` is the ceiling; `randomness` 32 bytes, so that no two dialogues share an id.

    `quorum`: how many facilitators must sign a removal, a change of roles, or what is harsh.
    """

    preset: str
    title: str = field(repr=False)
    founder: Newcomer
    retention_days: int
    frame_class: FrameClass
    history: str
    grade: str
    randomness: bytes = field(repr=False)
    quorum: int = 1
    terms: Terms = PRESETS[CONVERSATION].terms

    @property
    def is_read_first(self) -> bool:
        """Whether everybody accepts these rules by a word of their own; a conversation's come with the invite."""
        return self.preset != CONVERSATION

    def encode(self) -> bytes:
        """CBOR `[preset, title, founder, retention days, frame class, history, grade, randomness, …]`.

        A conversation's quorum follows if it is not 1; a track's quorum and terms always.
        """
        rest: list[Value] = []
        if self.preset != CONVERSATION:
            rest = [self.quorum, self.terms.to_value()]
        elif self.quorum != 1:
            rest = [self.quorum]
        return encode([
            self.preset,
            self.title,
            self.founder.to_value(),
            self.retention_days,
            int(self.frame_class),
            self.history,
            self.grade,
            self.randomness,
            *rest,
        ])  # fmt: skip

    @classmethod
    def decode(cls, body: bytes) -> Charter:
        """Read a charter's body.

        Raises RemoteError: SIZE, ENCODING, KEY, or SHAPE, also where it names rules that we do not have, or calls its
        rules by the name of others.
        """
        fields = as_list(decode(body, LIMIT_CHARTER), most=_FIELDS + 2)
        preset, title, founder, days, frame_class, history, grade, randomness = as_list(fields[:_FIELDS], _FIELDS)
        name = as_text(preset, LIMIT_PRESET)
        quorum, terms = _rules(name, fields[_FIELDS:])
        ceiling = as_text(grade, LIMIT_PRESET)
        if history != SINCE or not keeps_to(name, ceiling, terms):
            raise wrong("rules of another version")
        return cls(
            name,
            as_text(title, LIMIT_TITLE),
            Newcomer.from_value(founder),
            as_int(days, 1, LIMIT_RETENTION_DAYS),
            FrameClass(as_int(frame_class, FrameClass.SMALL, FrameClass.LARGE)),
            SINCE,
            ceiling,
            as_bytes(randomness, ID),
            quorum,
            terms,
        )


def _rules(preset: str, rest: list[Value]) -> tuple[int, Terms]:
    """Quorum and terms. Each is said in one way only: else two charters would say the same."""
    if preset != CONVERSATION:
        quorum, terms = as_list(rest, 2)
        return as_int(quorum, 1, LIMIT_QUORUM), Terms.from_value(terms)
    as_list(rest, most=1)
    return as_int(rest[0], 2, LIMIT_QUORUM) if rest else 1, PRESETS[CONVERSATION].terms


def dialogue_id(body: bytes) -> DialogueId:
    """The id of the dialogue that a charter's body founds."""
    return DialogueId(digest(Label.DIALOGUE_ID, body))


def charter_hash(body: bytes) -> bytes:
    """What a member who accepts these rules names: 32 bytes."""
    return digest(Label.CHARTER_HASH, body)


__all__ = ["CONVERSATION", "ROOM_GRADE", "Charter", "charter_hash", "dialogue_id"]
