"""What a person installs is `tertulia.*`, whole, and nothing else: wheel, sdist and editable install (DESIGN 2)."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("node", "protocol", "tui", "bootstrap")
NOT_SOURCE = shutil.ignore_patterns(".git", ".venv", ".editable", "dist", "__pycache__", ".*_cache", ".hypothesis")


def snapshot(target: Path) -> Path:
    """Copy the checkout without what building leaves behind."""
    return Path(shutil.copytree(ROOT, target, ignore=NOT_SOURCE))


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, source / ".ci" / "build_wheel.py", source, out], capture_output=True, text=True, check=False
    )


def python(code: str, cwd: Path, *path: Path) -> str:
    """Run `code` in a fresh interpreter that stands outside the checkout; return what it printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the sdist, and the wheel made from it."""
    scratch = tmp_path_factory.mktemp("packaging")
    done = build(snapshot(scratch / "source"), scratch / "dist")
    assert done.returncode == 0, done.stderr
    return scratch / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_tertulia_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"tertulia", "tertulia-0.1.0.dist-info"}


def test_the_wheel_leaves_the_namespace_open(wheel):
    assert "tertulia/__init__.py" not in wheel.namelist()


def test_the_wheel_tells_type_checkers_that_every_floor_is_typed(wheel):
    assert {f"tertulia/{floor}/py.typed" for floor in FLOORS} <= set(wheel.namelist())


def test_the_wheel_carries_the_demo_dialogue_with_its_attribution(wheel):
    folder = "tertulia/bootstrap/demo/data/london.youth.policing/"
    assert b"CC BY 4.0" in wheel.read(folder + "README.md")
    assert wheel.read(folder + "comments.csv").count(b"\n") > 36


def test_the_wheel_has_the_command_the_licence_and_the_floor_for_python(wheel):
    assert b"tertulia = tertulia.tui.cli:main" in wheel.read("tertulia-0.1.0.dist-info/entry_points.txt")
    assert b"AFFERO" in wheel.read("tertulia-0.1.0.dist-info/licenses/LICENSE")
    assert b"Requires-Python: >=3.11" in wheel.read("tertulia-0.1.0.dist-info/METADATA")


def test_the_unpacked_wheel_imports_by_its_own_files(wheel, tmp_path):
    wheel.extractall(tmp_path)
    code = "import tertulia.protocol as p; print(p.__file__)"
    assert python(code, tmp_path, tmp_path).strip() == str(tmp_path / "tertulia" / "protocol" / "__init__.py")


def test_the_sdist_holds_what_building_and_testing_need(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"hatch_build.py", "Makefile", "LICENSE", "requirements.lock", ".ci/run", "protocol/__init__.py"} <= names
    assert Path(__file__).relative_to(ROOT).as_posix() in names


def test_the_editable_install_is_the_checkout(tmp_path):
    code = "import tertulia.{0} as floor; print(floor.__path__[0])"
    for floor in FLOORS:
        assert Path(python(code.format(floor), tmp_path).strip()).resolve() == ROOT / floor


def test_a_second_top_level_folder_fails_the_build(tmp_path):
    source = snapshot(tmp_path / "source")
    settings = source / "pyproject.toml"
    settings.write_text(settings.read_text().replace('"bootstrap" = "tertulia/bootstrap"\n', ""))
    done = build(source, tmp_path / "dist")
    assert done.returncode != 0
    assert "would install ['bootstrap'] at top level" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_a_file_that_does_not_reach_the_wheel_fails_the_build(tmp_path):
    source = snapshot(tmp_path / "source")
    with (source / ".gitignore").open("a") as ignored:
        ignored.write("/protocol/py.typed\n")
    done = build(source, tmp_path / "dist")
    assert done.returncode != 0
    assert "lacks ['tertulia/protocol/py.typed']" in done.stderr
