"""Ten hosts of py-libp2p as shipped in one process, for the substrate benchmark (see village.py).

Configured as its documentation would have it for our case: Noise, yamux, meshsub 1.1, a heartbeat of a second, the
ten-a-second guard off, no signatures. It cannot publish without an author (docs/upstream.md row 6), so it publishes as
it can, with its PeerId and a sequence number.
"""

import logging
import secrets
import sys
from contextlib import AsyncExitStack
from typing import Any

import trio
from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from benchmarks.peers.village import CHUNK_BYTES, EDGES, NODES, SINK, TOPIC, Meter, answer_all
from benchmarks.peers.wire import Census

LISTEN = Multiaddr("/ip4/127.0.0.1/tcp/0")
SEED_BYTES = 32


class StockVillage:
    """See village.Village."""

    def __init__(self, hosts: list[IHost], pubsubs: list[Pubsub], census: Census | None) -> None:
        self._hosts, self._pubsubs, self._census = hosts, pubsubs, census
        self.sink_address = str(hosts[0].get_addrs()[0])
        hosts[0].set_stream_handler(TProtocol(SINK), _drain)

    async def publish(self, node: int, data: bytes) -> None:
        """Publish at `node`."""
        await self._pubsubs[node].publish(TOPIC, data)

    async def send(self, address: str, megabytes: int) -> None:
        """Fill a stream to the sink at `address`."""
        where = info_from_p2p_addr(Multiaddr(address))
        await self._hosts[1].connect(where)
        stream = await self._hosts[1].new_stream(where.peer_id, [TProtocol(SINK)])
        chunk = CHUNK_BYTES.to_bytes(4, "big") + secrets.token_bytes(CHUNK_BYTES)
        count = megabytes * 2**20 // CHUNK_BYTES
        await stream.write((8).to_bytes(4, "big") + count.to_bytes(8, "big"))
        for _ in range(count):
            await stream.write(chunk)
        await stream.read(12)
        await stream.close()

    def counts(self) -> dict[str, int]:
        """Counters, summed over the nodes."""
        return {"frames": self._census.frames, "bytes": self._census.bytes} if self._census else {}


async def _drain(stream: Any) -> None:
    head = await stream.read(12)
    while len(head) < 12:
        head += await stream.read(12 - len(head))
    left = int.from_bytes(head[4:], "big") * (4 + CHUNK_BYTES)
    while left:
        left -= len(await stream.read(min(left, CHUNK_BYTES)))
    await stream.write((8).to_bytes(4, "big") + bytes(8))
    await stream.close()


def _host() -> IHost:
    keys = create_new_key_pair(secrets.token_bytes(SEED_BYTES))
    return new_host(
        key_pair=keys,
        sec_opt={NOISE: Noise(keys, noise_privkey=new_x25519_key_pair().private_key)},
        connection_config=ConnectionConfig(min_connections=0, low_watermark=0),
    )


async def main() -> None:
    """Build the village, then obey."""
    logging.getLogger().addHandler(logging.NullHandler())
    census = Census() if "--wire" in sys.argv else None
    if census:
        census.install()
    async with AsyncExitStack() as stack:
        hosts, pubsubs = [], []
        for _ in range(NODES):
            host = _host()
            router = GossipSub(
                protocols=[TProtocol("/meshsub/1.1.0")],
                degree=6,
                degree_low=4,
                degree_high=12,
                heartbeat_interval=1,
                spam_protection_enabled=False,
            )
            pubsub = Pubsub(host, router, strict_signing=False)
            await stack.enter_async_context(host.run([LISTEN]))
            await stack.enter_async_context(background_trio_service(pubsub))
            await stack.enter_async_context(background_trio_service(router))
            await pubsub.wait_until_ready()
            hosts.append(host)
            pubsubs.append(pubsub)
        for a, b in EDGES:
            await hosts[a].connect(info_from_p2p_addr(hosts[b].get_addrs()[0]))
        nursery = await stack.enter_async_context(trio.open_nursery())
        subscriptions = [await pubsub.subscribe(TOPIC) for pubsub in pubsubs]
        village = StockVillage(hosts, pubsubs, census)
        meter = Meter(village)

        async def deliver(number: int) -> None:
            async for message in subscriptions[number]:
                if message.from_id != hosts[number].get_id().to_bytes():  # it delivers our own to us as well
                    meter.got(message.data)

        for number in range(NODES):
            nursery.start_soon(deliver, number)
        await trio.sleep(4)
        await answer_all(village, meter)
        for host in hosts:
            await host.close()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
