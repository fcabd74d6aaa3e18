"""The content ids met in the last minutes, so that a message is judged, delivered and forwarded once.

GossipSub's seen cache. Trap 14 (research/libp2p.md): the library's own runs a daemon thread per Pubsub that outlives
the host, reads the wall clock and has no bound. Invariants: at most `LIMIT_SEEN_IDS`, oldest leave first; an id stays
`SEEN_SECONDS` after it was last met; time is trio's.
Delete when upstream's cache has no thread and a bound (docs/upstream.md).
"""

from collections import OrderedDict

import trio

SEEN_SECONDS = 120.0
LIMIT_SEEN_IDS = 65_536


class SeenIds:
    """A bounded set of ids that forgets."""

    def __init__(self, seconds: float = SEEN_SECONDS, limit: int = LIMIT_SEEN_IDS) -> None:
        self._seconds = seconds
        self._limit = limit
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: bytes) -> bool:
        """Note that `key` was met; True when it was not known."""
        now = trio.current_time()
        known = self._until.pop(key, now) > now
        self._until[key] = now + self._seconds
        while self._until and (len(self._until) > self._limit or next(iter(self._until.values())) <= now):
            self._until.popitem(last=False)
        return not known

    def has(self, key: bytes) -> bool:
        """Whether `key` was met lately; if so, it counts as met again."""
        if self._until.get(key, 0.0) <= trio.current_time():
            return False
        self.add(key)
        return True

    def discard(self, key: bytes) -> None:
        """Forget `key`."""
        self._until.pop(key, None)
