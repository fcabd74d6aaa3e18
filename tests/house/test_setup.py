"""`make setup` on a machine that lacks something: one sentence with the remedy, and nothing half done."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ["Makefile", "pyproject.toml", "hatch_build.py", "requirements.lock", "requirements-build.lock"]


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in SETUP:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def missing(path: str, *arguments: str, python: str = sys.executable) -> str:
    environment = {"PATH": path, "PYTHON": python}
    command = ["/bin/sh", ROOT / ".ci" / "missing-debian-packages", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_missing_packages_are_named_with_the_command_and_nothing_is_made(checkout):
    script(checkout / ".ci" / "missing-debian-packages", "echo gcc libgmp-dev")
    done = make(checkout, "setup")
    assert done.returncode != 0
    assert done.stdout == (
        "Nothing was installed yet, because these Debian packages are missing: sudo apt-get install gcc libgmp-dev\n"
    )
    assert not (checkout / ".venv").exists()


def test_an_old_python_is_refused_with_the_way_to_name_another(checkout):
    old = script(checkout / "old-python", "exit 1")
    done = make(checkout, "setup", f"PYTHON={old}")
    assert done.returncode != 0
    assert done.stdout == "Tertulia needs Python 3.11 or newer; name one with: make PYTHON=python3.11\n"


def test_a_finished_setup_is_not_repeated(checkout):
    script(checkout / ".venv" / ".ready", "")
    assert make(checkout, "--question", "setup").returncode == 0


def test_a_changed_lock_is_installed(checkout):
    ready = script(checkout / ".venv" / ".ready", "")
    os.utime(checkout / "requirements.lock", (later := ready.stat().st_mtime + 10, later))
    assert make(checkout, "--question", "setup").returncode == 1


def test_a_bare_machine_lacks_everything(tmp_path):
    bare = script(tmp_path / "bare-python", "exit 1")
    assert missing(str(tmp_path), python=str(bare)) == "python3-venv python3-dev gcc libc6-dev libgmp-dev"


def test_a_compiler_without_headers_lacks_the_headers(tmp_path):
    script(tmp_path / "cc", "exit 1")
    assert missing(str(tmp_path)) == "libc6-dev libgmp-dev"


def test_the_tests_need_more_than_the_program(tmp_path):
    script(tmp_path / "cc", "exit 0")
    assert missing(str(tmp_path)) == ""
    assert missing(str(tmp_path), "--tests") == "git tmux iproute2 nftables"


def ci(tmp_path: Path, lacking: str, user: int) -> list[str]:
    """Run a copy of .ci/run among commands that only write down how they were called; return what they wrote."""
    log = tmp_path / "calls"
    script(tmp_path / ".ci" / "missing-debian-packages", f'test "$1" = --tests && echo {lacking}')
    script(tmp_path / "bin" / "id", f"echo {user}")
    for name in ("apt-get", "make"):
        script(tmp_path / "bin" / name, f'echo {name} "$@" >> {log}')
    run = Path(shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci"))
    subprocess.run([run], env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, check=True)
    return log.read_text().splitlines()


def test_ci_as_root_installs_what_is_missing_then_runs_the_test_command(tmp_path):
    assert ci(tmp_path, "libgmp-dev tmux", user=0) == [
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends make libgmp-dev tmux",
        "make test",
    ]


@pytest.mark.parametrize(("lacking", "user"), [("", 0), ("tmux", 1000)])
def test_ci_leaves_the_system_alone_when_it_lacks_nothing_or_may_not(lacking, user, tmp_path):
    assert ci(tmp_path, lacking, user) == ["make test"]
