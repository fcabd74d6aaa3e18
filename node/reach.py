"""Reach: who may see this machine's address in one commons, and so whom it dials and whether it listens.

DESIGN.md §8. `relayed` where the commons lists a relay: nothing is listened on or announced, and relays of its card
alone are dialled (`shield` will have its place here). `direct` otherwise. Invariants: what a peer advertises is dialled
in no reach; once relayed, a commons stays so until the person says otherwise, whatever becomes of its relays.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, cast

from tertulia.protocol.address import peer_text
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tertulia.node.substrate import PeerId
    from tertulia.protocol.commons_card import CommonsCard, Relay

WANTED: Final = 2
"""Relays that a relayed node is connected with at once, where there are as many."""
CIRCUIT: Final = "/p2p-circuit/p2p/"
"""Between a relay's address and the PeerId of who is reached through it (libp2p specs/relay)."""


class Reach(StrEnum):
    """How one is reached, from the most hidden to the barest."""

    RELAYED = "relayed"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Relayed:
    """Whom a relayed node dials: relays by PeerId with their addresses, and seeds for when none of them answers."""

    relays: Mapping[PeerId, tuple[str, ...]] = field(default_factory=dict, repr=False)
    seeds: Mapping[PeerId, tuple[str, ...]] = field(default_factory=dict, repr=False)
    names: Mapping[PeerId, str] = field(default_factory=dict)

    def order(self) -> list[PeerId]:
        """The relays in an order of chance, so that a community spreads over its relays; then the seeds."""
        chance = secrets.SystemRandom()
        relays, seeds = list(self.relays), [seed for seed in self.seeds if seed not in self.relays]
        return [*chance.sample(relays, len(relays)), *chance.sample(seeds, len(seeds))]

    def addresses(self, peer: PeerId) -> tuple[str, ...]:
        """Where a relay or a seed listens, each address with its PeerId."""
        return self.relays.get(peer) or self.seeds.get(peer, ())


def decide(chosen: Reach | None, card: CommonsCard | None) -> Reach:
    """The reach of a commons: what was chosen, by the person or by a card that once listed relays; else by its card."""
    if chosen is not None:
        return chosen
    return Reach.RELAYED if card is not None and card.relays else Reach.DIRECT


def relayed(card: CommonsCard | None, tried: Sequence[Relay] = ()) -> Relayed:
    """Whom to dial: what the card lists, and what the person pasted."""
    relays = (*tried, *(() if card is None else card.relays))
    seeds = () if card is None else card.seeds
    return Relayed(
        {_peer(one): _dialled(one) for one in relays if one.addresses},
        {_peer(one): _dialled(one) for one in seeds if one.addresses},
        {_peer(one): clean_name(one.name) or f"…{_peer(one)[-6:]}" for one in (*seeds, *relays)},
    )


def _peer(one: Relay) -> PeerId:
    return cast("PeerId", peer_text(one.peer))  # the substrate is slow to load, and status needs the words only


def _dialled(one: Relay) -> tuple[str, ...]:
    return tuple(f"{address}/p2p/{_peer(one)}" for address in one.multiaddrs)
