"""A wire in user space: what passes between TUN devices is delayed, lost, doubled and cut, by chance from a seed.

docs/guide/mesh.md, *The lab in network namespaces*; a stand-in for netem, which many kernels lack. Invariants: a packet
goes to the device whose address it names, or nowhere; every direction of every pair draws from a stream of its own,
twice for each packet that may pass; what is cut draws nothing. When a packet comes is the system's affair, so two runs
are alike, not equal.

    python -m tertulia.bootstrap.mesh.wire SEED ADDRESS=FD…     lines of JSON on stdin: a Weather each; its end ends it
"""

from __future__ import annotations

import fcntl
import heapq
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Final

from tertulia.bootstrap.mesh.dice import Dice, dice
from tertulia.bootstrap.mesh.inside import inside
from tertulia.bootstrap.mesh.namespaces import INTERNET, TUN, Namespaces

LIMIT_PACKET: Final = 65_536
LIMIT_WAITING: Final = 50_000
"""Packets under way at once; what is more is lost, as in a router."""
LIMIT_AT_ONCE: Final = 64
"""Packets taken from one device before the others have their turn."""
DEVICE: Final = "wan"
TUNSETIFF: Final = 0x400454CA
IFF_TUN_NO_PI: Final = 0x0001 | 0x1000
HEADER: Final = 20
"""Bytes of an IPv4 header; source and destination are its last eight."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to packets, each way: milliseconds, parts of one, and who is cut off from the others."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Each packet takes `delay_ms` ± up to this, and may overtake another."""
    loss: float = 0.0
    duplicate: float = 0.0
    cut: tuple[str, ...] = ()
    """Addresses on one side of a partition."""

    def __post_init__(self) -> None:
        assert self.delay_ms >= self.jitter_ms >= 0
        assert all(0 <= part <= 1 for part in (self.loss, self.duplicate))


class Course:
    """Decides what becomes of each packet. Pure: the same seed and packets give the same courses."""

    def __init__(self, seed: int) -> None:
        self.weather = Weather()
        self._seed = seed
        self._dice: dict[tuple[str, str], Dice] = {}

    def delays(self, source: str, target: str) -> tuple[float, ...]:
        """After how many seconds the packet arrives: never (empty), once, or twice."""
        weather = self.weather
        if (source in weather.cut) != (target in weather.cut):
            return ()
        if (source, target) not in self._dice:
            self._dice[source, target] = dice(self._seed, f"{source}>{target}")
        stream = self._dice[source, target]
        chance, spread = stream.random(), stream.uniform(-1, 1)
        took = (weather.delay_ms + spread * weather.jitter_ms) / 1_000
        if chance < weather.loss:
            return ()
        return (took, took) if chance > 1 - weather.duplicate else (took,)


class Exchange:
    """The devices, and the packets under way between them."""

    def __init__(self, devices: Mapping[str, int], course: Course) -> None:
        self._devices, self._course = devices, course
        self._addresses = {found: address for address, found in devices.items()}
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._number = 0
        self.counts: Counter[str] = Counter()

    def run(self, orders: IO[bytes]) -> None:
        """Carry packets until `orders` end."""
        watch = select.poll()
        for found in (*self._addresses, orders.fileno()):
            watch.register(found, select.POLLIN)
        while True:
            soon = None
            if self._waiting:
                soon = max(0.0, (self._waiting[0][0] - time.monotonic()) * 1_000)
            for ready, _ in watch.poll(soon):
                if ready != orders.fileno():
                    self._take(ready)
                elif not self._obey(orders.readline()):
                    return
            self._deliver(time.monotonic())

    def _obey(self, line: bytes) -> bool:
        if not line:
            return False
        told = json.loads(line)
        self._course.weather = Weather(**told | {"cut": tuple(told["cut"])})
        sys.stdout.write(json.dumps(self.counts) + "\n")
        sys.stdout.flush()
        return True

    def _take(self, found: int) -> None:
        source, now = self._addresses[found], time.monotonic()
        for _ in range(LIMIT_AT_ONCE):
            try:
                packet = os.read(found, LIMIT_PACKET)
            except BlockingIOError:
                return
            target = socket.inet_ntoa(packet[16:HEADER]) if len(packet) >= HEADER and packet[0] >> 4 == 4 else ""
            if target not in self._devices:
                self.counts["nowhere"] += 1
                continue
            delays = self._course.delays(source, target)
            self.counts[("lost", "carried", "doubled")[len(delays)]] += 1
            for took in delays:
                if len(self._waiting) >= LIMIT_WAITING:
                    self.counts["too many"] += 1
                    continue
                self._number += 1
                heapq.heappush(self._waiting, (now + took, self._number, self._devices[target], packet))

    def _deliver(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, _, found, packet = heapq.heappop(self._waiting)
            try:
                os.write(found, packet)
            except (BlockingIOError, OSError):
                self.counts["not taken"] += 1


class Wire:
    """The wire of a network that is up; it runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], hosts: Mapping[str, str]) -> None:
        self._process, self._hosts = process, hosts

    def set(self, weather: Weather, cut: Sequence[str] = ()) -> dict[str, int]:
        """From now on this weather, and these hosts cut off from the others; what was carried and lost until now."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = asdict(weather) | {"cut": [self._hosts[name] for name in cut]}
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


@contextmanager
def wire(lab: Namespaces, seed: int) -> Iterator[Wire]:
    """Carry what passes between the public hosts and NATs of a network whose plan is `wired`, for the block."""
    assert lab.plan.wired
    outer = [*lab.plan.public, *lab.plan.lans]
    devices = {lab.hosts[name].address: inside(lab.hosts[name].netns, _device, lab, name) for name in outer}
    words = [f"{address}={found}" for address, found in devices.items()]
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tertulia.bootstrap.mesh.wire", str(seed), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=tuple(devices.values()),
        )  # fmt: skip
    finally:
        for found in devices.values():
            os.close(found)
    with process:
        standing = Wire(process, {name: lab.hosts[name].address for name in outer})
        standing.set(Weather())
        try:
            yield standing
        finally:
            process.kill()


def _device(lab: Namespaces, name: str) -> int:
    """Runs in the host's namespace: its way into the internet, which ends in the descriptor that is returned."""
    found = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(found, TUNSETIFF, struct.pack("16sH", DEVICE.encode(), IFF_TUN_NO_PI))
    lines = [f"address add {lab.hosts[name].address}/24 dev {DEVICE}", f"link set {DEVICE} up"]
    lines += ["link set lo up", f"route add default dev {DEVICE} via {INTERNET}.1"]
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines).encode() + b"\n", check=False)
    assert done.returncode == 0, lines
    return found


def main(words: Sequence[str]) -> None:
    """Carry packets until stdin ends."""
    seed, *pairs = words
    devices = {address: int(found) for address, _, found in (pair.partition("=") for pair in pairs)}
    Exchange(devices, Course(int(seed))).run(os.fdopen(0, "rb", buffering=0))


if __name__ == "__main__":
    main(sys.argv[1:])
