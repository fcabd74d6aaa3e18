"""Sync sessions for tests: one between two carriers, and what a peer that only plays one says."""

from __future__ import annotations

from dataclasses import replace

from carriers import now_minute
from wire import Watched, meet

from tertulia.node import sync
from tertulia.node.clock import wall_clock
from tertulia.node.substrate import Stream
from tertulia.protocol.negentropy import END, VERSION, IdList
from tertulia.protocol.negentropy import write as write_ranges
from tertulia.protocol.sync_messages import Ending, Opened, Reconcile
from tertulia.protocol.sync_terms import Stand

__all__ = ["keep", "listing", "opened", "seed_of", "stand", "sync_once"]

DAY = 24 * 60


def stand() -> Stand:
    return Stand(wall_clock(), now_minute() - 30 * DAY)


def opened(**changed) -> Opened:
    """The answer of a peer that holds something else than we do."""
    return replace(Opened(stand(), (), (), bytes(16)), **changed)


def listing(*ids: bytes) -> Reconcile:
    return Reconcile(bytes([VERSION]) + write_ranges([IdList(END, b"".join(ids))], 0))


async def sync_once(mine, theirs, ending: Ending = Ending.DONE, most_frames: int = 10**9) -> Watched:
    """One session that `mine` opens with `theirs`; gives what went over it."""
    watched: list[Watched] = []

    async def run(stream: Stream) -> None:
        watched.append(Watched(stream, most_frames))
        assert await sync.bring_in_step(watched[0], mine) is ending  # type: ignore[arg-type]

    async def serve(stream: Stream) -> None:
        assert await sync.serve(stream, theirs) is ending

    await meet(serve, run, seed_of(theirs), seed_of(mine))
    return watched[0]


def seed_of(one) -> bytes:
    """A carrier keeps its PeerId from session to session."""
    return id(one).to_bytes(32, "big")


async def keep(one, batch) -> None:
    for start in range(0, len(batch), 250):
        assert await one.keep(batch[start : start + 250], "other")
