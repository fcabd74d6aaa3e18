"""On the record: a signature by a persona, which anybody can check for ever, whoever shows it.

Implements docs/spec/outcome.md, section On the record; PROTOCOL §5. It covers the very words of the outcome, by their
hash, and what is said of them. Made only where somebody chose to, for that one act; everything else is signed by
session keys, and proves nothing to others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.crypto import PROOF, digest, sign, verify
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.ids import DialogueId, RoomId
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_text, wrong

ACT_ID: Final = 16
"""Bytes of the random id of an act on the record: shown twice, it counts once."""
LIMIT_NAME: Final = 80
"""Characters of how somebody signs."""
LIMIT_COUNTER: Final = 2**32 - 1
STANCE: Final = 7
"""The kind of event that is signed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is said on the record, and about which words: `outcome` is their hash."""

    dialogue: DialogueId
    room: RoomId
    charter_hash: bytes
    outcome: bytes


@dataclass(frozen=True, slots=True)
class OnRecord:
    """`name` is how the author signs; of two by one person on one outcome the higher `counter` is the later."""

    act: bytes
    counter: int
    name: str = field(repr=False)
    signature: bytes = field(repr=False)

    def to_value(self) -> Value:
        """`[act id, counter, name, signature]`."""
        return [self.act, self.counter, self.name, self.signature]

    @classmethod
    def from_value(cls, value: Value) -> OnRecord:
        """Read what `to_value` gives. Raises RemoteError(SHAPE)."""
        act, counter, name, signature = as_list(value, 4)
        signed = as_text(name, LIMIT_NAME)
        if not signed.strip():
            raise wrong("signed by nobody")
        return cls(as_bytes(act, ACT_ID), as_int(counter, 1, LIMIT_COUNTER), signed, as_bytes(signature, PROOF))

    def is_by(self, key: bytes, place: Place, value: str, reason: str) -> bool:
        """Say whether a persona's signing key made it, for this value and reason on this outcome."""
        payload = _payload(place, self.act, self.counter, value, reason, self.name)
        return verify(key, Label.ON_RECORD, payload, self.signature)


def put_on_record(
    seed: bytes, place: Place, act: bytes, counter: int, value: str, reason: str, name: str
) -> OnRecord:
    """Sign with a persona's seed; `act` is 16 fresh random bytes."""
    payload = _payload(place, act, counter, value, reason, name)
    return OnRecord(act, counter, name, sign(seed, Label.ON_RECORD, payload))


def words_hash(dialogue: DialogueId, charter_hash: bytes, body: bytes) -> bytes:
    """The hash of an outcome's words, as who endorses them names it: its body, in this dialogue, under these rules."""
    return digest(Label.OUTCOME, encode([dialogue, charter_hash, body]))


def _payload(
    place: Place, act: bytes, counter: int, value: str, reason: str, name: str
) -> bytes:
    content: list[Value] = [value, reason, name]
    return encode([place.dialogue, place.room, STANCE, place.outcome, act, counter, place.charter_hash, content])
