"""What is told of runs: a line each for people, findings with the command that repeats them, one JSON line last.

GOALS.md (figures). Invariants: a run is a plain value that crosses processes; the last line of everything is JSON; a
finding is never without its seed and scenario.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.oracle import Finding
    from tertulia.bootstrap.mesh.world import World

COMMAND: Final = "python -m tertulia.bootstrap.mesh"
LIMIT_TOLD: Final = 6
"""Findings of a run that are told in full."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came out of one seed of one scenario."""

    scenario: str
    seed: int
    nodes: int
    trace: str
    findings: tuple[Finding, ...]
    broken: int
    gaps: int
    said: int
    counts: dict[str, int]
    cpu: float

    @property
    def ok(self) -> bool:
        """Whether every rule held."""
        return self.broken == 0


def outcome(world: World, scenario: str, cpu: float) -> Run:
    """The value that a finished world leaves. `scenario` is the name or file it was asked for by."""
    oracle = world.oracle
    return Run(
        scenario,
        world.seed,
        len(world.nodes),
        world.trace.digest,
        tuple(oracle.findings),
        oracle.broken.total(),
        oracle.gaps,
        len(oracle.said),
        dict(world.counts),
        cpu,
    )


def line(run: Run) -> str:
    """One run in one line."""
    counts = run.counts
    verdict = "ok" if run.ok else f"{run.broken} FINDINGS"
    return (
        f"{run.scenario} seed {run.seed}: {verdict} · {run.nodes} nodes, {run.said} acknowledged, "
        f"{counts.get('frames', 0)} frames, {counts.get('crashes', 0)} crashes, "
        f"{counts.get('partitions', 0)} partitions, "
        f"{counts.get('vault refusals', 0) + counts.get('archive refusals', 0)} refusals, {run.gaps} gaps · "
        f"{run.cpu:.1f} s · trace {run.trace}"
    )


def told(run: Run) -> list[str]:
    """The findings of a run, and how to see them again."""
    lines = []
    for finding in run.findings[:LIMIT_TOLD]:
        minutes, rest = divmod(finding.at, 60_000)
        when = f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}"
        lines.append(f"  {when} {finding.rule}: {finding.what.strip()}")
    if run.broken > len(lines):
        lines.append(f"  … and {run.broken - len(lines)} more.")
    lines.append(f"  Again, with every step: {COMMAND} replay {run.seed} --scenario {run.scenario}")
    return lines


def as_json(runs: Sequence[Run], figure: str) -> str:
    """All runs as one line: the figure R2 (or B3), and what went into it."""
    failed = [run for run in runs if not run.ok]
    totals: Counter[str] = Counter()
    for run in runs:
        totals.update(run.counts)
    return json.dumps({
        "figures": [
            {
                "id": figure,
                "value": len(failed),
                "unit": "seeds with findings",
                "goal": "0",
                "ok": not failed,
                "seeds": len(runs),
                "acknowledged": sum(run.said for run in runs),
                "gaps": sum(run.gaps for run in runs),
            }
        ],
        "ok": not failed,
        "failed": [{"scenario": run.scenario, "seed": run.seed} for run in failed],
        "traces": {f"{run.scenario}/{run.seed}": run.trace for run in runs[:16]},
        "totals": dict(sorted(totals.items())),
        "cpu_seconds": round(sum(run.cpu for run in runs), 1),
    })  # fmt: skip
