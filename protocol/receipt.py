"""Receipts: what a member says they have received, so that delivery can be told truthfully and by name.

Implements docs/spec/receipts.md (PROTOCOL §9). A vector names, for each session key that spoke in a room, the number
up to which everything since the first held has arrived. It is signed by the receiver's session key and is no event:
it changes no state, cites nothing and is cited by nothing. Numbers above what is known here are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from tertulia.protocol.crypto import PROOF, sign, verify
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.event import LIMIT_SEQ, Event
from tertulia.protocol.ids import ActorId, DialogueId, RoomId
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.session import Session
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list, wrong

LIMIT_VECTOR: Final = 32
"""Session keys that one receipt speaks of: those heard last."""

Vector = Mapping[ActorId, int]


@dataclass(frozen=True, slots=True)
class Receipt:
    """`actor`, a session key of the receiver, has received of each key in `vector` everything up to that number."""

    room: RoomId
    actor: ActorId
    vector: tuple[tuple[ActorId, int], ...]
    proof: bytes = field(repr=False)

    def to_item(self) -> Item:
        """`[room, actor, [[key, number], …], proof]`, keys ascending."""
        return Item(ItemType.RECEIPT, [self.room, self.actor, [list(entry) for entry in self.vector], self.proof])

    @classmethod
    def from_value(cls, value: Value) -> Receipt:
        """Read the body of a receipt item. Raises RemoteError(SHAPE). The proof is not checked here."""
        room, actor, vector, proof = as_list(value, 4)
        entries = []
        for entry in as_list(vector, most=LIMIT_VECTOR):
            key, number = as_list(entry, 2)
            entries.append((ActorId(as_id(key)), as_int(number, 1, LIMIT_SEQ)))
        if any(before[0] >= after[0] for before, after in pairwise(entries)):
            raise wrong("keys of a receipt not in order")
        return cls(RoomId(as_id(room)), ActorId(as_id(actor)), tuple(entries), as_bytes(proof, PROOF))

    def is_genuine(self, dialogue: DialogueId) -> bool:
        """Whether the session key it names has signed it for this dialogue and room."""
        return verify(self.actor, Label.RECEIPT, _covered(dialogue, self.room, self.vector), self.proof)


def sign_receipt(dialogue: DialogueId, room: RoomId, session: Session, vector: Vector) -> Receipt:
    """Say what I have received, under my session key."""
    entries = tuple(sorted(vector.items()))
    proof = sign(session.seed, Label.RECEIPT, _covered(dialogue, room, entries))
    return Receipt(room, session.actor, entries, proof)


def received(events: Iterable[Event], mine: frozenset[ActorId], *, whole: bool = True) -> dict[ActorId, int]:
    """What has arrived whole, of the keys heard last, from these events of a room (in any order); not my own.

    The number is the end of the unbroken run that starts at the lowest number among them. Unless the room is `whole`,
    what is missing may be lower still: then only a run from 1 counts. What is held without its text, and all that its
    author said after it under that key, is not told of: a number speaks of everything below it.
    """
    numbers: dict[ActorId, set[int]] = {}
    emptied: dict[ActorId, int] = {}
    for event in events:
        actor, seq = event.header.actor, event.header.seq
        if actor not in mine:
            numbers.setdefault(actor, set()).add(seq)
            if event.body is None:
                emptied[actor] = min(seq, emptied.get(actor, seq))
    certain = {actor: seen for actor, seen in numbers.items() if whole or 1 in seen}
    ends = {actor: min(_run(seen), emptied.get(actor, LIMIT_SEQ + 1) - 1) for actor, seen in certain.items()}
    told = {actor: end for actor, end in ends.items() if end >= min(certain[actor])}
    return dict(tuple(told.items())[-LIMIT_VECTOR:])


def _run(seen: set[int]) -> int:
    end = min(seen)
    while end + 1 in seen:
        end += 1
    return end


def merged(known: Vector, news: Iterable[tuple[ActorId, int]]) -> dict[ActorId, int]:
    """The greatest number of each key, for the keys told of last."""
    after = dict(known)
    for actor, number in news:
        greatest = max(number, after.pop(actor, 0))
        after[actor] = greatest
    return dict(tuple(after.items())[-LIMIT_VECTOR:])


def _covered(dialogue: DialogueId, room: RoomId, vector: tuple[tuple[ActorId, int], ...]) -> bytes:
    return encode([dialogue, room, [list(entry) for entry in vector]])
