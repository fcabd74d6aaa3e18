"""Real processes to measure: nodes, verbs, programs on a terminal, each as a person would start it.

DESIGN.md §2. Nothing of the measured process is touched: what it costs is read from the system. Invariants: bytecode is
cached, as it is on a citizen's machine from the second start on; every process that was started has ended when its
block ends; passphrase hashing is cheap here (`CHEAP`) and measured by itself.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tertulia.tui.client import Client
from tertulia.tui.launch import find_node, node_arguments
from tertulia.tui.profile import Profile

PASSPHRASE = "a passphrase for a benchmark"  # noqa: S105  it protects nothing
CHEAP = {"kdf_mib": 8, "kdf_ops": 1}
TERTULIA = "from tertulia.tui.cli import main; main()"
"""What the console script does."""
LIMIT_SECONDS = 60.0
ROWS, COLUMNS = 24, 80
_ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_].*?\x1b\\|[ -/]*[0-~])", re.DOTALL
)


class Cost(NamedTuple):
    """What a process took from its start to its end, or to the moment looked at: seconds, and seconds of CPU."""

    wall: float
    cpu: float


def environment(home: Path) -> dict[str, str]:
    """The environment of every measured process."""
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "NO_COLOR", "SSH_CONNECTION"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"TERTULIA_HOME": str(home), "TERM": "xterm-256color"}


@contextmanager
def home() -> Iterator[Path]:
    """A folder for profiles, gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        yield Path(folder)


@contextmanager
def node(profile: Profile) -> Iterator[subprocess.Popen[bytes]]:
    """A node process for this profile, ended with the block."""
    profile.make_folder()
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        node_arguments(profile), env=environment(profile.home), cwd="/", stdin=nowhere, stdout=nowhere, stderr=nowhere
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


async def attach(profile: Profile) -> Client:
    """A client of the profile's node as soon as that answers."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (client := await find_node(profile)) is None:  # noqa: ASYNC110  another process: there is no event
            await asyncio.sleep(0.005)
    return client


async def once(client: Client, holds: Any) -> dict[str, Any]:
    """The node's status as soon as `holds` of it."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not holds(status := dict(await client.call("status"))):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return status


def program(arguments: Sequence[str], folder: Path) -> Cost:
    """Run a program of this Python to its end. Raises RuntimeError when it fails."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], env=environment(folder), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime)


def until_shown(code: str, words: Sequence[bytes], folder: Path) -> list[float]:
    """Start a program on a terminal of 80×24; the seconds until each of `words` stood on it; then the program is ended.

    An empty word stands for the first text of all. Raises RuntimeError when they do not come.
    """
    began = time.perf_counter()
    child, master = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execve(sys.executable, [sys.executable, "-c", code], environment(folder))  # noqa: S606
    try:
        return _watch(master, words, began)
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(master)
        os.waitpid(child, 0)


def _watch(master: int, words: Sequence[bytes], began: float) -> list[float]:
    seen = b""
    moments: list[float] = []
    while len(moments) < len(words):
        ready, _, _ = select.select([master], [], [], LIMIT_SECONDS)
        try:
            data = os.read(master, 65_536) if ready else b""
        except OSError:  # the program has ended
            data = b""
        if not data:
            raise RuntimeError(f"the terminal never showed {words[len(moments)]!r}, but {seen[-500:]!r}")
        seen += data
        text = _ESCAPE.sub(b"", seen)
        while len(moments) < len(words) and _stands(words[len(moments)], text):
            moments.append(time.perf_counter() - began)
    return moments


def _stands(word: bytes, text: bytes) -> bool:
    return word in text if word else re.search(rb"[A-Za-z]{3}", text) is not None


def cpu_seconds(pid: int) -> float:
    """CPU seconds a running process has used, from /proc. Raises OSError where there is none."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Megabytes (10⁶ bytes) of RAM a running process holds, from /proc. Raises OSError where there is none."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
