"""`make bench`: every figure of GOALS.md that can be taken here, beside what it is compared with, in one run.

`python -m benchmarks NAME…` takes the figures of some modules only. Prints a table for people, then one JSON line for
programs, and keeps both in benchmarks/results/. Invariants: a module that fails costs its own figures, which are then
listed as null with the reason; the exit code is 0 when every goal is reached, 1 when one is not.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figure import Figure, untaken

RESULTS = Path(__file__).parent / "results"
MODULES = {
    "frames": ("seal_open", "carrier_check", "recognise_30"),
    "epochs": ("epoch_25", "epoch_100", "epoch_open"),
    "fold": ("F12", "F12_control", "F12_whole", "F12_late_removal", "batch_at_10000"),
    "reconcile": ("F6_messages", "F6_bytes", "F6_cpu"),
    "delivery": ("F6n_messages", "F6n_bytes", "rest_bytes", "F7_seconds", "F7_memory", "F7_own"),
    "several": ("F7_twice", "F7_twice_dial"),
    "dial": ("F5",),
    "start": ("F9_paint", "F9_attach", "F9_ready", "kdf"),
    "idle": ("F8_memory", "F8_cpu"),
    "day": ("day_frames", "day_receipts"),
}
"""The modules of a whole run, and the figures each owes. F1 to F4 take minutes: `make bench-substrate`."""
BY_NAME = {
    "proofs": ("R1", "R2", "R3", "R4", "R5", "R7", "B3", "B3_model", "W5"),
    "chunks": ("chunks_direct",),
}
"""Modules that run only when they are named: `make bench-delivery`, `make bench-dialogue`."""
COLUMNS = "{:<14}{:>10} {:<6}{:<10}{:<12}{:<18}{}"


def take(name: str) -> list[Figure]:
    """The figures of one module; null ones with the reason when it fails."""
    print(f"{name} …", file=sys.stderr, flush=True)
    owes = (MODULES | BY_NAME)[name]
    try:
        figures: list[Figure] = importlib.import_module(f"benchmarks.{name}").measure()
    except Exception as failed:  # noqa: BLE001  one benchmark that fails must not cost the others
        traceback.print_exc()
        return [untaken(owed, "", f"{type(failed).__name__}: {failed}") for owed in owes]
    given = {entry["id"] for entry in figures}
    return figures + [untaken(owed, "", f"{name} did not give it") for owed in owes if owed not in given]


def table(figures: Sequence[Figure]) -> str:
    """What a person reads."""
    lines = [COLUMNS.format("figure", "median", "unit", "goal", "", "least..most", "compared with, in the same run")]
    for entry in figures:
        goal = entry["goal"] or ""
        verdict = "" if not goal and entry["ok"] else "ok" if entry["ok"] else "NOT REACHED"
        if entry["value"] is None:
            lines.append(COLUMNS.format(entry["id"], "-", entry["unit"], goal, "NOT TAKEN", "", entry["reason"]))
            continue
        spread = "{}..{}".format(*(f"{value:g}" for value in entry["spread"])) if entry["spread"] else ""
        beside = ", ".join(
            f"{what} {other['value']:g}" + (f" (× {other['ratio']:g})" if other["ratio"] else "")
            for what, other in entry.get("compared", {}).items()
        )
        lines.append(
            COLUMNS.format(entry["id"], f"{entry['value']:g}", entry["unit"], goal, verdict, spread, beside).rstrip()
        )
    return "\n".join(lines)


def main(names: Sequence[str]) -> int:
    """Take the figures of the named modules, or of all; returns the exit code."""
    known = MODULES | BY_NAME
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no benchmark {unknown[0]}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    figures = [entry for name in names or MODULES for entry in take(name)]
    python, load = sys.version.split()[0], os.getloadavg()[0]
    heading = f"{time.strftime('%Y-%m-%d %H:%M')}, Python {python}, {os.cpu_count()} cores, load {load:.1f}"
    ended = json.dumps({"figures": figures, "ok": all(entry["ok"] for entry in figures)})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "figures.txt").write_text(f"{heading}\n{table(figures)}\n", encoding="utf-8")
    (RESULTS / "figures.json").write_text(ended + "\n", encoding="utf-8")
    print(f"{heading}\n{table(figures)}\n{ended}")
    return 0 if all(entry["ok"] for entry in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
