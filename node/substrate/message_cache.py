"""The messages of the last heartbeats, by content id: what IHAVE offers and IWANT fetches.

GossipSub v1.0 spec, "Message Cache". Trap 6 (research/libp2p.md): the library keys this cache on author and sequence
number whatever id function it is given, so author-less messages all share one slot and only 1 of 10 could be repaired;
and it has no bound. Invariants: one entry per id; `window` lists the newest heartbeats only; one peer is served one
message a bounded number of times; at most `LIMIT_CACHED_BYTES` are held, and what came first leaves first.
Delete when upstream keys the cache with the pubsub's id function and bounds it (docs/upstream.md).
"""

from collections import Counter
from collections.abc import Callable

from libp2p.peer.id import ID
from libp2p.pubsub.mcache import CacheEntry, MessageCache
from libp2p.pubsub.pb import rpc_pb2

GOSSIP_WINDOW_HEARTBEATS = 3
GOSSIP_HISTORY_HEARTBEATS = 5
LIMIT_SERVINGS_PER_PEER = 3
LIMIT_CACHED_BYTES = 8 * 2**20


class ContentMessageCache(MessageCache):
    """`MessageCache`, keyed by what the message says."""

    def __init__(self, id_of: Callable[[rpc_pb2.Message], bytes]) -> None:
        super().__init__(GOSSIP_WINDOW_HEARTBEATS, GOSSIP_HISTORY_HEARTBEATS)
        self._id_of = id_of
        self._served: dict[bytes, Counter[ID]] = {}
        self._bytes = 0

    def put(self, msg: rpc_pb2.Message) -> None:
        """Keep `msg` for the next heartbeats."""
        mid = self._id_of(msg)
        if mid in self.msgs:
            return
        self.msgs[mid] = msg
        self._bytes += len(msg.data)
        while self._bytes > LIMIT_CACHED_BYTES:
            oldest = next(iter(self.msgs))
            self._bytes -= len(self.msgs.pop(oldest).data)
        self.history[0].append(CacheEntry(mid, msg.topicIDs))

    def serve(self, mid: bytes, peer: ID) -> rpc_pb2.Message | None:
        """The message `mid`, unless it is gone or `peer` has had it `LIMIT_SERVINGS_PER_PEER` times."""
        message = self.msgs.get(mid)
        if message is None:
            return None
        served = self._served.setdefault(mid, Counter())
        if served[peer] >= LIMIT_SERVINGS_PER_PEER:
            return None
        served[peer] += 1
        return message

    def forget(self, topic: str) -> None:
        """Keep nothing of `topic`."""
        for mid in [mid for mid, message in self.msgs.items() if topic in message.topicIDs]:
            self._bytes -= len(self.msgs.pop(mid).data)

    def shift(self) -> None:
        """Grow older by one heartbeat."""
        super().shift()
        self._bytes = sum(len(message.data) for message in self.msgs.values())
        self._served = {mid: served for mid, served in self._served.items() if mid in self.msgs}
