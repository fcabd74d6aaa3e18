"""README.md and docs/threat-model.md keep to what is so: their commands, their picture, a test for each *cannot*."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tertulia.node.config import KEYS
from tertulia.tui.cli.command import app

ROOT = Path(__file__).parents[2]
LIMIT_PICTURE = 300_000
PROMISE = re.compile(r"\btests/[\w/]+\.py::test_\w+")


def commands(page: str) -> set[str]:
    """The make commands that stand alone on an indented line: those a reader is told to type."""
    return set(re.findall(r"^ {4}(make [\w-]+)$", page, re.MULTILINE))


def test_the_readme_s_test_command_is_what_ci_runs():
    told = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert last == "make test"
    assert told == {"make run", "make demo", last}


def test_every_command_that_the_readme_names_can_be_made():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(make [\w-]+)`", page)) | commands(page)
    assert len(named) >= 5
    for command in named:
        done = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_packages_that_the_readme_names_are_those_that_set_up_asks_for():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "missing-debian-packages").read_text(encoding="utf-8").partition("--tests ]")[0]
    (named,) = re.findall(r"sudo apt-get install ([\w -]+)", page)
    assert set(named.split()) == set(re.findall(r"\blacks ([a-z][\w-]+)", script))


def test_pictures_are_pictures_and_small():
    shown = [ROOT / name for name in re.findall(r"\]\((docs/pictures/[\w.-]+)\)", (ROOT / "README.md").read_text())]
    assert shown
    for picture in shown:
        assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert picture.stat().st_size < LIMIT_PICTURE


def test_the_guide_names_every_verb_and_no_other():
    page = (ROOT / "docs" / "guide" / "scripting.md").read_text(encoding="utf-8").partition("## Verbs")[2]
    first_cells = "\n".join(re.findall(r"^\| (`.*?) \|", page.partition("\n## ")[0], re.MULTILINE))
    told = {words.split()[0] for words in re.findall(r"`([^`]+)`", first_cells)}
    assert told == {name for name in app if not name.startswith("-")}


def test_the_guide_names_every_setting():
    page = (ROOT / "docs" / "guide" / "scripting.md").read_text(encoding="utf-8").partition("## Settings")[2]
    told = set(re.findall(r"^\| `([a-z_.]+)`", page, re.MULTILINE))
    assert told == {f"{section}.{key}" for section, keys in KEYS.items() for key in keys}


def promises(page: str) -> Iterator[tuple[str, str]]:
    """Every row of every table headed *cannot*: what is promised, and the cell that must name tests."""
    for table in re.findall(r"^\| cannot \| test \|\n\|[-| ]+\|\n((?:\|.*\|\n)+)", page, re.MULTILINE):
        for row in table.splitlines():
            promise, _, tests = row.strip("| ").rpartition(" | ")
            yield promise, tests


def unproved(page: str) -> list[str]:
    return [promise for promise, tests in promises(page) if not PROMISE.search(tests)]


def test_each_cannot_of_the_threat_model_names_a_test():
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert len(list(promises(page))) > 40
    assert unproved(page) == []  # that the tests are there is looked at with all other pages, in test_tracked_files.py


def test_every_adversary_has_both_sides():
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    for section in page.split("\n## ")[1:]:
        name = section.partition("\n")[0]
        assert "They can" in section, name
        assert "| cannot | test |" in section or "**No promise.**" in section or name == "Your clock", name


def test_a_promise_without_a_test_is_seen():
    head = "| cannot | test |\n|---|---|\n"
    assert unproved(f"{head}| fly | `tests/house/test_x.py::test_it` |\n| swim | by itself |\n") == ["swim"]
