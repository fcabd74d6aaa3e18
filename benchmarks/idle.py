"""F8: what a node costs while nothing happens: memory, and CPU over thirty seconds.

GOALS.md F8 (<= 100 MB, <= 1 %). Two nodes in processes of their own, one community, one dialogue of two with a message
each way, connected and unlocked, without a client. In the same seconds: two hosts of py-libp2p as shipped, connected,
in one topic (peers/idle.py), which is what the libraries cost without any of us. Invariant: only /proc is read while
the clock runs.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, figure, untaken
from benchmarks.processes import CHEAP, PASSPHRASE, attach, cpu_seconds, environment, home, memory_mb, node, once
from tertulia.tui.client import Params
from tertulia.tui.profile import Profile

SECONDS = 30.0
SETTLE_SECONDS = 5.0
"""Between the last act and the first look: sessions end, receipts travel."""
MEMORY_MB, CPU_PERCENT = 100.0, 1.0
LISTEN = "/ip4/127.0.0.1/tcp/0"
OUTBOX: Params = {"for": "outbox", "seconds": 60}
STOCK = "a host of py-libp2p as shipped"
ROOT = Path(__file__).parent.parent


def measure() -> list[Figure]:
    """The figures F8_memory in MB and F8_cpu in per cent of a core."""
    if not Path("/proc/self/statm").exists():
        reason = "this system has no /proc to read memory and CPU from"
        return [untaken("F8_memory", "MB", reason, most=MEMORY_MB), untaken("F8_cpu", "%", reason, most=CPU_PERCENT)]
    with home() as folder, ExitStack() as stack:
        profiles = [Profile(folder, name) for name in ("ruth", "ana")]
        ours = [stack.enter_context(node(profile)).pid for profile in profiles]
        asyncio.run(_talk(*profiles))
        stock = stack.enter_context(_stock(folder))
        time.sleep(SETTLE_SECONDS)
        memory, cpu = _watch(ours + stock)
        asyncio.run(_still_connected(profiles))
    count = len(ours)
    return [
        figure("F8_memory", memory[:count], "MB", most=MEMORY_MB, compared={STOCK: memory[count:]}),
        figure("F8_cpu", cpu[:count], "%", most=CPU_PERCENT, compared={STOCK: cpu[count:]}, seconds=SECONDS),
    ]


def _watch(pids: Sequence[int]) -> tuple[list[float], list[float]]:
    """Memory after, and per cent of a core during, the same seconds of all."""
    before, began = [cpu_seconds(pid) for pid in pids], time.perf_counter()
    time.sleep(SECONDS)
    after, took = [cpu_seconds(pid) for pid in pids], time.perf_counter() - began
    used = [100 * (late - early) / took for early, late in zip(before, after, strict=True)]
    return [memory_mb(pid) for pid in pids], used


async def _talk(first: Profile, second: Profile) -> None:
    """Two citizens meet, join, and say a word each; then their clients leave."""
    ruth, ana = [await attach(profile) for profile in (first, second)]
    for client, nick in ((ruth, "Ruth"), (ana, "Ana")):
        await client.call("init", nick=nick, passphrase=PASSPHRASE, **CHEAP)
        await client.call("keep", on=True)
    await ruth.call("commons.new", name="A community", listen=LISTEN)
    dialogue = (await ruth.call("dialogue.new", title="A dialogue"))["dialogue"]
    invite = (await ruth.call("invite", dialogue=dialogue))["invite"]
    join = (await ana.call("join", invite=invite))["join"]
    wanted: Params = {"for": "join", "join": join, "seconds": 60}
    answer = await ana.call("wait", **wanted)
    if answer["state"] != "admitted":
        raise RuntimeError(f"the second citizen was not admitted: {answer['state']!r}")
    for client in (ruth, ana):
        await client.call("say", dialogue=dialogue, text="A word.")
        await client.call("wait", **OUTBOX)
    for client in (ruth, ana):
        await once(client, _connected)
        await client.close()


async def _still_connected(profiles: Sequence[Profile]) -> None:
    """Fail unless each node reached the other all the while: an unconnected node is cheaper."""
    for profile in profiles:
        client = await attach(profile)
        status = dict(await client.call("status"))
        if not _connected(status) or status["unsent"] != 0:
            raise RuntimeError(f"the nodes lost each other: {status['sentence']}")
        await client.close()


def _connected(status: dict[str, Any]) -> bool:
    return all(commons["peers"] == 1 for commons in status["commons"]) and status["state"] == "unlocked"


@contextmanager
def _stock(folder: Path) -> Iterator[list[int]]:
    """Two processes with a host of the library as shipped each, connected, until the block ends; gives their ids."""
    with _host(folder) as (first, first_says), _host(folder, next(first_says)) as (second, second_says):
        next(second_says)
        for says in (first_says, second_says):
            if next(says) != "connected":
                raise RuntimeError("the hosts of py-libp2p did not connect; run benchmarks.peers.idle to see why")
        yield [first.pid, second.pid]


@contextmanager
def _host(folder: Path, *dialled: str) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """One of them, and the lines it prints."""
    command = [sys.executable, "-m", "benchmarks.peers.idle", *dialled]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, (line.strip() for line in process.stdout)
        finally:
            process.kill()


if __name__ == "__main__":
    for taken in measure():
        print(taken)
