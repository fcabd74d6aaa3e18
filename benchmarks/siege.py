"""B1, B2 and W6 as figures: what a siege costs, how soon a member gets in, what two hosts of one citizen share.

GOALS.md "Nothing lost, nobody in". The besieged hosts stand in processes of their own (peers/besieged.py), the attacks
are peers/attacks.py; beside them a host of py-libp2p as shipped (peers/idle.py) under one such attack. W6 looks at a
citizen who only dials with the eyes of such a host (peers/onlooker.py). Invariants: whoever cannot be connected with is
a figure that was not taken, never a small one; B2 is ok when the slowest member was in time. The fuzzed frames of B1
are `make fuzz`.

Knobs: TERTULIA_SIEGE=full for the size of the goals; without it a fraction, in seconds.
"""

# ruff: noqa: ASYNC110  what another process does is known by asking it

import json
import logging
import os
import secrets
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio
from libp2p.custom_types import TProtocol
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr

from benchmarks.figure import Figure, figure, untaken
from benchmarks.peers import attacks
from benchmarks.peers.archive import Silent
from benchmarks.peers.attacks import stranger
from benchmarks.peers.besieged import TOPIC
from benchmarks.peers.onlooker import Onlooker, Seen, onlooker, stock_host
from benchmarks.processes import memory_mb
from tertulia.node.carrier import Carrier
from tertulia.node.clock import wall_clock
from tertulia.node.network import Network
from tertulia.node.shelf import Shelf
from tertulia.node.store.archive import Archive
from tertulia.node.substrate import DialFailed, PeerId, Verdict, open_host
from tertulia.node.substrate.peer_ids import library_id
from tertulia.protocol.commons import HELLO_PROTOCOL, Commons

ROOT = Path(__file__).parent.parent
FULL = os.environ.get("TERTULIA_SIEGE") == "full"
GROWTH_MB, MEMBER_SECONDS = 20.0, 5.0
GARBAGE, RPCS, IDLE, LIFETIME = (1000, 300, 300, 2000) if FULL else (250, 80, 120, 300)
HOLD_SECONDS, LOOKS = (10.0, 6) if FULL else (2.0, 2)
STOCK_CONNECTIONS = 300
STOCK_PATIENCE = 15.0
PATIENCE = 20.0
"""Seconds after which somebody counts as locked out, and a host as hanging."""
STARTS = 3
SEED_BYTES = 32
STOCK = "py-libp2p as shipped"


class Victim:
    """A process that is besieged."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.addresses: list[str] = []
        self._held = b""

    @property
    def peer(self) -> PeerId:
        """Its name."""
        return PeerId(self.addresses[0].rpartition("/p2p/")[2])

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.addresses[0].split("/")[4])

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return self.process.poll() is not None

    async def line(self) -> str:
        """The next line it prints. Raises EOFError when there is none."""
        assert self.process.stdout is not None
        while b"\n" not in self._held:
            chunk = await self.process.stdout.receive_some()
            if not chunk:
                raise EOFError("the besieged host ended")
            self._held += chunk
        line, self._held = self._held.split(b"\n", 1)
        return line.decode()

    async def ask(self, **what: str) -> dict[str, Any]:
        """Its answer. Raises EOFError, trio.TooSlowError."""
        assert self.process.stdin is not None
        with trio.fail_after(PATIENCE):
            await self.process.stdin.send_all(json.dumps(what).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await self.line())
            return answer

    async def rest(self) -> float:
        """MB it holds once all visitors are gone."""
        with trio.fail_after(PATIENCE + 10):
            while (await self.ask())["standing"]:
                await trio.sleep(0.1)
        return memory_mb(self.process.pid)


@asynccontextmanager
async def _victim(name: str) -> AsyncIterator[Victim]:
    """`besieged`, ours, or `idle`, the library as shipped, until the block ends."""
    command = [sys.executable, "-m", f"benchmarks.peers.{name}"]
    pipe = subprocess.PIPE
    ways = {"stdin": pipe, "stdout": pipe, "stderr": subprocess.DEVNULL}
    start = partial(trio.run_process, command, check=False, cwd=ROOT, **ways)
    async with trio.open_nursery() as nursery:
        victim = Victim(await nursery.start(start))
        with trio.fail_after(PATIENCE):
            first = await victim.line()
        victim.addresses = json.loads(first)["addresses"] if first.startswith("{") else [first]
        yield victim
        nursery.cancel_scope.cancel()


async def _enter(victim: Victim) -> float | None:
    """Seconds until a member is connected, in the mesh and heard; None when that never comes."""
    began = trio.current_time()
    with suppress(trio.TooSlowError, EOFError, OSError, trio.BrokenResourceError):
        with trio.fail_after(PATIENCE):
            async with open_host(stranger()) as member:
                await victim.ask(admit=member.peer_id)
                while not member.peers:
                    with suppress(DialFailed):  # a real member tries again at once
                        await member.dial(victim.addresses)
                member.admit(victim.peer)
                line = await member.join(TOPIC, lambda _data, _peer: Verdict.ACCEPT)
                while not line.neighbours:
                    await trio.sleep(0.02)
                before = (await victim.ask())["heard"]
                await line.publish(secrets.token_bytes(1024))
                while (await victim.ask())["heard"] <= before:
                    await trio.sleep(0.02)
                return trio.current_time() - began
    return None


async def _storm(victim: Victim) -> None:
    """B1's attacks, one after the other."""
    await attacks.garbage_connections(victim.port, GARBAGE)
    await attacks.malformed_yamux(victim.peer, victim.addresses, RPCS)
    async with open_host(stranger()) as hostile:
        await victim.ask(admit=hostile.peer_id)
        await hostile.dial(victim.addresses)
        await attacks.malformed_rpcs(hostile, victim.peer, victim.addresses, RPCS)
        await attacks.every_length(hostile, victim.peer, victim.addresses, victim.port)


