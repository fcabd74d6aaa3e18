"""`make bench-substrate`: our substrate beside py-libp2p as shipped and js-libp2p, in one run, alternating.

GOALS.md F1 to F5, and what explains them: frames and bytes on the wire, where the time goes, streams (those with go:
neighbours.py); then B1, B2 and W6 (siege.py). Ten nodes of each in a process of their own (peers/), the same thirty
connections, 1 KiB frames; each round asks every implementation the same in turn, so that a busy machine slows all;
figures are medians of the rounds' ratios, the spread is the least and the most. Prints tables, then one line of JSON.
Invariant: a figure that could not be taken is null, with the reason.

Knobs: TERTULIA_BENCH_ROUNDS (default 4), TERTULIA_BENCH_SECONDS (each measurement, default 4), TERTULIA_JS_SET (the
folder of the npm set, default tests/neighbours/js), TERTULIA_NODE (the `node` to run), TERTULIA_SIEGE (full: B1 and B2
at the size of the goals).
"""

import json
import os
import statistics
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import dial, neighbours, siege
from benchmarks.peer import Answer, Peer, js_missing, running
from benchmarks.peers import floor

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ROUNDS = int(os.environ.get("TERTULIA_BENCH_ROUNDS", "4"))
SECONDS = float(os.environ.get("TERTULIA_BENCH_SECONDS", "4"))
SIZE = 1024
SLOW, FAST = 10, 80
WINDOW = 10
TURNS = 3
WIRE_FRAMES, PROFILE_FRAMES, STREAM_MB = 60, 100, 64
STOCK_STREAM_MB = 16
DIALS = 10


def us(answer: Answer) -> float:
    """CPU of a delivery, µs."""
    return float(answer["cpu"]) / max(1, answer["delivered"]) * 1e6


def rate(answer: Answer) -> float:
    """Deliveries a second, if nothing was lost, else 0."""
    return answer["delivered"] / answer["wall"] if answer["delivered"] == answer["expected"] else 0.0


def gossip_rounds(peers: dict[str, Peer]) -> dict[tuple[str, str], list[Answer]]:
    """Every measurement of every round, by what was asked and of whom."""
    taken: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for peer in peers.values():
        peer.ask("paced", rate=20, count=20, size=SIZE)  # first use, unmeasured
    for number in range(ROUNDS):
        names = list(peers) if number % 2 else list(reversed(peers))
        for name in names:
            taken["slow", name].append(peers[name].ask("paced", rate=SLOW, count=int(SLOW * SECONDS), size=SIZE))
        for name in [name for name in names if name != "stock"]:
            taken["fast", name].append(peers[name].ask("paced", rate=FAST, count=int(FAST * SECONDS), size=SIZE))
        for name in names * TURNS:  # short turns: what else the machine does falls on all of them
            taken["full", name].append(peers[name].ask("full", seconds=SECONDS / TURNS, window=WINDOW, size=SIZE))
    return taken


def print_gossip(taken: dict[tuple[str, str], list[Answer]]) -> None:
    titles = {"slow": f"{SLOW} msg/s", "fast": f"{FAST} msg/s", "full": f"{WINDOW} under way"}
    print(f"\n10 nodes, 30 connections, {SIZE} B frames; medians of {ROUNDS} rounds (least..most)")
    print(f"{'':14}{'':7}{'µs CPU a delivery':>26}{'deliveries/s':>14}{'p50 ms':>9}{'p99 ms':>9}{'lost':>7}")
    for (what, name), answers in taken.items():
        costs = [us(answer) for answer in answers]
        spread = f"{statistics.median(costs):.0f} ({min(costs):.0f}..{max(costs):.0f})"
        lost = sum(answer["expected"] - answer["delivered"] for answer in answers)
        p50, p99 = (statistics.median(answer[key] for answer in answers) for key in ("p50", "p99"))
        per_second = statistics.median(answer["delivered"] / answer["wall"] for answer in answers)
        print(f"{titles[what]:14}{name:7}{spread:>26}{per_second:14.0f}{p50:9.1f}{p99:9.1f}{lost:7}")


def figure(name: str, ratios: list[float], goal: float, *, most: bool, unit: str = "ratio", **more: Any) -> Answer:
    """The entry of one figure; `most`: the goal is an upper bound."""
    value = statistics.median(ratios)
    return {
        "id": name,
        "value": round(value, 3),
        "unit": unit,
        "goal": f"{'<=' if most else '>='} {goal:g}",
        "ok": value <= goal if most else value >= goal,
        "spread": [round(min(ratios), 3), round(max(ratios), 3)],
        **more,
    }


def untaken(name: str, goal: str, reason: str) -> Answer:
    return {"id": name, "value": None, "unit": "ratio", "goal": goal, "ok": False, "spread": None, "reason": reason}


def gossip_figures(taken: dict[tuple[str, str], list[Answer]], no_js: str | None) -> list[Answer]:
    """F1, F2, F3, F4."""

    def ratios(what: str, of: Any, over: str) -> list[float]:
        return [of(a) / of(b) for a, b in zip(taken[what, "ours"], taken[what, over], strict=True) if of(b)]

    figures = [figure("F1", ratios("slow", us, "stock"), 0.30, most=True)]
    figures += (
        [untaken("F2_10", "<= 0.8", no_js), untaken("F2_80", "<= 1", no_js)]
        if no_js
        else [
            figure("F2_10", ratios("slow", us, "js"), 0.8, most=True),
            figure("F2_80", ratios("fast", us, "js"), 1.0, most=True),
        ]
    )
    figures.append(floor_figure(taken["fast", "ours"]))
    for name, over, goal in (("F4_stock", "stock", 3.0), ("F4_js", "js", 1.2)):
        if over == "js" and no_js:
            figures.append(untaken(name, f">= {goal:g}", no_js))
            continue
        per_cpu = statistics.median(1 / value for value in ratios("full", us, over))
        figures.append(figure(name, ratios("full", rate, over), goal, most=False, per_cpu_second=round(per_cpu, 2)))
    return figures


