"""The lab in network namespaces, for tests: a network, or a reason said aloud; citizens and relays as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from faults import PATIENCE, Node
from relays import COMMAND, RelayProcess

from tertulia.bootstrap.mesh.namespaces import Host, Namespaces, Plan, lacking, namespaces, powers

__all__ = ["Community", "LabRelay", "citizens", "community", "fed_by", "lab", "python", "row", "until_row"]

PORT = 4001
"""Where a relay listens for the first community it serves."""
LOOK_SECONDS = 0.1


@contextmanager
def lab(plan: Plan) -> Iterator[Namespaces]:
    """A network after this plan. Where the machine cannot: a skip that says why; in CI, and for root, a failure."""
    reason = lacking()
    if reason:
        print(reason, file=sys.__stderr__)  # aloud: not only where pytest lists its skips
        if os.environ.get("CI") or powers():
            pytest.fail(f"{reason} `.ci/missing-debian-packages --tests` names what to install.")
        pytest.skip(reason)
    with namespaces(plan) as standing:
        yield standing


def python(*words: str) -> tuple[str, ...]:
    """The words that run this Python."""
    return (sys.executable, "-P", *words)


class LabRelay(RelayProcess):
    """A relay on one of the lab's hosts, at the address that all others reach it at."""

    def __init__(self, folder: Path, host: Host) -> None:
        super().__init__(folder)
        self.host = host

    def init(self, *options: str) -> None:
        self.verb("init", "--yes", "--announce", self.host.address, *options)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.host.command(*COMMAND, "run", "--folder", str(self.folder), "--json"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def stop_now(self) -> None:
        """When the test is over, however it went."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@asynccontextmanager
async def citizens(net: Namespaces, home: Path, names: Sequence[str]) -> AsyncIterator[dict[str, Node]]:
    """New citizens on the hosts of these names, each a process; none outlives the block."""
    await trio.Path(home).mkdir(mode=0o700, exist_ok=True)
    found = {name: Node(home, name, within=net.hosts[name].command()) for name in names}
    try:
        async with trio.open_nursery() as nursery:
            for node in found.values():
                nursery.start_soon(node.init)
        yield found
    finally:
        for node in found.values():
            node.stop_now()


class Community:
    """People who are all relayed, in one dialogue."""

    def __init__(self, net: Namespaces, nodes: Mapping[str, Node], relays: Mapping[str, LabRelay]) -> None:
        self.net, self.nodes, self.relays = net, nodes, relays
        self.talk = ""
        self.invite = ""

    async def call(self, who: str, method: str, **params: object) -> dict[str, Any]:
        """Raises Refused, Gone."""
        client = self.nodes[who].client
        assert client is not None
        return await client.call(method, **params)

    async def say(self, name: str, text: str) -> None:
        await self.call(name, "say", dialogue=self.talk, text=text)

    async def found(self, title: str, commons: str, **params: object) -> None:
        """The first citizen founds the community, lists the relays on its card, and opens a dialogue."""
        founder, *guests = self.nodes
        await self.call(founder, "commons.new", name=commons, **params)
        ticket = (await self.call(founder, "commons.ticket"))["ticket"]
        for name, relay in self.relays.items():
            address = relay.verb("allow", ticket)["address"]
            await self.call(founder, "commons.relays.add", address=address, words=name)
        await until_row(self, founder, lambda now: fed_by(now) == set(self.relays))
        self.talk = (await self.call(founder, "dialogue.new", title=title))["dialogue"]
        self.invite = (await self.call(founder, "invite", dialogue=self.talk, uses=max(1, len(guests))))["invite"]
        async with trio.open_nursery() as nursery:
            for guest in guests:
                nursery.start_soon(self._join, guest)

    async def _join(self, guest: str) -> None:
        joining = (await self.call(guest, "join", invite=self.invite))["join"]
        answer = await self.call(guest, "wait", **{"for": "join"}, join=joining, seconds=int(PATIENCE))
        assert answer["state"] == "admitted", answer
        await until_row(self, guest, lambda now: fed_by(now) == set(self.relays))


@asynccontextmanager
async def community(
    net: Namespaces, folder: Path, names: Sequence[str], relays: Sequence[str]
) -> AsyncIterator[Community]:
    """Relays that run, and citizens who have not met yet."""
    running = {name: LabRelay(folder / name, net.hosts[name]) for name in relays}
    try:
        for relay in running.values():
            relay.init()
            relay.start()
        async with citizens(net, folder / "citizens", names) as nodes:
            for relay in running.values():
                await relay.answers()
            yield Community(net, nodes, running)
    finally:
        for relay in running.values():
            relay.stop_now()


async def row(one: Community, name: str) -> dict[str, Any]:
    """What this citizen's status says of the community."""
    (found,) = (await one.call(name, "status"))["commons"]
    return dict(found)


def fed_by(now: Mapping[str, Any]) -> set[str]:
    """Names of the relays that feed a citizen whose status has this row."""
    return {str(relay["name"]) for relay in now["relays"] if relay["state"] == "fed"}


async def until_row(
    one: Community, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE
) -> None:
    """Wait until the status says something; the node is asked again and again."""
    now: dict[str, Any] = {}
    with trio.move_on_after(seconds):
        while not holds(now := await row(one, name)):  # noqa: ASYNC110 - another process
            await trio.sleep(LOOK_SECONDS)
        return
    raise AssertionError(now)
