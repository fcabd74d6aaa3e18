"""Relays as a client is shown them: which are listed, which feed this node, what is wrong with one, who sees what.

docs/spec/control.md; DESIGN.md §8 and §1, *Honest status*. Invariant: a relay is named by the community's word for it,
never believed to be reached before it accepted the feed or a whole session with it is behind us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tertulia.node.addresses import parse_listen, published
from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.control import relay_says
from tertulia.node.reach import Reach, relayed
from tertulia.protocol.address import peer_text
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.node.carrying import Carried
    from tertulia.node.substrate import PeerId
    from tertulia.protocol.commons_card import Relay
    from tertulia.protocol.encoding import Value


def listed_row(relay: Relay) -> dict[str, Value]:
    """A relay as a card lists it."""
    return {"peer": peer_text(relay.peer), "name": clean_name(relay.name), "addresses": list(relay.multiaddrs)}


def relay_rows(carried: Carried | None) -> list[dict[str, Value]]:
    """The relays this node may use, each with how it stands."""
    if carried is None:
        return []
    plan = relayed(carried.card, carried.tried)
    names = dict(plan.names)
    fed = [peer for peer in plan.relays if (feed := carried.network.feed(peer)) is not None and feed.standing]
    return [_row(carried, peer, names, fed) for peer in plan.relays]


def _row(carried: Carried, peer: PeerId, names: dict[PeerId, str], fed: list[PeerId]) -> dict[str, Value]:
    network = carried.network
    feed = network.feed(peer)
    if feed is None:
        state = "connected" if peer in network.neighbours else "away"
    elif feed.refused is not None:
        state = f"refused: {feed.refused.reason.name.lower()}"
    elif feed.draining:
        state = "draining"
    else:
        state = "fed" if feed.standing else "connected"
    problem = carried.carrier.watch.problem(peer, names, trio.current_time())
    if not problem and peer in network.unanswered and fed:
        problem = f"{names[peer]} cannot be reached; {names[fed[0]]} can."
    minute = carried.carrier.now // MS_PER_MINUTE
    return {
        "peer": peer,
        "name": names[peer],
        "state": state,
        "problem": problem,
        "card": relay_says.words(feed, minute),
        "says": relay_says.says(feed, minute),
    }


def who_sees(carried: Carried | None) -> str:
    """Who can see this machine's address in a community."""
    if carried is None:
        return "Nobody sees this machine's address at the moment."
    network = carried.network
    if carried.reach is Reach.DIRECT:
        if network.listening:
            return "Everyone who connects, and everyone who holds an invite of it, sees this machine's address."
        return "Everyone this machine is connected with sees its address."
    names = relayed(carried.card, carried.tried).names
    near = network.nearby.among(network.neighbours)
    seen = sorted(names.get(peer, f"…{peer[-6:]}") for peer in network.neighbours if peer not in near)
    if near:
        seen.append(f"{_devices(len(near))} on this network")
    if not seen:
        return "No relay answers, so nobody sees this machine's address; what you write waits here."
    verb = "sees" if len(seen) == 1 and len(near) <= 1 else "see"
    told = f"{' and '.join(seen)} {verb} this machine's address, and nobody else does."
    return f"No relay answers; {told}" if len(near) == len(network.neighbours) else told


def lan_words(carried: Carried | None) -> str:
    """Whether this machine looks for members on its local network: off, on, or why it cannot just now."""
    if carried is None or not carried.lan:
        return "off"
    problem = carried.network.nearby.problem
    return "on" if problem is None else problem.error


def way_words(carried: Carried | None) -> str:
    """What became of looking for direct ways through routers, in words; empty where there is nothing to say."""
    if carried is None or carried.reach is not Reach.DIRECT:
        return ""
    network, names = carried.network, relayed(carried.card, carried.tried).names
    relays = sorted(names[peer] for peer in network.neighbours if peer in names)
    direct = [peer for peer in network.neighbours if peer not in names]
    found = sum(peer in network.ways.found for peer in direct)
    none = [peer for peer in network.ways.none if peer not in direct]
    by = f"; what you write goes by {' and '.join(relays)}" if relays else ""
    said = [f"A direct way was found to {_devices(found)} behind a router."] if found else []
    if none:
        said.append(f"There is no direct way to {_devices(len(none))}: the routers between you do not let it{by}.")
    elif relays and not direct:
        said.append(f"No other member is connected directly{by}.")
    return " ".join(said)


def _devices(count: int) -> str:
    return "one device" if count == 1 else f"{count} devices"


def own_addresses(carried: Carried | None) -> list[str]:
    """Where others can dial this machine, each with its PeerId: for a person to pass on. None unless it is direct."""
    if carried is None:
        return []
    commons, found = carried.served.commons, list(carried.network.ways.places)
    for text in carried.network.addresses:
        place, _, peer = text.rpartition("/p2p/")
        if commons.peer and peer == peer_text(commons.peer):
            found += [f"{announced}/p2p/{peer}" for announced in commons.addresses]
        found += [f"{address}/p2p/{peer}" for address in published(parse_listen(place))]
    return list(dict.fromkeys(found))