def floor_figure(answers: list[Answer]) -> Answer:
    """F3: our transport plus one check and one store, over the floor for as many copies as really came."""
    counts = [answer["counts"] for answer in answers]
    copies = statistics.median(1 + count["duplicate"] / count["accept"] for count in counts)
    parts = floor.parts(copies)
    print(f"\nfloor of a delivery of which {copies:.1f} copies come, µs")
    for part, taken in parts.items():
        print(f"{part:14}{taken:8.0f}")
    extra = parts["verify"] + parts["store"]
    ratios = [(us(answer) + extra) / parts["whole"] for answer in answers]
    return figure("F3", ratios, 5, most=True, floor_us=round(parts["whole"]), copies=round(copies, 2))


def wire(names: list[str]) -> list[Answer]:
    """Encrypted frames and bytes sent for each delivery, heartbeats included."""
    print(f"\non the wire for each delivery, {WIRE_FRAMES} frames of {SIZE} B at {2 * SLOW} msg/s, heartbeats included")
    print(f"{'':7}{'frames':>8}{'bytes':>8}{'bytes ÷ payload':>17}")
    figures = []
    for name in names:
        with running(name, "--wire") as peer:
            answer = peer.ask("paced", rate=2 * SLOW, count=WIRE_FRAMES, size=SIZE)
        frames, size = (answer["counts"][key] / answer["delivered"] for key in ("frames", "bytes"))
        print(f"{name:7}{frames:8.2f}{size:8.0f}{size / SIZE:17.2f}")
        figures.append({"id": f"wire_{name}", "value": round(frames, 2), "unit": "frames", "goal": None, "ok": True,
                        "bytes": round(size)})  # fmt: skip
    return figures


def profiles(peers: dict[str, Peer]) -> list[Answer]:
    """Where the time of a delivery goes, before (stock) and after (ours): the ten functions that take most themselves.

    Kept in results/ as well.
    """
    figures = []
    lines = [f"time of its own, µs a delivery under cProfile, {PROFILE_FRAMES} frames at {SLOW} msg/s"]
    for name in ("stock", "ours"):
        answer = peers[name].ask("profile", rate=SLOW, count=PROFILE_FRAMES, size=SIZE)
        lines.append(f"\n{name}: {us(answer):.0f} µs a delivery, profiled")
        lines += [f"{own:8.0f}{share:7.1%}  {function}" for function, own, share in answer["top"]]
        top = [[function, round(own), round(share, 3)] for function, own, share in answer["top"]]
        figures.append({"id": f"profile_{name}", "value": round(us(answer)), "unit": "us", "goal": None, "ok": True,
                        "top": top})  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "substrate-profile.txt").write_text("\n".join(lines) + "\n")
    print("\n" + "\n".join(lines))
    return figures


def streams(peers: dict[str, Peer]) -> list[Answer]:
    """One stream between two processes, both ways between implementations: MB/s, MB per CPU-second of each end."""
    pairs = [(a, b) for a in peers for b in peers if a == b or ("ours" in {a, b} and "stock" not in {a, b})]
    print("\none stream, messages of 64 KiB, between two processes")
    print(f"{'from':7}{'to':7}{'MB/s':>8}{'MB per CPU-s, sender':>22}{'receiver':>10}")
    figures = []
    for sender, receiver in pairs:
        with running(receiver) as far:
            before = far.ask("cpu")["cpu"]
            size = STOCK_STREAM_MB if sender == "stock" else STREAM_MB
            answer = peers[sender].ask("send", to=far.sink, megabytes=size)
            used = far.ask("cpu")["cpu"] - before
        speed, near, there = size / answer["wall"], size / answer["cpu"], size / used
        print(f"{sender:7}{receiver:7}{speed:8.0f}{near:22.0f}{there:10.0f}")
        figures.append({"id": f"stream_{sender}_{receiver}", "value": round(speed, 1), "unit": "MB/s", "goal": None,
                        "ok": True, "mb_per_cpu_s": [round(near), round(there)]})  # fmt: skip
    return figures


def measure() -> list[Answer]:
    """All figures; prints the tables."""
    no_js = js_missing()
    names = ["ours", "stock"] if no_js else ["ours", "stock", "js"]
    if no_js:
        print(f"js-libp2p is left out: {no_js}")
    figures = dial.measure(DIALS)
    with ExitStack() as stack:
        peers = {name: stack.enter_context(running(name)) for name in names}
        taken = gossip_rounds(peers)
        print_gossip(taken)
        figures = gossip_figures(taken, no_js) + figures
        figures += streams(peers) + profiles(peers)
    if no_js:
        absent = ("stream_ours_js", "stream_js_ours", "stream_js_js", "wire_js")
        figures += [untaken(name, "", no_js) | {"goal": None} for name in absent]
    return figures + wire(names) + neighbours.measure(no_js) + siege.measure()


def main() -> None:
    figures = measure()
    ended = json.dumps({"figures": figures, "ok": all(entry["ok"] for entry in figures)})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "substrate.json").write_text(ended + "\n", encoding="utf-8")
    print()
    for entry in figures:
        if entry["goal"]:
            verdict = "ok" if entry["ok"] else "NOT REACHED" if entry["value"] is not None else entry["reason"]
            print(f"{entry['id']:10}{entry['value']!s:>9} {entry['unit']:6} goal {entry['goal']:9} {verdict}")
    print(ended)


if __name__ == "__main__":
    main()
