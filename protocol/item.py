"""Items: what frames carry, whole or in parts.

Spec: docs/spec/frame.md, *Items* and *Parts*. A frame's plaintext is a list of items `[type, body]`. What is too large
for one frame travels as parts, and each part proves by itself that it belongs to the item it names: so nobody can spoil
an item by adding to it. Unknown types survive: they are carried and handed on, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, unique
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tertulia.protocol.crypto import digest
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import LocalError, Problem, RejectReason, RemoteError
from tertulia.protocol.ids import ItemId
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list

if TYPE_CHECKING:
    from tertulia.protocol.frame import FrameClass

LIMIT_ITEM_TYPE: Final = 2**16 - 1
"""The highest type of item."""
LIMIT_ITEMS: Final = 255
"""Items in one frame."""
LIMIT_PARTS: Final = 32
"""Parts of one item."""
LIMIT_PART: Final = 16 * 1024
"""Bytes of one part with its path."""
LIMIT_ITEM_BYTES: Final = LIMIT_PARTS * (LIMIT_PART - 256)
"""Bytes of one item put together from parts; as many always fit 32 large frames."""
LIMIT_ASSEMBLIES: Final = 64
"""Incomplete items kept at once; beyond it the one idle longest goes."""
LIMIT_ASSEMBLY_BYTES: Final = 4 * 1024 * 1024
"""Bytes of all incomplete items; beyond it the one idle longest goes."""
LIMIT_ASSEMBLY_IDLE: Final = 24 * 60 * 60 * 1000
"""Milliseconds after its last new part at which an incomplete item goes."""

_LIST_HEAD: Final = 2  # bytes at most in front of a list of LIMIT_ITEMS
_PART_HEADS: Final = 1 + 1 + 1 + 34 + 2 + 2 + 3  # list, type, list, item id, k, n, head of the bytes
_LEAF: Final = 16  # bytes of a hash inside the tree over an item's parts


@unique
class ItemType(IntEnum):
    """The types of item that version 1 knows."""

    EVENT = 1
    SHARE = 2
    RECEIPT = 3
    CARD = 4
    KNOCK = 5
    WELCOME = 6
    CHECKPOINT = 7
    PART = 8
    COMMONS_CARD = 9
    COMMONS_PROPOSAL = 10
    RETOLD = 11
    REVEAL = 12
    OFFER = 13
    ASIDE = 14
    CORRIDOR = 15


@dataclass(frozen=True, slots=True)
class Item:
    """A type, known or not, and its body. The body's shape is the business of whoever knows the type."""

    type: int
    body: Value = field(repr=False)

    def encoded(self) -> bytes:
        """Return CBOR [type, body]."""
        return encode([self.type, self.body])


def from_value(value: Value) -> Item:
    """Read `[type, body]`. Raises RemoteError(SHAPE)."""
    kind, body = as_list(value, 2)
    return Item(as_int(kind, 0, LIMIT_ITEM_TYPE), body)


def split(item: Item, frame_class: FrameClass) -> tuple[Item, ...]:
    """Return the item itself where a frame of this class holds it, else its parts, in order.

    Raises LocalError when more than `LIMIT_PARTS` would be needed.
    """
    whole = item.encoded()
    room = frame_class.capacity - _LIST_HEAD
    if len(whole) <= room:
        return (item,)
    for height in range(1, (LIMIT_PARTS - 1).bit_length() + 1):
        step = room - _PART_HEADS - height * _LEAF
        if len(whole) <= step << height:
            return _parts(tuple(whole[at : at + step] for at in range(0, len(whole), step)))
    raise LocalError(
        Problem(
            "This is too large to send.",
            "Nothing was sent and nothing was lost.",
            "Send it in smaller pieces.",
        )
    )


def pack(items: Iterable[Item], frame_class: FrameClass) -> tuple[tuple[Item, ...], ...]:
    """Share items out over as few frames as their order allows, splitting those too large for one.

    Each inner tuple fits one frame of this class. Raises LocalError as `split` does.
    """
    frames: list[tuple[Item, ...]] = []
    here: list[Item] = []
    room = frame_class.capacity - _LIST_HEAD
    left = room
    for item in items:
        for piece in split(item, frame_class):
            size = len(piece.encoded())
            if here and (size > left or len(here) == LIMIT_ITEMS):
                frames.append(tuple(here))
                here, left = [], room
            here.append(piece)
            left -= size
    if here:
        frames.append(tuple(here))
    return tuple(frames)


@dataclass(frozen=True, slots=True)
class _Incomplete:
    """The parts of one item that have come so far, by their number, and when the last new one came (ms)."""

    parts: Mapping[int, bytes] = field(repr=False)
    touched: int

    @property
    def size(self) -> int:
        return sum(len(part) for part in self.parts.values())


