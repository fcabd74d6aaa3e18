"""`make faults` and the proofs of `make bench-delivery`: what the tests of "nothing is lost" measure, as figures.

GOALS.md R1 to R5, R7, B3 (real nodes; B3_model: modelled ones), W5. Each proof is a command of its own (a test, or the
mesh lab's sweep) that prints its figures as JSON lines; sizes are the tests' own knobs. Invariants: a proof that fails,
or says nothing, is a null figure with the reason; what a test asserts decides, whatever it printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, rounded, untaken

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = int(os.environ.get("TERTULIA_PROOF_SECONDS", "3600"))
"""The longest that one proof may take."""
SEEDS = os.environ.get("SEEDS", "1..4")
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
SWEEP = ("-m", "tertulia.bootstrap.mesh", "sweep")


@dataclass(frozen=True, slots=True)
class Proof:
    """A command, and the figures it owes."""

    owes: tuple[str, ...]
    command: tuple[str, ...]
    says_nothing: str = ""
    """What it counts, where it prints no figure and its passing is the figure: 0 of these."""


def _test(*owes: str, path: str, says_nothing: str = "") -> Proof:
    return Proof(owes, (*PYTEST, path), says_nothing)


FAULTS = (
    _test("R1", path="tests/e2e/test_faults_partition.py"),
    _test("R3", path="tests/e2e/test_faults_kill.py"),
    _test("R4", path="tests/e2e/test_faults_disk.py"),
    _test("R4", path="tests/e2e/test_faults_io.py"),
    _test("R5", path="tests/e2e/test_faults_load.py"),
    _test("B3", path="tests/e2e/test_faults_hostile.py"),
)
MODELS = (
    Proof(("R2",), (*SWEEP, "storm", "--seeds", SEEDS)),
    _test("R7", path="tests/protocol/test_fold_convergence.py", says_nothing="histories with two states"),
    Proof(("B3_model",), (*SWEEP, "hostile", "--seeds", SEEDS)),
    _test("W5", path="tests/node/test_insider.py", says_nothing="answers that differ"),
)


def measure() -> list[Figure]:
    """All of them at the sizes of the environment."""
    return [taken for proof in (*FAULTS, *MODELS) for taken in take(proof)]


def take(proof: Proof) -> list[Figure]:
    """What one proof found."""
    print(f"{' '.join(proof.command[1:])} …", file=sys.stderr, flush=True)
    began = time.perf_counter()
    try:
        command = [sys.executable, *proof.command]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [untaken(owed, "", f"not done after {LIMIT_SECONDS} s") for owed in proof.owes]
    seconds = rounded(time.perf_counter() - began)
    told = [entry | {"seconds": seconds} for entry in _figures(done.stdout)]
    if len(proof.owes) == 1:
        told = [entry | {"id": proof.owes[0]} for entry in told]  # a sweep calls every scenario R2
    if done.returncode == 0 and proof.says_nothing:
        said = {"value": 0, "unit": proof.says_nothing, "goal": "0", "ok": True, "spread": None, "seconds": seconds}
        told += [{"id": owed, **said} for owed in proof.owes]
    if done.returncode != 0:
        reason = next((line for line in reversed(done.stdout.splitlines()) if line and line[0] not in '{"'), "no word")
        given = [entry for entry in told if not entry["ok"]]
        return given or [untaken(owed, "", f"failed: {reason}") for owed in proof.owes]
    given_ids = {entry["id"] for entry in told}
    return told + [untaken(owed, "", "printed no figure") for owed in proof.owes if owed not in given_ids]


def _figures(printed: str) -> list[Figure]:
    """The figures in what a proof printed: lines that are one, or that list some."""
    found: list[Figure] = []
    for line in printed.splitlines():
        if line.startswith("{"):
            told: dict[str, Any] = json.loads(line)
            found += told.get("figures", [told])
    return [{"goal": None, "spread": None, **entry} for entry in found]


def main() -> int:
    """The faults of real nodes; one JSON object at the end."""
    figures = [taken for proof in FAULTS for taken in take(proof)]
    for entry in figures:
        print(f"{entry['id']:<8} {entry['value']!s:>8} {entry['unit']:<20} {'ok' if entry['ok'] else 'NOT REACHED'}")
    print(json.dumps({"figures": figures, "ok": all(entry["ok"] for entry in figures)}))
    return 0 if all(entry["ok"] for entry in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
