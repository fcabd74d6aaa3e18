"""A commons' frames in a relay: as a node carries them, within what the operator gives.

PROTOCOL.md §9, docs/guide/relay.md, *Limits*. Invariants: what is kept of a peer is charged to its address as long as
that is known; over the operator's bytes the oldest whole minutes go and the floor rises, so that sync never asks for
them again; nothing here looks at what a frame holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tertulia.bootstrap.relay.rates import Rates
from tertulia.node.carrier import Carrier, Listener
from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.quota import Allowance
from tertulia.node.substrate import PeerId, Verdict
from tertulia.protocol import frame as frames
from tertulia.protocol.frame import Window
from tertulia.protocol.ids import FrameId
from tertulia.protocol.sync_terms import Stand

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.settings import Settings
    from tertulia.node.clock import Clock
    from tertulia.node.holdings import Taken
    from tertulia.node.shelf import Shelf
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.frame import Frame

GOSSIP_FACTOR: Final = 10
"""A peer in gossip hands on what others say: so many times what one citizen may put."""
MINUTES_WITHOUT_ARCHIVE: Final = 3 * 60
"""What a relay keeps that was told to keep no archive: what a feed and gossip may still bring, and no more."""
STEPS: Final = 50
"""Into how many parts what is held is cut when room must be made."""


class RelayCarrier(Carrier):
    """See the module's head."""

    def __init__(self, commons: Commons, shelf: Shelf, clock: Clock, listener: Listener, settings: Settings) -> None:
        super().__init__(commons, shelf, clock, listener, _allowance(settings))
        self.settings = settings
        self.floor = 0
        """No frame of a minute below is kept, although the commons would keep it."""
        self.size = 0
        """Bytes of frames on the disk when they were last counted."""
        self._gossip_rates = Rates(settings.quota.frames_per_minute * GOSSIP_FACTOR)

    def adopt(self, settings: Settings) -> None:
        """Keep to these settings from now on."""
        self.settings = settings
        self.holdings.allow(_allowance(settings))
        self._gossip_rates.per_minute = settings.quota.frames_per_minute * GOSSIP_FACTOR

    # Who brings -----------------------------------------------------------------------------------------------------

    def account(self, peer: str) -> str:
        """The name under which what a peer brings is counted: the line from which it came."""
        return self.holdings.line(peer) or peer

    async def keep(self, batch: Sequence[Frame], neighbour: str) -> Taken | None:
        """Archive frames that were checked, charged to the address they came from."""
        return await super().keep(batch, self.account(neighbour))

    def validate(self, data: bytes, peer: PeerId) -> Verdict:
        """Judge a frame from gossip; one beyond what its bringer may is not handed on, and sync brings it in time."""
        verdict = super().validate(data, peer)
        if verdict is Verdict.ACCEPT and not self._gossip_rates.allows(self.account(peer), 1):
            self.counts["gossip over rate"] += 1
            self._seen.pop(frames.read(data).id, None)
            return Verdict.IGNORE
        return verdict

    # How long -------------------------------------------------------------------------------------------------------

    @property
    def window(self) -> Window:
        """The minutes that sync may bring and keeps now."""
        window = super().window
        return Window(max(self._oldest(window), 0), window.newest)

    @property
    def stand(self) -> Stand:
        """Where this relay stands when a session begins."""
        return Stand(self.now, self.window.oldest)

    def _oldest(self, window: Window) -> int:
        now = self.now // MS_PER_MINUTE
        days, floor = self.settings.quota.retention_days, max(window.oldest, self.floor)
        if days:
            floor = max(floor, frames.sync_window(self.now, days).oldest)
        if not self.settings.serve.archive:
            floor = max(floor, now - MINUTES_WITHOUT_ARCHIVE)
        return floor

    async def evict(self) -> None:
        """Drop what is too old, then the oldest of the rest until it fits the operator's bytes. Raises StoreError."""
        await super().evict()
        commons = self.commons.id
        while True:
            usage = await self.shelf.run(lambda archive: archive.usage(commons))
            self.size = usage.size
            if usage.size <= self.settings.quota.bytes:
                return
            oldest = (await self.shelf.places(commons, (0, FrameId(b"")), 1))[0][0]
            span = max(self.window.newest - oldest, STEPS)
            self.floor = oldest + max(1, span // STEPS)
            self.counts["evicted for room"] += await self.holdings.evict(self.floor)


def _allowance(settings: Settings) -> Allowance:
    return Allowance(settings.quota.frames_per_day, settings.quota.bytes_per_day)
