"""R4 of whole nodes: a disk that fails at random, that loses power, and that says it has flushed what it has not.

The node is the product's; below its databases lies tests/support/faulty_disk.py. TERTULIA_IO_ROUNDS names how many
rounds of each (2 every day, 20 by `make faults`), TERTULIA_SEED their chance.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from faults import Node, Refused, Speaker, gather, knob, nodes, texts, until_read
from faulty_disk import Disk, Plan

from tertulia.protocol.errors import Problem

ROUNDS = knob("TERTULIA_IO_ROUNDS", 2)
SEED = knob("TERTULIA_SEED", 20261122)
SAYS = 25
FAILING = Plan(read=0.01, write=0.03, flush=0.1)
WORDS = ("could not be read or written", "is damaged and was not opened")
PROGRAM = str(Path(__file__).parent.parent / "support" / "faulty_node.py")
ARRIVE_SECONDS = 120.0


@dataclass
class Pair:
    """Ana, whose disk is faulty, and Ben, whose is not; what each has said."""

    ana: Node
    ben: Node
    disk: Disk
    dialogue: str
    here: Speaker
    there: Speaker

    @property
    def acknowledged(self) -> set[str]:
        return {*self.here.acknowledged, *self.there.acknowledged}

    async def until_all_read(self) -> None:
        for node in (self.ana, self.ben):
            await until_read(node, self.dialogue, self.acknowledged, ARRIVE_SECONDS)

    async def check(self) -> None:
        """Both read everything acknowledged, once, and nothing that was refused or never said."""
        await self.until_all_read()
        for node in (self.ana, self.ben):
            found = await texts(node, self.dialogue)
            assert len(found) == len(set(found))
            assert set(found) <= {*self.acknowledged, *self.here.uncertain, *self.there.uncertain}
            assert node.crashes() == []

    async def cut_power(self) -> int:
        """Ana's machine loses its power, now."""
        await self.ana.kill()
        return self.disk.lose_power(self.ana.folder)


@asynccontextmanager
async def pair(tmp_path: Path, name: str) -> AsyncIterator[Pair]:
    """Two citizens in a dialogue; then the first one's disk is exchanged for a faulty one."""
    async with nodes(tmp_path / "home", "Ana", "Ben") as (ana, ben):
        dialogue = await gather(ana, ben)
        await ana.kill()
        disk = Disk(tmp_path / "books", random.Random(f"{name} {SEED}"))
        disk.settle(ana.folder)
        disk.order(Plan())
        ana.program = (PROGRAM, str(disk.books), f"{name} {SEED}")
        await ana.reopen(dialogue)
        yield Pair(ana, ben, disk, dialogue, Speaker(ana, dialogue), Speaker(ben, dialogue))


def say(capsys, **told: object) -> None:
    with capsys.disabled():
        print(json.dumps({"id": "R4", "value": 0, "unit": "lost", "ok": True, **told}))


async def test_a_disk_that_fails_now_and_then_is_said_and_nothing_acknowledged_is_lost(tmp_path: Path, capsys) -> None:
    async with pair(tmp_path, "fails") as two:
        there = await two.ben.connect()
        for number in range(ROUNDS):
            here = await two.ana.connect()
            two.disk.order(FAILING)
            for _ in range(SAYS):
                await two.here.say(here)
                await two.there.say(there)
            two.disk.order(Plan())
            assert await two.here.say(here)
            await two.check()
            if number % 2:  # with what the failures have left
                await two.ana.kill()
            else:
                await two.cut_power()
            await two.ana.reopen(two.dialogue)
            await two.check()
        assert two.here.refused
        for problem in two.here.refused:
            assert any(words in problem.error for words in WORDS), problem
            assert problem.safe
            assert problem.next
        say(capsys, fault="I/O errors", acknowledged=len(two.acknowledged), refused=len(two.here.refused))


async def test_a_power_cut_takes_nothing_that_an_honest_disk_was_given(tmp_path: Path, capsys) -> None:
    chance = random.Random(SEED)
    lost = 0
    async with pair(tmp_path, "power") as two:
        two.disk.order(Plan(slow=0.005))
        for _ in range(2 * ROUNDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(two.here.talk, lambda: 0.005)
                nursery.start_soon(two.there.talk, lambda: 0.05)
                await two.here.more(chance.randint(1, 12))
                await trio.sleep(chance.uniform(0, 0.03))  # not to meet the same point of the loop each time
                lost += await two.cut_power()
                nursery.cancel_scope.cancel()
            await two.ana.reopen(two.dialogue)
            assert set(await texts(two.ana, two.dialogue)) >= set(two.here.acknowledged)
        await two.check()
        assert lost, "no cut has taken anything from anywhere"
        say(capsys, fault="power cuts", acknowledged=len(two.acknowledged), cuts=2 * ROUNDS, sectors=lost)


async def refusal(two: Pair) -> str:
    """Start after the disk has lied: empty, or the sentence in which the node said that it does not open a file."""
    said = two.ana.home / f"{two.ana.name}.stderr"
    before = len(said.read_text(encoding="utf-8"))
    try:
        await two.ana.reopen(two.dialogue)
    except Refused as refused:
        problem = refused.problem
    except AssertionError:  # the process has ended
        problem = Problem(**json.loads(said.read_text(encoding="utf-8")[before:]))
    else:
        return ""
    assert WORDS[1] in problem.error, problem
    assert problem.safe
    assert problem.next
    await two.ana.kill()
    return problem.error


async def test_a_disk_that_lies_is_found_out_or_costs_only_what_it_never_got(tmp_path: Path, capsys) -> None:
    """Nobody can keep what the disk was given and threw away. What is left opens, or is refused and left as it is."""
    opened = refused = 0
    async with pair(tmp_path, "lies") as two:
        there = await two.ben.connect()
        for _ in range(ROUNDS):
            await two.ana.kill()
            two.disk.settle(two.ana.folder)
            backup = {path.name: path.read_bytes() for path in two.ana.folder.glob("*.db*")}
            await two.ana.reopen(two.dialogue)
            two.disk.order(Plan(lie=1.0))
            here = await two.ana.connect()
            for _ in range(5):
                await two.here.say(here)
                await two.there.say(there)
            await two.until_all_read()
            await two.cut_power()
            two.disk.order(Plan())
            files = {path.name: path.read_bytes() for path in two.ana.folder.glob("*.db*")}
            error = await refusal(two)
            if error:
                refused += 1
                name = "vault.db" if "the vault" in error else "archive.db"
                for path in two.ana.folder.glob(f"{name}*"):
                    assert path.read_bytes() == files[path.name]
                for path in two.ana.folder.glob("*.db*"):
                    path.unlink()
                for name, content in backup.items():  # what the sentence says: put back a backup
                    (two.ana.folder / name).write_bytes(content)
                    (two.ana.folder / name).chmod(0o600)
                two.disk.settle(two.ana.folder)
                await two.ana.reopen(two.dialogue)
            else:
                opened += 1
            await two.until_all_read()  # what this machine has lost comes back from the other
            assert await two.here.say(await two.ana.connect())
            await two.check()
        say(capsys, fault="flushes that were not", acknowledged=len(two.acknowledged), opened=opened, refused=refused)
