"""A community's card in one citizen's hands: what is known of it, and how a steward changes it.

Implements docs/spec/commons.md, section Stewards. Whoever holds a steward's key revises the card; where the quorum is
larger than one, the revision waits as a proposal until others have signed. Invariants: nothing here is followed that
`commons_chain` would not follow; a steward signs only what they asked for, or were shown and agreed to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tertulia.protocol import commons_chain
from tertulia.protocol.address import peer_text
from tertulia.protocol.commons_card import LIMIT_RELAYS, LIMIT_STEWARDS, CommonsCard, Stewards, unsigned
from tertulia.protocol.commons_chain import Chain, card_frame_keys, chain_item, proposal_item, waiting
from tertulia.protocol.crypto import KEY, signing_public
from tertulia.protocol.effects import Table, View
from tertulia.protocol.errors import LocalError, Problem, RemoteError
from tertulia.protocol.ids import CommonsId
from tertulia.protocol.outbox import Entry, lane_of_keys
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.commons_card import SignedCard
    from tertulia.protocol.core import Core
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.inputs import ReviseCard
    from tertulia.protocol.item import Item
    from tertulia.protocol.turn import Turn

CARD_MINUTES: Final = 180 * 24 * 60
"""How long a card is valid after a steward revised it."""
RENEW_MINUTES: Final = 60 * 24 * 60
"""A steward who decides alone renews a card so long before it expires."""
NOTHING: Final = "Nothing was signed and nothing changed."


@dataclass(frozen=True, slots=True)
class Stewarding:
    """What is known of one commons: my steward's seed (or empty), the chain followed, proposals that wait."""

    seed: bytes = field(default=b"", repr=False)
    chain: Chain = ()
    proposals: tuple[SignedCard, ...] = ()

    @property
    def card(self) -> CommonsCard | None:
        """The card that is followed."""
        return self.chain[-1].card if self.chain else None

    @property
    def public(self) -> bytes:
        """My steward's key, or empty."""
        return signing_public(self.seed) if self.seed else b""


NONE: Final = Stewarding()


def of(core: Core, commons: CommonsId) -> Stewarding:
    """What is known of this commons."""
    return core.stewarding.get(commons, NONE)


def load(rows: Iterable[tuple[bytes, bytes]]) -> dict[CommonsId, Stewarding]:
    """The stewards' seeds as the vault holds them."""
    return {CommonsId(key): Stewarding(seed) for key, seed in rows if len(seed) == KEY}


def relay_names(core: Core, commons: CommonsId, peers: frozenset[str]) -> list[str]:
    """The community's words for those of these peers that are its relays; the PeerId's last letters without a word."""
    card = of(core, commons).card
    if not peers or card is None:
        return []
    found = [(peer_text(relay.peer), clean_name(relay.name)) for relay in card.relays]
    return [name or f"…{peer[-6:]}" for peer, name in found if peer in peers]


# What comes in --------------------------------------------------------------------------------------------------------


def keep_seed(core: Core, turn: Turn, commons: CommonsId, seed: bytes) -> dict[str, Value]:
    """Hold a steward's key, unless one is held; gives its public half."""
    known = of(core, commons)
    if not known.seed:
        known = replace(known, seed=seed)
        core.stewarding[commons] = known
        turn.put(Table.STEWARD, commons, seed)
        turn.changed(View.STATUS)
    return {"steward": known.public.hex()}


def followed(core: Core, turn: Turn, commons: CommonsId, chain: Chain) -> None:
    """The node follows this chain."""
    known = of(core, commons)
    if chain and chain != known.chain:
        core.stewarding[commons] = replace(known, chain=chain, proposals=waiting(chain, known.proposals))
        turn.changed(View.STATUS)
    renew(core, turn, commons)


def renew(core: Core, turn: Turn, commons: CommonsId) -> None:
    """Give the card a longer life when its end is near and I decide alone."""
    known = of(core, commons)
    card = known.card
    if card is None or known.public not in card.stewards.keys or card.stewards.quorum > 1:
        return
    if card.expires - RENEW_MINUTES <= turn.minute:
        _signed(core, turn, core.commons[commons], unsigned(_revised(card, turn.minute)))


def proposed(core: Core, turn: Turn, commons: CommonsId, signed: SignedCard) -> None:
    """Somebody in the commons proposes this card, or has signed a proposal."""
    known = of(core, commons)
    if not known.seed or not commons_chain.is_rightful(known.chain, signed):
        return
    known_one = next((one for one in known.proposals if one.id == signed.id), signed)
    whole = known_one.with_signatures(commons_chain.genuine(known.chain, signed).signatures)
    if commons_chain.is_decided(known.chain[-1], whole):
        _publish(core, turn, core.commons[commons], whole)
    else:
        _wait(core, turn, commons, commons_chain.genuine(known.chain, whole))


# What a steward does --------------------------------------------------------------------------------------------------


