"""How often an address may do a thing: so many a minute, with a minute's worth at once.

DESIGN.md §6 (limits are charged to connection and address), docs/guide/relay.md, *Limits*. Invariants: the table is
bounded, and who is pushed out of it starts again with no more than everybody; an address is kept here as a keyed hash
under a key of this process, so that a relay's memory holds no list of who was there.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import trio

LIMIT_ADDRESSES: Final = 4_096
_KEY: Final = os.urandom(32)
_SECONDS: Final = 60.0


def blinded(origin: str) -> bytes:
    """What stands for an address in a table: the same within this process, nothing outside of it."""
    return blake2b(origin.encode(), key=_KEY, digest_size=16).digest()


class Rates:
    """A bucket for each address."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        """May be changed at any time."""
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def allows(self, origin: str, count: int) -> bool:
        """Take `count`, if there are so many left; False, and nothing is taken, otherwise."""
        key = blinded(origin)
        left = self._now(key)
        if left < count:
            return False
        self._put(key, left - count)
        return True

    def owe(self, origin: str, count: int) -> float:
        """Take `count` whether they are there or not; the seconds until nothing is owed."""
        key = blinded(origin)
        left = self._now(key) - count
        self._put(key, left)
        return max(0.0, -left * _SECONDS / self.per_minute)

    def _now(self, key: bytes) -> float:
        left, when = self._left.get(key, (float(self.per_minute), trio.current_time()))
        return min(float(self.per_minute), left + (trio.current_time() - when) * self.per_minute / _SECONDS)

    def _put(self, key: bytes, left: float) -> None:
        self._left[key] = left, trio.current_time()
        self._left.move_to_end(key)
        if len(self._left) > LIMIT_ADDRESSES:
            self._left.popitem(last=False)
