"""Members in one house find each other with no relay and no seed; whoever else is on their network sees only noise.

Two communities look for their own on one local network, which is watched whole: nothing that was seen in two minutes,
from two machines or of two communities has anything in common, and none of the secrets is there.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import combinations
from pathlib import Path

import trio
from faults import until_read
from lab import community, fed_by, lab, row, until_row

from tertulia.bootstrap.lan import Lan, here
from tertulia.bootstrap.mesh.capture import UDP, Capture, capture
from tertulia.bootstrap.mesh.inside import inside
from tertulia.bootstrap.mesh.namespaces import Host, Plan
from tertulia.protocol.address import peer_text
from tertulia.protocol.commons import Commons, topic
from tertulia.protocol.lan import DATAGRAM, FIRST_PORT, Whereabouts

HOMES = {"left": ("ana", "ben"), "right": ("eva",)}
RELAYS = ("lisboa", "tbilisi")


async def test_a_house_that_looks_around_outlives_all_relays_and_heals(tmp_path: Path) -> None:
    with lab(Plan(RELAYS, HOMES)) as net, capture(net.switch) as outside:
        async with community(net, tmp_path, ("ana", "ben", "eva"), RELAYS) as one:
            await one.found("Talk", "Casa", listen=f"/ip4/{net.hosts['ana'].address}/tcp/4100")
            assert {(await row(one, name))["lan"] for name in one.nodes} == {"off"}
            for name in one.nodes:
                await one.call(name, "commons.lan", on=True)
            for name in ("ana", "ben"):
                await until_row(one, name, lambda now: now["nearby"] == 1)
            for name in one.nodes:
                await until_row(one, name, lambda now: fed_by(now) == set(RELAYS))
            with_relays = (await row(one, "ana"))["sees"]
            assert with_relays.startswith("lisboa and tbilisi and one device on this network see")
            for relay in one.relays.values():
                relay.end(signal.SIGKILL)
            for name, peers in (("ana", 1), ("ben", 1), ("eva", 0)):
                await until_row(one, name, lambda now, peers=peers: now["peers"] == peers)
                now = await row(one, name)
                assert (now["reach"], now["listening"], now["addresses"], now["lan"]) == ("relayed", False, [], "on")
            assert (await row(one, "ana"))["sees"].startswith("No relay answers; one device on this network sees")
            assert "nobody sees" in (await row(one, "eva"))["sees"]
            await one.say("ana", "at home")
            await one.say("ben", "in the kitchen")
            await one.say("eva", "is anybody there")
            for name in ("ana", "ben"):
                await until_read(one.nodes[name], one.talk, {"at home", "in the kitchen"})
            one.relays["tbilisi"].start()
            await one.relays["tbilisi"].answers()
            for node in one.nodes.values():
                await until_read(node, one.talk, {"at home", "in the kitchen", "is anybody there"})
    assert datagrams(outside) == [], "what is called in the house is heard in the house alone"
    assert outside.find(b"/noise")


# What a stranger on the network sees ---------------------------------------------------------------------------------

MINUTE = 29_923_000
STREET = {"street": ("ana", "ben", "zoe", "max", "stranger")}
CASA, OTRA = (Commons(name.encode() * 8, 1, name) for name in ("Casa", "Otra"))
WHERE = {"ana": CASA, "ben": CASA, "zoe": OTRA, "max": OTRA}
SHARED = 6
"""Bytes that two datagrams have in common by chance once in 10⁹ or so of these tests."""


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram, however often the capture saw it."""

    source: str
    source_port: int
    target: str
    target_port: int
    data: bytes = field(repr=False)


def datagrams(seen: Capture) -> list[Datagram]:
    """Every datagram once, in order."""
    assert not seen.dropped
    found = {}
    for packet in seen.packets:
        if packet.carries == UDP:
            udp = packet.data[4 * (packet.data[0] & 15) :]
            ports = int.from_bytes(udp[:2], "big"), int.from_bytes(udp[2:4], "big")
            data = udp[8 : int.from_bytes(udp[4:6], "big")]
            found[Datagram(packet.source, ports[0], packet.target, ports[1], data)] = None
    return list(found)


