"""docs/neighbours.md: every test it names exists, and every exception among the tests stands in it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "neighbours.md").read_text(encoding="utf-8")


def _tests(path):
    return set(re.findall(r"^(?:async )?def (test_\w+)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE))


def test_every_test_that_the_page_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 20
    assert [f"{path}::{test}" for path, test in named if test not in _tests(path)] == []


def test_every_exception_stands_in_the_page():
    paths = sorted((ROOT / "tests" / "neighbours").glob("test_*.py"))
    exceptions = [test for path in paths for test in _tests(path) if test.startswith("test_exception_")]
    assert exceptions
    assert [test for test in exceptions if test not in PAGE] == []