async def _b1() -> Figure:
    stock = await _stock_under_one_rpc()
    async with _victim("besieged") as victim:
        for _ in range(3):  # first use of everything, so that what follows is growth
            await _enter(victim)
        before = await victim.rest()
        hangs, grown = 0, None
        try:
            await _storm(victim)
            hangs += await _enter(victim) is None
            grown = await victim.rest() - before
        except (EOFError, OSError, trio.BrokenResourceError):
            pass  # it ended: counted below
        except trio.TooSlowError:
            hangs += 1
        exits = int(victim.ended)
    told = {"exits": exits, "hangs": hangs, "garbage_connections": GARBAGE, "malformed_rpcs": RPCS,
            "malformed_yamux": RPCS, "lengths": len(attacks.LENGTHS), "compared": {STOCK: stock}}  # fmt: skip
    if grown is None:
        return untaken("B1", "MB", "the host did not live through it", most=GROWTH_MB) | told
    entry = figure("B1", [grown], "MB", most=GROWTH_MB) | told
    entry["ok"] = entry["ok"] and not exits and not hangs
    return entry


async def _stock_under_one_rpc() -> Figure:
    """What one malformed RPC does to a host of the library as shipped."""
    async with _victim("idle") as victim, open_host(stranger()) as hostile:
        await hostile.dial(victim.addresses)
        stream = await hostile.library.new_stream(library_id(victim.peer), [attacks.MESHSUB])
        await stream.write(attacks.MALFORMED)
        with trio.move_on_after(5):
            await victim.process.wait()
        return {"malformed_rpcs": 1, "exits": int(victim.ended)}


async def _b2() -> Figure:
    stock = {STOCK: await _stock_among_idle(), f"{STOCK}, later": await _stock_after_many()}
    taken: list[float | None] = []
    async with _victim("besieged") as victim:
        async with trio.open_nursery() as nursery:
            for number in range(IDLE):
                if number % 4 == 0:
                    nursery.start_soon(attacks.know_nothing, victim.addresses)
                else:
                    nursery.start_soon(attacks.say_nothing, victim.port)
            for _ in range(LOOKS):
                await trio.sleep(HOLD_SECONDS)
                taken.append(await _enter(victim))
            nursery.cancel_scope.cancel()
        stood = await attacks.come_and_go(victim.peer, victim.addresses, LIFETIME)
        taken.append(await _enter(victim))
    told = {"idle": IDLE, "lifetime_connections": stood, "members": len(taken), "compared": stock}
    entered = [seconds for seconds in taken if seconds is not None]
    if len(entered) < len(taken):
        reason = f"{len(taken) - len(entered)} of {len(taken)} members were locked out for {PATIENCE:g} s"
        return untaken("B2", "s", reason, most=MEMBER_SECONDS) | told
    entry = figure("B2", entered, "s", most=MEMBER_SECONDS) | told
    entry["ok"] = max(entered) <= MEMBER_SECONDS
    return entry


