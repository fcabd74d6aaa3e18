"""docs/guide/concluding.md: the lines that it tells people to type, typed by them with real nodes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "concluding.md"
SECONDS = 60.0
LINE = re.compile(r'^    (ruth|omar|anna)\$ (?:echo "([^"]*)" \| )?tertulia (.*)$', re.MULTILINE)


@dataclass
class Person:
    """Somebody with a machine of their own; Anna has no profile on hers."""

    home: Path
    profile: bool = True

    def types(self, line: str, stdin: str = "", code: int = 0) -> dict:
        secret = ["--passphrase-file", str(self.home / "passphrase")] if self.profile else []
        done = subprocess.run(
            [sys.executable, "-c", "from tertulia.tui.cli import main; main()", *shlex.split(line), "--json", *secret],
            check=False, capture_output=True, text=True, input=stdin, timeout=SECONDS, cwd=self.home.parent,
            env={**os.environ, "TERTULIA_HOME": str(self.home)},
        )  # fmt: skip
        assert done.returncode == code, (line, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def until(self, line: str, holds: Callable[[dict], bool]) -> None:
        """Look again and again, as a person does, until it is so."""
        deadline = time.monotonic() + SECONDS
        while not holds(told := self.types(line)):
            assert time.monotonic() < deadline, (line, told)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[dict[str, Person]]:
    found = {name: Person(tmp_path / name, name != "anna") for name in ("ruth", "omar", "anna")}
    for person in found.values():
        if person.profile:
            person.home.mkdir()
            (person.home / "passphrase").write_text("four or more words\n")
            (person.home / "passphrase").chmod(0o600)
    yield found
    for person in found.values():
        if person.profile:
            person.types("stop")


def meet(ruth: Person, omar: Person) -> None:
    """As docs/guide/joining.md has it."""
    for name, person in (("Ruth", ruth), ("Omar", omar)):
        person.types(f"init --nick {name} --kdf-mib 8 --kdf-ops 1")
        person.types("unlock --keep")
    ruth.types("commons new Harbour --listen /ip4/127.0.0.1/tcp/0 --yes")
    ruth.types('new "First words"')
    invite = ruth.types('invite "First words" --wait 0')["invite"]
    assert omar.types("join", invite)["state"] == "admitted"


def is_ready(told: dict) -> bool:
    """What Omar attached and signed is here."""
    outcome = told["outcomes"][0]
    return len(outcome["on_record"]) == len(outcome["attached"]) == 1


def test_people_conclude_as_the_page_says_and_a_stranger_checks_it(people: dict[str, Person], tmp_path: Path) -> None:
    ruth, omar = people["ruth"], people["omar"]
    meet(ruth, omar)
    names: dict[str, str] = {}
    outcomes, matters = 'outcome list "First words"', 'matters "First words"'
    waits = {  # what the other did arrives when it arrives
        "stance": lambda: omar.until(matters, lambda told: bool(told["matters"])),
        "cut": lambda: ruth.until(matters, lambda told: told["matters"][0]["disagree"] == 1),
        "outcome attach": lambda: omar.until(outcomes, lambda told: bool(told["outcomes"])),
        "outcome show": lambda: ruth.until(outcomes, lambda told: told["outcomes"][0]["state"] == "sealed"),
    }
    told: dict[str, dict] = {}
    lines = LINE.findall(PAGE.read_text("utf-8"))
    assert len(lines) == 13
    for who, words, typed in lines:
        line = re.sub("PILOT|OBJECTION|OUTCOME", lambda found: names[found[0]][:8], typed)
        verb = " ".join(line.split()[:2]) if line.startswith("outcome") else line.split()[0]
        waits.get(verb, lambda: None)()
        refused = verb == "outcome seal" and verb not in told
        if verb == "outcome seal" and not refused:
            ruth.until(outcomes, is_ready)
        told[verb] = people[who].types(line, words, 1 if refused else 0)
        if refused:
            assert "June is too soon." in told[verb]["error"]
        known = {"propose": "PILOT", "stance": "OBJECTION", "outcome draft": "OUTCOME"}
        if verb in known:
            names[known[verb]] = told[verb]["id"]
    assert [one["answers"] for one in told["outcome show"]["attached"]] == [["July, then."]]
    found = told["check"]
    assert (found["genuine"], found["quorum"], len(found["sealed_by"])) == (True, 1, 1)
    assert [one["name"] for one in found["on_record"]] == ["Omar, for the families"]
    page = (tmp_path / "agreed.md").read_text("utf-8")
    assert page.startswith("# What we agreed\n")
    assert "> June is too soon\\.\n\nAnswer: July, then\\." in page
    assert "0 agree, 1 disagree" in page
    assert not people["anna"].home.exists()
