"""R4 of whole nodes: no room on the disk is said in a sentence, never acknowledged, and over when room returns.

Twice: by a limit on the size of files, which anyone may set, and on a disk of 6 MiB of its own, which takes root.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import Node, Speaker, gather, knob, nodes, texts, until_read

ROUNDS = knob("TERTULIA_DISK_ROUNDS", 2)
SIZE = 6 * 1024 * 1024
LIMIT_FILE = 4_096
"""Bytes that a file may have while there is no room."""
LIMIT_TRIES = 2_000
REFUSALS = 5
WORDS = "no room left on the disk"
ARRIVE_SECONDS = 120.0
"""A frame that a full archive refused is tried again after 10 s, or comes with the next whole session, 90 s at most."""

Fault = Callable[[Node], None]


async def refused_by_full_disk(speaker: Speaker) -> None:
    """Speak until the node has said often enough that there is no room. Now and then it may find some: its own log."""
    client = await speaker.node.connect()
    goal = len(speaker.refused) + REFUSALS
    for _ in range(LIMIT_TRIES):
        if len(speaker.refused) == goal:
            break
        await speaker.say(client)
    assert len(speaker.refused) == goal
    assert all(WORDS in problem.error and problem.safe and problem.next for problem in speaker.refused)


async def check_full_and_free(home: Path, other: Path, fill: Fault, free: Fault) -> dict[str, object]:
    """The disk of one of two nodes fills up and is freed again, while the other speaks."""
    async with nodes(home, "Ana") as (ana,), nodes(other, "Ben") as (ben,):
        talk = await gather(ana, ben)
        here, there = Speaker(ana, talk), Speaker(ben, talk)
        client, other_client = await ana.connect(), await ben.connect()
        for _ in range(ROUNDS):
            assert await here.say(client)
            fill(ana)
            await refused_by_full_disk(here)
            assert set(await texts(ana, talk)) >= set(here.acknowledged)  # reading needs no room
            for _ in range(5):
                assert await there.say(other_client)
            free(ana)
            assert await here.say(client)
        for node in (ana, ben):
            await until_read(node, talk, {*here.acknowledged, *there.acknowledged}, ARRIVE_SECONDS)
        await ana.kill()
        await ana.reopen(talk)
        assert set(await texts(ana, talk)) >= set(here.acknowledged)
        for node in (ana, ben):
            await until_read(node, talk, {*here.acknowledged, *there.acknowledged}, ARRIVE_SECONDS)
            found = await texts(node, talk)
            assert sorted(found) == sorted({*here.acknowledged, *there.acknowledged})  # once each, and none refused
            assert node.crashes() == []
        return {
            "acknowledged": len(here.acknowledged) + len(there.acknowledged),
            "refused": len(here.refused),
        }


def limited(node: Node, most: int) -> None:
    assert node.process is not None
    _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (most if most >= 0 else hard, hard))


async def test_a_limit_on_files_is_said_and_over_when_lifted(tmp_path: Path, capsys) -> None:
    told = await check_full_and_free(
        tmp_path / "one",
        tmp_path / "two",
        lambda node: limited(node, LIMIT_FILE),
        lambda node: limited(node, -1),
    )
    with capsys.disabled():
        print(json.dumps({"id": "R4", "fault": "file size limit", "value": 0, "unit": "lost", "ok": True, **told}))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MiB of its own; root only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("SKIPPED ALOUD: the full-disk test needs root to mount a tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"SKIPPED ALOUD: the full-disk test cannot mount a tmpfs here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_said_and_over_when_there_is_room(small_disk: Path, tmp_path: Path, capsys) -> None:
    large = small_disk / "something large"

    def fill(_: Node) -> None:
        with large.open("wb") as file:
            for size in (65_536, 4_096, 1):
                try:
                    while True:
                        os.write(file.fileno(), bytes(size))
                except OSError:
                    continue

    told = await check_full_and_free(small_disk / "one", tmp_path / "two", fill, lambda _: large.unlink())
    with capsys.disabled():
        print(json.dumps({"id": "R4", "fault": "full disk", "value": 0, "unit": "lost", "ok": True, **told}))
