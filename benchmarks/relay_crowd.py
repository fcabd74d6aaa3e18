"""Many citizens of one relay in a process of their own, on real sockets; obeys JSON lines on stdin, answers each.

`connect` brings so many through hello and onto the feed; `say` lets one put frames at a rate and waits until all have
them; `flood` and `press` put as fast as they are answered; `fetch` takes what the relay holds by sync; `circuit` sends
through it. Invariant: a frame that has not come within `SETTLE_SECONDS` is counted as lost.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from benchmarks import relay_passers
from benchmarks.peers.attacks import come_and_go, know_nothing, say_nothing
from benchmarks.relay_passers import AT_ONCE, SETTLE_SECONDS, enter, seal
from tertulia.node.carrier import Carrier
from tertulia.node.clock import wall_clock
from tertulia.node.network import Network
from tertulia.node.shelf import Shelf
from tertulia.node.store.archive import Archive
from tertulia.node.substrate import DialFailed, HostConfig, PeerId, Stream, StreamFailed, open_host
from tertulia.node.sync import bring_in_step
from tertulia.protocol import feed_messages as messages
from tertulia.protocol.commons import Commons
from tertulia.protocol.feed_messages import (
    FEED_PROTOCOL,
    LIMIT_CREDIT,
    LIMIT_TELL,
    Batch,
    Credit,
    Put,
    Subscribe,
    Taken,
)
from tertulia.protocol.sync_messages import SYNC_PROTOCOL

AGAIN = 5
PUT = 16
SINK = "/bench/circuit/1"
CHUNK = 60_000


class Crowd:
    """The citizens of one relay."""

    def __init__(self, commons: Commons, address: str) -> None:
        self.commons, self.address = commons, address
        self.connected = 0
        self.behind = 0
        self._sent: dict[bytes, float] = {}
        self._arrived: dict[bytes, int] = {}
        self._latencies: list[float] = []
        self._news = trio.Event()
        self._changed = trio.Event()
        self.speaker: Stream | None = None
        self.taken = trio.Event()

    async def citizen(self, limit: trio.CapacityLimiter) -> None:
        """One of them, until cancelled; comes again when it is put out."""
        async with open_host(HostConfig(os.urandom(32))) as host:
            for _ in range(AGAIN):
                with suppress(DialFailed, StreamFailed):
                    async with limit:
                        peer = await enter(host, self.commons, self.address)
                        stream = await host.open(peer, FEED_PROTOCOL)
                        await stream.send(messages.write(Subscribe(b"", LIMIT_CREDIT)))
                        messages.read_tell(await stream.receive(LIMIT_TELL))
                    self.connected += 1
                    self._changed.set()
                    await self._listen(stream)
                    self.connected -= 1

    async def _listen(self, stream: Stream) -> None:
        speaks = self.speaker is None
        if speaks:
            self.speaker = stream
        used = 0
        while True:
            told = messages.read_tell(await stream.receive(LIMIT_TELL, seconds=120))
            match told:
                case Batch(_, raws):
                    now = time.perf_counter()
                    for raw in raws:
                        self._got(raw, now)
                    used += messages.cost(raws)
                    if used > LIMIT_CREDIT // 2:
                        await stream.send(messages.write(Credit(used)))
                        used = 0
                case Taken() if speaks:
                    self.taken.set()
                case messages.Behind():
                    self.behind += 1
                case _:
                    pass

    def _got(self, raw: bytes, now: float) -> None:
        key = raw[-16:]
        if key in self._sent:
            self._latencies.append(now - self._sent[key])
            self._arrived[key] += 1
            self._news.set()

    async def until_connected(self, count: int, seconds: float) -> int:
        """How many are on the feed, at the latest after `seconds`."""
        with trio.move_on_after(seconds):
            while self.connected < count:
                await self._changed.wait()
                self._changed = trio.Event()
        return self.connected

    async def say(self, rate: float, seconds: float) -> dict[str, Any]:
        """Put frames at a rate; what became of them."""
        self._sent, self._arrived, self._latencies = {}, {}, []
        ready = [seal(self.commons) for _ in range(int(rate * seconds))]
        assert self.speaker is not None
        began = trio.current_time()
        for number, frame in enumerate(ready):
            await trio.sleep_until(began + number / rate)
            self._sent[frame.raw[-16:]] = time.perf_counter()
            self._arrived[frame.raw[-16:]] = 0
            self.taken = trio.Event()
            await self.speaker.send(messages.write(Put((frame.raw,))))
            await self.taken.wait()
        with trio.move_on_after(SETTLE_SECONDS):
            while any(count < self.connected for count in self._arrived.values()):
                self._news = trio.Event()
                await self._news.wait()
        expected = len(ready) * self.connected
        delivered = sum(self._arrived.values())
        cents = statistics.quantiles(self._latencies, n=100) if len(self._latencies) > 1 else [0.0] * 99
        return {
            "frames": len(ready), "expected": expected, "delivered": delivered,
            "p50": cents[49], "p99": cents[98], "behind": self.behind,
        }  # fmt: skip

    async def flood(self, count: int) -> dict[str, Any]:
        """Put `count` frames as fast as they are answered."""
        assert self.speaker is not None
        ready = [seal(self.commons) for _ in range(count)]
        began = time.perf_counter()
        for start in range(0, count, PUT):
            self.taken = trio.Event()
            await self.speaker.send(messages.write(Put(tuple(one.raw for one in ready[start : start + PUT]))))
            await self.taken.wait()
        return {"frames": count, "seconds": time.perf_counter() - began}

    async def fetch(self) -> dict[str, Any]:
        """Bring an empty archive in step with the relay's."""
        with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
            archive = Archive.create(Path(folder) / "archive.db", bytes(32))
            archive.put_commons(self.commons.id, b"")
            carrier = Carrier(self.commons, Shelf(archive), wall_clock, _Deaf())
            async with open_host(HostConfig(os.urandom(32))) as host:
                peer = await enter(host, self.commons, self.address)
                began = time.perf_counter()
                stream = await host.open(peer, SYNC_PROTOCOL)
                ending = await bring_in_step(stream, carrier)
                seconds = time.perf_counter() - began
            archive.close()
            return {"frames": len(carrier.holdings), "seconds": seconds, "ending": ending.name}

    async def press(self, seconds: float) -> dict[str, Any]:
        """Put as fast as it is answered, for so long; how many were answered."""
        assert self.speaker is not None
        answered = 0
        with trio.move_on_after(seconds):
            while True:
                batch = tuple(seal(self.commons).raw for _ in range(PUT))
                self.taken = trio.Event()
                await self.speaker.send(messages.write(Put(batch)))
                await self.taken.wait()
                answered += PUT
        return {"answered": answered}

    async def first(self, times: int) -> dict[str, Any]:
        """Seconds from a newcomer's dialling until somebody else has their first frame: relayed, and direct."""
        relayed, direct = [], []
        for _ in range(times):
            frame = seal(self.commons)
            key = frame.raw[-16:]
            self._arrived[key] = 0
            async with open_host(HostConfig(os.urandom(32))) as host:
                began = time.perf_counter()
                peer = await enter(host, self.commons, self.address)
                stream = await host.open(peer, FEED_PROTOCOL)
                await stream.send(messages.write(Subscribe(b"", LIMIT_CREDIT)))
                self._sent[key] = time.perf_counter()
                await stream.send(messages.write(Put((frame.raw,))))
                with trio.fail_after(SETTLE_SECONDS):
                    while not self._arrived[key]:
                        self._news = trio.Event()
                        await self._news.wait()
                relayed.append(time.perf_counter() - began)
            direct.append(await self._first_direct())
        return {"relayed": relayed, "direct": direct}

    async def _first_direct(self) -> float:
        """The same between two who are on the same network."""
        frame, seed = seal(self.commons), os.urandom(32)
        with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
            ear = _Deaf()
            shelves, carriers = [], []
            for name in ("a", "b"):
                archive = Archive.create(Path(folder) / f"{name}.db", bytes(32))
                archive.put_commons(self.commons.id, b"")
                shelves.append(Shelf(archive))
                carriers.append(Carrier(self.commons, shelves[-1], wall_clock, ear))
            async with trio.open_nursery() as nursery:
                there = Network(carriers[0], ("/ip4/127.0.0.1/tcp/0",), seed, (), ear)
                await nursery.start(there.run, wall_clock)
                began = time.perf_counter()
                here = Network(carriers[1], (), None, there.addresses, ear)
                await nursery.start(here.run, wall_clock)
                await carriers[1].publish([frame])
                with trio.fail_after(SETTLE_SECONDS):
                    while (frame.minute, frame.id) not in carriers[0].holdings:  # noqa: ASYNC110  it has no event
                        await trio.sleep(0.002)
                took = time.perf_counter() - began
                nursery.cancel_scope.cancel()
            for shelf in shelves:
                await shelf.close()
        return took

    async def circuit(self, address: str, megabytes: int, *, hello: bool) -> dict[str, Any]:
        """Send so much through a circuit of the relay at `address`; the seconds until the other end has it."""
        drained = trio.Event()
        wanted = megabytes * 10**6

        async def sink(stream: Stream) -> None:
            got = 0
            while got < wanted:
                got += len(await stream.receive(CHUNK))
            drained.set()

        async with open_host(HostConfig(os.urandom(32))) as behind, open_host(HostConfig(os.urandom(32))) as caller:
            behind.serve(SINK, sink, before_hello=True)
            for host in (behind, caller):
                if hello:
                    await enter(host, self.commons, address)
                else:
                    await host.dial([address])
            relay = PeerId(address.rpartition("/p2p/")[2])
            await behind.reserve(relay)
            await caller.dial([f"{address}/p2p-circuit/p2p/{behind.peer_id}"])
            stream = await caller.open(behind.peer_id, SINK)
            began = time.perf_counter()
            for _ in range(wanted // CHUNK + 1):
                await stream.send(bytes(CHUNK))
            with trio.fail_after(120):
                await drained.wait()
            return {"seconds": time.perf_counter() - began}

    async def besiege(self, idle: int, renewed: int) -> dict[str, Any]:
        """Hold and renew connections that say nothing, and then enter as a member."""
        port = int(self.address.split("/")[4])
        peer = PeerId(self.address.rpartition("/p2p/")[2])
        stood = 0
        async with trio.open_nursery() as nursery:
            for _ in range(idle // 2):
                nursery.start_soon(say_nothing, port)
            for _ in range(8):
                nursery.start_soon(know_nothing, [self.address])
            await trio.sleep(2)
            stood = await come_and_go(peer, [self.address], renewed)
            began = time.perf_counter()
            async with open_host(HostConfig(os.urandom(32))) as host:
                await enter(host, self.commons, self.address)
                seconds = time.perf_counter() - began
            nursery.cancel_scope.cancel()
        return {"seconds": seconds, "stood": stood}


class _Deaf:
    def arrived(self, commons: object) -> None:
        """Nobody listens."""

    async def kept(self, kept: object) -> None:
        """Nobody listens."""

    async def reach_changed(self, commons: object) -> None:
        """Nobody listens."""


async def _asked() -> AsyncIterator[dict[str, Any]]:
    held = b""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
        async for chunk in stdin:
            held += chunk
            while b"\n" in held:
                line, held = held.split(b"\n", 1)
                yield json.loads(line)


async def main() -> None:
    """Obey until the input ends."""
    crowd: Crowd | None = None
    async with trio.open_nursery() as nursery:
        limit = trio.CapacityLimiter(AT_ONCE)
        async for ask in _asked():
            match ask["do"]:
                case "begin":
                    crowd = Crowd(Commons(bytes.fromhex(ask["key"]), 1, ask["name"]), ask["address"])
                    answer: dict[str, Any] = {}
                case "connect":
                    assert crowd is not None
                    for _ in range(ask["count"]):
                        nursery.start_soon(crowd.citizen, limit)
                    answer = {"connected": await crowd.until_connected(ask["count"], ask["seconds"])}
                case "say":
                    assert crowd is not None
                    answer = await crowd.say(ask["rate"], ask["seconds"])
                case "flood":
                    assert crowd is not None
                    answer = await crowd.flood(ask["count"])
                case "fetch":
                    assert crowd is not None
                    answer = await crowd.fetch()
                case "first":
                    assert crowd is not None
                    answer = await crowd.first(ask["times"])
                case "press":
                    assert crowd is not None
                    answer = await crowd.press(ask["seconds"])
                case "circuit":
                    assert crowd is not None
                    answer = await crowd.circuit(ask["address"], ask["megabytes"], hello=ask["hello"])
                case "outsiders":
                    assert crowd is not None
                    answer = await relay_passers.outsiders(crowd, ask["count"])
                case "churn":
                    assert crowd is not None
                    answer = await relay_passers.churn(crowd, ask["count"], ask["seconds"])
                case "besiege":
                    assert crowd is not None
                    answer = await crowd.besiege(ask["idle"], ask["renewed"])
                case other:
                    raise ValueError(f"unknown command {other}")
            print(json.dumps(answer), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
