"""W1 and W4: six citizens behind two routers, with two relays, watched from where all their packets pass.

Nobody has a direct way to anybody of the other house; all that is said arrives. Whoever watches the internet finds no
canary and no size but the three, and every citizen's machine has sent to the relays and nowhere else.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

from faults import until_read
from lab import PORT, Community, LabRelay, community, lab, python, row

from tertulia.bootstrap.mesh.capture import ETH_P_ARP, Capture, capture
from tertulia.bootstrap.mesh.namespaces import Namespaces, Plan
from tertulia.bootstrap.relay.place import Place
from tertulia.protocol.address import from_multiaddr
from tertulia.protocol.commons import topic
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.ticket import decode_ticket

HOMES = {"left": ("ananda", "benedikt", "evangelina"), "right": ("leokadia", "zoediana", "maximo")}
RELAYS = ("lisboa", "tbilisi")
TITLE, COMMONS = "Water in the valley", "Reading circle of the north"
LENGTHS = 5, 700, 2_500
"""Characters of what each says, one after the other."""
KIB = 1024
NOISE_MOST, NOISE_TAG = 65_535, 16
AROUND = 22
"""Bytes around a frame that is put by itself: what yamux and the message add."""
SIZES = 1, 4, 16
"""KiB of a frame."""


async def canaries(one: Community) -> dict[str, bytes]:
    """What nobody on the line may see, by what it is."""
    founder = next(iter(one.nodes))
    ticket = (await one.call(founder, "commons.ticket"))["ticket"]
    commons = decode_ticket(ticket)
    found: dict[str, str | bytes] = {name: name for name in one.nodes}
    found |= {f"{name}'s words": f"{name} speaks" for name in one.nodes}
    found |= {
        "title": TITLE, "commons": COMMONS, "commons' key": commons.key, "commons' id": commons.id,
        "topic": topic(commons), "topic's bytes": bytes.fromhex(topic(commons)), "ticket": ticket,
        "invite": one.invite, "invite's secret": decode_invite(one.invite).secret,
        "dialogue": one.talk, "dialogue's bytes": bytes.fromhex(one.talk),
        "our protocols": "/tertulia/", "gossip": "/meshsub/",
    }  # fmt: skip
    for relay in (await row(one, founder))["relays"]:
        found[f"PeerId of {relay['name']}"] = relay["peer"]
    for name in RELAYS:
        address = one.relays[name].verb("status")["communities"][0]["address"]
        found[f"key of {name}"] = from_multiaddr(address)[1]
    for name in one.nodes:
        inner = one.net.hosts[name].address
        found[f"{name}'s address"] = inner
        found[f"{name}'s address in a multiaddr"] = b"\x04" + IPv4Address(inner).packed + b"\x06"
    return {what: one.encode() if isinstance(one, str) else one for what, one in found.items()}


def leaks(seen: Capture, secrets: dict[str, bytes]) -> list[str]:
    """Which of these stand anywhere in what was seen, in a packet or across several."""
    assert not seen.dropped
    assert all(len(secret) >= 6 for secret in secrets.values())
    places = b"\0".join([*(packet.data for packet in seen.packets), *seen.flows().values()])
    return [what for what, secret in secrets.items() if secret in places]


def records(stream: bytes) -> list[int]:
    """What was written to a connection at once, in bytes: one that fills a Noise message goes on in the next."""
    at, sizes, more = 0, [], 0
    while stream[at + 1 : at + 2] == b"/":  # lines of multistream-select
        at += 1 + stream[at]
    while at + 2 <= len(stream):
        size = int.from_bytes(stream[at : at + 2], "big")
        more += size - NOISE_TAG
        at += 2 + size
        if size != NOISE_MOST:
            sizes.append(more)
            more = 0
    return sizes


def put(seen: Capture) -> Counter[int]:
    """How often somebody on the line saw what can be taken for one frame of so many KiB, going to a relay."""
    flows = [stream for flow, stream in seen.flows().items() if flow.target_port == PORT and b"/noise" in stream]
    sizes = Counter(size - AROUND for stream in flows for size in records(stream))
    return Counter({kib: sizes[kib * KIB] for kib in SIZES if kib * KIB in sizes})


def kept(relay: LabRelay) -> Counter[float]:
    """The sizes of all frames that a relay keeps, in KiB; it does not run any more."""
    archive = Place.at(relay.folder).archive()
    try:
        (row,) = archive.commons()
        return Counter(
            len(raw) // KIB if len(raw) % KIB == 0 else len(raw) / KIB
            for raw in archive.between(row.commons, 0, 2**32 - 1)
        )
    finally:
        archive.close()


def spoken_to(own: Capture) -> set[str]:
    """The addresses that a machine has sent anything to, in any protocol, its own included."""
    assert not own.dropped
    return {packet.target or f"{packet.protocol:#x}" for packet in own.packets if packet.outgoing}


def cross(net: Namespaces, seen: Capture) -> set[tuple[str, str]]:
    """Who spoke IP with whom on the internet, by name."""
    names = {net.hosts[name].address: name for name in (*RELAYS, *HOMES)}
    pairs = {(packet.source, packet.target) for packet in seen.packets if packet.protocol != ETH_P_ARP}
    return {(names[source], names.get(target, target)) for source, target in pairs if source in names}


async def talk(one: Community) -> int:
    """Everybody says something short, longer and long, and everybody reads all of it."""
    said = {f"{name} speaks {'x' * length}" for name in one.nodes for length in LENGTHS}
    for text in sorted(said):
        await one.say(text.partition(" ")[0], text)
    for node in one.nodes.values():
        await until_read(node, one.talk, said)
    return len(said)


async def test_six_behind_two_routers_hear_each_other_and_nobody_else_hears_anything(tmp_path: Path, capsys) -> None:
    names = [name for home in HOMES.values() for name in home]
    with lab(Plan(RELAYS, HOMES)) as net, ExitStack() as watching:
        with capture(net.switch) as seen:
            own = {name: watching.enter_context(capture(net.hosts[name].netns)) for name in names}
            async with community(net, tmp_path, names, RELAYS) as one:
                await one.found(TITLE, COMMONS)
                said = await talk(one)
                secrets = await canaries(one)
        watching.close()
        with capture(net.switch) as planted:
            plant(net, names[0], one.invite)
    assert leaks(planted, secrets) == ["invite"], "the search finds a leak, though it lies across packets"
    found = leaks(seen, secrets)
    assert found == []
    assert seen.find(b"/noise"), "what the threat model says that they can see: the line was the right one"
    assert {1, 4} <= set(put(seen)), "frames go by themselves, and their sizes show"
    held = {name: kept(relay) for name, relay in one.relays.items()}
    sizes = sorted(set().union(*held.values()))
    assert {1, 4} <= set(sizes) <= set(SIZES), held
    for home, behind in enumerate(HOMES.values()):
        for name in behind:
            relays = {net.hosts[relay].address for relay in RELAYS}
            assert relays <= spoken_to(own[name]) <= relays | {f"10.77.{home}.1"}, name
    assert all(source in RELAYS or target in RELAYS for source, target in cross(net, seen))
    with capsys.disabled():
        print(json.dumps({"figures": [
            {"id": "W1", "value": len(found), "unit": "hits", "goal": "0", "ok": not found, "canaries": len(secrets),
             "packets": len(seen.packets), "said": said},
            {"id": "W4", "value": sizes, "unit": "KiB", "goal": "1, 4, 16", "ok": set(sizes) <= set(SIZES),
             "kept": held, "seen": put(seen)},
        ]}))  # fmt: skip


def plant(net: Namespaces, name: str, leak: str) -> None:
    """Send something in the clear from a citizen's machine to a relay's, in two packets."""
    listen = (
        "import socket; ear = socket.create_server(('0.0.0.0', 80)); print(flush=True); met, _ = ear.accept()\n"
        "while met.recv(4096): pass"
    )
    say = (
        "import socket, sys, time; to = socket.create_connection((sys.argv[1], 80))\n"
        "to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
        "half = len(sys.argv[2]) // 2; to.sendall(sys.argv[2][:half].encode()); to.sendall(sys.argv[2][half:].encode())"
    )
    relay = net.hosts[RELAYS[0]]
    with subprocess.Popen(relay.command(*python("-c", listen)), stdout=subprocess.PIPE) as ear:
        assert ear.stdout is not None
        assert ear.stdout.readline() == b"\n"
        subprocess.run(net.hosts[name].command(*python("-c", say, relay.address, leak)), check=True)
        assert ear.wait(10) == 0
