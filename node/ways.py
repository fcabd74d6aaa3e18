"""Direct ways to members behind routers: places at relays, so that a circuit leads here, and circuits made direct.

DESIGN.md §8: only in direct reach, only between two members of whom one gave the other the address by hand. Invariants:
a circuit carries what it must until the way is found, and is let go where there is none; a member with whom no way was
found is not tried again for `AGAIN_SECONDS`; tables are bounded; no address is logged.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import trio

from tertulia.node.hello import HELLO_SECONDS
from tertulia.node.neighbour import jitter
from tertulia.node.reach import CIRCUIT
from tertulia.node.substrate import Host, PeerId, StreamFailed

PLACE_SECONDS: Final = 30.0
"""How often a relay that keeps no place for us is asked again."""
AGAIN_SECONDS: Final = 10 * 60.0
LIMIT_TRIED: Final = 64
"""Members remembered as tried."""


class Ways:
    """Of one commons."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.found: OrderedDict[PeerId, None] = OrderedDict()
        """Members with whom a circuit became a direct connection, the last time."""
        self.none: OrderedDict[PeerId, float] = OrderedDict()
        """Members with whom none was found, and until when they are let be (trio's clock)."""
        self._places: dict[PeerId, str] = {}
        self._changed = changed

    @property
    def places(self) -> tuple[str, ...]:
        """Addresses at which a circuit leads here."""
        return tuple(self._places.values())

    async def keep_place(self, host: Host, address: str) -> None:
        """Have a place at the relay with this address, whenever it is connected, until cancelled."""
        relay = PeerId(address.rpartition("/p2p/")[2])
        try:
            while True:
                if await host.admitted(relay, PLACE_SECONDS):
                    try:
                        place = await host.reserve(relay)
                    except StreamFailed:
                        pass  # no relay, or it has no room
                    else:
                        self._places[relay] = f"{address}{CIRCUIT}{host.peer_id}"
                        self._changed()
                        await place.lost.wait()
                        del self._places[relay]
                        self._changed()
                await trio.sleep(jitter(PLACE_SECONDS / 2, PLACE_SECONDS / 4))
        finally:
            self._places.pop(relay, None)

    async def patience(self, peer: PeerId) -> None:
        """Wait until a member with whom no way was found may be tried again."""
        await trio.sleep_until(self.none.get(peer, trio.current_time()))

    async def shorten(self, host: Host, peer: PeerId) -> None:
        """We dialled this peer: if a circuit leads to it, make the way direct, or let go."""
        if host.circuit_to(peer) is None or not await host.admitted(peer, 2 * HELLO_SECONDS):
            return
        if await host.punch(peer):
            self.none.pop(peer, None)
            self.found[peer] = None
        else:
            self.found.pop(peer, None)
            self.none[peer] = trio.current_time() + AGAIN_SECONDS
            await host.disconnect(peer)
        for table in (self.found, self.none):
            if len(table) > LIMIT_TRIED:
                table.popitem(last=False)
        self._changed()
