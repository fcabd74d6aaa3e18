"""`python -m tertulia.bootstrap.mesh`: run a scenario, repeat a seed with every step, or sweep many seeds.

docs/guide/mesh.md; GOALS R2, B3. Exit code 0 only if every rule held in every run. Invariants: what is told of a
finding is enough to repeat it; the last line is JSON.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from tertulia.bootstrap.mesh.report import Run, as_json, line, outcome, told
from tertulia.bootstrap.mesh.scenario import Scenario, ScenarioError, load, names
from tertulia.bootstrap.mesh.sweep import sweep as sweep_all
from tertulia.bootstrap.mesh.world import World

DONE, NOT_DONE, NOT_UNDERSTOOD = 0, 1, 2
STORM: Final = "storm"
STEPS: Final = 60
"""Steps of a replay that are told before its verdict, unless they go into a file."""

app = App(name="python -m tertulia.bootstrap.mesh", version_flags=[], result_action="return_value")


@app.command
def run(scenario: str, /, *, seed: int = 1) -> int:
    """Run one seed of a scenario.

    Parameters
    ----------
    scenario
        The name of one that comes along, or a TOML file.
    seed
        Everything by chance comes from it.
    """
    world, found = _run(_load(scenario), scenario, seed, keeping=False)
    _tell(found)
    _say(as_json([found], _figure(world.scenario)))
    return DONE if found.ok else NOT_DONE


@app.command
def replay(
    seed: int, /, *, scenario: str = STORM, steps: Annotated[Path | None, Parameter(name="--steps")] = None
) -> int:
    """Repeat a seed, and tell what happened step by step up to the first finding.

    Parameters
    ----------
    seed
        The seed that a sweep has printed.
    scenario
        The scenario it was printed with.
    steps
        A file for all steps, instead of the last ones on the screen.
    """
    world, found = _run(_load(scenario), scenario, seed, keeping=True)
    lines = list(world.trace.lines)
    if steps is not None:
        steps.write_text("\n".join(lines) + "\n", encoding="utf-8")
        _say(f"{len(lines)} steps are in {steps}.")
    else:
        first = next((at for at, step in enumerate(lines) if "FINDING" in step), len(lines) - 1)
        for step in lines[max(0, first - STEPS) : first + 1]:
            _say(f"  {step}")
    _tell(found)
    _say(as_json([found], _figure(world.scenario)))
    return DONE if found.ok else NOT_DONE


@app.command
def sweep(
    scenarios: Annotated[tuple[str, ...], Parameter(name="--scenario")] = (STORM,),
    /,
    *,
    seeds: str = "1..100",
    workers: int | None = None,
) -> int:
    """Run many seeds of a scenario, or of several, on all cores.

    Parameters
    ----------
    scenarios
        Names or TOML files.
    seeds
        A..B, both included.
    workers
        How many processes; one for each core unless given.
    """
    first, _, last = seeds.partition("..")
    if not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
        _complain(f"{seeds!r} is no range of seeds: write, for example, 1..100.")
        return NOT_UNDERSTOOD
    loaded = [_load(name) for name in scenarios]
    numbers = range(int(first), int(last) + 1)
    runs = []
    for found in sweep_all([(name, number) for name in scenarios for number in numbers], workers):
        _tell(found)
        runs.append(found)
    _say(as_json(runs, _figure(loaded[0])))
    return DONE if all(found.ok for found in runs) else NOT_DONE


@app.command(name="list")
def list_scenarios() -> int:
    """Name the scenarios that come along."""
    for name in names():
        _say(name)
    return DONE


def _load(name: str) -> Scenario:
    try:
        return load(name)
    except ScenarioError as wrong:
        _complain(f"{wrong} Nothing was run.")
        raise SystemExit(NOT_UNDERSTOOD) from wrong


def _run(scenario: Scenario, name: str, seed: int, *, keeping: bool) -> tuple[World, Run]:
    began = time.process_time()
    world = World(scenario, seed, keeping)
    world.run()
    return world, outcome(world, name, time.process_time() - began)


def _figure(scenario: Scenario) -> str:
    return "B3" if scenario.hostile.share else "R2"


def _tell(found: Run) -> None:
    _say(line(found))
    if not found.ok:
        for words in told(found):
            _say(words)


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _complain(words: str) -> None:
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    sys.exit(app())