async def _stock_among_idle() -> Figure:
    """How soon one dials a host of the library as shipped, at which STOCK_CONNECTIONS stand that say nothing."""
    async with _victim("idle") as victim, trio.open_nursery() as nursery:
        opened: list[int] = []
        for _ in range(STOCK_CONNECTIONS):
            nursery.start_soon(attacks.say_nothing, victim.port, opened)
        with trio.move_on_after(5):
            while len(opened) < STOCK_CONNECTIONS:
                await trio.sleep(0.02)
        dialled = await _dial_stock(victim)
        nursery.cancel_scope.cancel()
    return {"idle": STOCK_CONNECTIONS} | dialled


async def _stock_after_many() -> Figure:
    """How soon one dials a host of the library as shipped after STOCK_CONNECTIONS of which none stands any more."""
    async with _victim("idle") as victim:
        stood = None
        with trio.move_on_after(STOCK_PATIENCE):
            stood = await attacks.come_and_go(victim.peer, victim.addresses, STOCK_CONNECTIONS)
        return {"lifetime_connections": stood} | await _dial_stock(victim)


async def _dial_stock(victim: Victim) -> Figure:
    """Seconds until a dial succeeds, which is less than what our members are measured by; null when none does."""
    seconds, began = None, trio.current_time()
    with trio.move_on_after(STOCK_PATIENCE):
        async with open_host(stranger()) as member:
            while seconds is None:
                with suppress(DialFailed):
                    await member.dial(victim.addresses)
                    seconds = round(trio.current_time() - began, 3)
    return {"value": seconds, "locked_out": seconds is None, "patience": STOCK_PATIENCE}


async def _w6() -> Figure:
    async with onlooker(secrets.token_bytes(SEED_BYTES), HELLO_PROTOCOL) as other:
        with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
            ours = [seen for _ in range(STARTS) for seen in await _start_citizen(Path(folder), other)]
        stock = [await _stock_start(other) for _ in range(len(ours))]
    shared, stock_shared = _in_common(ours), _in_common(stock)
    entry = figure("W6", [len(shared)], "strings", most=0, hosts=len(ours), starts=STARTS, commons=2)
    told = {"in_common": shared, "seen_of_each": sorted({text.split(" ")[0] for seen in ours for text in seen})}
    beside = {STOCK: {"value": len(stock_shared), "in_common": stock_shared}}
    return entry | told | {"goal": "== 0", "compared": beside}


def _in_common(hosts: list[Seen]) -> list[str]:
    """What more than one of them showed."""
    count = Counter(text for seen in hosts for text in seen)
    return sorted(text for text, times in count.items() if times > 1)


async def _start_citizen(folder: Path, other: Onlooker) -> list[Seen]:
    """Start a citizen of two commons who only dials; what is seen of both hosts; then stop.

    Each commons has a kept seed, as one that once listened has: a host that used it would be recognised.
    """
    path = folder / "archive.db"
    archive = Archive.open(path, bytes(32)) if path.exists() else Archive.create(path, bytes(32))
    both = [Commons(name.ljust(32), 1, name.decode()) for name in (b"Madrid", b"Cadiz")]
    for commons in both:
        archive.put_commons(commons.id, b"")
    shelf = Shelf(archive)
    seen = []
    async with trio.open_nursery() as nursery:
        for commons in both:
            listener = Silent()
            carrier = Carrier(commons, shelf, wall_clock, listener)
            net = Network(carrier, (), bytes(SEED_BYTES), (other.address,), listener)
            await nursery.start(net.run, wall_clock)
        seen = [await other.next() for _ in both]
        nursery.cancel_scope.cancel()
    await shelf.close()
    return seen


async def _stock_start(other: Onlooker) -> Seen:
    """What is seen of a host of the library as shipped that only dials, with a fresh key."""
    host = stock_host(secrets.token_bytes(SEED_BYTES))
    async with host.run([]):
        where = info_from_p2p_addr(Multiaddr(other.address))
        await host.connect(where)
        await host.new_stream(where.peer_id, [TProtocol(HELLO_PROTOCOL)])
        seen = await other.next()
        await host.close()
    return seen


def measure() -> list[Figure]:
    """The figures B1 in MB, B2 in s and W6 in strings."""
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())  # the stock library would install one that prints
    if not Path("/proc/self/statm").exists():
        first = untaken("B1", "MB", "this system has no /proc to read memory from", most=GROWTH_MB)
    else:
        first = trio.run(_b1)
    return [first, trio.run(_b2), trio.run(_w6)]


if __name__ == "__main__":
    print(json.dumps({"figures": measure()}))
