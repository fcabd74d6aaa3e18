"""What happens to connections, told to the node in order, without loss and without bound on its patience.

The seam's `Host.events`. Invariants: for each peer, PeerUp and PeerDown alternate, starting with PeerUp; a slow reader
is never told less than it must know: a reconnection it has not heard of is told as PeerDown then PeerUp, a peer that
came and went unseen is not told at all, so at most two events wait for each peer.
"""

from collections import deque
from dataclasses import dataclass

import trio

from tertulia.node.substrate.peer_ids import PeerId
from tertulia.node.substrate.relay_reasons import CircuitCut


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A first connection to `peer` stands; `dialled` when we opened it."""

    peer: PeerId
    dialled: bool


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The last connection to `peer` ended; it has to be admitted again after the next PeerUp."""

    peer: PeerId
    cut: CircuitCut | None = None
    """Which limit of a relay's ended it, when it was a circuit and that was the reason."""


Event = PeerUp | PeerDown


class PeerEvents:
    """Collects what happens now, hands it on when the reader is ready."""

    def __init__(self) -> None:
        self._send, self.receive = trio.open_memory_channel[Event](0)
        self._pending: dict[PeerId, deque[Event]] = {}
        self._some = trio.Event()

    def up(self, peer: PeerId, *, dialled: bool) -> None:
        """Note that `peer` connected."""
        self._note(peer, PeerUp(peer, dialled))

    def down(self, peer: PeerId, cut: CircuitCut | None = None) -> None:
        """Note that `peer` left."""
        waiting = self._pending.get(peer)
        if waiting and isinstance(waiting[-1], PeerUp):
            waiting.pop()  # neither the coming nor the going was told
            if not waiting:
                del self._pending[peer]
            return
        self._note(peer, PeerDown(peer, cut))

    def _note(self, peer: PeerId, event: Event) -> None:
        self._pending.setdefault(peer, deque()).append(event)
        self._some.set()

    async def run(self) -> None:
        """Hand events to the reader, until cancelled or until the reader closes its end."""
        async with self._send:
            while True:
                await self._some.wait()
                self._some = trio.Event()
                while self._pending:
                    peer = next(iter(self._pending))
                    waiting = self._pending[peer]
                    event = waiting.popleft()
                    if not waiting:
                        del self._pending[peer]
                    try:
                        await self._send.send(event)
                    except trio.BrokenResourceError:
                        return
