"""Every relay gone: two in one house go on over their own network when they choose to; all heals when one returns."""

from __future__ import annotations

import signal
from pathlib import Path

from faults import until_read
from lab import community, fed_by, lab, until_row

from tertulia.bootstrap.mesh.namespaces import Plan
from tertulia.protocol.address import peer_text
from tertulia.protocol.ticket import decode_ticket

HOMES = {"left": ("ana", "ben"), "right": ("eva",)}
RELAYS = ("lisboa", "tbilisi")


async def test_a_house_goes_on_without_any_relay_and_heals_with_one(tmp_path: Path) -> None:
    with lab(Plan(RELAYS, HOMES)) as net:
        home = f"/ip4/{net.hosts['ana'].address}/tcp/4100"
        async with community(net, tmp_path, ("ana", "ben", "eva"), RELAYS) as one:
            await one.found("Talk", "Casa", listen=home)
            await one.say("eva", "with relays")
            for node in one.nodes.values():
                await until_read(node, one.talk, {"with relays"})
            for relay in one.relays.values():
                relay.end(signal.SIGKILL)
            for name in one.nodes:
                await until_row(one, name, lambda now: now["peers"] == 0)
            # Nobody falls back to a barer reach unasked.
            for name in one.nodes:
                await until_row(one, name, lambda now: now["reach"] == "relayed" and not now["listening"])
            for name in ("ana", "ben"):
                await one.call(name, "commons.reach", reach="direct")
            await until_row(one, "ana", lambda now: now["listening"])
            # She gives him her address; who she is there stands in the ticket of the community she founded.
            founder = decode_ticket((await one.call("ana", "commons.ticket"))["ticket"]).peer
            address = f"{home}/p2p/{peer_text(founder)}"
            await one.call("ben", "commons.relays.try", address=address)
            await until_row(one, "ben", lambda now: now["peers"] == 1)
            await one.say("ana", "at home")
            await one.say("ben", "in the kitchen")
            await one.say("eva", "is anybody there")
            for name in ("ana", "ben"):
                await until_read(one.nodes[name], one.talk, {"at home", "in the kitchen"})
            one.relays["tbilisi"].start()
            await one.relays["tbilisi"].answers()
            await until_row(one, "eva", lambda now: fed_by(now) == {"tbilisi"})
            everything = {"with relays", "at home", "in the kitchen", "is anybody there"}
            for node in one.nodes.values():
                await until_read(node, one.talk, everything)