def revise(core: Core, turn: Turn, command: ReviseCard) -> dict[str, Value]:
    """Change the card, or propose to. Raises LocalError."""
    commons = core.commons[command.commons]
    known = _begun(core, turn, commons)
    card = known.chain[-1].card
    changed = replace(
        _revised(card, turn.minute),
        relays=card.relays if command.relays is None else command.relays,
        seeds=card.seeds if command.seeds is None else command.seeds,
        stewards=card.stewards if command.stewards is None else command.stewards,
        name=commons.name or card.name,
    )
    if len(changed.relays) > LIMIT_RELAYS or len(changed.stewards.keys) > LIMIT_STEWARDS:
        raise _refuse("A community's card has room for 16 relays and 16 stewards.", "Remove one first.")
    try:
        proposal = unsigned(changed)
    except ValueError:
        raise _refuse("This is more than a community's card can hold.", "Remove a relay or an address first.") from None
    _require_undivided(known, proposal)
    first = not of(core, commons.id).chain
    core.stewarding[commons.id] = known
    answer = _signed(core, turn, commons, proposal)
    if first and answer["state"] == "waiting":  # what others are to change they must know first
        _send(core, turn, commons, chain_item(known.chain))
    return answer


def sign(core: Core, turn: Turn, commons: CommonsId, number: bytes) -> dict[str, Value]:
    """Agree to a proposal that waits. Raises LocalError."""
    known = of(core, commons)
    _require_steward(known)
    proposal = next((one for one in known.proposals if one.id == number), None)
    if proposal is None:
        raise _refuse("There is no such proposal, or it was decided already.", "See what waits: tertulia commons card")
    _require_undivided(known, proposal)
    return _signed(core, turn, core.commons[commons], proposal)


def _begun(core: Core, turn: Turn, commons: Commons) -> Stewarding:
    """What to go on from: the card followed, or the first one, which its founder makes now."""
    known = of(core, commons.id)
    if known.chain:
        _require_steward(known)
        return known
    founders = Stewards((known.public,), 1)
    if not known.seed or founders.digest != commons.stewards:
        raise _refuse(
            "Only a steward of this community can change its card, and its card is not known here yet.",
            "Ask whoever founded the community, or wait until this machine has caught up.",
        )
    first = CommonsCard(
        commons=commons.id,
        version=1,
        generation=commons.generation,
        name=commons.name,
        retention_days=commons.retention_days,
        stewards=founders,
        issued=turn.minute,
        expires=turn.minute + CARD_MINUTES,
    )
    return replace(known, chain=(unsigned(first).with_signature(known.seed),))


def _revised(card: CommonsCard, minute: int) -> CommonsCard:
    return replace(card, version=card.version + 1, issued=minute, expires=minute + CARD_MINUTES)


def _signed(core: Core, turn: Turn, commons: Commons, proposal: SignedCard) -> dict[str, Value]:
    """Sign as myself; publish the card if that decides it, else the proposal."""
    known = of(core, commons.id)
    signed = proposal.with_signature(known.seed)
    newest = known.chain[-1]
    decided = commons_chain.is_decided(newest, signed)
    if decided:
        _publish(core, turn, commons, signed)
    else:
        _wait(core, turn, commons.id, signed)
        _send(core, turn, commons, proposal_item(signed))
    old, new = newest.card.stewards, signed.card.stewards
    lacking = max(old.quorum - signed.signed_by(old), new.quorum - signed.signed_by(new), 0)
    return {
        "state": "published" if decided else "waiting",
        "card": signed.id.hex(),
        "version": signed.card.version,
        "lacking": lacking,
    }


def _publish(core: Core, turn: Turn, commons: Commons, signed: SignedCard) -> None:
    """Follow a card that is decided, and tell everyone. What cannot be followed (its time has passed) is let go."""
    known = of(core, commons.id)
    try:
        chain = commons_chain.follow(commons, known.chain, (signed,), turn.minute)
    except RemoteError as refused:
        core.rejects[refused.reason] += 1
        return
    core.stewarding[commons.id] = replace(known, chain=chain, proposals=waiting(chain, known.proposals))
    _send(core, turn, commons, chain_item(chain))
    turn.changed(View.STATUS)


def _wait(core: Core, turn: Turn, commons: CommonsId, signed: SignedCard) -> None:
    known = of(core, commons)
    others = tuple(one for one in known.proposals if one.id != signed.id)
    core.stewarding[commons] = replace(known, proposals=waiting(known.chain, (*others, signed)))
    turn.changed(View.STATUS)


def _send(core: Core, turn: Turn, commons: Commons, item: Item) -> None:
    core.outbox.queue(turn, Entry(commons.id, lane_of_keys(card_frame_keys(commons.key)), (item,)))


def _require_steward(known: Stewarding) -> None:
    named = [] if known.card is None else [known.card.stewards, *(one.card.stewards for one in known.proposals)]
    if not known.seed or not any(known.public in each.keys for each in named):
        raise _refuse("Only a steward of this community can change its card.", "Ask one of its stewards to do this.")


def _require_undivided(known: Stewarding, proposal: SignedCard) -> None:
    """Who has agreed to hand over to some agrees to no others meanwhile: both decided would split the community."""
    present = known.chain[-1].card.stewards
    for one in known.proposals:
        agreed = one.id != proposal.id and one.signed_by(Stewards((known.public,), 1)) > 0
        heirs = {one.card.stewards, proposal.card.stewards}
        if agreed and len(heirs) == 2 and present not in heirs:
            raise _refuse(
                f"You have agreed to other stewards already (proposal {one.id.hex()[:12]}), and both would split the "
                "community.",
                "Have the others sign that one, or make it void with a change that is decided: tertulia commons renew",
            )


def _refuse(error: str, what_next: str) -> LocalError:
    return LocalError(Problem(error, NOTHING, what_next))
