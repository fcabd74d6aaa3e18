"""W3: who said it? A relay, or whoever watches its line, and every member guess by whoever brought it first.

The relay's guess has no goal: it is measured, and told in docs/guide/mesh.md. Members make theirs as spies in plain
gossip do: the device from which a frame came first is its author's. How well they guess by when it comes, or from which
relay, is not measured here: the lab's distances are all alike.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from faults import until_read
from lab import PORT, Community, community, lab

from tertulia.bootstrap.mesh.capture import Capture, Packet, capture
from tertulia.bootstrap.mesh.namespaces import Namespaces, Plan

HOMES = {"left": ("ana", "ben"), "right": ("eva", "zoe")}
NAMES = ("ana", "ben", "eva", "zoe")
RELAYS = ("lisboa", "tbilisi")
ROUNDS = 3
FRAME = 1_024
MOST_RIGHT = 0.05
Way = tuple[str, int]


def first_hop(packets: list[Packet], relay: str) -> Way | None:
    """From which connection the first packet came that can hold a frame."""
    for packet in packets:
        piece = packet.segment
        if (
            piece is not None
            and (piece.flow.target, piece.flow.target_port) == (relay, PORT)
            and len(piece.data) > FRAME
        ):
            return piece.flow.source, piece.flow.source_port
    return None


def ways(net: Namespaces, own: dict[str, Capture], relay: str) -> dict[Way, str]:
    """Whose connection to this relay is whose, as the relay sees it; the routers keep port numbers where they can."""
    outer = {name: net.hosts[home].address for home, behind in HOMES.items() for name in behind}
    pieces = ((name, packet.segment) for name, seen in own.items() for packet in seen.packets if packet.outgoing)
    return {
        (outer[name], piece.flow.source_port): name
        for name, piece in pieces
        if piece is not None and piece.flow.target == relay
    }


def first_from(packets: list[Packet]) -> str:
    """Who sent the first packet that came in and can hold a frame; "" for nobody."""
    held = (packet for packet in packets if not packet.outgoing and len(packet.data) > FRAME)
    return next((packet.source for packet in held), "")


async def speak(one: Community, watched: dict[str, Capture]) -> list[tuple[str, dict[str, list[Packet]]]]:
    """One after the other says something and all read it; who it was, and what each of `watched` saw meanwhile."""
    said = []
    for turn in range(ROUNDS):
        for name in one.nodes:
            before = {host: len(seen.packets) for host, seen in watched.items()}
            text = f"{name} {turn}"
            await one.say(name, text)
            for node in one.nodes.values():
                await until_read(node, one.talk, {text})
            said.append((name, {host: seen.packets[before[host] :] for host, seen in watched.items()}))
    return said


async def test_a_relay_guesses_by_first_hop_and_members_by_who_brought_it_first(tmp_path: Path, capsys) -> None:
    with lab(Plan(RELAYS, HOMES)) as net:
        with ExitStack() as watching:
            relays = {name: watching.enter_context(capture(net.hosts[name].netns)) for name in RELAYS}
            own = {name: watching.enter_context(capture(net.hosts[name].netns)) for name in NAMES}
            async with community(net, tmp_path, NAMES, RELAYS) as one:
                await one.found("Talk", "Casa")
                said = await speak(one, relays | own)
        right, made = 0, 0
        for relay in RELAYS:
            place = net.hosts[relay].address
            whose = ways(net, own, place)
            guesses = [(name, first_hop(received[relay], place)) for name, received in said]
            made += sum(way is not None for _, way in guesses)
            right += sum(way is not None and whose.get(way) == name for name, way in guesses)
        places = {net.hosts[relay].address for relay in RELAYS}
        homes = {name: {net.hosts[name].address, net.hosts[home].address} for home in HOMES for name in HOMES[home]}
        bringers = [(name, first_from(seen[spy])) for name, seen in said for spy in NAMES if spy != name]
    assert made >= len(said), "what was said went through them"
    brought = [(name, source) for name, source in bringers if source]
    assert len(brought) == len(bringers), "everyone was sent it"
    found = sum(source in homes[name] for name, source in brought)
    assert found / len(brought) <= MOST_RIGHT
    astray = [
        (name, packet.source)
        for name, seen in own.items()
        for packet in seen.packets
        if not packet.outgoing and len(packet.data) > FRAME and packet.source not in places
    ]
    assert not astray
    with capsys.disabled():
        print(json.dumps({"figures": [
            {"id": "W3 a relay", "value": round(right / made, 2), "unit": "right", "goal": None, "ok": True,
             "right": right, "guesses": made, "citizens": len(NAMES)},
            {"id": "W3 members", "value": round(found / len(brought), 2), "unit": "right", "goal": f"<= {MOST_RIGHT}",
             "ok": found / len(brought) <= MOST_RIGHT, "right": found, "guesses": len(brought)},
            {"id": "W3 not by relay", "value": len(astray), "unit": "packets", "goal": "0", "ok": not astray},
        ]}))  # fmt: skip
