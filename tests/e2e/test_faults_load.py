"""R5, directly connected: many nodes, 20 texts a second in all; none is lost, and how long each takes is printed.

Every node is a process. TERTULIA_CROWD names how many (8 every day, 20 by `make faults`), TERTULIA_LOAD_SECONDS for how
long.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import trio
from faults import Gone, Node, gather, knob, nodes, until_read

CROWD = knob("TERTULIA_CROWD", 8)
SECONDS = knob("TERTULIA_LOAD_SECONDS", 4)
RATE = 20
"""Texts a second, by all together."""
P99_SECONDS = 2.0
PATIENCE = 120.0


async def test_a_crowd_hears_everything(tmp_path: Path, capsys) -> None:
    said: dict[str, float] = {}
    took: list[float] = []
    all_heard = trio.Event()

    async def speak(node: Node, first: float) -> None:
        assert node.client is not None
        for number in range(SECONDS * RATE // CROWD):
            await trio.sleep_until(first + number * CROWD / RATE)
            text = f"{node.name} {number}"
            said[text] = trio.current_time()
            await node.client.call("say", dialogue=talk, text=text)

    async def listen(node: Node) -> None:
        client = await node.connect()
        await client.watch("messages", dialogue=talk, last=2_000)
        heard: set[str] = set()
        try:
            while True:
                rows = await client.changed()
                now = trio.current_time()
                fresh = {str(row.value["text"]) for row in rows} - heard
                heard |= fresh
                took.extend(now - said[text] for text in fresh if not text.startswith(f"{node.name} "))
                if len(took) == SECONDS * RATE // CROWD * CROWD * (CROWD - 1):
                    all_heard.set()
        except Gone:
            return

    async with nodes(tmp_path / "home", *(f"Citizen{number}" for number in range(CROWD))) as crowd:
        talk = await gather(crowd[0], *crowd[1:])
        async with trio.open_nursery() as listening:
            for node in crowd:
                listening.start_soon(listen, node)
            before = [node.cpu_seconds() for node in crowd]
            first = trio.current_time() + 1
            async with trio.open_nursery() as speaking:
                for number, node in enumerate(crowd):
                    speaking.start_soon(speak, node, first + number / RATE)
            with trio.fail_after(PATIENCE):
                for node in crowd:
                    await until_read(node, talk, set(said), PATIENCE)
                await all_heard.wait()
            spent = [node.cpu_seconds() - began for node, began in zip(crowd, before, strict=True)]
            listening.cancel_scope.cancel()
        assert all(node.crashes() == [] for node in crowd)
    p99 = statistics.quantiles(took, n=100)[98]
    with capsys.disabled():
        print(json.dumps({
            "id": "R5", "value": round(p99, 2), "unit": "s p99", "goal": f"<= {P99_SECONDS:g}", "nodes": CROWD,
            "texts": len(said), "lost": 0, "p50": round(statistics.median(took), 2),
            "cpu_hub": round(spent[0], 2), "cpu_leaf": round(statistics.median(spent[1:]), 2), "ok": p99 <= P99_SECONDS,
        }))  # fmt: skip
