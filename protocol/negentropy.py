"""The messages of range-based set reconciliation, byte for byte those of Negentropy Protocol V1.

Spec: docs/spec/sync.md, *Messages of reconciliation*. A message is a version and adjacent ranges, each from
where the one before ended up to its own bound: skipped, summed up in a fingerprint, or listed id by id. Invariants:
what is read has no more ranges and bytes than the limits say, its bounds never go back, all of it was understood.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from tertulia.protocol import varint
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.fingerprint import FINGERPRINT
from tertulia.protocol.ids import ID, FrameId
from tertulia.protocol.range_index import MINUTE

VERSION: Final = 0x61
"""Version 1 in the first byte of a message."""
VERSIONS: Final = range(0x60, 0x70)
"""What can be a version at all."""
INFINITY: Final = 2**64 - 1
"""The minute beyond every frame."""
LIMIT_RANGES: Final = 8_192
"""Ranges of one message: more than 64 KiB of them that each say something."""


class Mode(IntEnum):
    """What a range carries."""

    SKIP = 0
    FINGERPRINT = 1
    ID_LIST = 2


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a range ends, itself not included: a minute, and as much of an id as tells two neighbours apart."""

    minute: int
    prefix: bytes = b""

    @property
    def key(self) -> bytes:
        """The 40 bytes by which it is ordered among places: an id cut short goes on with zeros."""
        return self.minute.to_bytes(MINUTE, "big") + self.prefix.ljust(ID, b"\0")


END: Final = Bound(INFINITY)
"""Where everything ends."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing more to say about this range."""

    upper: Bound


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of what the sender holds in this range."""

    upper: Bound
    value: bytes


@dataclass(frozen=True, slots=True)
class IdList:
    """All that the sender holds in this range: ids of 32 bytes, joined."""

    upper: Bound
    joined: bytes

    @property
    def ids(self) -> list[FrameId]:
        """The ids one by one."""
        return [FrameId(self.joined[at : at + ID]) for at in range(0, len(self.joined), ID)]


Range: TypeAlias = Skip | Fingerprint | IdList


def between(before: bytes, after: bytes) -> Bound:
    """Return the shortest bound above one key and not above the next, both of 40 bytes and the first the lower."""
    minute = int.from_bytes(after[:MINUTE], "big")
    if before[:MINUTE] != after[:MINUTE]:
        return Bound(minute)
    apart = next(at for at in range(MINUTE, MINUTE + ID) if before[at] != after[at])
    return Bound(minute, after[MINUTE : apart + 1])


def write(ranges: Iterable[Range], minute: int) -> bytes:
    """Return the bytes of ranges that follow one that ended in `minute`, 0 at the beginning of a message."""
    out = bytearray()
    for each in ranges:
        upper = each.upper
        out += varint.encode(0 if upper.minute == INFINITY else 1 + upper.minute - minute)
        out += varint.encode(len(upper.prefix)) + upper.prefix
        minute = upper.minute
        match each:
            case Skip():
                out.append(Mode.SKIP)
            case Fingerprint(_, value):
                out.append(Mode.FINGERPRINT)
                out += value
            case IdList(_, joined):
                out.append(Mode.ID_LIST)
                out += varint.encode(len(joined) // ID) + joined
            case _:
                assert_never(each)
    return bytes(out)


def read(message: bytes, limit: int) -> tuple[Range, ...]:
    """Read a peer's message of at most `limit` bytes.

    Raises RemoteError: SIZE, VERSION, ENCODING (cut short, a number not as short as can be), LIMIT (more than
    `LIMIT_RANGES` ranges) or SHAPE (no such mode, a bound that cannot be or that goes back).
    """
    if len(message) > limit:
        raise RemoteError(RejectReason.SIZE)
    if message[:1] != bytes([VERSION]):
        raise RemoteError(RejectReason.VERSION)
    ranges: list[Range] = []
    at, minute = 1, 0
    while at < len(message):
        if len(ranges) == LIMIT_RANGES:
            raise RemoteError(RejectReason.LIMIT, "too many ranges")
        found, at = _range(message, at, minute)
        ranges.append(found)
        minute = found.upper.minute
    keys = [each.upper.key for each in ranges]
    if any(before > after for before, after in pairwise(keys)):
        raise RemoteError(RejectReason.SHAPE, "a range that goes back")
    return tuple(ranges)


def _range(message: bytes, at: int, minute: int) -> tuple[Range, int]:
    """Read the range that begins at `at`, after one that ended in `minute`; say where it ends."""
    upper, at = _bound(message, at, minute)
    mode, at = varint.decode(message, at)
    match mode:
        case Mode.SKIP:
            return Skip(upper), at
        case Mode.FINGERPRINT:
            value, at = _take(message, at, FINGERPRINT)
            return Fingerprint(upper, value), at
        case Mode.ID_LIST:
            count, at = varint.decode(message, at)
            joined, at = _take(message, at, count * ID)
            return IdList(upper, joined), at
        case _:
            raise RemoteError(RejectReason.SHAPE, "no such mode")


def _bound(message: bytes, at: int, minute: int) -> tuple[Bound, int]:
    step, at = varint.decode(message, at)
    reached = minute + step - 1 if step else INFINITY
    if step and reached >= INFINITY:
        raise RemoteError(RejectReason.SHAPE, "a minute beyond all")
    size, at = varint.decode(message, at)
    if size > ID:
        raise RemoteError(RejectReason.SHAPE, "a bound longer than an id")
    prefix, at = _take(message, at, size)
    return Bound(reached, prefix), at


def _take(message: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > len(message) - at:
        raise RemoteError(RejectReason.ENCODING, "cut short")
    return message[at : at + size], at + size