def shared(one: bytes, other: bytes) -> set[bytes]:
    """What two datagrams have in common, at any place."""
    pieces = ({data[at : at + SHARED] for at in range(len(data) - SHARED + 1)} for data in (one, other))
    return set.intersection(*pieces)


class Machine:
    """A citizen's machine on the street in one minute: looks until it has heard its fellow member."""

    def __init__(self, host: Host, commons: Commons, minute: int) -> None:
        self.peer = b"always the same machine: " + host.name.encode().ljust(7)
        self.told: list[Whereabouts] = []
        self._heard = trio.Event()
        self._host, self._commons, self._minute = host, commons, minute

    def run(self) -> None:
        """In a thread of its own."""
        inside(self._host.netns, trio.run, self._look)

    async def _look(self) -> None:
        seeker = Lan(lambda: self._minute * 60_000)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(seeker.seek, self._commons, self)
                await self._heard.wait()
                await trio.sleep(1)  # long enough to be heard as well: what it answers is a packet away
                nursery.cancel_scope.cancel()

    def port(self, at: IPv4Address) -> int:
        assert str(at) == self._host.address == str(here())
        return 4001

    def heard(self, told: Whereabouts) -> bool:
        if told.peer != self.peer:
            self.told.append(told)
            self._heard.set()
        return told.peer != self.peer

    def stands(self, *, connected: bool) -> None:
        assert connected

    def refused(self, reason: str) -> None:
        raise AssertionError(reason)


def test_a_stranger_can_tell_neither_communities_nor_minutes_nor_machines_apart() -> None:
    seen: dict[int, list[Datagram]] = {}
    with lab(Plan(("lisboa",), STREET)) as net:
        for minute in (MINUTE, MINUTE + 1):
            machines = [Machine(net.hosts[name], commons, minute) for name, commons in WHERE.items()]
            with capture(net.hosts["stranger"].netns) as strangers, capture(net.hosts["street"].netns) as everything:
                threads = [threading.Thread(target=machine.run) for machine in machines]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            fellows = {"ana": "ben", "ben": "ana", "zoe": "max", "max": "zoe"}
            for name, machine in zip(WHERE, machines, strict=True):
                assert {told.address.host for told in machine.told} == {net.hosts[fellows[name]].address}
            seen[minute] = datagrams(everything)
            # Calls are for everybody, and answers for who called: a stranger on a switch does not even see them.
            assert {one.target for one in datagrams(strangers)} == {"255.255.255.255"}
            assert {one.target for one in seen[minute]} > {"255.255.255.255"}
    told = [one for minute in seen.values() for one in minute]
    assert len(told) >= 12
    assert {len(one.data) for one in told} == {DATAGRAM}
    for one, other in combinations(told, 2):
        assert not shared(one.data, other.data)
    # The ports: another one for each community and minute to call at, and whatever the system gives to call from.
    called = {one.target_port for one in told if one.target == "255.255.255.255"}
    assert len(called) == len(seen) * 2
    assert min(called) >= FIRST_PORT
    assert len({(one.source, one.source_port) for one in told}) == len(told)
    peers = [b"always the same machine: " + name.encode().ljust(7) for name in WHERE]
    secrets = [
        *peers, *(peer_text(peer).encode() for peer in peers), *(IPv4Address(one.source).packed for one in told),
        *(secret for where in (CASA, OTRA) for secret in (where.key, where.id, bytes.fromhex(topic(where)))),
    ]  # fmt: skip
    assert not any(secret in one.data for one in told for secret in secrets)


def test_the_search_for_what_is_shared_finds_it() -> None:
    one, other = os.urandom(DATAGRAM), os.urandom(DATAGRAM)
    assert not shared(one, other)
    assert shared(one, other[:40] + one[90 : 90 + SHARED] + other[46:]) == {one[90 : 90 + SHARED]}
