"""`make bench`: the last line is the JSON of GOALS.md whatever happens, and no figure is ever left out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, types
from pathlib import Path
import benchmarks.__main__ as command
from benchmarks.figure import figure

command.RESULTS = Path({results!r})
fake = sys.modules["benchmarks.fake"] = types.ModuleType("benchmarks.fake")
command.MODULES = {{"fake": ("F0", "F00")}}
{measure}
sys.exit(command.main({names!r}))
"""


def bench(tmp_path, measure, names=()):
    program = PROGRAM.format(results=str(tmp_path), measure=measure, names=list(names))
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def said(done):
    ended = json.loads(done.stdout.splitlines()[-1])
    assert set(ended) == {"figures", "ok"}
    return {entry["id"]: entry for entry in ended["figures"]}, ended["ok"]


def test_figures_within_their_goals(tmp_path):
    measure = """
fake.measure = lambda: [figure("F0", [3.0, 1.0, 2.0], "ms", most=2.5, compared={"bare": [1.0, 1.0, 4.0]}),
                        figure("F00", [7.0], "ms")]
"""
    done = bench(tmp_path, measure)
    figures, ok = said(done)
    assert ok
    assert done.returncode == 0
    assert figures["F0"] == {
        "id": "F0", "value": 2.0, "unit": "ms", "goal": "<= 2.5", "ok": True, "spread": [1.0, 3.0],
        "compared": {"bare": {"value": 1.0, "spread": [1.0, 4.0], "ratio": 2.0}},
    }  # fmt: skip
    assert figures["F00"] == {"id": "F00", "value": 7.0, "unit": "ms", "goal": None, "ok": True, "spread": [7.0, 7.0]}
    assert "F0" in done.stdout.splitlines()[2]
    assert (tmp_path / "figures.json").read_text() == done.stdout.splitlines()[-1] + "\n"


def test_a_goal_that_is_missed_is_said_and_fails(tmp_path):
    measure = 'fake.measure = lambda: [figure("F0", [3.0], "ms", most=2.5), figure("F00", [7.0], "ms")]'
    done = bench(tmp_path, measure)
    figures, ok = said(done)
    assert not ok
    assert done.returncode == 1
    assert not figures["F0"]["ok"]
    assert "NOT REACHED" in done.stdout


@pytest.mark.parametrize(("measure", "reason"), [
    ("def measure():\n    raise RuntimeError('no such machine')\nfake.measure = measure", "no such machine"),
    ("fake.measure = lambda: []", "did not give it"),
])  # fmt: skip
def test_a_figure_that_could_not_be_taken_is_null_with_the_reason(tmp_path, measure, reason):
    done = bench(tmp_path, measure)
    figures, ok = said(done)
    assert not ok
    assert done.returncode == 1
    for name in ("F0", "F00"):
        assert figures[name]["value"] is None
        assert not figures[name]["ok"]
        assert reason in figures[name]["reason"]
    assert "NOT TAKEN" in done.stdout


PROOFS = """
from benchmarks.proofs import Proof, take

FIGURE = '{"id": "F0", "value": 1, "unit": "s", "goal": "<= 2", "ok": %s}'
def proof(program, says_nothing=""):
    return take(Proof(("F0",), ("-c", program), says_nothing))
"""


@pytest.mark.parametrize(("proof", "value", "ok"), [
    ("proof(f'print({FIGURE % \"true\"!r})')", 1, True),
    ("proof(f'print({FIGURE % \"false\"!r}); exit(1)')", 1, False),
    ("proof(f'print({FIGURE % \"true\"!r}); exit(1)')", None, False),
    ("proof('', 'answers that differ')", 0, True),
    ("proof('exit(1)', 'answers that differ')", None, False),
    ("proof('')", None, False),
])  # fmt: skip
def test_whatever_a_proof_comes_to_is_in_the_table_and_in_the_json(tmp_path, proof, value, ok):
    done = bench(tmp_path, f'{PROOFS}\nfake.measure = lambda: {proof} + [figure("F00", [7.0], "ms")]')
    figures, all_ok = said(done)
    assert (figures["F0"]["value"], figures["F0"]["ok"], all_ok) == (value, ok, ok)
    assert "F0" in done.stdout.splitlines()[2]


def test_a_benchmark_that_does_not_exist_is_refused(tmp_path):
    done = bench(tmp_path, "", ["other"])
    assert done.returncode == 2
    assert "There is no benchmark other; there are fake, proofs, chunks." in done.stderr


def test_the_frames_of_this_machine(tmp_path):
    program = (
        "from pathlib import Path; import benchmarks.__main__ as command; "
        f"command.RESULTS = Path({str(tmp_path)!r}); command.main(['frames'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    figures, _ = said(done)
    assert set(figures) == {"seal_open", "carrier_check", "recognise_30"}
    assert all(entry["value"] > 0 and entry["compared"] for entry in figures.values())
