"""F9: how long a person waits: first paint of the interface, a verb at a running node, a node that is ready.

GOALS.md F9 (<= 0.5 s, 0.3 s, 1.6 s). Paint: from the start of the process to the first text on a terminal. Attach: the
whole process of `tertulia status --json`, from start to end. Ready: from the start of the node's process until it is
unlocked, its dialogues read and its community listening; passphrase hashing is subtracted and printed beside it, at
the cost used here and at the cost citizens pay. In the same rounds: the same Python starting for nothing, and for the
libraries alone. Invariant: every number is of a process started anew.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, figure, in_turns, wall_ms
from benchmarks.processes import CHEAP, PASSPHRASE, TERTULIA, attach, home, node, once, program, until_shown
from tertulia.node.store.passphrase import DEFAULT_COST, Cost, unwrap, wrap
from tertulia.tui.profile import Profile

ROUNDS = 7
PAINT_SECONDS, ATTACH_SECONDS, READY_SECONDS = 0.5, 0.3, 1.6
TITLE = "Benchmarkings"
LISTEN = "/ip4/127.0.0.1/tcp/0"
BARE_TEXTUAL = """
from textual.app import App
from textual.widgets import Label

class Bare(App):
    def compose(self):
        yield Label("Ready")

Bare().run()
"""


def measure() -> list[Figure]:
    """The figures F9_paint, F9_attach, F9_ready and kdf, in seconds."""
    with home() as folder:
        profile = Profile(folder, "main")
        with node(profile):
            asyncio.run(_found(profile))
        kdf = _hashing(Cost(CHEAP["kdf_mib"], CHEAP["kdf_ops"]), ROUNDS)
        figures = [_ready(profile, statistics.median(kdf))]
        with node(profile):
            asyncio.run(_unlocked(profile))
            figures = [*_paint(folder), _attach(folder), *figures]
    citizens = _hashing(DEFAULT_COST, 3)
    cost = {"mib": DEFAULT_COST.mib, "passes": DEFAULT_COST.ops}
    return [*figures, figure("kdf", citizens, "s", cost=cost, here=statistics.median(kdf))]


async def _found(profile: Profile) -> None:
    """A citizen with a community and a dialogue."""
    client = await attach(profile)
    await client.call("init", nick="Ruth", passphrase=PASSPHRASE, **CHEAP)
    await client.call("commons.new", name="A community", listen=LISTEN)
    await client.call("dialogue.new", title=TITLE)
    await client.call("stop")
    await client.close()


async def _unlocked(profile: Profile) -> None:
    """Unlock the node, and let it live when no client is there."""
    client = await attach(profile)
    await client.call("unlock", passphrase=PASSPHRASE, keep=True)
    await once(client, _listening)
    await client.close()


def _listening(status: dict[str, Any]) -> bool:
    return all(commons["listening"] for commons in status["commons"])


def _hashing(cost: Cost, rounds: int) -> list[float]:
    sealed = wrap(bytes(32), PASSPHRASE, cost)
    return [wall_ms(partial(unwrap, sealed, PASSPHRASE)) / 1e3 for _ in range(rounds)]


def _paint(folder: Path) -> list[Figure]:
    """First paint, beside a bare Textual application and an interpreter that does nothing."""
    until_shown(TERTULIA, (b"",), folder)  # first use, unmeasured
    taken = in_turns(
        ROUNDS,
        ours=partial(until_shown, TERTULIA, (b"", TITLE.encode()), folder),
        textual=partial(until_shown, BARE_TEXTUAL, (b"Ready",), folder),
        nothing=partial(program, ("-c", "pass"), folder),
    )
    paints = [moments[0] for moments in taken["ours"]]
    bare = [moments[0] for moments in taken["textual"]]
    compared = {"bare Textual": bare, "python -c pass": _walls(taken["nothing"])}
    shown = statistics.median(moments[1] for moments in taken["ours"])
    return [figure("F9_paint", paints, "s", most=PAINT_SECONDS, compared=compared, dialogues_shown=shown)]


def _attach(folder: Path) -> Figure:
    """A whole verb at a running node."""
    taken = in_turns(
        ROUNDS,
        ours=partial(program, ("-c", TERTULIA, "status", "--json"), folder),
        libraries=partial(program, ("-c", "import asyncio, cyclopts"), folder),
        nothing=partial(program, ("-c", "pass"), folder),
    )
    compared = {"import asyncio, cyclopts": _walls(taken["libraries"]), "python -c pass": _walls(taken["nothing"])}
    cpu = statistics.median(cost.cpu for cost in taken["ours"])
    return figure("F9_attach", _walls(taken["ours"]), "s", most=ATTACH_SECONDS, compared=compared, cpu=cpu)


def _ready(profile: Profile, kdf: float) -> Figure:
    """A node from its start to its dialogues and its network."""
    _start(profile)  # first use, unmeasured
    taken = in_turns(
        ROUNDS,
        ours=partial(_start, profile),
        library=partial(program, ("-c", "import libp2p"), profile.home),
        nothing=partial(program, ("-c", "pass"), profile.home),
    )
    answers, reads, listens = zip(*taken["ours"], strict=True)
    compared = {"import libp2p": _walls(taken["library"]), "python -c pass": _walls(taken["nothing"])}
    beside = {"answers": statistics.median(answers), "dialogues_read": statistics.median(reads) - kdf, "kdf": kdf}
    return figure("F9_ready", [one - kdf for one in listens], "s", most=READY_SECONDS, compared=compared, **beside)


def _start(profile: Profile) -> tuple[float, float, float]:
    """Seconds until a new node answers, has its dialogues read, and listens."""
    began = time.perf_counter()
    with node(profile):
        return asyncio.run(_follow(profile, began))


async def _follow(profile: Profile, began: float) -> tuple[float, float, float]:
    client = await attach(profile)
    await client.call("status")
    answered = time.perf_counter() - began
    await client.call("unlock", passphrase=PASSPHRASE)
    await client.call("dialogue.list")
    read = time.perf_counter() - began
    await once(client, _listening)
    listening = time.perf_counter() - began
    await client.close()
    return answered, read, listening


def _walls(costs: Any) -> list[float]:
    return [cost.wall for cost in costs]


if __name__ == "__main__":
    for taken in measure():
        print(taken)
