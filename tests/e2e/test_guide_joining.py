"""docs/guide/joining.md: the lines that it tells two people to type, typed by two people with real nodes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "joining.md"
SECONDS = 60.0
BESIDE = {
    "init": ["--kdf-mib", "8", "--kdf-ops", "1"],
    "commons": ["--listen", "/ip4/127.0.0.1/tcp/0", "--yes"],
    "reveal": ["--yes"],
}
"""What a test says where a person is asked, and how little it hashes."""


@dataclass
class Person:
    """Somebody with a machine of their own."""

    name: str
    home: Path
    said: list[tuple[str, dict]] = field(default_factory=list)

    def types(self, line: str, stdin: str = "") -> dict:
        verb, *rest = shlex.split(line)
        rest += BESIDE.get(verb, [])
        secret = self.home / "passphrase"
        done = subprocess.run(
            [sys.executable, "-c", "from tertulia.tui.cli import main; main()", verb, *rest, "--json",
             "--passphrase-file", str(secret)],
            check=False, capture_output=True, text=True, input=stdin, timeout=SECONDS,
            env={**os.environ, "TERTULIA_HOME": str(self.home)},
        )  # fmt: skip
        assert done.returncode == 0, (self.name, line, done.stdout, done.stderr)
        self.said.append((line, json.loads(done.stdout)))
        return self.said[-1][1]

    def until(self, line: str, holds: Callable[[dict], bool]) -> None:
        """Look again and again, as a person does, until it is so."""
        deadline = time.monotonic() + SECONDS
        while not holds(self.types(line)):
            assert time.monotonic() < deadline, (self.name, line, self.said[-1])


@pytest.fixture
def people(tmp_path: Path) -> Iterator[dict[str, Person]]:
    found = {name: Person(name, tmp_path / name) for name in ("ruth", "omar")}
    for person in found.values():
        person.home.mkdir()
        (person.home / "passphrase").write_text("four or more words\n")
        (person.home / "passphrase").chmod(0o600)
    yield found
    for person in found.values():
        person.types("stop")


def knows(who: str) -> Callable[[dict], bool]:
    """That member has shown who they are."""
    return lambda told: any(row["nick"] == who and row["identity"] for row in told["members"])


def is_offered(told: dict) -> bool:
    return any(row["offers"] for row in told["contacts"])


def test_two_people_type_what_the_page_says(people: dict[str, Person]) -> None:
    ruth, omar = people["ruth"], people["omar"]
    first = {
        ("ruth", 'verify "First words" Omar'): lambda: ruth.until('members "First words"', knows("Omar")),
        ("omar", 'contacts add "First words" Ruth'): lambda: omar.until('members "First words"', knows("Ruth")),
        ("omar", "contacts join Ruth Visas"): lambda: omar.until("contacts list", is_offered),
    }
    lines = re.findall(r"^    (ruth|omar)\$ tertulia (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(lines) > 15
    invite = ""
    for name, line in lines:
        if (name, line) in first:  # what the other did arrives when it arrives
            first.pop((name, line))()
        told = people[name].types(line, invite if line == "join" else "")
        invite = told.get("invite", invite)
        if line == "join":
            assert told["state"] == "admitted"
    assert not first
    told = dict(ruth.said)
    assert re.fullmatch(r"(\d{5} ){11}\d{5}", told['verify "First words" Omar']["number"])
    assert told['verify "First words" Omar --same']["verified"] is True
    assert omar.said[-1][1]["state"] == "admitted"
    omar.until("list", lambda told: {row["title"] for row in told["dialogues"]} == {"First words", "Visas"})
    assert "Cousin" not in json.dumps(omar.said)
