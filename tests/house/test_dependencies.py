"""Every dependency is explained, and every byte that setup installs is named by a hash (goal P1)."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
LOCKS = ["requirements.lock", "requirements-build.lock"]


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def entries(lock: str) -> dict[str, list[str]]:
    """Return the hashes of each pinned package, by name; anything else in the file is an error."""
    found = {}
    text = re.sub(r"^#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        pin, *hashes = line.split()
        assert re.fullmatch(r"[\w.-]+==[\w.]+", pin), line
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), line
        found[name_of(pin)] = hashes
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_the_lock_is_pinned_by_hash_alone(lock):
    assert all(entries(lock).values())


def test_the_lock_covers_what_the_project_asks_for():
    assert {name_of(each) for each in DIRECT} <= entries("requirements.lock").keys()


def test_the_two_locks_agree():
    everything, tools = (entries(lock) for lock in LOCKS)
    assert {name: everything[name] for name in tools} == tools


def test_every_direct_dependency_is_in_the_register():
    register = (ROOT / "docs" / "dependencies.md").read_text().lower()
    assert [each for each in map(name_of, DIRECT) if f"| `{each}` |" not in register] == []


def test_the_register_names_every_package_that_comes_along():
    register = (ROOT / "docs" / "dependencies.md").read_text().lower()
    assert [each for each in entries("requirements.lock") if f"`{each}`" not in register] == []
