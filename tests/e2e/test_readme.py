"""The README's transcript works word for word: its shell block is run, and prints what the block below it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VARIES = [
    (re.compile(r"/tcp/\d+"), "/tcp/PORT"),
    (re.compile(r"\b\d{4}(?: \d{4}){4}\b"), "CODE"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "TIME"),
]


def blocks() -> tuple[str, str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shell,) = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return shell, printed


def steady(text: str) -> list[str]:
    for pattern, name in VARIES:
        text = pattern.sub(name, text)
    return text.splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A folder in which .venv/bin/tertulia is what these tests run on; no node is left in it."""
    command = tmp_path / ".venv" / "bin" / "tertulia"
    command.parent.mkdir(parents=True)
    command.symlink_to(Path(sys.executable).parent / "tertulia")
    yield tmp_path
    for profile in tmp_path.glob("tmp.*/*/"):
        environment = {**os.environ, "TERTULIA_HOME": str(profile.parent)}
        subprocess.run([command, "--profile", profile.name, "stop"], env=environment, check=True, timeout=60)


def test_the_transcript_prints_what_the_page_says(checkout: Path) -> None:
    shell, printed = blocks()
    environment = {**os.environ, "TMPDIR": str(checkout)}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", shell],
        cwd=checkout, env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert steady(done.stdout) == steady(printed)
    assert done.returncode == 0
