"""A village of real hosts in memory on a virtual clock: `PYTHONHASHSEED=0 python virtual_village.py NODES SEED`.

Each host knows its two neighbours of a ring and four drawn from the seed. Everybody speaks once; at the end one line of
JSON with what arrived and a digest of who heard what, from whom and when, on the village's clock.
"""

import hashlib
import json
import random
import sys
from contextlib import AsyncExitStack

import trio

from tertulia.node.substrate import HostConfig, Verdict, open_host
from tertulia.node.substrate.memory import MemoryNet
from tertulia.node.substrate.virtual import run_virtual

NODES, SEED = int(sys.argv[1]), int(sys.argv[2])


async def main():
    net = MemoryNet(SEED, delay=(0.010, 0.050), loss=0.02)
    dice = random.Random(SEED)
    heard, delivered = hashlib.blake2b(digest_size=16), 0
    async with AsyncExitStack() as stack:
        hosts = []
        for number in range(NODES):
            listen = (f"/ip4/10.0.{number >> 8}.{number & 255}/tcp/1",)
            config = HostConfig(number.to_bytes(32, "big"), listen, network=net)
            hosts.append(await stack.enter_async_context(open_host(config)))
        edges = {tuple(sorted((n, (n + 1) % NODES))) for n in range(NODES)}
        while len(edges) < 3 * NODES:
            edges.add(tuple(sorted(dice.sample(range(NODES), 2))))

        async def meet(a, b):
            await a.dial(b.addresses)
            while a.peer_id not in b.peers:  # noqa: ASYNC110
                await trio.sleep(0.01)
            a.admit(b.peer_id)
            b.admit(a.peer_id)

        async with trio.open_nursery() as nursery:
            for a, b in sorted(edges):
                nursery.start_soon(meet, hosts[a], hosts[b])
        lines = [await host.join("room", lambda data, peer: Verdict.ACCEPT) for host in hosts]
        nursery = await stack.enter_async_context(trio.open_nursery())

        async def listen_at(number):
            nonlocal delivered
            async for peer, data in lines[number].frames:
                delivered += 1
                heard.update(f"{number} {peer} {data[:4].hex()} {trio.current_time():.6f}\n".encode())

        for number in range(NODES):
            nursery.start_soon(listen_at, number)
        await trio.sleep(3)
        for number in range(NODES):
            await lines[number].publish(number.to_bytes(4, "big") + bytes(1020))
            await trio.sleep(0.1)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    return {
        "nodes": NODES, "seed": SEED, "delivered": delivered, "expected": NODES * (NODES - 1),
        "digest": heard.hexdigest(), "bytes": net.sent_bytes, "virtual seconds": round(trio.current_time(), 3),
    }


print(json.dumps(run_virtual(SEED, main)))
