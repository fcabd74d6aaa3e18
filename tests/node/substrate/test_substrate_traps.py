"""Every trap of py-libp2p 0.8.1, shown on the library as shipped; and docs/upstream.md: what we did about each.

The other half of a row, the same act at our host, is the test that docs/upstream.md names in the same row. A row here
that begins to fail says: upstream has mended it, and the patch beside it can go.
"""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trio
from multiaddr import Multiaddr

from tertulia.node.substrate import HostConfig, open_host, peer_id_of
from tertulia.node.substrate.memory import MemoryNet
from tertulia.node.substrate.peer_ids import library_id

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = (ROOT / "docs" / "upstream.md").read_text(encoding="utf-8")
SCENARIOS = re.findall(r"^async def (\w+)\(\):", (HERE / "stock_library.py").read_text(encoding="utf-8"), re.MULTILINE)
TYPE_WINDOW_UPDATE = 1

STOCK = {
    "1 one malformed RPC ends the host": ("malformed_rpc", {"host_died": True}),
    "2 an id function that raises ends the host": ("raising_id", {"host_died": True}),
    "3a connections that say nothing shut everybody out": ("idle_connections", {"idle": 4, "entered": False}),
    "9 connections are left open": ("left_open", {"connected_after_it_left": True}),
    "10 a pubsub that is not run ends the host": ("half_built", {"host_died": True}),
    "11 known peers are dialled unasked": ("auto_connector", {"dialled": True}),
    "12 a signed record of our addresses on every message": (
        "sender_record", {"heard": True, "with_record": True, "with_our_address": True}),
    "15 a dead circuit looks alive": (
        "dead_circuit", {"host_dials_circuits": False, "looks_connected": True, "speaks": False}),
    "16 a slow validator delivers twice": ("slow_validator", {"sent": 1, "delivered": 2}),
    "29 a peer that re-dials rapidly is refused": ("rapid_redials", {"hung_up": 8, "stood": False}),
    "27 identify tells addresses, agent and record": (
        "identify", {"addresses": True, "agent": "py-libp2p", "record": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped():
    """What each scenario answers, each in a process of its own with the library as shipped, a few at a time."""

    def run(scenario):
        command = [sys.executable, str(HERE / "stock_library.py"), scenario]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=100)
        return json.loads(done.stdout.splitlines()[-1])

    names = [scenario for scenario, _ in STOCK.values()] + ["spam_guard", "burst", "window_updates"]
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield {name: pool.submit(run, name) for name in names}


@pytest.mark.parametrize("trap", STOCK)
def test_the_library_as_shipped_has_the_trap(shipped, trap):
    scenario, answer = STOCK[trap]
    assert shipped[scenario].result() == answer


def test_the_library_as_shipped_drops_what_exceeds_ten_a_second_and_what_a_short_queue_cannot_hold(shipped):
    for scenario in ("spam_guard", "burst"):
        told = shipped[scenario].result()
        assert told["delivered"] < told["sent"]


def test_the_library_as_shipped_sends_credit_for_every_read(shipped):
    told = shipped["window_updates"].result()
    assert told["delivered"] > 0
    assert told["window_updates"] >= 3 * told["delivered"]


# Our half of those whose act is nowhere else in these tests.


async def test_twenty_messages_need_no_credit(opened, seed, wire, meet, joined):
    tap = wire()
    async with opened(HostConfig(seed(), ("/ip4/127.0.0.1/tcp/0",), tap=tap), HostConfig(seed())) as (a, b):
        await meet(b, a)
        line_a, line_b = await joined((a, b))
        before = tap.frame_types().count(TYPE_WINDOW_UPDATE)
        for number in range(20):
            await line_a.publish(b"%d" % number)
            assert (await line_b.frames.receive())[1] == b"%d" % number
        assert tap.frame_types().count(TYPE_WINDOW_UPDATE) - before == 0


async def test_a_peer_that_is_merely_known_is_never_dialled(seed, autojump_clock):
    net, dialled = MemoryNet(), []
    async with (
        open_host(HostConfig(seed(), ("/ip4/10.0.0.1/tcp/1",), network=net)) as known,
        open_host(HostConfig(seed(), network=net)) as host,
    ):
        dial = host.swarm._transport.dial

        async def counted(where):
            dialled.append(where)
            return await dial(where)

        host.swarm._transport.dial = counted
        for name, where in ((known.peer_id, "/ip4/10.0.0.1/tcp/1"), (peer_id_of(seed()), "/dns4/localhost/tcp/1")):
            host.library.get_peerstore().add_addrs(library_id(name), [Multiaddr(where)], 10_000)
        await trio.sleep(3600)
        assert dialled == []
        assert not host.peers


async def test_in_a_ring_each_hears_each_message_once(opened, meet, joined):
    async with opened(listening=3) as hosts:
        a, b, c = hosts
        for one, other in ((a, b), (b, c), (c, a)):
            await meet(one, other)
        lines = await joined(hosts)
        for number in range(5):
            await lines[0].publish(b"%d" % number)
        for line in lines[1:]:
            with trio.fail_after(10):
                assert {(await line.frames.receive())[1] for _ in range(5)} == {b"%d" % number for number in range(5)}
        await lines[0].publish(b"the last")
        for line in lines[1:]:
            with trio.fail_after(10):
                assert (await line.frames.receive())[1] == b"the last"  # nothing came twice in between


async def test_a_peer_that_hangs_up_eight_connections_and_dials_again_at_once_is_taken(opened, seed):
    same = seed()
    async with opened(HostConfig(seed(), ("/ip4/127.0.0.1/tcp/0",)), *[HostConfig(same) for _ in range(9)]) as hosts:
        target, *diallers, last = hosts
        for dialler in diallers:
            await dialler.dial(target.addresses)
        for dialler in diallers:  # no goodbye: the sockets close
            for connection in dialler.swarm.get_connections():
                await connection.muxed_conn.secured_conn.close()
        assert await last.dial(target.addresses) == target.peer_id
        target.serve("/echo/1", _echo, before_hello=True)
        stream = await last.open(target.peer_id, "/echo/1")
        await stream.send(b"here")
        assert await stream.receive(10) == b"here"


async def _echo(stream):
    await stream.send(await stream.receive(10))


# The page.


def _rows():
    """Every row of the tables: its number and its cells."""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and re.match(r"L?\d+[a-z]?\b", cells[0]):
            yield cells[0], cells


def _tests(name):
    text = (HERE / f"test_substrate_{name}.py").read_text(encoding="utf-8")
    return re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)


@pytest.mark.parametrize("row", [number for number, _ in _rows()])
def test_every_row_of_the_page_names_tests_that_exist_files_that_exist_and_when_it_can_go(row):
    cells = dict(_rows())[row]
    assert cells[-1], "when can it go?"
    named, file = 0, None
    for token in re.findall(r"`([^`]+)`", " ".join(cells[-2:-1])):
        prefix, _, pattern = token.rpartition("::")
        if "…" not in token:
            if not prefix:
                assert token in SCENARIOS or (ROOT / token).exists(), token
            continue
        file = prefix or file
        wanted = "test_" + re.escape(pattern).replace("…", ".*")
        assert any(re.fullmatch(wanted, test) for test in _tests(file)), token
        named += 1
    assert named or re.search(r"\bF\d|bench", cells[-2]), "no test, no figure"
    where = cells[-3]
    for path in re.findall(r"`(\w+\.py)`", where):
        assert (ROOT / "node" / "substrate" / path).exists(), path


def test_the_page_has_every_trap_of_the_research_and_what_stock_does_in_each():
    rows = dict(_rows())
    scenarios = set()
    for number in range(1, 17):
        row = next(cells for name, cells in rows.items() if re.match(rf"{number}\b", name))
        shown = [token for token in re.findall(r"`(\w+)`", row[-2]) if token in SCENARIOS]
        assert shown, f"trap {number} is not shown on the library as shipped"
        scenarios.update(shown)
    used = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    used += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "neighbours").glob("test_*.py"))
    for scenario in scenarios:
        assert f'"{scenario}"' in used, f"no test runs {scenario}"
