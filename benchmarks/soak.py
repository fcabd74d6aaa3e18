"""`make soak`: one relay process for hours, while citizens come, speak, fetch, reserve and go again all the time.

GOALS.md R10. Memory and handles of the relay's process are read from the system after each slice of churn; its slope is
the least-squares line through all that was read once the first quarter, the warm-up, is over; beside it that of the
second half, which tells what fills up from what leaks. Invariant: what is measured is the program as its operator runs
it, and its archive grows meanwhile, as it would.

Knobs: TERTULIA_SOAK_SECONDS (default 180; an hour is 3600), TERTULIA_SOAK_CITIZENS (at once, default 20).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.__main__ import table
from benchmarks.figure import Figure, figure
from benchmarks.relay import RESULTS, WIDE, both

SECONDS: Final = float(os.environ.get("TERTULIA_SOAK_SECONDS", "180"))
CITIZENS: Final = int(os.environ.get("TERTULIA_SOAK_CITIZENS", "20"))
SLICE_SECONDS: Final = max(SECONDS / 60, 7.0)
"""How often memory and handles are read."""
MOST_MB_AN_HOUR: Final = 1.0
MOST_HANDLES: Final = 5
"""So many handles more at the end than after the warm-up: the citizens that are just there come and go."""
HOUR: Final = 3_600


def soak() -> list[Figure]:
    """The slopes, and what the relay went through for them."""
    began = time.monotonic()
    memory: list[float] = []
    handles: list[int] = []
    moments: list[float] = []
    came = failed = 0
    with both(*WIDE) as (relay, crowd, _):
        while time.monotonic() - began < SECONDS:
            told = crowd.ask("churn", seconds=SLICE_SECONDS, count=CITIZENS)
            came, failed = came + told["came"], failed + told["failed"]
            moments.append(time.monotonic() - began)
            memory.append(relay.memory)
            handles.append(len(list(Path(f"/proc/{relay.process.pid}/fd").iterdir())))
        frames = relay.verb("status")["communities"][0]["frames"]
        cpu = relay.cpu
    warm = len(memory) // 4
    half = min(len(memory) // 2, len(memory) - 2)
    late = statistics.linear_regression(moments[half:], memory[half:]).slope * HOUR
    slope = statistics.linear_regression(moments[warm:], memory[warm:]).slope * HOUR
    grown = handles[-1] - statistics.median(handles[warm : warm + max(1, len(handles) // 4)])
    beside = {"seconds": moments[-1], "came_and_went": came, "failed": failed, "frames": frames,
              "second_half": round(late, 2)}  # fmt: skip
    return [
        figure("R10_memory", [slope], "MB/h", most=MOST_MB_AN_HOUR, first=memory[warm], last=memory[-1], **beside),
        figure("R10_handles", [grown], "handles", most=MOST_HANDLES, first=handles[warm], last=handles[-1]),
        figure("R10_failed", [failed], "citizens", most=came / 100, cpu_share=cpu / moments[-1]),
    ]


def main() -> int:
    """Soak, print, and keep what was found; returns the exit code."""
    figures = soak()
    ok = all(entry["ok"] for entry in figures)
    ended = json.dumps({"figures": figures, "ok": ok})
    RESULTS.mkdir(exist_ok=True)
    Path(RESULTS / "soak.json").write_text(ended + "\n", encoding="utf-8")
    print(f"{table(figures)}\n{ended}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
