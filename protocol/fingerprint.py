"""The fingerprint of a range: two sides that have the same one for a range hold the same ids in it.

Spec: docs/spec/sync.md, *Fingerprints*; Negentropy Protocol V1, *Fingerprint Algorithm*. It is computed from the sum of
the ids and their number alone, so that a sum kept up to date answers for any range without looking at its ids.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from tertulia.protocol import varint
from tertulia.protocol.ids import ID

FINGERPRINT: Final = 16
"""Bytes of a fingerprint."""
_MODULUS: Final = 1 << (8 * ID)


def addend(frame: bytes) -> int:
    """Return what an id adds to the sum of its range: the id as a little-endian number."""
    return int.from_bytes(frame, "little")


def fingerprint(total: int, count: int) -> bytes:
    """Return the 16 bytes for a range with `count` ids whose addends sum to `total` (not negative, not reduced)."""
    return sha256((total % _MODULUS).to_bytes(ID, "little") + varint.encode(count)).digest()[:FINGERPRINT]
