"""Who has proved the commons key: the gate before GossipSub and before every stream but the hello.

PROTOCOL.md §3: before any GossipSub subscription or `/tertulia/…` stream, both sides prove the commons key. Invariants:
a peer is admitted only by the node's word and only while it is connected; because the two sides finish the hello at
slightly different moments, a stream that comes early waits, at most `LIMIT_WAITING` per peer and for a bounded time.
"""

import trio
from libp2p.peer.id import ID

LIMIT_WAITING = 8


class Gate:
    """The admitted peers, and the streams that wait for a peer to become one."""

    def __init__(self) -> None:
        self._admitted: set[ID] = set()
        self._waiting: dict[ID, int] = {}
        self._opened: dict[ID, trio.Event] = {}

    def admits(self, peer: ID) -> bool:
        """Whether `peer` passed the hello on a connection that still stands."""
        return peer in self._admitted

    def admit(self, peer: ID) -> None:
        """Let `peer` in, and its early streams with it."""
        self._admitted.add(peer)
        event = self._opened.get(peer)
        if event is not None:
            event.set()

    def forget(self, peer: ID) -> None:
        """The last connection to `peer` ended: it has to prove itself again."""
        self._admitted.discard(peer)

    async def wait(self, peer: ID, seconds: float) -> bool:
        """Whether `peer` is admitted within `seconds`; at once False when too many streams of it wait already."""
        if self.admits(peer):
            return True
        if self._waiting.get(peer, 0) >= LIMIT_WAITING:
            return False
        self._waiting[peer] = self._waiting.get(peer, 0) + 1
        try:
            with trio.move_on_after(seconds):
                await self._opened.setdefault(peer, trio.Event()).wait()
        finally:
            self._waiting[peer] -= 1
            if not self._waiting[peer]:
                del self._waiting[peer]
                self._opened.pop(peer, None)
        return self.admits(peer)
