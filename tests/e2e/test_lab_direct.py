"""Two citizens behind two routers who chose to be reached directly: a way through, or the truth about it.

One gives the other the address by which a relay leads to them; what the relay carries between them ends when the direct
way stands, and from then on they need no relay.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from faults import Refused, until_read
from lab import Community, community, lab, row, until_row

from tertulia.bootstrap.mesh.namespaces import Namespaces, Plan
from tertulia.bootstrap.mesh.wire import Weather, wire

FOUND = "A direct way was found to one device behind a router."
NONE = "There is no direct way to one device: the routers between you do not let it; what you write goes by lisboa."
PLAN = Plan(("lisboa",), {"left": ("ana",), "right": ("eva",)}, wired=True)


def bar(net: Namespaces, here: str, there: str) -> None:
    """This router lets nothing from its home to that other one."""
    rule = ("nft", "add", "rule", "ip", "nat", "passing", "ip", "daddr", net.hosts[there].address, "drop")
    subprocess.run(net.hosts[here].command(*rule), check=True)


async def through_the_relay(one: Community) -> str:
    """Both are direct; the address at which the relay leads to Ana."""
    await one.found("Talk", "Casa", listen=f"/ip4/{one.net.hosts['ana'].address}/tcp/4100")
    assert (await row(one, "ana"))["addresses"] == []
    await one.call("ana", "commons.reach", reach="direct")
    await until_row(one, "ana", lambda now: any("p2p-circuit" in address for address in now["addresses"]))
    (address,) = [address for address in (await row(one, "ana"))["addresses"] if "p2p-circuit" in address]
    with pytest.raises(Refused, match="through relays alone"):
        await one.call("eva", "commons.relays.try", address=address)
    assert (await row(one, "eva"))["reach"] == "relayed"
    await one.call("eva", "commons.reach", reach="direct")
    await until_row(one, "eva", lambda now: "No other member is connected directly" in now["way"])
    return str(address)


async def test_a_way_is_found_and_outlives_the_relay(tmp_path: Path) -> None:
    with lab(PLAN) as net, wire(net, 3) as line:
        line.set(Weather(delay_ms=20))
        async with community(net, tmp_path, ("ana", "eva"), ("lisboa",)) as one:
            await one.call("eva", "commons.relays.try", address=await through_the_relay(one))
            await until_row(one, "eva", lambda now: now["way"] == FOUND)
            one.relays["lisboa"].end(signal.SIGKILL)
            for name in one.nodes:
                await until_row(one, name, lambda now: now["peers"] == 1)
            await one.say("ana", "from left to right")
            await one.say("eva", "from right to left")
            for node in one.nodes.values():
                await until_read(node, one.talk, {"from left to right", "from right to left"})


async def test_where_there_is_none_it_says_so_and_goes_by_the_relay(tmp_path: Path) -> None:
    with lab(PLAN) as net, wire(net, 3) as line:
        line.set(Weather(delay_ms=20))
        for here, there in (("left", "right"), ("right", "left")):
            bar(net, here, there)
        async with community(net, tmp_path, ("ana", "eva"), ("lisboa",)) as one:
            await one.call("eva", "commons.relays.try", address=await through_the_relay(one))
            await until_row(one, "eva", lambda now: now["way"] == NONE)
            await one.say("ana", "by the relay")
            await one.say("eva", "by the relay too")
            for node in one.nodes.values():
                await until_read(node, one.talk, {"by the relay", "by the relay too"})
