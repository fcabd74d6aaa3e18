"""What citizens put: judged, on the disk, gossiped, answered, in this order.

Spec: docs/spec/feed.md, *put* and *taken*. Invariants: nobody is told that a frame is kept before it is on the disk; a
frame that no member made is a fault of whoever sent it; who puts faster than the operator allows waits, and with them
only those at the same address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from tertulia.protocol import frame as frames
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.feed_messages import Fate, Taken
from tertulia.protocol.sync_messages import Verdict

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.carrier import RelayCarrier
    from tertulia.bootstrap.relay.rates import Rates
    from tertulia.node.substrate import PeerId
    from tertulia.protocol.frame import Frame

_FATES: Final = {Verdict.KEPT: Fate.KEPT, Verdict.GONE: Fate.GONE, Verdict.REFUSED: Fate.GONE}


class Puts:
    """The frames that citizens of one commons bring."""

    def __init__(self, carrier: RelayCarrier, rates: Rates, counts: Counter[str]) -> None:
        self._carrier, self._rates, self._counts = carrier, rates, counts

    async def take(self, raws: Sequence[bytes], peer: PeerId) -> Taken:
        """What became of each. Raises RemoteError for one that is no frame of this commons."""
        judged = [self._judge(raw) for raw in raws]
        good = [frame for frame in judged if frame is not None]
        await self._carrier.holdings.ready()
        new = [frame for frame in good if (frame.minute, frame.id) not in self._carrier.holdings]
        taken = await self._carrier.keep(good, peer) if good else None
        verdicts = iter(() if taken is None else taken.verdicts)
        fates = tuple(
            Fate.WINDOW if frame is None else Fate.DISK if taken is None else _FATES[next(verdicts)] for frame in judged
        )
        kept = {frame.id for frame, fate in zip(judged, fates, strict=True) if frame is not None and fate is Fate.KEPT}
        await self._carrier.pass_on([frame for frame in new if frame.id in kept])
        self._counts.update(f"put {fate.name.lower()}" for fate in fates)
        return Taken(fates)

    async def rest(self, count: int, origin: str) -> None:
        """Let whoever put `count` frames wait until its address owes none."""
        seconds = self._rates.owe(origin, count)
        if seconds:
            self._counts["put slowed"] += 1
            await trio.sleep(seconds)

    def _judge(self, raw: bytes) -> Frame | None:
        try:
            return frames.check(raw, self._carrier.commons.key, frames.gossip_window(self._carrier.now))
        except RemoteError as wrong:
            if wrong.reason is RejectReason.WINDOW:
                return None
            raise
