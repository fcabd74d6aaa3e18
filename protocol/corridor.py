"""Corridors: two to four members step aside, and when it is over nothing is left.

Implements docs/spec/corridor.md. No event and no room: what is said has no place in any DAG, no session key signs it,
and the dialogue's log never hears of it. Whoever is asked gives a key made for this alone; the corridor's secret is
sealed to those keys, and all of them are destroyed at its end. This file is the bytes; `corridors` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tertulia.protocol.crypto import KEY, dh, equal, keyed
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameKeys, frame_keys
from tertulia.protocol.ids import DialogueId, PersonaId, PrekeyId
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.persona import PersonaKeys
from tertulia.protocol.prekey import LIMIT_MINUTE, Prekey
from tertulia.protocol.shape import as_bytes, as_id, as_ids, as_int, as_list, wrong

LEAST: Final = 2
LIMIT_CORRIDOR_MEMBERS: Final = 4
"""People in a corridor."""
LIMIT_ASIDE: Final = 4 * 1024
"""Bytes of what one member tells another about a corridor."""
LIMIT_ASIDE_SEALED: Final = LIMIT_ASIDE + 4 * 1024
"""Bytes of the same, sealed."""
LIMIT_CORRIDOR_TEXT: Final = 2 * 1024
"""Bytes of one thing said in a corridor, in UTF-8."""
LIMIT_NUMBER: Final = 2**16
CORRIDOR_MAC: Final = 16
"""Bytes of the MAC by which one member knows who spoke."""


@dataclass(frozen=True, slots=True)
class Step:
    """Somebody asks these members (ascending) aside until the minute `closes`; `key` is theirs for this alone."""

    corridor: bytes
    members: tuple[PersonaId, ...]
    closes: int
    key: Prekey

    def encode(self) -> bytes:
        """CBOR `[1, corridor, [member, …], closes, key]`."""
        return encode([1, self.corridor, self.members, self.closes, self.key.to_value()])


@dataclass(frozen=True, slots=True)
class Agree:
    """Somebody comes; `key` is theirs for this corridor alone."""

    corridor: bytes
    key: Prekey

    def encode(self) -> bytes:
        """CBOR `[2, corridor, key]`."""
        return encode([2, self.corridor, self.key.to_value()])


@dataclass(frozen=True, slots=True)
class Decline:
    """Somebody does not come, or not everybody does: there will be no corridor."""

    corridor: bytes

    def encode(self) -> bytes:
        """CBOR `[3, corridor]`."""
        return encode([3, self.corridor])


@dataclass(frozen=True, slots=True)
class Begin:
    """Everybody comes: here is the secret."""

    corridor: bytes
    secret: bytes = field(repr=False)

    def encode(self) -> bytes:
        """CBOR `[4, corridor, secret]`."""
        return encode([4, self.corridor, self.secret])


Aside: TypeAlias = Step | Agree | Decline | Begin


def decode_aside(words: bytes) -> Aside:
    """Read what one member tells another. Raises RemoteError: SIZE, ENCODING, SHAPE, KEY."""
    op, corridor, *rest = as_list(decode(words, LIMIT_ASIDE), most=5) + [None] * 2
    name = as_id(corridor)
    fields = rest[:-2]
    match as_int(op, 1, 4):
        case 1:
            members, closes, key = as_list(fields, 3)
            people = tuple(PersonaId(one) for one in as_ids(members, LIMIT_CORRIDOR_MEMBERS))
            if len(people) < LEAST:
                raise wrong("nobody steps aside alone")
            return Step(name, people, as_int(closes, 0, LIMIT_MINUTE), Prekey.from_value(key))
        case 2:
            (key,) = as_list(fields, 1)
            return Agree(name, Prekey.from_value(key))
        case 3:
            as_list(fields, 0)
            return Decline(name)
        case _:
            (secret,) = as_list(fields, 1)
            return Begin(name, as_bytes(secret, KEY))


def aside_context(dialogue: DialogueId, sender: PersonaId, recipient: PersonaId, key: PrekeyId) -> bytes:
    """What binds it to its way: CBOR [label, dialogue, sender, recipient, key]."""
    return encode([Label.CORRIDOR, dialogue, sender, recipient, key])


def aside_item(sender: PersonaId, key: PrekeyId, sealed: bytes) -> Item:
    """`[sender, key, sealed]`, for the lane between the two."""
    return Item(ItemType.ASIDE, [sender, key, sealed])


def read_aside(item: Item) -> tuple[PersonaId, PrekeyId, bytes]:
    """Sender, key, sealed. Raises RemoteError(SHAPE)."""
    sender, key, sealed = as_list(item.body, 3)
    return PersonaId(as_id(sender)), PrekeyId(as_id(key)), as_bytes(sealed, most=LIMIT_ASIDE_SEALED)


def corridor_keys(secret: bytes) -> FrameKeys:
    """The keys of the frames in which a corridor speaks."""
    return frame_keys(Label.CORRIDOR_FRAME, secret)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said: the author's `number`-th, at the minute they claim. No text: the author ends the corridor."""

    author: PersonaId
    number: int
    tick: int
    text: str | None = field(repr=False)

    def to_value(self) -> list[Value]:
        """`[author, number, tick, text or null]`."""
        return [self.author, self.number, self.tick, self.text]

    @classmethod
    def from_value(cls, value: Value) -> Said:
        """Read what `to_value` gives. Raises RemoteError: SHAPE, SIZE."""
        author, number, tick, text = as_list(value, 4)
        if text is not None and (not isinstance(text, str) or len(text.encode()) > LIMIT_CORRIDOR_TEXT):
            raise RemoteError(RejectReason.SIZE, "words in a corridor")
        return cls(PersonaId(as_id(author)), as_int(number, 1, LIMIT_NUMBER), as_int(tick, 0, LIMIT_MINUTE), text)

    def mac(self, dialogue: DialogueId, corridor: bytes, box_secret: bytes, box: bytes, recipient: PersonaId) -> bytes:
        """By which `recipient` knows who spoke, under the DH of the two personas: either of them can make it.

        Raises ValueError when `box` is of low order, which `PersonaKeys.from_value` lets nobody have.
        """
        shared = dh(box_secret, box)
        if shared is None:
            raise ValueError("a public key of low order cannot authenticate")
        covered = encode([dialogue, corridor, recipient, *self.to_value()])
        return keyed(Label.CORRIDOR_MAC, shared, covered, CORRIDOR_MAC)


def words_item(said: Said, macs: list[tuple[PersonaId, bytes]]) -> Item:
    """`[said, [[recipient, mac], …]]`, for a frame under the corridor's keys."""
    return Item(ItemType.CORRIDOR, [said.to_value(), [list(one) for one in macs]])


def read_words(
    item: Item,
    dialogue: DialogueId,
    corridor: bytes,
    me: PersonaId,
    box_secret: bytes,
    members: Mapping[PersonaId, PersonaKeys],
) -> Said:
    """What was said, by who says so. Raises RemoteError: SHAPE, SIZE; PROOF where my MAC is not the author's."""
    words, macs = as_list(item.body, 2)
    said = Said.from_value(words)
    pairs = [as_list(one, 2) for one in as_list(macs, most=LIMIT_CORRIDOR_MEMBERS)]
    mine = next((as_bytes(mac, CORRIDOR_MAC) for whom, mac in pairs if whom == me), None)
    author = members.get(said.author)
    if mine is None or author is None or not equal(said.mac(dialogue, corridor, box_secret, author.box, me), mine):
        raise RemoteError(RejectReason.PROOF, "words in a corridor")
    return said
