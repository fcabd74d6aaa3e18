"""F5: from dial to secure connection on loopback, ours beside the library as shipped, in the same run.

GOALS.md F5 (<= 15 ms; stock 251 ms). One dial of each in turn, so that whatever else the machine does falls on both.
A dial is measured until Noise and the muxer stand and both hosts know it. The stock hosts live in this process too: our
patches are subclasses and do not touch them (docs/upstream.md). Invariant: a dial that fails fails the benchmark.
"""

import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_key_pair
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from multiaddr import Multiaddr

from benchmarks.figure import Figure, figure
from tertulia.node.substrate import HostConfig, open_host

GOAL_MS = 15.0
SEED_BYTES = 32
LISTEN = "/ip4/127.0.0.1/tcp/0"
DialOnce = Callable[[], Awaitable[float]]


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3


@asynccontextmanager
async def _ours() -> AsyncIterator[DialOnce]:
    async with open_host(HostConfig(secrets.token_bytes(SEED_BYTES), (LISTEN,))) as target:

        async def dial_once() -> float:
            async with open_host(HostConfig(secrets.token_bytes(SEED_BYTES))) as dialler:
                began = time.perf_counter()
                await dialler.dial(target.addresses)
                taken = _ms_since(began)
                with trio.fail_after(5):
                    await target.events.receive()
            with trio.fail_after(5):
                await target.events.receive()
            return taken

        yield dial_once


@asynccontextmanager
async def _stock() -> AsyncIterator[DialOnce]:
    def host() -> IHost:
        keys = create_new_key_pair(secrets.token_bytes(SEED_BYTES))
        noise = Noise(keys, noise_privkey=new_x25519_key_pair().private_key)
        config = ConnectionConfig(min_connections=0, low_watermark=0)
        return new_host(key_pair=keys, sec_opt={NOISE: noise}, connection_config=config)

    target = host()
    async with target.run([Multiaddr(LISTEN)]):
        where = info_from_p2p_addr(target.get_addrs()[0])

        async def dial_once() -> float:
            dialler = host()
            async with dialler.run([]):
                began = time.perf_counter()
                await dialler.connect(where)
                taken = _ms_since(began)
                await dialler.close()
            return taken

        yield dial_once
        await target.close()


async def _alternate(count: int) -> tuple[list[float], list[float]]:
    async with _ours() as ours, _stock() as stock:
        await ours(), await stock()  # imports and first use, unmeasured
        taken = [(await ours(), await stock()) for _ in range(count)]
    return [pair[0] for pair in taken], [pair[1] for pair in taken]


def measure(count: int = 20) -> list[Figure]:
    """Dial `count` times with each: figure F5, the p50 in ms."""
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())  # the stock library would install one that prints
    ours, stock = trio.run(_alternate, count)
    return [figure("F5", ours, "ms", most=GOAL_MS, compared={"py-libp2p as shipped": stock})]


if __name__ == "__main__":
    print(*measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
