"""F6 and F7 on real nodes: two archives brought in step over libp2p, with everything a frame goes through.

GOALS.md F6 (<= 5 one-way messages, <= 40 bytes a difference) and F7 (220,000 frames behind: <= 5 minutes, <= 300 MB).
F6: two hosts in this process, 100,000 frames held by both, 1,000 new at one; what is compared is the plain list of ids,
which is what sync/0 sent, and the session at rest afterwards. F7: two processes; TERTULIA_BENCH_BEHIND says how many
frames behind (22,000 if it says nothing; the seconds allowed are scaled). F7_own: a whole citizen, unlocked, whose own
dialogue is among them; counted from the start of the process. Invariant: archives that differ fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from benchmarks.figure import Figure, figure
from benchmarks.peers.archive import HERE, LOOPBACK, Silent, sealed, shelf
from benchmarks.processes import environment, home
from tertulia.node import sync
from tertulia.node.carrier import Carrier
from tertulia.node.clock import wall_clock
from tertulia.node.substrate import HostConfig, PeerId, Stream, open_host
from tertulia.protocol import sync_messages as messages
from tertulia.protocol.ids import ID
from tertulia.protocol.sync_messages import SYNC_PROTOCOL, Ending, Frames, Give

HELD, NEW = 100_000, 1_000
BEHIND = int(os.environ.get("TERTULIA_BENCH_BEHIND", "22_000"))
FULL = 220_000
GOAL_MESSAGES, GOAL_BYTES = 5, 40.0
GOAL_SECONDS, GOAL_MB, GOAL_OWN_SECONDS = 300.0, 300.0, 30.0
ROUNDS = 3
WEEKS = 14 * 24 * 60
ROOT = Path(__file__).parent.parent


@dataclass(slots=True)
class Session:
    """What one session sent, without the frames themselves, and what it took."""

    compared: list[int] = field(default_factory=list)
    """Bytes of each message of reconciliation."""
    asked: int = 0
    """Bytes of all other messages without frames."""
    frames: int = 0
    cpu_ms: float = 0.0
    wall_ms: float = 0.0


class Watched:
    """A stream that counts what passes."""

    def __init__(self, stream: Stream, session: Session) -> None:
        self.peer: PeerId = stream.peer
        self._stream, self._session = stream, session

    def _note(self, data: bytes) -> None:
        match messages.read(data):
            case messages.Reconcile():
                self._session.compared.append(len(data))
            case Frames(raws) | Give(raws):
                self._session.frames += len(raws)
            case _:
                self._session.asked += len(data)

    async def send(self, data: bytes) -> None:
        """As the stream's."""
        self._note(data)
        await self._stream.send(data)

    async def receive(self, limit: int, *, seconds: float) -> bytes:
        """As the stream's."""
        data = await self._stream.receive(limit, seconds=seconds)
        self._note(data)
        return data


def measure() -> list[Figure]:
    """The figures F6n_*, rest_* and F7_*."""
    caught_up, at_rest = trio.run(_sessions)
    plain = {"plain id list": [(HELD + NEW) * ID / NEW]}
    full = BEHIND >= FULL
    with home() as folder:
        behind = _behind(folder)
    with home() as folder:
        own = _own(folder)
    return [
        figure("F6n_messages", [len(each.compared) for each in caught_up], "", most=GOAL_MESSAGES),
        figure(
            "F6n_bytes", [sum(each.compared) / NEW for each in caught_up], "B/diff", most=GOAL_BYTES, compared=plain
        ),
        figure("F6n_cpu", [each.cpu_ms for each in caught_up], "ms", frames=NEW, of="both nodes, frames kept"),
        figure("F6n_wall", [each.wall_ms for each in caught_up], "ms", frames=NEW),
        figure("rest_bytes", [float(each.asked + sum(each.compared)) for each in at_rest], "B", held=HELD + NEW),
        figure("rest_cpu", [each.cpu_ms for each in at_rest], "ms", held=HELD + NEW, of="both nodes"),
        figure("F7_seconds", [behind["seconds"]], "s", most=GOAL_SECONDS * BEHIND / FULL, frames=BEHIND, full=full),
        figure("F7_memory", [behind["mb"]], "MB", most=GOAL_MB, frames=BEHIND, full=full),
        figure("F7_cpu", [behind["cpu"] * 1e6 / BEHIND], "us/frame", frames=BEHIND),
        figure("F7_own", [own["own"]], "s", most=GOAL_OWN_SECONDS * BEHIND / FULL, frames=BEHIND, full=full, **{
            "texts": own["texts"], "first text read": own["first"], "all frames fetched": own["fetched"]
        }),
    ]  # fmt: skip


