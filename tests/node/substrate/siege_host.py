"""The host under siege, in a process of its own: `python siege_host.py`, obeys JSON lines on stdin, answers each.

It joins `room`, serves an echo to members, admits whom it is told to, and reports what it holds: memory, tasks, file
handles, threads. Run apart from its attackers so that these numbers are its own.
"""

import gc
import json
import os
import secrets
import sys
import threading

import trio

from tertulia.node.substrate import HostConfig, PeerUp, Verdict, open_host

PAGE = os.sysconf("SC_PAGE_SIZE")


def tasks():
    queue, count = [trio.lowlevel.current_root_task()], 0
    while queue:
        task = queue.pop()
        count += 1
        queue.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
    return count


def rss():
    with open("/proc/self/statm") as pages:  # noqa: PTH123
        return int(pages.read().split()[1]) * PAGE


async def echo(stream):
    while True:
        await stream.send(await stream.receive(1024 * 1024))


async def lines():
    held = b""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
        async for chunk in stdin:
            held += chunk
            while b"\n" in held:
                line, held = held.split(b"\n", 1)
                yield json.loads(line)


async def main():
    config = HostConfig(secrets.token_bytes(32), ("/ip4/127.0.0.1/tcp/0",))
    members, heard = set(), 0
    async with open_host(config) as host, trio.open_nursery() as nursery:
        line = await host.join("room", lambda data, peer: Verdict.ACCEPT)
        host.serve("/siege/echo/1", echo)

        async def admit():
            async for event in host.events:
                if isinstance(event, PeerUp) and event.peer in members:
                    host.admit(event.peer)

        async def listen():
            nonlocal heard
            async for _ in line.frames:
                heard += 1

        nursery.start_soon(admit)
        nursery.start_soon(listen)
        print(json.dumps({"addresses": host.addresses, "peer": host.peer_id}), flush=True)
        async for ask in lines():
            if "admit" in ask:
                members.add(ask["admit"])
                host.admit(ask["admit"])
            gc.collect()
            print(json.dumps({
                "rss": rss(), "tasks": tasks(), "handles": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
                "threads": threading.active_count(), "standing": host.swarm.inbound.standing, "heard": heard,
                "peers": sorted(host.peers), "counts": dict(host.counts), "neighbours": line.neighbours,
                "evicted": host.swarm.inbound.evicted,
            }), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
