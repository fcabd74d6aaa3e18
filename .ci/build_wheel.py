"""Build the sdist, and from it the wheel, twice; hold both wheels to what a release promises.

Promises: the same SHA-256 both times (goal P1), nothing at top level but `tertulia/` and the metadata, and every file
of the four floors inside. `make wheel` runs this for `dist/`; tests/house runs it for a temporary folder.
SOURCE_DATE_EPOCH, in seconds, dates the files of the archives; unset, the last commit does.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FLOORS = ("node", "protocol", "tui", "bootstrap")


def main(source: Path, out: Path) -> None:
    """Build the checkout or unpacked sdist `source` into `out`; exits with one sentence if a promise is broken."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", commit_time(source))
    with tempfile.TemporaryDirectory() as scratch:
        first, again = (build(source, Path(scratch, name)) for name in ("first", "again"))
        if digest(first) != digest(again):
            sys.exit(f"Two builds of {first.name} differ. Nothing was kept; do not release before the cause is found.")
        if stray := top_level(first) - {"tertulia", f"{'-'.join(first.stem.split('-')[:2])}.dist-info"}:
            sys.exit(f"{first.name} would install {sorted(stray)} at top level. Nothing was kept; see [tool.hatch].")
        if lost := floor_files(source) - contents(first):
            sys.exit(f"{first.name} lacks {sorted(lost)}. Nothing was kept; see [tool.hatch] and .gitignore.")
        out.mkdir(parents=True, exist_ok=True)
        for built in (first, *first.parent.glob("*.tar.gz")):
            built.replace(out / built.name)
            print(digest(out / built.name), built.name)


def build(source: Path, out: Path) -> Path:
    """Make the sdist of `source`, unpack it, and make the wheel from that alone; return the wheel's path."""
    options = ["--outdir", str(out)]
    run_build("--sdist", str(source), *options)
    (sdist,) = out.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as unpacked:
        shutil.unpack_archive(sdist, unpacked)
        (root,) = Path(unpacked).iterdir()
        run_build("--wheel", str(root), *options)
    (wheel,) = out.glob("*.whl")
    return wheel


def run_build(*arguments: str) -> None:
    """Run the build front end with the tools of this environment; silent unless it fails."""
    command = [sys.executable, "-m", "build", "--no-isolation", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}The build failed; its output is above. Nothing was kept.")


def top_level(wheel: Path) -> set[str]:
    """Return the names that unpacking `wheel` would create in site-packages."""
    return {name.split("/")[0] for name in contents(wheel)}


def contents(wheel: Path) -> set[str]:
    """Return the paths of the files in `wheel`."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def floor_files(source: Path) -> set[str]:
    """Return where each file of the floors of `source` must stand in the wheel."""
    return {
        f"tertulia/{path.relative_to(source).as_posix()}"
        for floor in FLOORS
        for path in (source / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def digest(path: Path) -> str:
    """Return the SHA-256 of the file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def commit_time(source: Path) -> str:
    """Return the last commit's time, in seconds since 1970; outside a git checkout, that of 2020-02-02."""
    git = subprocess.run(
        ["git", "-C", str(source), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    )
    return git.stdout.strip() or "1580601600"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
