"""What both Python peers of the substrate benchmark share: ten nodes in one process, asked by JSON lines on stdin.

One line in, one line out. `paced` publishes at a rate, `full` keeps a number of frames under way for some seconds,
`profile` is `paced` under cProfile, `send` fills a stream to another process, `cpu` reads the clock. CPU is the whole
process's, all ten nodes. Invariant: a frame that does not arrive within `SETTLE_SECONDS` is counted as lost, not waited
for for ever; the answer says how many were expected.
"""

import cProfile
import json
import os
import pstats
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import trio

NODES = 10
OFFSETS = (1, 2, 3)
"""Node i is connected to i±1, i±2, i±3: everybody has six neighbours, 30 connections in all."""
EDGES = [(node, (node + offset) % NODES) for node in range(NODES) for offset in OFFSETS]
TOPIC = "room"
SETTLE_SECONDS = 10.0
SINK = "/bench/sink/1"
CHUNK_BYTES = 64 * 1024
TOP = 10


class Village(Protocol):
    """Ten connected nodes that have joined the topic."""

    sink_address: str

    async def publish(self, node: int, data: bytes) -> None:
        """Publish at `node`."""

    async def send(self, address: str, megabytes: int) -> None:
        """Fill a stream to the sink at `address`; returns when the sink has it all."""

    def counts(self) -> dict[str, int]:
        """Counters of the implementation, summed over the nodes."""


class Meter:
    """Counts deliveries: `got` is called by each node for each frame it delivers."""

    def __init__(self, village: Village) -> None:
        self._village = village
        self._sent: dict[bytes, float] = {}
        self._arrived: dict[bytes, int] = {}
        self._news = trio.Event()
        self._number = 0
        self._taken: list[float] = []

    def got(self, data: bytes) -> None:
        """A node delivered `data`."""
        key = data[:8]
        sent = self._sent.get(key)
        if sent is None:
            return
        self._taken.append(time.perf_counter() - sent)
        self._arrived[key] += 1
        self._news.set()

    async def publish(self, size: int) -> bytes:
        """Publish the next frame, at the next node in turn; returns its key."""
        self._number += 1
        key = self._number.to_bytes(8, "big")
        self._sent[key] = time.perf_counter()
        self._arrived[key] = 0
        await self._village.publish(self._number % NODES, key + os.urandom(size - 8))
        return key

    async def _until(self, done: Callable[[], bool]) -> None:
        with trio.move_on_after(SETTLE_SECONDS):
            while not done():
                self._news = trio.Event()
                await self._news.wait()

    def _waiting(self) -> int:
        return sum(count < NODES - 1 for count in self._arrived.values())

    async def measured(self, work: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        """Run `work`, wait for what it published, and say what it cost."""
        for kept in (self._sent, self._arrived, self._taken):
            kept.clear()
        before = self._village.counts()
        cpu, wall = time.process_time(), time.perf_counter()
        await work()
        await self._until(lambda: not self._waiting())
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        after = self._village.counts()
        delivered = sum(self._arrived.values())
        tenths = statistics.quantiles(self._taken, n=100) if len(self._taken) > 1 else [0.0] * 99
        return {
            "cpu": cpu,
            "wall": wall,
            "delivered": delivered,
            "expected": len(self._arrived) * (NODES - 1),
            "p50": tenths[49] * 1e3,
            "p99": tenths[98] * 1e3,
            "counts": {key: after[key] - before.get(key, 0) for key in after},
        }

    async def paced(self, rate: float, count: int, size: int) -> dict[str, Any]:
        """Publish `count` frames at `rate` a second."""

        async def work() -> None:
            began = trio.current_time()
            for number in range(count):
                await trio.sleep_until(began + number / rate)
                await self.publish(size)

        return await self.measured(work)

    async def full(self, seconds: float, window: int, size: int) -> dict[str, Any]:
        """For `seconds`, publish the next frame whenever fewer than `window` are still on their way."""

        async def work() -> None:
            until = trio.current_time() + seconds
            under_way: list[bytes] = []
            while trio.current_time() < until:
                under_way = [key for key in under_way if self._arrived[key] < NODES - 1]
                if len(under_way) < window:
                    under_way.append(await self.publish(size))
                else:
                    self._news = trio.Event()
                    with trio.move_on_after(SETTLE_SECONDS) as patience:
                        await self._news.wait()
                    if patience.cancelled_caught:  # lost: go on without them
                        under_way.clear()

        return await self.measured(work)


async def _lines() -> Any:
    """Lines of stdin, read without a thread when it is a pipe."""
    held = b""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
        async for chunk in stdin:
            held += chunk
            while b"\n" in held:
                line, held = held.split(b"\n", 1)
                yield json.loads(line)


def _top_ten(profile: cProfile.Profile, delivered: int) -> list[list[Any]]:
    """The ten functions with most time of their own: name, µs a delivery, share of all."""
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    whole = sum(entry[2] for entry in stats.values())
    rows = sorted(((entry[2], where) for where, entry in stats.items()), reverse=True)[:TOP]
    return [[_name(where), own / delivered * 1e6, own / whole] for own, where in rows]


def _name(where: tuple[str, int, str]) -> str:
    path, _, function = where
    return f"{'/'.join(path.split('/')[-2:])}:{function}" if path != "~" else function


async def answer_all(village: Village, meter: Meter) -> None:
    """Obey stdin until it closes."""
    print(json.dumps({"ready": True, "sink": village.sink_address}), flush=True)
    async for ask in _lines():
        match ask["do"]:
            case "paced":
                answer = await meter.paced(ask["rate"], ask["count"], ask["size"])
            case "full":
                answer = await meter.full(ask["seconds"], ask["window"], ask["size"])
            case "profile":
                profile = cProfile.Profile(time.process_time)
                profile.enable()
                answer = await meter.paced(ask["rate"], ask["count"], ask["size"])
                profile.disable()
                answer["top"] = _top_ten(profile, max(1, answer["delivered"]))
            case "send":
                cpu, wall = time.process_time(), time.perf_counter()
                await village.send(ask["to"], ask["megabytes"])
                answer = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
            case "cpu":
                answer = {"cpu": time.process_time()}
            case other:
                raise ValueError(f"unknown command {other}")
        print(json.dumps(answer), flush=True)
