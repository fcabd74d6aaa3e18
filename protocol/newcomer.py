"""A newcomer: all that the others must know of somebody on the day they are admitted.

Implements docs/spec/events.md, section Newcomer. The founder stands in the charter, everybody else in the facilitator's
`admit`. It carries the public halves of persona, first session and first prekeys; it was proved in the knock, which is
why nothing here is signed again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.encoding import Value
from tertulia.protocol.ids import ID, ActorId
from tertulia.protocol.persona import PersonaKeys
from tertulia.protocol.prekey import Prekey
from tertulia.protocol.shape import as_bytes, as_id, as_list, as_text, wrong
from tertulia.protocol.text import LIMIT_NAME

LIMIT_PREKEYS: Final = 4
"""Prekeys that a newcomer, or one announcement, brings; and classes of them that are kept for a member."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """`session` signs from now on. `card_hash` and `knock_id` name what they came by; both are empty for a founder."""

    keys: PersonaKeys
    session: ActorId
    prekeys: tuple[Prekey, ...]
    nickname: str = field(repr=False)
    card_hash: bytes
    knock_id: bytes

    def to_value(self) -> Value:
        """`[keys, session, [prekey, …], nickname, card hash, knock id]`."""
        prekeys = [prekey.to_value() for prekey in self.prekeys]
        return [self.keys.to_value(), self.session, prekeys, self.nickname, self.card_hash, self.knock_id]

    @classmethod
    def from_value(cls, value: Value) -> Newcomer:
        """Read what `to_value` gives. Raises RemoteError: SHAPE or KEY."""
        keys, session, prekeys, nickname, card, knock = as_list(value, 6)
        return cls(
            PersonaKeys.from_value(keys),
            ActorId(as_id(session)),
            tuple(Prekey.from_value(prekey) for prekey in as_list(prekeys, most=LIMIT_PREKEYS)),
            as_text(nickname, LIMIT_NAME),
            _id_or_nothing(card),
            _id_or_nothing(knock),
        )


def _id_or_nothing(value: Value) -> bytes:
    data = as_bytes(value, most=ID)
    if len(data) not in {0, ID}:
        raise wrong("neither an id nor nothing")
    return data
