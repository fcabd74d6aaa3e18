"""A relayed citizen's packets go to its relays and nowhere else, whatever a relay, a card or a member advertises."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trio
from faults import Refused, until_read
from lab import Community, community, fed_by, lab, python, until_row

from tertulia.bootstrap.mesh.capture import ETH_P_ARP, Capture, capture
from tertulia.bootstrap.mesh.namespaces import Host, Plan

SCRIPT = Path(__file__).parents[1] / "support" / "lab_hostile_relay.py"
HOMES = {"left": ("ruth",), "right": ("omar", "mallory")}
NAME = "tracker.example"
WATCHED = "trap", "ruth", "omar"
ROUTERS = "10.77.0.1", "10.77.1.1"
"""Asked by ARP for the way, and no more."""


@contextmanager
def hostile(host: Host, ticket: str, trap: str):
    """The relay that means ill: where it is, and its words one after the other."""
    words = python(str(SCRIPT), ticket, f"/ip4/{host.address}/tcp/4001", trap, NAME)
    with subprocess.Popen(host.command(*words), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip(), process.stdout
        finally:
            process.kill()


def sent_to(own: Capture) -> dict[str, int]:
    """How many packets a machine has sent to each address."""
    assert not own.dropped
    found: dict[str, int] = {}
    for packet in own.packets:
        if packet.outgoing:
            found[packet.target] = found.get(packet.target, 0) + 1
    return found


async def advertise(one: Community, trap: str) -> list[str]:
    """A member says places, and proposes a card that lists them though she is no steward; what she said."""
    place = f"/ip4/{trap}/tcp/4001/p2p/12D3KooW9xU1r7ED16jC7dvLEzM7KNriBLoh4qxxLFc5UHEAHajh"
    said = [f"http://{NAME}/a.png", place, f"/dns4/{NAME}/tcp/4001", f"[x](http://{trap}/)"]
    for text in said:
        await one.say("mallory", text)
    try:
        await one.call("mallory", "commons.relays.add", address=place, words="Better")
    except Refused:
        said.append("she may not even propose it")
        await one.say("mallory", said[-1])
    return said


def plant(host: Host, trap: str) -> None:
    """Look a name up and send a datagram from a citizen's machine."""
    subprocess.run(host.command("timeout", "1", "getent", "hosts", NAME), check=False)
    words = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'!', ({trap!r}, 9))"
    subprocess.run(host.command(*python("-c", words)), check=True)


async def exchange(one: Community, bad: Host, trap: str) -> dict[str, int]:
    """Talk by way of a good relay and the one that means ill, until it has gone; what it did."""
    await one.found("Talk", "Casa")
    ticket = (await one.call("ruth", "commons.ticket"))["ticket"]
    with hostile(bad, ticket, trap) as (address, told):
        await one.call("ruth", "commons.relays.add", address=address, words="Tbilisi")
        for name in one.nodes:
            await until_row(one, name, lambda now: fed_by(now) == {"lisboa", "Tbilisi"})
        said = await advertise(one, trap)
        for node in one.nodes.values():
            await until_read(node, one.talk, set(said))
        did: dict[str, int] = {}
        while did.get("card", 0) < len(one.nodes):
            did = json.loads(await trio.to_thread.run_sync(told.readline))
    # What it said of itself and others does not lead anywhere else when it is gone.
    await until_row(one, "omar", lambda now: fed_by(now) == {"lisboa"})
    await one.say("omar", "still here")
    await until_read(one.nodes["ruth"], one.talk, {"still here"})
    return did


async def test_no_packet_goes_anywhere_but_to_the_relays(tmp_path: Path, capsys) -> None:
    with lab(Plan(("lisboa", "tbilisi", "trap"), HOMES)) as net:
        trap, bad = net.hosts["trap"].address, net.hosts["tbilisi"]
        with ExitStack() as watching:
            trapped, ruth, omar = (watching.enter_context(capture(net.hosts[name].netns)) for name in WATCHED)
            async with community(net, tmp_path, ("ruth", "omar", "mallory"), ("lisboa",)) as one:
                did = await exchange(one, bad, trap)
        with capture(net.hosts["ruth"].netns) as planted:
            plant(net.hosts["ruth"], trap)
    relays = {net.hosts["lisboa"].address, bad.address}
    assert did["forged"] >= len(HOMES["right"]), did
    assert did["refused"] >= 8, did
    for own, router in zip((ruth, omar), ROUTERS, strict=True):
        assert relays <= set(sent_to(own)) <= relays | {router}
    assert [packet for packet in trapped.packets if packet.protocol != ETH_P_ARP and packet.target == trap] == []
    assert trap in sent_to(planted), "a packet elsewhere would have been seen"
    elsewhere = sum(
        count for own in (ruth, omar) for place, count in sent_to(own).items() if place not in {*relays, *ROUTERS}
    )
    with capsys.disabled():
        sent = sum(sent_to(ruth).values()) + sum(sent_to(omar).values())
        print(json.dumps({"figures": [
            {"id": "relayed elsewhere", "value": elsewhere, "unit": "packets", "goal": "0", "ok": not elsewhere,
             "sent": sent, "tried": did},
        ]}))  # fmt: skip
