"""Hole punching through two home routers: a circuit becomes a direct connection where routers and line let it.

Three hosts in three network namespaces, each in a thread of its own; the relay is where everybody reaches it. Where it
does not come about the circuit stays.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable

import pytest
import trio
from lab import lab
from waiting import eventually

from tertulia.bootstrap.mesh.capture import TCP, capture
from tertulia.bootstrap.mesh.inside import inside
from tertulia.bootstrap.mesh.namespaces import Namespaces, Plan
from tertulia.bootstrap.mesh.wire import Weather, wire
from tertulia.node.substrate import Host, HostConfig, PeerId, PeerUp, RelayLimits, open_host, peer_id_of

PUBLIC, HOMES = ("lisboa",), {"left": ("ana",), "right": ("eva",)}
SEEDS = {name: os.urandom(32) for name in ("lisboa", "ana", "eva")}
PEERS = {name: peer_id_of(seed) for name, seed in SEEDS.items()}
PATIENCE = 90.0


async def echo(stream) -> None:
    await stream.send(await stream.receive(2**20))


async def admit_all(host: Host) -> None:
    """As if the hello had been said."""
    async for event in host.events:
        if isinstance(event, PeerUp):
            host.admit(event.peer)


class Punched:
    """What came of it."""

    def __init__(self, net: Namespaces, *, serves: bool = True) -> None:
        self.net, self.serves = net, serves
        self.direct = self.spoke = self.followed = False
        self.counts: dict[str, int] = {}
        self._over = threading.Event()
        self._stands = threading.Event()
        self._reserved = threading.Event()

    @property
    def relay(self) -> str:
        return f"/ip4/{self.net.hosts['lisboa'].address}/tcp/4001/p2p/{PEERS['lisboa']}"

    def run(self) -> None:
        threads = [
            threading.Thread(target=inside, args=(self.net.hosts[name].netns, trio.run, self._be, name, role))
            for name, role in (("lisboa", self._carry), ("ana", self._wait), ("eva", self._begin))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def _be(self, name: str, role: Callable[[Host], Awaitable[None]]) -> None:
        listen = ("/ip4/0.0.0.0/tcp/4001",) if name == "lisboa" else ()
        try:
            with trio.fail_after(PATIENCE):
                async with open_host(HostConfig(SEEDS[name], listen)) as host, trio.open_nursery() as nursery:
                    nursery.start_soon(admit_all, host)
                    host.serve("/echo/1", echo)
                    await role(host)
                    nursery.cancel_scope.cancel()
        finally:
            if name != "lisboa":
                for event in (self._reserved, self._over):  # nobody waits for who has gone
                    event.set()

    async def _carry(self, host: Host) -> None:
        host.serve_relay(RelayLimits())
        self._stands.set()
        await eventually(self._over.is_set, PATIENCE)

    async def _dial_relay(self, host: Host) -> None:
        await eventually(self._stands.is_set, PATIENCE)
        await host.dial([self.relay])
        host.admit(PEERS["lisboa"])

    async def _wait(self, host: Host) -> None:
        await self._dial_relay(host)
        if self.serves:
            host.serve_punch()
        await host.reserve(PEERS["lisboa"])
        self._reserved.set()
        await eventually(self._over.is_set, PATIENCE)
        self.followed = is_direct(host, PEERS["eva"])

    async def _begin(self, host: Host) -> None:
        await eventually(self._reserved.is_set, PATIENCE)
        await self._dial_relay(host)
        await host.dial([f"{self.relay}/p2p-circuit/p2p/{PEERS['ana']}"])
        host.admit(PEERS["ana"])
        assert host.circuit_to(PEERS["ana"]) is not None
        said = await host.punch(PEERS["ana"])
        self.direct = is_direct(host, PEERS["ana"])
        assert said is self.direct
        stream = await host.open(PEERS["ana"], "/echo/1")
        await stream.send(b"hello")
        self.spoke = await stream.receive(100) == b"hello"
        self.counts = dict(host.counts)


def is_direct(host: Host, peer: PeerId) -> bool:
    return peer in host.peers and host.circuit_to(peer) is None


@pytest.mark.parametrize("delay", [20.0, 60.0])
def test_a_circuit_between_two_homes_becomes_a_direct_connection(delay: float) -> None:
    with lab(Plan(PUBLIC, HOMES, wired=True)) as net, wire(net, 5) as line:
        line.set(Weather(delay_ms=delay))
        with capture(net.hosts["left"].netns) as seen:
            one = Punched(net)
            one.run()
    assert (one.direct, one.followed, one.spoke) == (True, True, True)
    assert one.counts["punched"] == 1
    homes = {net.hosts["left"].address, net.hosts["right"].address}
    assert any(packet.carries == TCP and {packet.source, packet.target} == homes for packet in seen.packets)


def test_where_it_does_not_come_about_the_circuit_stays() -> None:
    with lab(Plan(PUBLIC, HOMES)) as net, capture(net.switch) as seen:
        one = Punched(net, serves=False)
        one.run()
    assert (one.direct, one.followed, one.spoke) == (False, False, True)
    assert one.counts["not punched"] == 1
    homes = {net.hosts["left"].address, net.hosts["right"].address}
    between = [packet for packet in seen.packets if {packet.source, packet.target} == homes]
    assert between == [], "who does not serve it dials nobody, and is dialled by nobody"
