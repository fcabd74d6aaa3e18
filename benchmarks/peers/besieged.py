"""The host under siege for figures B1 and B2, in a process of its own; obeys JSON lines on stdin, answers each.

It joins the topic and admits whom it is told to. An answer says how many frames it heard and how many strangers stand
at its door. Apart from its attackers, so that memory and its end are its own. Invariant: an answer comes after a full
collection of garbage, so that memory read from outside at that moment is what is held.
"""

import gc
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from typing import Any

import trio

from tertulia.node.substrate import Gossip, Host, HostConfig, PeerId, PeerUp, Verdict, open_host

LISTEN = "/ip4/127.0.0.1/tcp/0"
TOPIC = "room"
SEED_BYTES = 32


class Heard:
    """How many frames were heard."""

    def __init__(self) -> None:
        self.count = 0

    async def listen(self, line: Gossip) -> None:
        """Count until cancelled."""
        async for _ in line.frames:
            self.count += 1


async def _asked() -> AsyncIterator[dict[str, Any]]:
    held = b""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
        async for chunk in stdin:
            held += chunk
            while b"\n" in held:
                line, held = held.split(b"\n", 1)
                yield json.loads(line)


async def _admit(host: Host, members: set[PeerId]) -> None:
    async for event in host.events:
        if isinstance(event, PeerUp) and event.peer in members:
            host.admit(event.peer)


async def main() -> None:
    """Listen, tell where, and answer until the input ends."""
    members: set[PeerId] = set()
    heard = Heard()
    async with (
        open_host(HostConfig(secrets.token_bytes(SEED_BYTES), (LISTEN,))) as host,
        trio.open_nursery() as nursery,
    ):
        line = await host.join(TOPIC, lambda _data, _peer: Verdict.ACCEPT)
        nursery.start_soon(heard.listen, line)
        nursery.start_soon(_admit, host, members)
        print(json.dumps({"addresses": host.addresses, "peer": host.peer_id}), flush=True)
        async for ask in _asked():
            if "admit" in ask:
                members.add(PeerId(ask["admit"]))
                host.admit(PeerId(ask["admit"]))
            gc.collect()
            print(json.dumps({"heard": heard.count, "standing": host.swarm.inbound.standing}), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
