"""R3: whole nodes killed at random points while they speak and listen; what was acknowledged is there, everywhere.

TERTULIA_KILLS names how many kills (12 every day, 200 by `make faults`), TERTULIA_SEED their times.
"""

from __future__ import annotations

import json
import random
import statistics
from pathlib import Path

import trio
from faults import Node, Speaker, gather, knob, nodes, texts, until_read

KILLS = knob("TERTULIA_KILLS", 12)
SEED = knob("TERTULIA_SEED", 20261122)
RESTART_SECONDS = 2.0
BUSY, QUIET = 0.005, 0.25
"""Seconds between two texts while both nodes run, and while one of them is down."""
BOTH = 5
"""Every so many kills, both nodes die at once."""
MOST_SAID = 12


class Conversation:
    """Two nodes that speak without end, and what must be there."""

    def __init__(self, pair: list[Node], dialogue: str) -> None:
        self.pair, self.dialogue = pair, dialogue
        self.speakers = {node.name: Speaker(node, dialogue) for node in pair}
        self.shown: dict[str, set[str]] = {node.name: set() for node in pair}
        """What each has shown before it was killed."""

    def pause(self) -> float:
        return BUSY if all(node.ready for node in self.pair) else QUIET

    async def look(self, node: Node) -> None:
        """Everything that it acknowledged, and everything that it had shown, is there once; nothing nobody said is."""
        found = await texts(node, self.dialogue)
        assert len(found) == len(set(found))
        speaker = self.speakers[node.name]
        assert set(found) >= set(speaker.acknowledged), sorted(set(speaker.acknowledged) - set(found))[:5]
        assert set(found) >= self.shown[node.name], sorted(self.shown[node.name] - set(found))[:5]
        said = {f"{one.node.name} {number}" for one in self.speakers.values() for number in range(one.said)}
        assert set(found) <= said
        self.shown[node.name] = set(found)


async def kill_and_look(talk: Conversation, victims: list[Node], chance: random.Random, nursery: trio.Nursery) -> None:
    for node in victims:
        nursery.start_soon(talk.speakers[node.name].talk, talk.pause)
        await talk.speakers[node.name].more(chance.randint(1, MOST_SAID))
    await trio.sleep(chance.uniform(0, 0.03))  # not to meet the same point of the loop each time
    async with trio.open_nursery() as killing:
        for node in victims:
            killing.start_soon(node.kill)
    for node in victims:
        await node.reopen(talk.dialogue)
        await talk.look(node)


async def test_kills_of_a_whole_node_lose_nothing_acknowledged(tmp_path: Path, capsys) -> None:
    chance = random.Random(SEED)
    async with nodes(tmp_path / "home", "Ana", "Ben") as pair:
        ana, ben = pair
        talk = Conversation(pair, await gather(ana, ben))
        kills = 0
        with trio.fail_after(60 + 20 * KILLS):
            while kills < KILLS:
                victims = pair if kills % BOTH == BOTH - 1 else [pair[chance.randrange(2)]]
                async with trio.open_nursery() as nursery:
                    others = [node for node in pair if node not in victims]
                    for node in others:
                        nursery.start_soon(talk.speakers[node.name].talk, talk.pause)
                        await talk.speakers[node.name].more(1)
                    await kill_and_look(talk, victims, chance, nursery)
                    nursery.cancel_scope.cancel()
                kills += len(victims)
        spoken = set[str]().union(*(one.acknowledged for one in talk.speakers.values()))
        for node in pair:
            await until_read(node, talk.dialogue, spoken)
            await talk.look(node)
            assert node.crashes() == []
        # Of what was said but never answered, each is there at both or at neither.
        uncertain = {text for one in talk.speakers.values() for text in one.uncertain}
        left = {text for text in uncertain if text in talk.shown[ana.name] or text in talk.shown[ben.name]}
        for node in pair:
            await until_read(node, talk.dialogue, left)
    assert not any(one.refused for one in talk.speakers.values())
    wall, cpu = zip(*ana.restarts, *ben.restarts, strict=True)
    with capsys.disabled():
        print(json.dumps({
            "id": "R3", "value": 0, "unit": "lost", "kills": kills, "acknowledged": len(spoken), "seed": SEED,
            "restart": round(statistics.median(wall), 2), "spread": [round(min(wall), 2), round(max(wall), 2)],
            "restart_cpu": round(statistics.median(cpu), 2), "ok": statistics.median(wall) <= RESTART_SECONDS,
        }))  # fmt: skip
    # Other work on this machine may take the wall's time, but not the processor's.
    assert statistics.median(cpu) <= RESTART_SECONDS
