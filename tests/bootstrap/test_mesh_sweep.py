"""GOALS R2 and B3 in CI: a hundred seeds of the storm, and four with three in ten hostile, on all cores.

The knobs are TERTULIA_MESH_SEEDS (A..B) and docs/guide/mesh.md; `make sweep` runs a thousand.
Worlds of fifty take minutes each: `mesh sweep fifty`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MESH = (sys.executable, "-m", "tertulia.bootstrap.mesh")


def mesh(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*MESH, *arguments), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("scenario", "seeds"), [("hostile", "1..4"), ("storm", os.environ.get("TERTULIA_MESH_SEEDS", "1..100"))]
)
def test_no_seed_breaks_a_rule(scenario, seeds):
    ran = mesh("sweep", scenario, "--seeds", seeds)
    *_, last = ran.stdout.splitlines()
    told = json.loads(last)
    assert ran.returncode == 0, "\n".join(row for row in ran.stdout.splitlines()[:-1] if ": ok ·" not in row)
    assert told["ok"]
    first, _, end = seeds.partition("..")
    (figure,) = told["figures"]
    assert figure["seeds"] == int(end) - int(first) + 1
    assert figure["acknowledged"] > 0
    assert figure["id"] == ("B3" if scenario == "hostile" else "R2")


def test_a_replay_tells_the_steps_and_its_trace_is_that_of_the_run(tmp_path):
    steps = tmp_path / "steps.txt"
    ran = mesh("replay", "5", "--scenario", "calm", "--steps", str(steps))
    assert ran.returncode == 0, ran.stderr
    again = mesh("run", "calm", "--seed", "5")
    traces = [json.loads(one.stdout.splitlines()[-1])["traces"] for one in (ran, again)]
    assert traces[0] == traces[1]
    assert len(steps.read_text().splitlines()) > 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "strom"), "There is no scenario 'strom'"),
        (("sweep", "calm", "--seeds", "9..1"), "'9..1' is no range of seeds"),
        (("sweep", "calm", "--seeds", "many"), "'many' is no range of seeds"),
    ],
)
def test_what_cannot_be_understood_is_said_in_a_sentence(arguments, words):
    ran = mesh(*arguments)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
