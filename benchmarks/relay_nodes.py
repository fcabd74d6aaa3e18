"""Citizens as nodes are them, relayed, for figure R8: `python -m benchmarks.relay_nodes JSON`, in a process of its own.

GOALS.md R8. The argument says whose relays, how many citizens, how fast and how long they speak. A line when all are in
step, one with what became of their frames. Invariant: a frame counts when it stands on a citizen's disk; one that does
not within `SETTLE_SECONDS` is lost.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio

from benchmarks.relay_crowd import seal
from tertulia.node.carrier import Carrier
from tertulia.node.clock import wall_clock
from tertulia.node.network import Network
from tertulia.node.reach import Relayed
from tertulia.node.shelf import Shelf
from tertulia.node.store.archive import Archive
from tertulia.node.substrate import PeerId
from tertulia.protocol.commons import Commons
from tertulia.protocol.ids import FrameId

SETTLE_SECONDS = 120.0
READY_SECONDS = 60.0
Place = tuple[int, FrameId]


class Citizen:
    """One node's carrier and network, and when each frame came to its disk."""

    def __init__(self, commons: Commons, shelf: Shelf) -> None:
        self.carrier = Carrier(commons, shelf, wall_clock, self)
        self.network = Network(self.carrier, (), None, (), self)
        self.waiting: dict[Place, float] = {}
        self.taken: list[float] = []
        """Seconds that each frame took."""
        self.changed = trio.Event()

    def expect(self, place: Place, now: float) -> None:
        """Somebody has said this."""
        self.waiting[place] = now

    def arrived(self, commons: object) -> None:  # noqa: ARG002  the seam's shape
        """Look what has come."""
        now = time.perf_counter()
        for place in [place for place in self.waiting if place in self.carrier.holdings]:
            self.taken.append(now - self.waiting.pop(place))
        self._note()

    async def kept(self, kept: object) -> None:
        """A relay has it."""

    async def reach_changed(self, commons: object) -> None:  # noqa: ARG002  the seam's shape
        """Look again."""
        self._note()

    def _note(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


async def run(told: dict[str, Any], folder: Path) -> dict[str, Any]:
    """All of it; what became of the frames."""
    commons = Commons(bytes.fromhex(told["key"]), 1, told["name"])
    peers = {PeerId(one.rpartition("/p2p/")[2]): (one,) for one in told["addresses"]}
    relays = Relayed(peers, {}, {peer: f"relay {number}" for number, peer in enumerate(peers)})
    citizens = []
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for number in range(told["citizens"]):
            archive = Archive.create(folder / f"{number}.db", bytes(32))
            archive.put_commons(commons.id, b"")
            shelf = Shelf(archive)
            stack.push_async_callback(shelf.close)
            one = Citizen(commons, shelf)
            one.network.go(relays)
            citizens.append(one)
            await nursery.start(one.network.run, wall_clock)
        with trio.fail_after(READY_SECONDS):
            for one in citizens:
                while not one.network.reached:
                    changed = one.changed
                    await changed.wait()
        print(json.dumps({"ready": len(citizens)}), flush=True)
        count = await _talk(citizens, commons, told)
        with trio.move_on_after(SETTLE_SECONDS):
            for one in citizens:
                while one.waiting:
                    changed = one.changed
                    await changed.wait()
        lost = sum(len(one.waiting) for one in citizens)
        nursery.cancel_scope.cancel()
    taken = [seconds for one in citizens for seconds in one.taken]
    cents = statistics.quantiles(taken, n=100)
    times = {"p50": cents[49], "p99": cents[98], "worst": max(taken)}
    return {"frames": count, "deliveries": len(taken), "lost": lost, **times}


async def _talk(citizens: list[Citizen], commons: Commons, told: dict[str, Any]) -> int:
    """Everyone by turns says something; how much was said."""
    began, count = trio.current_time(), int(told["rate"] * told["seconds"])
    async with trio.open_nursery() as saying:
        for number in range(count):
            await trio.sleep_until(began + number / told["rate"])
            author = citizens[number % len(citizens)]
            frame = seal(commons)
            now = time.perf_counter()
            for one in citizens:
                if one is not author:
                    one.expect((frame.minute, frame.id), now)
            saying.start_soon(author.carrier.publish, [frame])
    return count


def main() -> None:
    """Run what the argument says."""
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        print(json.dumps(trio.run(run, json.loads(sys.argv[1]), Path(folder))), flush=True)


if __name__ == "__main__":
    main()
