"""Ten of our hosts in one process, for the substrate benchmark (see village.py). `--wire` counts what leaves on TCP."""

import secrets
import sys
from collections import Counter
from contextlib import AsyncExitStack

import trio

from benchmarks.peers.village import CHUNK_BYTES, EDGES, NODES, SINK, TOPIC, Meter, answer_all
from benchmarks.peers.wire import Census
from tertulia.node.substrate import Gossip, Host, HostConfig, Stream, Verdict, open_host

LISTEN = ("/ip4/127.0.0.1/tcp/0",)
SEED_BYTES = 32


class OurVillage:
    """See village.Village."""

    def __init__(self, hosts: list[Host], lines: list[Gossip], census: Census | None) -> None:
        self._hosts, self._lines, self._census = hosts, lines, census
        self.sink_address = hosts[0].addresses[0]
        hosts[0].serve(SINK, _drain, before_hello=True)

    async def publish(self, node: int, data: bytes) -> None:
        """Publish at `node`."""
        await self._lines[node].publish(data)

    async def send(self, address: str, megabytes: int) -> None:
        """Fill a stream to the sink at `address`."""
        peer = await self._hosts[1].dial([address])
        stream = await self._hosts[1].open(peer, SINK)
        chunk = secrets.token_bytes(CHUNK_BYTES)
        count = megabytes * 2**20 // CHUNK_BYTES
        await stream.send(count.to_bytes(8, "big"))
        for _ in range(count):
            await stream.send(chunk)
        await stream.receive(8)
        await stream.close()

    def counts(self) -> dict[str, int]:
        """Counters, summed over the nodes."""
        total: Counter[str] = Counter()
        for host in self._hosts:
            total.update(host.counts)
        total["dropped"] = sum(line.dropped for line in self._lines)
        if self._census:
            total.update(frames=self._census.frames, bytes=self._census.bytes)
        return dict(total)


async def _drain(stream: Stream) -> None:
    for _ in range(int.from_bytes(await stream.receive(8), "big")):
        await stream.receive(CHUNK_BYTES)
    await stream.send(bytes(8))


async def main() -> None:
    """Build the village, then obey."""
    census = Census() if "--wire" in sys.argv else None
    if census:
        census.install()
    async with AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(open_host(HostConfig(secrets.token_bytes(SEED_BYTES), LISTEN)))
            for _ in range(NODES)
        ]
        nursery = await stack.enter_async_context(trio.open_nursery())
        for a, b in EDGES:
            await hosts[a].dial(hosts[b].addresses)
            while hosts[a].peer_id not in hosts[b].peers:  # noqa: ASYNC110
                await trio.sleep(0.01)
            hosts[a].admit(hosts[b].peer_id)
            hosts[b].admit(hosts[a].peer_id)
        lines = [await host.join(TOPIC, lambda _data, _peer: Verdict.ACCEPT) for host in hosts]
        village = OurVillage(hosts, lines, census)
        meter = Meter(village)

        async def deliver(line: Gossip) -> None:
            async for _, data in line.frames:
                meter.got(data)

        for line in lines:
            nursery.start_soon(deliver, line)
        while any(line.neighbours < 6 for line in lines):  # noqa: ASYNC110
            await trio.sleep(0.05)
        await trio.sleep(3)  # three heartbeats: the meshes stand
        await answer_all(village, meter)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
