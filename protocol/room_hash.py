"""The hash of a room: one sum over its events, the same whatever order they came in.

Implements docs/spec/events.md, section Room hash. Σ SHAKE-128(event id, 256 bytes) mod 2^2048: a set hash that nobody
can bend, which XOR or a short sum is not (with enough events another set with the same value can be computed). A
checkpoint carries the running sum, so who starts from it arrives at the same value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import shake_128
from typing import Final

from tertulia.protocol.ids import EventId

ELEMENT: Final = 256
"""Bytes of one event's share, and of the sum."""
_MASK: Final = (1 << (8 * ELEMENT)) - 1


def element_of(event: EventId) -> int:
    """One event's share of the sum: SHAKE-128 of its id (already a labelled hash), big-endian."""
    return int.from_bytes(shake_128(event).digest(ELEMENT), "big")


@dataclass(frozen=True, slots=True)
class Tally:
    """The sum over `count` events."""

    total: int = field(default=0, repr=False)
    count: int = 0

    def plus(self, elements: Iterable[int]) -> Tally:
        """The sum with these shares added."""
        added = list(elements)
        return Tally((self.total + sum(added)) & _MASK, self.count + len(added))

    @property
    def sum(self) -> bytes:
        """The sum as 256 bytes, big-endian."""
        return self.total.to_bytes(ELEMENT, "big")

    @classmethod
    def of(cls, total: bytes, count: int) -> Tally:
        """The tally of a sum of 256 bytes."""
        return cls(int.from_bytes(total, "big"), count)
