"""No tracked file knows the machine it was written on or the registry its dependencies came from; no link is dead."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MACHINE = re.compile(r"(?<![\w.~*}-])/(?:work|root|home|opt)/[\w.]")
REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|file:/{3}|--(?:extra-)?index-url[= ]\S*:|--find-links[= ]/")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"\b(tests/[\w/]+\.py)(?:::(\w+))?")


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files are tracked")
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """Return the file's text; a picture reads as nothing."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode()


def offences(text: str) -> list[str]:
    return [line.strip()[:120] for line in text.splitlines() if MACHINE.search(line) or REGISTRY.search(line)]


def test_no_file_holds_a_path_of_a_machine_or_a_registry(tracked):
    found = {path.relative_to(ROOT).as_posix(): offences(text_of(path)) for path in tracked}
    assert {name: lines for name, lines in found.items() if lines} == {}


PLANTS = [("/wo", "rk/main"), ("/ro", "ot/.ssh"), ("/ho", "me/ana/x"), ("https://py", "pi.org")]


@pytest.mark.parametrize("parts", PLANTS)
def test_a_planted_path_is_seen(parts):
    assert offences("a file at " + "".join(parts))


def test_an_innocent_path_is_not():
    assert not offences("net/work/x ~/home/x docs/root/x")


def dead_links(page: Path) -> Iterator[str]:
    """Yield the targets named by a Markdown page that do not exist: linked files, and tests by file or by name."""
    text = page.read_text()
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
            yield target
    for file, name in TEST.findall(text):
        source = (ROOT / file).read_text() if (ROOT / file).is_file() else ""
        if not source or not re.search(rf"\b(?:def|class) {name}\b" if name else "", source):
            yield f"{file}::{name}"


def test_no_page_names_a_file_or_a_test_that_is_not_there(tracked):
    found = {page.relative_to(ROOT).as_posix(): list(dead_links(page)) for page in tracked if page.suffix == ".md"}
    assert {name: targets for name, targets in found.items() if targets} == {}


def test_a_dead_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("[x](gone.md#part) [y](https://example.org) `tests/house/test_tracked_files.py::test_" + "gone`")
    assert list(dead_links(page)) == ["gone.md", "tests/house/test_tracked_files.py::test_gone"]
