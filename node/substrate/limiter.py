"""Who holds the inbound connections: members as long as they stay, strangers until somebody else needs the place.

Trap 3 (research/libp2p.md): the library takes a token for each inbound connection and gives it back only when the host
stops, so a node goes deaf after 250 connections over its life; and whoever says nothing keeps a place for ever. Limits
are charged to connection and address, never to a PeerId (DESIGN.md §6). Invariants: a slot lives exactly as long as its
connection; strangers (no hello yet, handshakes included) hold at most three quarters of all slots, and those of one
address at most half; a newcomer beyond that takes the place of the stranger who came first, of its own address when
that is the one with too many; a member is never put out. Delete the first half when upstream releases the token on
disconnect (docs/upstream.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

LIMIT_HANDSHAKES_PER_ADDRESS = 64
_SHARE_OF_STRANGERS = 3 / 4
_SHARE_OF_ONE_ADDRESS = 1 / 2


@dataclass(eq=False, slots=True)
class Slot:
    """One inbound connection's place."""

    address: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Everything the connection does on our side; cancelled when it is put out."""
    shaken: bool = False
    """The handshakes are over: there is a peer, though perhaps an unknown one."""
    member: bool = False


class InboundLimiter:
    """Counts the inbound connections that stand now, and makes room."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._for_strangers = max(1, int(total * _SHARE_OF_STRANGERS))
        self._for_one_address = max(1, int(total * _SHARE_OF_ONE_ADDRESS))
        self._slots: dict[Slot, None] = {}
        self.refused = 0
        self.evicted = 0

    @property
    def standing(self) -> int:
        """Inbound connections that hold a slot now."""
        return len(self._slots)

    @contextmanager
    def slot(self, address: str) -> Iterator[Slot | None]:
        """Hold a slot for the connection from `address` (a host, without port) while the block runs.

        Yields None, and holds nothing, when all slots are members'.
        """
        if not self._make_room(address):
            self.refused += 1
            yield None
            return
        slot = Slot(address)
        self._slots[slot] = None
        try:
            yield slot
        finally:
            self._slots.pop(slot, None)

    def _make_room(self, address: str) -> bool:
        strangers = [slot for slot in self._slots if not slot.member]
        neighbours = [slot for slot in strangers if slot.address == address]
        unfinished = [slot for slot in neighbours if not slot.shaken]
        if len(unfinished) >= LIMIT_HANDSHAKES_PER_ADDRESS:
            self._evict(unfinished[0])
        elif len(neighbours) >= self._for_one_address:
            self._evict(neighbours[0])
        elif len(strangers) >= self._for_strangers or (strangers and len(self._slots) >= self._total):
            self._evict(strangers[0])
        return len(self._slots) < self._total

    def _evict(self, slot: Slot) -> None:
        """Put `slot`'s connection out; its place is free at once, while the connection is still closing."""
        self.evicted += 1
        del self._slots[slot]
        slot.scope.cancel()
