"""Two people at two real terminals: start a community, invite, join, talk, quit, come back. Issue 2, point 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import COMMAND, Terminal

PASSPHRASE = "four random words here"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Where the profiles live; no node is left when the test ends."""
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
    (tmp_path / "passphrase").chmod(0o600)
    yield tmp_path
    for profile in ("ruth", "omar"):
        verb(tmp_path, profile, "stop", check=False)


def verb(home: Path, profile: str, *words: str, check: bool = True) -> dict[str, object]:
    done = subprocess.run(
        [COMMAND, *words, "--json", "--profile", profile, "--passphrase-file", str(home / "passphrase")],
        env={**os.environ, "TERTULIA_HOME": str(home)}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else {}


def founded(home: Path) -> str:
    """Ruth's profile with a community and a dialogue, made by verbs; gives an invite."""
    verb(home, "ruth", "init", "--nick", "Ruth", "--kdf-mib", "8", "--kdf-ops", "1")
    verb(home, "ruth", "commons", "new", "Aldea", "--listen", "/ip4/127.0.0.1/tcp/0", "--yes")
    verb(home, "ruth", "new", "Water", "--wait", "0")
    invite = str(verb(home, "ruth", "invite", "Water", "--wait", "0")["invite"])
    verb(home, "ruth", "stop")
    return invite


def test_a_guest_joins_talks_and_finds_it_all_again(home: Path) -> None:
    invite = founded(home)
    ruth, omar = Terminal(home, "ruth", "ruth"), Terminal(home, "omar", "omar")
    try:
        ruth.shows("assphrase")
        ruth.types("wrong words", "Enter")
        ruth.shows("not the passphrase")
        ruth.types(PASSPHRASE, "Enter")
        ruth.shows("Water", "Off the record")

        omar.shows("I have an invite", "Start a community")
        omar.types("", "Enter")
        omar.shows("Nickname")
        omar.types("Omar", "Tab")
        omar.types(PASSPHRASE, "Tab")
        omar.types(PASSPHRASE, "Enter")
        omar.shows("Step 3")
        omar.types(invite, "Enter")
        omar.shows("Water", "Write here", seconds=60)

        omar.types("The well is dry.", "Enter")
        ruth.shows("Omar", "The well is dry.")
        ruth.types("Then we share ours.", "Enter")
        omar.shows("Then we share ours.")

        omar.types("", "C-q")
        omar.shows("Keep receiving")
        omar.types("", "Enter")
        omar.shows("ended with 0")
        assert omar.modes() == "0 1 0"
    finally:
        ruth.close()
        omar.close()
    again = Terminal(home, "again", "omar")
    try:
        again.shows("assphrase")
        again.types(PASSPHRASE, "Enter")
        again.shows("The well is dry.", "Then we share ours.")
        again.resize(40, 12)
        again.shows("Then we share ours.")
    finally:
        again.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_left_clean(home: Path, number: signal.Signals) -> None:
    terminal = Terminal(home, "ruth", "ruth")
    try:
        terminal.shows("I have an invite")
        os.kill(terminal.pid(), number)
        terminal.shows("ended with")
        assert terminal.modes() == "0 1 0"
        assert "Traceback" not in terminal.screen
    finally:
        terminal.close()


def test_a_node_that_dies_is_told_in_a_sentence_and_comes_back(home: Path) -> None:
    founded(home)
    terminal = Terminal(home, "ruth", "ruth")
    try:
        terminal.shows("assphrase")
        terminal.types(PASSPHRASE, "Enter")
        terminal.shows("Water", "Off the record")
        (node,) = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _is_node_of(entry, home)
        ]
        os.kill(node, signal.SIGKILL)
        terminal.shows("assphrase")
        terminal.types(PASSPHRASE, "Enter")
        terminal.shows("Water", "Off the record")
        assert "Traceback" not in terminal.screen
    finally:
        terminal.close()


def _is_node_of(entry: Path, home: Path) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"tertulia.bootstrap.node" in words and str(home).encode() in words
