"""What a client may have a node do about a community's card, its relays, its stewards and its own reach.

docs/spec/control.md, docs/spec/commons.md. Invariants: parameters are checked before anything is done; a change is
followed here as soon as it is decided, before it has reached anyone; a barer reach is taken only when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.control.relay_rows import listed_row
from tertulia.node.reach import CIRCUIT, Reach
from tertulia.protocol import stewarding
from tertulia.protocol.address import from_multiaddr, peer_from_text, peer_text, to_multiaddr
from tertulia.protocol.commons_card import Relay, Stewards
from tertulia.protocol.crypto import KEY
from tertulia.protocol.errors import LocalError, Problem, RejectReason
from tertulia.protocol.inputs import KeepSteward, ReviseCard, SignProposal
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.commons_card import CommonsCard, SignedCard
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import CommonsId
    from tertulia.protocol.stewarding import Stewarding

Params = Mapping[str, "Value"]
Answer = dict[str, "Value"]

PREFIX: Final = 4
"""Characters of an id that are enough to name it."""
UNCHANGED: Final = "Nothing was changed and nothing was published."
NO_PEER: Final = Problem(
    "This address does not say whose it is.",
    UNCHANGED,
    "Give the whole address, as the relay's operator has it: it ends in /p2p/ and letters.",
)
NO_RELAY: Final = Problem(
    "This community's card lists no such relay, or several.", UNCHANGED, "See them: tertulia commons relays list"
)
NO_STEWARD: Final = Problem(
    "This is not a steward's key: it has 64 hex digits.",
    UNCHANGED,
    "Ask the person for theirs: tertulia commons stewards key",
)
KNOWN_STEWARD: Final = Problem(
    "Whoever has that key is a steward already.",
    UNCHANGED,
    "To have one steward fewer, type: tertulia commons stewards remove KEY",
)
UNKNOWN_STEWARD: Final = Problem(
    "No steward of this community has that key.", UNCHANGED, "See them: tertulia commons card"
)
QUORUM: Final = Problem(
    "As many stewards as are to decide together must be there, and at least one.",
    UNCHANGED,
    "Choose a number from 1 to the number of stewards.",
)
UNKNOWN_REACH: Final = Problem(
    "A community is reached relayed or direct.", UNCHANGED, "Say: tertulia commons reach relayed, or direct"
)
NOT_DIRECT: Final = Problem(
    "This is a member's own address, to connect with directly, and this community is reached through relays alone.",
    "Nothing was dialled, and nobody else has seen this machine's address.",
    "If that member may see it, choose it first: tertulia commons reach direct",
)
UNKNOWN_PROPOSAL: Final = Problem(
    "There is no such proposal, or it was decided already.", UNCHANGED, "See what waits: tertulia commons card"
)


class CommunityMethods:
    """The methods about one community's card and reach."""

    def __init__(self, service: Service, which: Callable[[Params], CommonsId]) -> None:
        self._service, self._which = service, which
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "commons.card": self._card,
            "commons.relays.add": self._relays_add,
            "commons.relays.remove": self._relays_remove,
            "commons.relays.try": self._relays_try,
            "commons.stewards.key": self._stewards_key,
            "commons.stewards.add": self._stewards_add,
            "commons.stewards.remove": self._stewards_remove,
            "commons.stewards.succeed": self._stewards_succeed,
            "commons.sign": self._sign,
            "commons.renew": self._renew,
            "commons.reach": self._reach,
            "commons.lan": self._lan,
        }

    async def _card(self, params: Params) -> Answer:
        commons = self._which(params)
        known = stewarding.of(self._service.core, commons)
        card = known.card
        carried = self._service.carrying.get(commons)
        expired = card is not None and card.expires <= self._service.clock() // MS_PER_MINUTE
        return {
            "commons": commons.hex(),
            "name": clean_name(self._service.core.commons[commons].name),
            "state": "none" if card is None else "expired" if expired else "followed",
            "version": 0 if card is None else card.version,
            "issued": 0 if card is None else card.issued * MS_PER_MINUTE,
            "expires": 0 if card is None else card.expires * MS_PER_MINUTE,
            "quorum": 0 if card is None else card.stewards.quorum,
            "stewards": [] if card is None else [key.hex() for key in card.stewards.keys],
            "steward": known.public.hex(),
            "relays": [] if card is None else [listed_row(relay) for relay in card.relays],
            "seeds": [] if card is None else [listed_row(seed) for seed in card.seeds],
            "contested": bool(carried is not None and carried.keeper.refused[RejectReason.FORK]),
            "proposals": [_proposal(known, one) for one in known.proposals],
        }

    # Relays ---------------------------------------------------------------------------------------------------------

    async def _relays_add(self, params: Params) -> Answer:
        commons = self._which(params)
        relay = _relay(params)
        card = stewarding.of(self._service.core, commons).card
        if params.get("seed"):
            seeds = () if card is None else card.seeds
            return await self._revise(ReviseCard(commons, seeds=_with(seeds, relay)))
        relays = () if card is None else card.relays
        return await self._revise(ReviseCard(commons, relays=_with(relays, relay)))

    async def _relays_remove(self, params: Params) -> Answer:
        commons = self._which(params)
        card = self._followed(commons)
        wanted = str(params["relay"]).strip()
        found = {relay.peer for relay in (*card.relays, *card.seeds) if _is_named(relay, wanted)}
        if len(found) != 1:
            raise LocalError(NO_RELAY)
        relays = tuple(relay for relay in card.relays if relay.peer not in found)
        seeds = tuple(seed for seed in card.seeds if seed.peer not in found)
        return await self._revise(ReviseCard(commons, relays=relays, seeds=seeds))

    async def _relays_try(self, params: Params) -> Answer:
        commons = self._which(params)
        if CIRCUIT in str(params["address"]):
            return self._try_through(commons, str(params["address"]).strip())
        relay = _relay(params)
        self._service.carrying.try_relay(commons, relay)
        self._service.status_changed()
        return {"relay": peer_text(relay.peer), "state": "tried"}

    def _try_through(self, commons: CommonsId, text: str) -> Answer:
        """A member's address through a relay. Raises LocalError."""
        place, _, peer = text.partition(CIRCUIT)
        address, relay = from_multiaddr(place)
        if not relay or peer_from_text(peer) is None:
            raise LocalError(NO_PEER)
        carried = self._service.carrying.get(commons)
        if carried is None or carried.reach is not Reach.DIRECT:
            raise LocalError(NOT_DIRECT)
        self._service.carrying.try_through(commons, f"{to_multiaddr(address, relay)}{CIRCUIT}{peer}")
        self._service.status_changed()
        return {"relay": peer, "state": "tried"}

    # Stewards -------------------------------------------------------------------------------------------------------

    async def _stewards_key(self, params: Params) -> Answer:
        return await self._service.ask(KeepSteward(self._which(params), os.urandom(KEY)))

    async def _stewards_add(self, params: Params) -> Answer:
        commons = self._which(params)
        before = self._stewards(commons)
        keys = tuple(sorted({*before.keys, _steward(params)}))
        return await self._revise(ReviseCard(commons, stewards=_quorum(params, keys, before.quorum)))

    async def _stewards_remove(self, params: Params) -> Answer:
        commons = self._which(params)
        before = self._stewards(commons)
        keys = _without(before, _steward(params))
        return await self._revise(ReviseCard(commons, stewards=_quorum(params, keys, min(before.quorum, len(keys)))))

    async def _stewards_succeed(self, params: Params) -> Answer:
        commons = self._which(params)
        before = self._stewards(commons)
        heir = _steward(params, "successor")
        if heir in before.keys:
            raise LocalError(KNOWN_STEWARD)
        keys = tuple(sorted((*_without(before, _steward(params)), heir)))
        return await self._revise(ReviseCard(commons, stewards=_quorum(params, keys, before.quorum)))

    async def _sign(self, params: Params) -> Answer:
        commons = self._which(params)
        wanted = str(params["card"]).strip().lower()
        waiting = stewarding.of(self._service.core, commons).proposals
        found = [one.id for one in waiting if len(wanted) >= PREFIX and one.id.hex().startswith(wanted)]
        if len(found) != 1:
            raise LocalError(UNKNOWN_PROPOSAL)
        answer = await self._service.ask(SignProposal(commons, found[0]))
        await self._follow(commons)
        return answer

    async def _renew(self, params: Params) -> Answer:
        return await self._revise(ReviseCard(self._which(params)))

    def _followed(self, commons: CommonsId) -> CommonsCard:
        card = stewarding.of(self._service.core, commons).card
        if card is None:
            raise LocalError(NO_RELAY)
        return card

    def _stewards(self, commons: CommonsId) -> Stewards:
        known = stewarding.of(self._service.core, commons)
        return Stewards((known.public,), 1) if known.card is None else known.card.stewards

    async def _revise(self, command: ReviseCard) -> Answer:
        answer = await self._service.ask(command)
        await self._follow(command.commons)
        return answer

    async def _follow(self, commons: CommonsId) -> None:
        """Go by what was decided here at once: the relay that carries the card to others may be the one just added."""
        await self._service.carrying.follow(commons, stewarding.of(self._service.core, commons).chain)

    # Reach ----------------------------------------------------------------------------------------------------------

    async def _reach(self, params: Params) -> Answer:
        commons = self._which(params)
        wanted = str(params["reach"])
        if wanted not in list(Reach):
            raise LocalError(UNKNOWN_REACH)
        await self._service.carrying.choose(commons, Reach(wanted))
        self._service.status_changed()
        return {"commons": commons.hex(), "reach": wanted}

    async def _lan(self, params: Params) -> Answer:
        commons, on = self._which(params), bool(params["on"])
        await self._service.carrying.look_around(commons, on=on)
        self._service.status_changed()
        return {"commons": commons.hex(), "on": on}


