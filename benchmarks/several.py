"""F7_twice: frames that come more than once to a node that lacks what several of its peers hold, per frame it lacked.

docs/spec/sync.md, *Messages of a session*. Real hosts on loopback in this process: once the node that is behind dials
its PEERS peers and fetches, once they dial it and give. Invariant: a node that does not end with everything fails.
"""

from __future__ import annotations

import os
import time

import trio

from benchmarks.figure import Figure, figure
from benchmarks.peers.archive import HERE, LOOPBACK, WEEKS, Silent, sealed, shelf
from benchmarks.processes import home
from tertulia.node.carrier import Carrier
from tertulia.node.clock import wall_clock
from tertulia.node.network import Network

FRAMES, PEERS = 6_000, 3
GOAL_TWICE = 0.01
LIMIT_SECONDS = 120.0


def measure() -> list[Figure]:
    """Frames that came again, both ways, by frames that were lacking."""
    called, calling = (trio.run(_catch_up, calls) for calls in (False, True))
    return [
        figure("F7_twice", [called[0]], "of 1", most=GOAL_TWICE, peers=PEERS, frames=FRAMES, seconds=called[1]),
        figure("F7_twice_dial", [calling[0]], "of 1", most=GOAL_TWICE, peers=PEERS, frames=FRAMES, seconds=calling[1]),
    ]


async def _catch_up(calls: bool) -> tuple[float, float]:
    """Let one node that has nothing meet several that have everything; gives its share of doubles, and seconds."""
    minute = wall_clock() // 60_000
    held = sealed(FRAMES, range(minute - WEEKS, minute))
    with home() as folder:
        async with trio.open_nursery() as nursery:

            async def node(name: str, dialled: tuple[str, ...], *, full: bool) -> Network:
                listener = Silent()
                carrier = Carrier(HERE, shelf(folder / name, held if full else []), wall_clock, listener)
                listens = not dialled
                net = Network(
                    carrier, (LOOPBACK,) if listens else (), os.urandom(32) if listens else None, dialled, listener
                )
                await nursery.start(net.run, wall_clock)
                return net

            if calls:
                peers = [await node(f"peer {number}", (), full=True) for number in range(PEERS)]
                behind = await node("behind", tuple(peer.addresses[0] for peer in peers), full=False)
            else:
                behind = await node("behind", (), full=False)
                peers = [await node(f"peer {number}", behind.addresses, full=True) for number in range(PEERS)]
            began = time.perf_counter()
            with trio.fail_after(LIMIT_SECONDS):
                while behind.reached < PEERS or not all(peer.reached for peer in peers):  # noqa: ASYNC110 - a look at all
                    await trio.sleep(0.1)
            seconds = time.perf_counter() - began
            came, again = len(behind.carrier.holdings), behind.carrier.counts["held already"]
            nursery.cancel_scope.cancel()
    if came != FRAMES:
        raise RuntimeError(f"{came} of {FRAMES} frames came")
    return again / came, seconds


if __name__ == "__main__":
    for taken in measure():
        print(taken)
