"""Varints: unsigned integers in groups of seven bits, the most significant first.

Spec: docs/spec/sync.md, *Messages of reconciliation*; Negentropy Protocol V1, *Varint*. Every byte but the last has its
high bit set. One number has one encoding: leading zero groups are refused, and so is what does not fit 64 bits.
"""

from __future__ import annotations

from typing import Final

from tertulia.protocol.errors import RejectReason, RemoteError

LIMIT_VARINT: Final = 2**64 - 1
"""The highest number."""


def encode(number: int) -> bytes:
    """Return the shortest encoding of `number`, from 0 to `LIMIT_VARINT`: one to ten bytes."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def decode(data: bytes, at: int) -> tuple[int, int]:
    """Read the number that begins at `at`; return it and where it ends. Raises RemoteError(ENCODING)."""
    number = 0
    for end in range(at, len(data)):
        group = data[end]
        number = number << 7 | group & 0x7F
        if number > LIMIT_VARINT:
            raise RemoteError(RejectReason.ENCODING, "a number beyond 64 bits")
        if group < 0x80:
            return number, end + 1
        if number == 0:
            raise RemoteError(RejectReason.ENCODING, "a number longer than needed")
    raise RemoteError(RejectReason.ENCODING, "cut short")
