"""F6: catching up by reconciliation, with 100,000 frames held and 1,000 new; and the same number scattered.

GOALS.md F6 (<= 5 one-way messages, <= 40 bytes a difference, <= 5 ms of CPU beside building the index). Both sides run
here and their CPU is counted together, with a fresh view of the index for each, as a session makes it. The yardstick of
the same run is the plain list: every id sent once, the difference taken as of two sets. Rounds of all alternate.
Invariant: a round that does not end with the exact differences fails the benchmark.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.figure import Figure, cpu_us, figure, in_turns
from tertulia.protocol.range_index import Index
from tertulia.protocol.reconciliation import initiate, reconcile, respond

GOAL_MESSAGES = 5
GOAL_BYTES = 40.0
GOAL_MS = 5.0
HELD = 100_000
NEW = 1_000
ROUNDS = 11
CALLS = 500
MONTH = range(29_700_000, 29_743_200, 10)

Places = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Run:
    """One reconciliation: messages one way, bytes of all of them, ms of CPU of both sides, differences found."""

    messages: int
    size: int
    cpu_ms: float
    found: int


def measure() -> list[Figure]:
    """The figures F6_*: whoever lacks the new frames asks, whoever has them asks, and the scattered case."""
    dice = random.Random(6)
    held = _places(dice, HELD, MONTH)
    new = _places(dice, NEW, range(MONTH.stop, MONTH.stop + 24 * 60, 10))
    scattered = _places(dice, NEW, MONTH)
    old, ahead, mixed = Index(held), Index(held + new), Index(held + scattered)
    taken = in_turns(
        ROUNDS,
        lacking=partial(_run, old, ahead),
        having=partial(_run, ahead, old),
        scattered=partial(_run, old, mixed),
        in_step=partial(_run, ahead, ahead),
        plain=partial(_plain, held, held + new),
        add=partial(_add, old, new),
        build_ms=partial(_build, held),
    )
    for name in ("lacking", "having", "scattered", "plain"):
        assert all(run.found == NEW for run in taken[name]), f"{name}: not all differences were found"
    plain = {"plain id list": taken["plain"]}
    return [
        _taken("F6_messages", taken["lacking"], "", lambda run: run.messages, GOAL_MESSAGES, plain),
        _taken("F6_bytes", taken["lacking"], "B/diff", lambda run: run.size / NEW, GOAL_BYTES, plain),
        _taken("F6_cpu", taken["lacking"], "ms", lambda run: run.cpu_ms, GOAL_MS, plain),
        _taken("F6_messages_up", taken["having"], "", lambda run: run.messages, GOAL_MESSAGES, plain),
        _taken("F6_bytes_up", taken["having"], "B/diff", lambda run: run.size / NEW, GOAL_BYTES, plain),
        _taken("F6_cpu_up", taken["having"], "ms", lambda run: run.cpu_ms, GOAL_MS, plain),
        _taken("F6_scattered", taken["scattered"], "B/diff", lambda run: run.size / NEW, None, plain),
        _taken("F6_scattered_cpu", taken["scattered"], "ms", lambda run: run.cpu_ms, None, plain),
        _taken("F6_in_step", taken["in_step"], "B", lambda run: run.size, None, {}),
        figure("index_add", taken["add"], "us", held=HELD),
        figure("index_build", taken["build_ms"], "ms", held=HELD),
    ]


def _taken(
    name: str,
    runs: list[Run],
    unit: str,
    value: Callable[[Run], float],
    most: float | None,
    beside: dict[str, list[Run]],
) -> Figure:
    compared = {what: [value(run) for run in others] for what, others in beside.items()}
    return figure(name, [value(run) for run in runs], unit, most=most, compared=compared, differences=runs[0].found)


def _places(dice: random.Random, count: int, minutes: range) -> Places:
    return [(dice.choice(minutes), dice.randbytes(32)) for _ in range(count)]


def _run(ours: Index, theirs: Index) -> Run:
    """Reconcile as two nodes do."""
    sizes: list[int] = []
    found: set[bytes] = set()
    gc.collect()
    began = time.process_time_ns()
    initiator, responder = ours.view(), theirs.view()
    message: bytes | None = initiate(initiator)
    while message is not None:
        answer = respond(responder, message)
        step = reconcile(initiator, answer)
        sizes += [len(message), len(answer)]
        found.update(step.have, step.need)
        message = step.message
    return Run(len(sizes), sum(sizes), (time.process_time_ns() - began) / 1e6, len(found))


def _plain(ours: Places, theirs: Places) -> Run:
    """Send every id, as one would without reconciliation; take the difference."""
    gc.collect()
    began = time.process_time_ns()
    message = b"".join(frame for _, frame in theirs)
    listed = {message[at : at + 32] for at in range(0, len(message), 32)}
    found = listed ^ {frame for _, frame in ours}
    return Run(1, len(message), (time.process_time_ns() - began) / 1e6, len(found))


def _add(held: Index, new: Places) -> float:
    """Mean microseconds of CPU to take in one new frame."""
    index, coming = held.view(), iter(new)
    return cpu_us(lambda: index.add(*next(coming)), CALLS)


def _build(held: Places) -> float:
    """Milliseconds of CPU to build the index of all."""
    return cpu_us(partial(Index, held), 1) / 1e3


if __name__ == "__main__":
    for taken in measure():
        print(taken)
