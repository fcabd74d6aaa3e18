"""GOALS W5: what a node keeps, evicts and answers is independent of what it reads.

Two twins, copies of one profile: one is unlocked and reads its dialogue, the other is locked and reads nothing. For a
virtual week an insider, who knows which frames are that dialogue's, has sessions with both, over real connections.
"""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack

from carriers import carrier, frame
from citizens import PASSPHRASE, Config, admitted, found, invited, join, messages, open_citizen, sees, sent, until
from wire import Watched, meet

from tertulia.node import sync
from tertulia.node.clock import wall_clock
from tertulia.node.quota import Allowance
from tertulia.protocol import frame as frames
from tertulia.protocol.ids import FrameId

DAYS = 7
DAY_MS = 24 * 60 * 60 * 1_000
TEXTS = [f"Of day {day}." for day in range(DAYS)]
NOISE = 6
QUOTA = Allowance(frames=5)
"""Of seven frames a day two are too many: which two is the question."""
TWIN, INSIDER = bytes([1]) * 32, bytes([2]) * 32


async def session(mine, theirs) -> tuple[bytes, ...]:
    """Everything that went over the wire, both ways, in one session that the insider opens."""
    watched: list[Watched] = []

    async def run(stream) -> None:
        watched.append(Watched(stream))
        await sync.bring_in_step(watched[0], mine)  # type: ignore[arg-type]

    async def serve(stream) -> None:
        await sync.serve(stream, theirs)

    await meet(serve, run, TWIN, INSIDER)
    return tuple(watched[0].sent)


async def rows(one) -> dict[FrameId, bytes]:
    places = await one.shelf.places(one.commons.id, (0, FrameId(b"")), 1_000)
    ids = [place[1] for place in places]
    return dict(zip(ids, await one.shelf.frames(one.commons.id, ids), strict=True))


def the_carrier(citizen):
    (carried,) = citizen.service.carrying
    return carried.carrier


async def test_an_insider_learns_nothing_from_a_week_of_sessions(tmp_path) -> None:
    async with open_citizen(tmp_path / "ruth", Config()) as ruth:
        talk = await found(ruth, "Ruth")
        async with open_citizen(tmp_path / "omar", Config()) as omar:
            await admitted(omar, await join(omar, "Omar", await invited(ruth, talk)))
            await sent(omar)
        shutil.copytree(tmp_path / "omar", tmp_path / "locked")
        shutil.copytree(tmp_path / "omar", tmp_path / "reader")
        before = await rows(the_carrier(ruth))
        async with open_citizen(tmp_path / "omar", Config()) as omar:
            await omar.call("unlock", {"passphrase": PASSPHRASE})
            for text in TEXTS:
                await ruth.call("say", {"dialogue": talk, "text": text})
            await sees(omar, talk, *TEXTS)
        here = the_carrier(ruth).commons
        spoken = [raw for key, raw in (await rows(the_carrier(ruth))).items() if key not in before]
    now = [wall_clock()]
    async with AsyncExitStack() as stack:
        reader, locked = [
            await stack.enter_async_context(open_citizen(tmp_path / name, Config(), clock=lambda: now[0]))
            for name in ("reader", "locked")
        ]
        await reader.call("unlock", {"passphrase": PASSPHRASE})
        await locked.service.carrying.ready()
        pairs = []
        for citizen in (reader, locked):
            await citizen.service.carrying.ready()
            the_carrier(citizen).holdings.allow(QUOTA)
            insider = await stack.enter_async_context(
                carrier(tmp_path / f"insider of {citizen.profile.folder.name}", here, clock=lambda: now[0])
            )
            pairs.append((insider, the_carrier(citizen)))
        share = -(-len(spoken) // DAYS)
        for day in range(DAYS):
            new = [frames.read(raw) for raw in spoken[day * share : (day + 1) * share]]
            new += [frame(here, now[0] // 60_000) for _ in range(NOISE)]
            transcripts = []
            for insider, twin in pairs:
                await insider.holdings.take([(each, "self") for each in new], now[0])
                transcripts.append([await session(insider, twin) for _ in range(3)])
            assert transcripts[0] == transcripts[1], f"day {day}"
            kept = [set(await rows(twin)) for _, twin in pairs]
            assert kept[0] == kept[1]
            assert pairs[0][1].holdings.gone_days() == pairs[1][1].holdings.gone_days()
            assert pairs[0][1].holdings.gone_days(), "every day something is let go"
            now[0] += DAY_MS
        await until(reader, lambda: bool(messages(reader, talk)))
        assert messages(locked, talk) == []
        assert set(messages(reader, talk)) <= set(TEXTS)
        assert pairs[0][1].stand == pairs[1][1].stand
