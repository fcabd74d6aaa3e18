"""One figure: its median, its spread and what it is compared with, as GOALS.md has them printed and read.

Every benchmark module has `measure() -> list[Figure]`. Invariants: the spread is the least and the most of what was
measured; what is compared was measured in the same run, in turns; a figure without a goal has none to miss; a figure
that could not be taken is null, with the reason.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Figure = dict[str, Any]
Work = Callable[[], object]


def figure(
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    most: float | None = None,
    compared: Mapping[str, Sequence[float]] | None = None,
    **beside: object,
) -> Figure:
    """The entry of one figure: `most` is its goal, `compared` what else was measured, `beside` what explains it."""
    value = statistics.median(values)
    entry: Figure = {
        "id": name,
        "value": rounded(value),
        "unit": unit,
        "goal": None if most is None else f"<= {most:g}",
        "ok": most is None or value <= most,
        "spread": [rounded(min(values)), rounded(max(values))],
    }
    if compared:
        entry["compared"] = {what: _beside(value, taken) for what, taken in compared.items()}
    return entry | {what: rounded(told) if isinstance(told, float) else told for what, told in beside.items()}


def _beside(value: float, taken: Sequence[float]) -> dict[str, object]:
    median = statistics.median(taken)
    return {
        "value": rounded(median),
        "spread": [rounded(min(taken)), rounded(max(taken))],
        "ratio": rounded(value / median) if median else None,
    }


def untaken(name: str, unit: str, reason: str, *, most: float | None = None) -> Figure:
    """The entry of a figure that could not be taken."""
    goal = None if most is None else f"<= {most:g}"
    return {"id": name, "value": None, "unit": unit, "goal": goal, "ok": False, "spread": None, "reason": reason}


def in_turns(rounds: int, **works: Callable[[], Any]) -> dict[str, list[Any]]:
    """What each work measures, `rounds` times, one after the other, so that a busy machine slows all of them."""
    taken: dict[str, list[Any]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(work())
    return taken


def wall_ms(work: Work) -> float:
    """Milliseconds that one call takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def cpu_us(work: Work, calls: int) -> float:
    """Mean microseconds of CPU of one call, over `calls` of them."""
    began = time.process_time_ns()
    for _ in range(calls):
        work()
    return (time.process_time_ns() - began) / calls / 1e3


def rounded(value: float) -> float:
    """Three significant digits, and no more than three places."""
    if value == 0:
        return 0.0
    return round(value, 3) if abs(value) < 1 else float(f"{value:.4g}")
