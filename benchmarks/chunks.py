"""Files between two citizens: mebibytes a second over loopback, beside the same bytes sealed and hashed by themselves.

docs/spec/resource.md. Two whole nodes in one process, connected directly as on a local network; a fetch asks for
sixteen chunks of 128 KiB at a time, checks each and writes it. What is compared is the floor: to seal and hash them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import trio

from benchmarks.figure import Figure, figure
from tertulia.node.citizen import Citizen
from tertulia.protocol.resource import CHUNK, chunk_hash, seal_chunks

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from citizens import Config, admitted, found, invited, join, open_citizen, until

MIB = 1024 * 1024
SIZE = 8 * MIB
ROUNDS = 3


def measure() -> list[Figure]:
    """`chunks_direct`: a file of 8 MiB, each time another."""
    fetched = trio.run(_rounds)
    alone = [_alone() for _ in range(ROUNDS)]
    return [figure("chunks_direct", fetched, "MiB/s", compared={"seal and hash": alone}, chunk=CHUNK, size=SIZE)]


def _alone() -> float:
    data, key = os.urandom(SIZE), os.urandom(32)
    began = time.perf_counter()
    for sealed in seal_chunks(data, key):
        chunk_hash(sealed)
    return SIZE / MIB / (time.perf_counter() - began)


async def _rounds() -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with open_citizen(home / "ana", Config()) as ana, open_citizen(home / "ben", Config()) as ben:
            talk = await found(ana, "Ana")
            await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
            return [await _one(home, ana, ben, talk, number) for number in range(ROUNDS)]


async def _one(home: Path, ana: Citizen, ben: Citizen, talk: str, number: int) -> float:
    name = f"file{number}"
    await trio.to_thread.run_sync((home / name).write_bytes, os.urandom(SIZE))
    added = await ana.call("resource.add", {"dialogue": talk, "path": str(home / name)})
    event = bytes.fromhex(str(added["id"]))
    await until(ben, lambda: event in ben.service.core.dialogues[bytes.fromhex(talk)].events)
    began = time.perf_counter()
    await ben.call("resource.get", {"dialogue": talk, "resource": name, "path": str(home / f"{name}.copy")})
    return SIZE / MIB / (time.perf_counter() - began)
