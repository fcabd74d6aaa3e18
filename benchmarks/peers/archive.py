"""A real carrying node with an archive of many frames, for figure F7: `… benchmarks.peers.archive FOLDER COUNT`.

Makes COUNT frames of one commons, with minutes over two weeks, listens, and prints its address. With an address as
third argument it holds nothing, dials, and prints as JSON what catching up took. Lives until its input ends.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import trio

from tertulia.node.carrier import Carrier
from tertulia.node.clock import wall_clock
from tertulia.node.network import Network
from tertulia.node.shelf import Shelf
from tertulia.node.store.archive import Archive
from tertulia.protocol import frame as frames
from tertulia.protocol.commons import Commons
from tertulia.protocol.frame import Frame, FrameClass, FrameKeys
from tertulia.protocol.ids import CommonsId
from tertulia.protocol.inputs import FrameKept
from tertulia.protocol.item import Item, ItemType

HERE = Commons(b"a benchmark".ljust(32), 1, "Benchmark")
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
WEEKS = 14 * 24 * 60
TOGETHER = 2_000


def sealed(count: int, minutes: range, commons: bytes = HERE.key) -> list[Frame]:
    """Frames of a commons (its key) that nobody can open, their minutes spread over a range."""
    keys = FrameKeys(os.urandom(32), os.urandom(32))
    item = [Item(ItemType.RECEIPT, b"sealed")]
    spread = (minutes[number * len(minutes) // count] for number in range(count))
    return [frames.seal(commons, keys, FrameClass.SMALL, minute, os.urandom(24), item) for minute in spread]


def shelf(folder: Path, held: list[Frame]) -> Shelf:
    """An archive in a folder that holds these frames."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = Archive.create(folder / "archive.db", bytes(32))
    archive.put_commons(HERE.id, b"")
    for at in range(0, len(held), TOGETHER):
        archive.add(HERE.id, [(each.id, each.minute, each.raw) for each in held[at : at + TOGETHER]], at + 1)
    return Shelf(archive)


class Silent:
    """A listener that only says when a peer was reached."""

    def __init__(self) -> None:
        self.changed = trio.Event()

    def arrived(self, commons: CommonsId) -> None:
        """Nothing to do: no vault is open."""

    async def kept(self, kept: FrameKept) -> None:
        """Nothing to do: we say nothing."""

    async def reach_changed(self, commons: CommonsId) -> None:  # noqa: ARG002
        """Look again."""
        self.changed.set()
        self.changed = trio.Event()


def _most_memory() -> float:
    """The most megabytes this program has had (getrusage would count what the parent had when it started us)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


async def main(folder: Path, count: int, address: str | None) -> None:
    """Listen, or catch up; then wait for the end of the input."""
    listener = Silent()
    minute = wall_clock() // 60_000
    held = sealed(count, range(minute - WEEKS, minute)) if address is None else []
    opened = shelf(folder, held)
    held.clear()
    carrier = Carrier(HERE, opened, wall_clock, listener)
    seed = os.urandom(32) if address is None else None
    net = Network(carrier, (LOOPBACK,) if seed else (), seed, (address,) if address else (), listener)
    async with trio.open_nursery() as nursery:
        await nursery.start(net.run, wall_clock)
        await carrier.holdings.ready()
        began = time.perf_counter()
        if address is None:
            print(net.addresses[0], flush=True)
        else:
            while not net.reached:
                changed = listener.changed
                await changed.wait()
            used = resource.getrusage(resource.RUSAGE_SELF)
            told = {
                "seconds": time.perf_counter() - began,
                "frames": len(carrier.holdings),
                "cpu": used.ru_utime + used.ru_stime,
                "mb": _most_memory(),
                "counts": dict(carrier.counts),
            }
            print(json.dumps(told), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()
    await opened.close()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
