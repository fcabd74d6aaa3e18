"""Streams between us, js-libp2p and go-libp2p: MB/s and MB per CPU-second; a part of `make bench-substrate`.

research/performance.md §3: one stream, messages of 64 KiB, between two processes on loopback. The go daemon hands its
streams to this program over a socket, so its own CPU-seconds hold one copy more than a go program's would; this
program's are counted for nobody. Rounds alternate; medians, least and most. Invariant: the other side has said that it
holds every byte before the clock stops.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from benchmarks.peer import Peer, js_missing, running

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from go_daemon import HAS_GO, P2PD, GoDaemon, GoStream, go_daemon

ROUNDS = 3
MEGABYTES = 64
CHUNK = 64 * 1024
SINK = "/bench/sink/1"
GOAL_OVER_JS = 1.3
TICKS = os.sysconf("SC_CLK_TCK")
Run = tuple[float, float, float]
"""MB/s, MB per CPU-second of the sender, of the receiver."""


def _go_cpu(go: GoDaemon) -> float:
    """User and system seconds of the daemon so far."""
    fields = Path(f"/proc/{go.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


async def _from_go(go: GoDaemon, far: Peer) -> Run:
    """Fill a stream of go's to the sink of `far`."""
    address, _, peer = far.sink.rpartition("/p2p/")
    await go.dial(f"{address}/p2p/{peer}")
    near, there = _go_cpu(go), far.ask("cpu")["cpu"]
    began = time.perf_counter()
    stream = await go.open(peer, SINK)
    count = MEGABYTES * 2**20 // CHUNK
    await stream.write(_framed(count.to_bytes(8, "big")))
    chunk = _framed(os.urandom(CHUNK))
    for _ in range(count):
        await stream.write(chunk)
    await stream.exactly(12)
    taken = time.perf_counter() - began
    await stream.aclose()
    return MEGABYTES / taken, MEGABYTES / (_go_cpu(go) - near), MEGABYTES / (far.ask("cpu")["cpu"] - there)


async def _to_go(go: GoDaemon, near: Peer) -> Run:
    """Have `near` fill a stream to a sink of go's."""
    there = _go_cpu(go)
    answer = await trio.to_thread.run_sync(lambda: near.ask("send", to=go.addresses[0], megabytes=MEGABYTES))
    return MEGABYTES / answer["wall"], MEGABYTES / answer["cpu"], MEGABYTES / (_go_cpu(go) - there)


async def _drain(stream: GoStream) -> None:
    await stream.exactly(4)
    for _ in range(int.from_bytes(await stream.exactly(8), "big")):
        await stream.exactly(4 + CHUNK)
    await stream.write(_framed(bytes(8)))
    await stream.exactly(1)  # until the other side ends it


async def _rounds(names: list[str]) -> dict[tuple[str, str], list[Run]]:
    taken: dict[tuple[str, str], list[Run]] = {}
    for _ in range(ROUNDS):
        for name in names:
            turns: list[tuple[tuple[str, str], Callable[[GoDaemon, Peer], Awaitable[Run]]]] = [
                (("go", name), _from_go),
                ((name, "go"), _to_go),
            ]
            for pair, run in turns:
                with tempfile.TemporaryDirectory() as folder, running(name) as peer:
                    async with go_daemon(Path(folder)) as go:
                        await go.serve(SINK, _drain)
                        taken.setdefault(pair, []).append(await run(go, peer))
    return taken


def measure(no_js: str | None) -> list[dict[str, Any]]:
    """Both ways between go and us, and go and js; prints a table, returns figures (spread: of the MB/s).

    `no_js`: why js cannot run here.
    """
    no_go = None if HAS_GO and P2PD.exists() else "no go daemon here: make neighbours-setup, on Linux x86-64"
    wanted = [(a, b) for name in ("ours", "js") for a, b in (("go", name), (name, "go"))]
    absent = [_untaken(f"stream_{a}_{b}", no_go or no_js) for a, b in wanted if no_go or (no_js and "js" in {a, b})]
    if no_go:
        return [*absent, _untaken("stream_from_go_over_js", no_go)]
    taken = trio.run(_rounds, ["ours"] if no_js else ["ours", "js"])
    print(f"\none stream of {MEGABYTES} MB, messages of 64 KiB, medians of {ROUNDS} (least..most)")
    print(f"{'from':7}{'to':7}{'MB/s':>20}{'MB per CPU-s, sender':>22}{'receiver':>10}")
    figures = absent
    for (sender, receiver), runs in taken.items():
        speed, near, there = (statistics.median(values) for values in zip(*runs, strict=True))
        low, high = min(run[0] for run in runs), max(run[0] for run in runs)
        print(f"{sender:7}{receiver:7}{f'{speed:.0f} ({low:.0f}..{high:.0f})':>20}{near:22.0f}{there:10.0f}")
        figures.append({"id": f"stream_{sender}_{receiver}", "value": round(speed, 1), "unit": "MB/s", "goal": None,
                        "ok": True, "spread": [round(low, 1), round(high, 1)],
                        "mb_per_cpu_s": [round(near), round(there)]})  # fmt: skip
    if no_js:
        figures.append(_untaken("stream_from_go_over_js", no_js))
    else:
        ratios = [ours[2] / js[2] for ours, js in zip(taken["go", "ours"], taken["go", "js"], strict=True)]
        value = statistics.median(ratios)
        figures.append({"id": "stream_from_go_over_js", "value": round(value, 2), "unit": "ratio of MB per CPU-s",
                        "goal": f">= {GOAL_OVER_JS:g}", "ok": value >= GOAL_OVER_JS,
                        "spread": [round(min(ratios), 2), round(max(ratios), 2)]})  # fmt: skip
    return figures


def _untaken(name: str, reason: str | None) -> dict[str, Any]:
    return {"id": name, "value": None, "unit": "MB/s", "goal": None, "ok": False, "spread": None, "reason": reason}


if __name__ == "__main__":
    print(json.dumps({"figures": measure(js_missing())}))