def _relay(params: Params) -> Relay:
    """The relay that a pasted address names. Raises LocalError."""
    address, peer = from_multiaddr(str(params["address"]))
    if not peer:
        raise LocalError(NO_PEER)
    return Relay(peer, clean_name(str(params.get("words", ""))), (address,))


def _with(relays: tuple[Relay, ...], one: Relay) -> tuple[Relay, ...]:
    """The relays with one more, or with one more address of a relay that is listed."""
    known = next((relay for relay in relays if relay.peer == one.peer), None)
    if known is not None:
        places = tuple(dict.fromkeys((*one.addresses, *known.addresses)))[:4]
        one = Relay(one.peer, one.name or known.name, places)
    return tuple(sorted((*(relay for relay in relays if relay.peer != one.peer), one), key=lambda relay: relay.peer))


def _is_named(relay: Relay, wanted: str) -> bool:
    name = clean_name(relay.name)
    return bool(wanted) and (wanted.casefold() == name.casefold() or wanted.rpartition("/")[2] == peer_text(relay.peer))


def _steward(params: Params, which: str = "steward") -> bytes:
    try:
        key = bytes.fromhex(str(params[which]).strip())
    except ValueError:
        raise LocalError(NO_STEWARD) from None
    if len(key) != KEY:
        raise LocalError(NO_STEWARD)
    return key


def _without(before: Stewards, gone: bytes) -> tuple[bytes, ...]:
    """The stewards' keys but this one. Raises LocalError."""
    if gone not in before.keys:
        raise LocalError(UNKNOWN_STEWARD)
    return tuple(key for key in before.keys if key != gone)


def _quorum(params: Params, keys: tuple[bytes, ...], before: int) -> Stewards:
    quorum = params.get("quorum", before)
    if not isinstance(quorum, int) or not 1 <= quorum <= len(keys):
        raise LocalError(QUORUM)
    return Stewards(keys, quorum)


def _proposal(known: Stewarding, one: SignedCard) -> Answer:
    assert known.card is not None  # a proposal is for the card after one that is followed
    old, new = known.card.stewards, one.card.stewards
    return {
        "card": one.id.hex(),
        "version": one.card.version,
        "lacking": max(old.quorum - one.signed_by(old), new.quorum - one.signed_by(new), 0),
        "quorum": new.quorum,
        "stewards": [key.hex() for key in new.keys],
        "relays": [listed_row(relay) for relay in one.card.relays],
    }
