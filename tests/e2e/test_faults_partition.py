"""R1 on loopback: a community falls in two, both halves talk on, and 30 s after healing all is everywhere, the same.

Whole nodes in one process, over links that delay by 30 ms each way. Half of the cut connections are dead after healing,
half go on where they stood, as with real networks. TERTULIA_CUT_SECONDS: 8 every day, 40 by `make faults`.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import trio
from citizens import Config, admitted, invited, join, messages, open_citizen, until
from faults import knob
from faulty_links import Link, links

from tertulia.node.citizen import Citizen
from tertulia.protocol.address import peer_text
from tertulia.protocol.invite import decode_invite

CUT_SECONDS = knob("TERTULIA_CUT_SECONDS", 8)
NEAR, FAR = ("Ben", "Eva", "Leo"), ("Zoe", "Max", "Pia", "Tom")
DELAY = 0.030
HEALED_SECONDS = 30.0
PACE = 0.5
"""Seconds between two texts of one citizen."""
NOWHERE = "/ip4/127.0.0.1/tcp/1"
"""What the founder announces: nobody answers there, so that everybody comes through their own link."""


def config(*peers: str, listen: tuple[str, ...] = ()) -> Config:
    ours = Config()
    return replace(ours, network=replace(ours.network, listen=listen, peers=peers))


def network_of(citizen: Citizen):
    (carried,) = citizen.service.carrying
    return carried.network


def state_hash(citizen: Citizen, dialogue: str) -> bytes:
    return citizen.service.core.dialogues[bytes.fromhex(dialogue)].state.hash


class Community:
    """A founder and three near it; a second hub and three who reach both hubs, each by links of their own."""

    def __init__(self, stack: AsyncExitStack, folder: Path, ways: list[Link]) -> None:
        self._stack, self._folder, self._ways = stack, folder, ways
        self.citizens: dict[str, Citizen] = {}
        self.across: list[Link] = []
        """The links that the cut goes through."""
        self.talk = ""
        self.acknowledged: set[str] = set()

    async def _open(self, name: str, ours: Config) -> Citizen:
        citizen = await self._stack.enter_async_context(open_citizen(self._folder / name, ours))
        self.citizens[name] = citizen
        return citizen

    def _way(self, target: int) -> Link:
        link = self._ways.pop()
        link.target = target
        return link

    async def gather(self) -> None:
        ana = await self._open("Ana", Config())
        await ana.call("init", {"nick": "Ana", "passphrase": "correct horse", "kdf_mib": 8, "kdf_ops": 1})
        await ana.call("commons.new", {"name": "Madrid", "listen": "/ip4/127.0.0.1/tcp/0", "announce": [NOWHERE]})
        self.talk = str((await ana.call("dialogue.new", {"title": "Talk"}))["dialogue"])
        await until(ana, lambda: bool(network_of(ana).addresses))
        hub = int(network_of(ana).addresses[0].split("/")[4])
        second: tuple[int, str] | None = None
        for name in (*NEAR, *FAR):
            invite = await invited(ana, self.talk)
            link = self._way(hub)
            peers = [f"{link.address}/p2p/{peer_text(decode_invite(invite).peer)}"]
            if name in FAR:
                self.across.append(link)
                if second is not None:
                    peers.append(f"{self._way(second[0]).address}/p2p/{second[1]}")
            is_hub = name == FAR[0]
            citizen = await self._open(name, config(*peers, listen=("/ip4/127.0.0.1/tcp/0",) if is_hub else ()))
            await admitted(citizen, await join(citizen, name, invite))
            if is_hub:
                await until(citizen, lambda citizen=citizen: bool(network_of(citizen).addresses))
                (address,) = network_of(citizen).addresses
                second = int(address.split("/")[4]), address.rpartition("/")[2]
        for name in FAR[1:]:
            await until(self.citizens[name], lambda name=name: network_of(self.citizens[name]).reached == 2)

    async def speak(self, name: str) -> None:
        """Say numbered texts until cancelled; those that were answered are acknowledged."""
        for number in range(10_000):
            text = f"{name} {number}"
            with trio.CancelScope(shield=True):
                await self.citizens[name].call("say", {"dialogue": self.talk, "text": text})
                self.acknowledged.add(text)
            await trio.sleep(PACE)

    def lack(self, name: str) -> set[str]:
        return self.acknowledged - set(messages(self.citizens[name], self.talk))


async def test_both_halves_of_a_partition_end_with_everything(tmp_path: Path, capsys) -> None:
    async with links(len(NEAR) + 2 * len(FAR) - 1, DELAY) as ways, AsyncExitStack() as stack:
        community = Community(stack, tmp_path, ways)
        await community.gather()
        async with trio.open_nursery() as talking:
            for name in community.citizens:
                talking.start_soon(community.speak, name)
            await trio.sleep(1)
            for link in community.across:
                link.cut()
            before = set(community.acknowledged)
            await trio.sleep(CUT_SECONDS)
            talking.cancel_scope.cancel()
        # It was a partition: what one half said meanwhile, the other does not know.
        meanwhile = community.acknowledged - before
        assert len(meanwhile) > len(community.citizens) * CUT_SECONDS / PACE / 4
        unknown = community.lack("Zoe") & meanwhile
        assert unknown
        assert not any(text.startswith(FAR) for text in unknown - community.lack("Ben"))
        healed = trio.current_time()
        for number, link in enumerate(community.across):
            link.heal(broken=number % 2 == 0)
        took: dict[str, float] = {}

        async def whole(name: str) -> None:
            citizen = community.citizens[name]
            await until(citizen, lambda: not community.lack(name), 4 * HEALED_SECONDS)
            took[name] = trio.current_time() - healed

        async with trio.open_nursery() as nursery:
            for name in community.citizens:
                nursery.start_soon(whole, name)
        slowest = max(took.values())
        assert len({state_hash(citizen, community.talk) for citizen in community.citizens.values()}) == 1
    with capsys.disabled():
        print(json.dumps({
            "id": "R1", "value": round(slowest, 1), "unit": "s", "goal": f"<= {HEALED_SECONDS:g}", "cut": CUT_SECONDS,
            "acknowledged": len(community.acknowledged), "unknown_to_one_half": len(unknown),
            "each": {name: round(seconds, 1) for name, seconds in took.items()}, "ok": slowest <= HEALED_SECONDS,
        }))  # fmt: skip
    assert slowest <= HEALED_SECONDS, took