@dataclass(frozen=True, slots=True)
class Assembly:
    """The incomplete items at hand: a value that `add` turns into the next one. Bounded in number, bytes and time."""

    incomplete: Mapping[ItemId, _Incomplete] = field(default_factory=lambda: MappingProxyType({}))

    def add(self, part: Item, now: int) -> tuple[Assembly, Item | None]:
        """Take a PART at `now` (ms); return what is incomplete after it, and the item it completed, if it did.

        A part that is already here changes nothing. Raises RemoteError, and then too nothing has changed: SHAPE for a
        body that is no part, PART for one that does not belong to the item it names, ENCODING or SHAPE where the whole,
        as its sender made it, is no item (forget it: `without`).
        """
        name, k, count, piece = _read_part(part)
        known = self.incomplete.get(name, _Incomplete({}, now))
        if k in known.parts:
            return self, None
        grown = _Incomplete({**known.parts, k: piece}, now)
        if len(grown.parts) < count:
            return Assembly(_bounded({**self.incomplete, name: grown}, now)), None
        whole = b"".join(grown.parts[n] for n in range(count))
        return self.without(name), from_value(decode(whole, LIMIT_ITEM_BYTES))

    def with_kept(self, part: Item, came: int) -> Assembly:
        """Take back, in any order, a part that `add` took at `came` (ms). Raises RemoteError: SHAPE, PART."""
        name, k, _count, piece = _read_part(part)
        known = self.incomplete.get(name, _Incomplete({}, came))
        grown = _Incomplete({**known.parts, k: piece}, max(known.touched, came))
        return Assembly({**self.incomplete, name: grown})

    def swept(self, now: int) -> Assembly:
        """Return the assembly at `now` (ms), without what has been idle too long."""
        return Assembly(_bounded(self.incomplete, now))

    def without(self, name: ItemId) -> Assembly:
        """Return the assembly without this incomplete item."""
        return Assembly({other: entry for other, entry in self.incomplete.items() if other != name})


def _read_part(part: Item) -> tuple[ItemId, int, int, bytes]:
    """Read [item id, k, n, path ‖ bytes] and check that the part belongs to the item."""
    name, k, count, body = as_list(part.body, 4)
    number, total = as_int(k, 0, LIMIT_PARTS - 1), as_int(count, 2, LIMIT_PARTS)
    height = (total - 1).bit_length()
    proven = as_bytes(body, most=LIMIT_PART)
    path, piece = proven[: height * _LEAF], proven[height * _LEAF :]
    if number >= total or not piece:
        raise RemoteError(RejectReason.PART, "no such part")
    node = _leaf(piece)
    for level in range(height):
        sibling = path[level * _LEAF : (level + 1) * _LEAF]
        node = _node(sibling, node) if number >> level & 1 else _node(node, sibling)
    if _root(total, node) != as_id(name):
        raise RemoteError(RejectReason.PART, "of another item")
    return ItemId(as_id(name)), number, total, piece


def _parts(pieces: tuple[bytes, ...]) -> tuple[Item, ...]:
    """Return the pieces as parts: the item's id is the root of a hash tree over them, each part carries its path."""
    height = (len(pieces) - 1).bit_length()
    row = [_leaf(piece) for piece in pieces] + [bytes(_LEAF)] * ((1 << height) - len(pieces))
    rows = [row]
    for _ in range(height):
        row = [_node(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
        rows.append(row)
    name = _root(len(pieces), row[0])
    return tuple(
        Item(
            ItemType.PART,
            [name, k, len(pieces), b"".join(rows[level][k >> level ^ 1] for level in range(height)) + piece],
        )
        for k, piece in enumerate(pieces)
    )


def _leaf(piece: bytes) -> bytes:
    return digest(Label.ITEM_PART, piece, _LEAF)


def _node(left: bytes, right: bytes) -> bytes:
    return digest(Label.ITEM_NODE, left + right, _LEAF)


def _root(count: int, top: bytes) -> bytes:
    return digest(Label.ITEM_ID, count.to_bytes(1, "big") + top)


def _bounded(incomplete: Mapping[ItemId, _Incomplete], now: int) -> Mapping[ItemId, _Incomplete]:
    """Drop what has been idle too long, then the longest idle until number and bytes fit."""
    kept = {
        name: entry
        for name, entry in sorted(incomplete.items(), key=lambda row: (row[1].touched, row[0]))
        if now - entry.touched < LIMIT_ASSEMBLY_IDLE
    }
    size = sum(entry.size for entry in kept.values())
    while len(kept) > LIMIT_ASSEMBLIES or size > LIMIT_ASSEMBLY_BYTES:
        size -= kept.pop(next(iter(kept))).size
    return kept
