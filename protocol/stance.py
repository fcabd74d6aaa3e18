"""Stance events: where somebody stands on what was said or proposed.

Implements docs/spec/events.md, section Stance. Of one persona's stances on one target the latest counts, votes and
remarks apart; which value may be taken on what is the method's (`method/rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final

from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.ids import EventId
from tertulia.protocol.on_record import OnRecord
from tertulia.protocol.room import LIMIT_FORM
from tertulia.protocol.say import sized
from tertulia.protocol.shape import as_id, as_list, as_text, wrong
from tertulia.protocol.survey import ANSWERS, Answers, read_answers

LIMIT_REASON: Final = 2_048
"""Bytes of the reason of a stance in UTF-8."""
LIMIT_STANCE_BODY: Final = LIMIT_REASON + 1_024
"""Bytes of the body of a stance event."""


@unique
class Value(StrEnum):
    """Where one stands, and what one remarks; on an outcome, whether one endorses it."""

    AGREE = "agree"
    DISAGREE = "disagree"
    PASS = "pass"  # noqa: S105 - a vote, no password
    BLOCK = "block"
    HEARD = "heard"
    NEEDS_SOURCE = "needs-source"
    DISPUTED = "disputed"
    SATISFIED = "satisfied"
    ENDORSE = "endorse"
    RESERVE = "reserve"


VALUES: Final = frozenset(map(str, Value))
OBJECTIONS: Final = frozenset({Value.DISAGREE, Value.BLOCK, Value.RESERVE})
"""What, with a reason, is an objection."""
REMARKS: Final = frozenset({Value.NEEDS_SOURCE, Value.DISPUTED, Value.SATISFIED})
"""What is remarked on something beside one's vote; `satisfied` takes such a remark back."""


@dataclass(frozen=True, slots=True)
class Stance:
    """One person's stance on the event `target`; `reason` in their words, or empty; `open`: it is on the record."""

    target: EventId
    value: Value
    reason: str = field(default="", repr=False)
    open: OnRecord | None = None

    def encode(self) -> bytes:
        """CBOR `[target, value, reason]`; on the record, and `[act id, counter, name, signature]`."""
        more = [] if self.open is None else [self.open.to_value()]
        return encode([self.target, str(self.value), self.reason, *more])


def decode_stance(body: bytes) -> Stance | Answers | None:
    """Read the body of a stance event, which may be a person's answers; None for a value that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_STANCE_BODY))
    if len(fields) < 2:
        raise wrong("no value")
    target, name = EventId(as_id(fields[0])), as_text(fields[1], LIMIT_FORM)
    if name == ANSWERS:
        return read_answers(body)
    if name not in VALUES:
        return None
    reason, *signed = as_list(fields[2:], most=2) or [None]
    on_record = OnRecord.from_value(signed[0]) if signed else None
    return Stance(target, Value(name), sized(reason, LIMIT_REASON), on_record)