# F6 -----------------------------------------------------------------------------------------------------------------


async def _sessions() -> tuple[list[Session], list[Session]]:
    """Sessions in which 1,000 are new, each with other ones, and one at rest after each."""
    minute = wall_clock() // 60_000
    both = sealed(HELD, range(minute - WEEKS, minute))
    caught_up, at_rest = [], []
    with home() as folder:
        shelves = [shelf(folder / name, both) for name in ("ana", "ben")]
        ana, ben = (Carrier(HERE, each, wall_clock, Silent()) for each in shelves)
        for number in range(ROUNDS):
            new = sealed(NEW, range(minute + 20 * number, minute + 20 * number + 20))
            for at in range(0, NEW, 250):
                await ben.keep(new[at : at + 250], "bench")
            await ana.holdings.ready()
            caught_up.append(await _session(ana, ben))
            at_rest.append(await _session(ana, ben))
            if len(ana.holdings) != len(ben.holdings) or at_rest[-1].frames:
                raise RuntimeError("the archives differ")
        for each in shelves:
            await each.close()
    return caught_up, at_rest


async def _session(ana: Carrier, ben: Carrier) -> Session:
    session = Session()
    async with (
        open_host(HostConfig(key_seed=os.urandom(32), listen=(LOOPBACK,))) as answering,
        open_host(HostConfig(key_seed=os.urandom(32))) as asking,
    ):

        async def serve(stream: Stream) -> None:
            await sync.serve(stream, ben)

        answering.serve(SYNC_PROTOCOL, serve)
        peer = await asking.dial(answering.addresses)
        while asking.peer_id not in answering.peers:  # noqa: ASYNC110 - the other end of a connection has no event here
            await trio.sleep(0.01)
        answering.admit(asking.peer_id)
        stream = await asking.open(peer, SYNC_PROTOCOL)
        began, cpu = time.perf_counter(), time.process_time()
        ending = await sync.bring_in_step(Watched(stream, session), ana)  # type: ignore[arg-type]
        session.cpu_ms, session.wall_ms = (time.process_time() - cpu) * 1e3, (time.perf_counter() - began) * 1e3
        if ending is not Ending.DONE:
            raise RuntimeError(f"the session ended {ending.name}")
    return session


# F7 -----------------------------------------------------------------------------------------------------------------


def _behind(folder: Path) -> dict[str, Any]:
    with _peer(str(folder / "full"), str(BEHIND)) as full:
        address = _line(full)
        with _peer(str(folder / "cold"), "0", address) as cold:
            told: dict[str, Any] = json.loads(_line(cold))
    if told["frames"] != BEHIND:
        raise RuntimeError(f"{told['frames']} of {BEHIND} frames came: {told['counts']}")
    return told


def _own(folder: Path) -> dict[str, Any]:
    """Who was away comes back to an archive of that many frames, with a dialogue of theirs among them."""
    with _peer("prepare", str(folder), str(BEHIND), program="absent") as made:
        dialogue = _line(made)
    with _peer("serve", str(folder), program="absent") as full:
        held = _line(full)
        with _peer("return", str(folder), dialogue, held, program="absent") as back:
            told: dict[str, Any] = json.loads(_line(back))
    return told


@contextmanager
def _peer(*arguments: str, program: str = "archive") -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.peers.{program}", *arguments],
        cwd=ROOT, env=environment(ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError("the other process ended")
    return line


if __name__ == "__main__":
    for taken in measure():
        print(taken)
