"""The lab itself: who reaches whom, what is cut, what a wire does, what a capture sees, and what is left over."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import lab, python

from tertulia.bootstrap.mesh.capture import UDP, capture
from tertulia.bootstrap.mesh.inside import NETNS
from tertulia.bootstrap.mesh.namespaces import Host, Namespaces, Plan, sweep
from tertulia.bootstrap.mesh.wire import Course, Weather, wire

HOMES = {"left": ("ana", "ben"), "right": ("eva",)}
ECHO = """
import socket
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("0.0.0.0", 7))
print("hears", flush=True)
while True:
    word, whom = ear.recvfrom(2048)
    ear.sendto(word, whom)
"""
ASK = """
import json, socket, sys, time
place, tries, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(seconds)
took = []
for number in range(tries):
    began, word = time.monotonic(), b"canary %d" % number
    try:
        asking.sendto(word, (place, 7))
        while asking.recv(2048) != word:
            pass
        took.append(1000 * (time.monotonic() - began))
    except OSError:
        pass
print(json.dumps(took))
"""


@contextmanager
def echo(host: Host) -> Iterator[None]:
    """Something on this host that answers every datagram with the same."""
    with subprocess.Popen(host.command(*python("-c", ECHO)), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hears\n"
        yield
        process.kill()


def ask(net: Namespaces, source: str, place: str, tries: int = 1, seconds: float = 0.3) -> list[float]:
    """How many milliseconds each answer took that came."""
    words = net.hosts[source].command(*python("-c", ASK, place, str(tries), str(seconds)))
    done = subprocess.run(words, capture_output=True, check=True)
    return list(json.loads(done.stdout))


def reaches(net: Namespaces, source: str, target: str) -> bool:
    return bool(ask(net, source, net.hosts[target].address, 5, 1.0))


def unreached(net: Namespaces, source: str, target: str) -> bool:
    return not ask(net, source, net.hosts[target].address, 2)


def test_who_is_behind_a_router_reaches_out_and_is_not_reached() -> None:
    with (
        lab(Plan(("one", "two"), HOMES)) as net,
        echo(net.hosts["one"]),
        echo(net.hosts["ana"]),
        echo(net.hosts["eva"]),
    ):
        assert reaches(net, "two", "one")
        assert reaches(net, "eva", "one")
        assert reaches(net, "ben", "ana"), "who are behind the same router see each other"
        assert unreached(net, "eva", "ana")
        assert unreached(net, "two", "ana")
        with capture(net.switch) as seen:
            assert reaches(net, "ben", "one")
        assert not seen.dropped
        inner = net.hosts["ben"].address
        assert all(inner not in (packet.source, packet.target) for packet in seen.packets), (
            "the router hides who it was"
        )
        net.part("one", "left")
        assert reaches(net, "ben", "one")
        assert unreached(net, "eva", "one")
        assert unreached(net, "two", "one")
        net.heal()
        assert reaches(net, "eva", "one")


def test_a_capture_finds_what_is_in_the_clear_and_where_a_host_sends() -> None:
    with lab(Plan(("one",), HOMES)) as net, echo(net.hosts["one"]):
        one, ana = net.hosts["one"].address, net.hosts["ana"]
        with capture(net.switch) as seen, capture(ana.netns) as own:
            assert reaches(net, "ana", "one")
            ask(net, "ana", "203.0.113.9", 1, 0.1)
        assert seen.find(b"canary 0")
        assert not seen.find(b"canary of nobody")
        sent = {packet.target for packet in own.packets if packet.outgoing and packet.carries == UDP}
        assert sent == {one, "203.0.113.9"}


def test_a_flow_is_put_together_from_its_packets() -> None:
    with lab(Plan(("one", "two"))) as net, capture(net.switch) as seen:
        words = "import socket; ear = socket.create_server(('0.0.0.0', 9)); print(flush=True); met, _ = ear.accept()\n"
        words += "while met.recv(65536): pass"
        with subprocess.Popen(net.hosts["one"].command(*python("-c", words)), stdout=subprocess.PIPE) as taking:
            assert taking.stdout is not None
            assert taking.stdout.readline() == b"\n"
            give = "import socket, sys; to = socket.create_connection((sys.argv[1], 9))\n"
            give += "to.sendall(bytes(999_999) + b'end')"
            subprocess.run(net.hosts["two"].command(*python("-c", give, net.hosts["one"].address)), check=True)
            assert taking.wait(10) == 0
    (stream,) = (stream for flow, stream in seen.flows().items() if flow.target_port == 9)
    assert stream == bytes(999_999) + b"end"


def test_a_wire_delays_loses_doubles_and_cuts() -> None:
    with lab(Plan(("one", "two"), HOMES, wired=True)) as net, wire(net, 7) as carried, echo(net.hosts["one"]):
        assert reaches(net, "eva", "one")
        carried.set(Weather(delay_ms=60, jitter_ms=10))
        (least, *_) = sorted(ask(net, "ana", net.hosts["one"].address, 5, 5.0))
        assert least >= 100
        before = carried.set(Weather(loss=0.5, duplicate=0.3))
        came = len(ask(net, "two", net.hosts["one"].address, 100, 0.05))
        after = carried.set(Weather(), cut=["left", "two"])
        assert 0 < came < 60, "a quarter comes there and back"
        assert after["lost"] > before.get("lost", 0)
        assert after["doubled"] > 0
        assert unreached(net, "ana", "one")
        assert reaches(net, "eva", "one")
        carried.set(Weather())
        assert reaches(net, "ana", "one")


def test_the_same_seed_gives_the_same_courses() -> None:
    def courses(seed: int) -> list[tuple[float, ...]]:
        course = Course(seed)
        course.weather = Weather(60, 10, 0.1, 0.1)
        return [course.delays(*way) for _ in range(200) for way in (("a", "b"), ("b", "a"))]

    assert courses(1) == courses(1)
    assert courses(1) != courses(2)
    found = courses(1)
    assert {len(each) for each in found} == {0, 1, 2}
    assert all(0.05 <= took <= 0.07 for each in found for took in each)
    assert found[::2] != found[1::2], "each direction has a stream of its own"


@pytest.mark.parametrize("wired", [False, True], ids=["switch", "wire"])
def test_nothing_is_left_after_the_block(wired: bool) -> None:
    with lab(Plan(("one",), HOMES, wired=wired)) as net:
        command = net.hosts["ana"].command("sh", "-c", "echo entered; exec sleep 600")
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout as said:
            assert said.readline() == b"entered\n"
        mine = {host.netns for host in net.hosts.values()}
        assert all((NETNS / name).exists() for name in mine)
    assert process.wait(10) == -signal.SIGKILL
    assert not any((NETNS / name).exists() for name in mine)


KILLED = """
import subprocess, sys
from tertulia.bootstrap.mesh.namespaces import Plan, namespaces
with namespaces(Plan(("one",))) as net:
    inside = net.hosts["one"].command("sh", "-c", "echo entered; exec sleep 600")
    inner = subprocess.Popen(inside, stdout=subprocess.PIPE)
    assert inner.stdout.readline() == b"entered\\n", "before that it is nobody's to sweep"
    print(net.hosts["one"].netns, inner.pid, flush=True)
    sys.stdin.read()
"""


def ended(pid: int) -> bool:
    """Whether nothing of that process runs; the machine's first process may not have asked after it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_what_a_killed_test_leaves_is_swept_and_what_lives_is_not() -> None:
    with lab(Plan(("one",))) as net:
        with subprocess.Popen(
            [sys.executable, "-P", "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as test:
            assert test.stdout is not None
            netns, inner = test.stdout.readline().decode().split()
            assert netns not in sweep(), "its test is alive"
            test.kill()
        assert (NETNS / netns).exists()
        assert Path(f"/proc/{inner}").exists()
        sweep()  # another test that begins now may have been faster
        assert not (NETNS / netns).exists()
        assert ended(int(inner))
        assert (NETNS / net.hosts["one"].netns).exists()
