"""Which card of a commons is followed: a chain of cards, each decided by its stewards and those of the one before.

Implements docs/spec/commons.md, sections Root, Succession and Frames. The root of trust is the digest of the stewards
that an invite's card vouches for; from there on only a quorum of the card that is followed can change it. Invariants:
total; whoever knows the same cards follows the same one, in whatever order they came; a refusal changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from tertulia.protocol.commons import Commons
from tertulia.protocol.commons_card import SignedCard, Stewards
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import LIMIT_AHEAD, FrameClass, FrameKeys, frame_keys
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_list

LIMIT_CHAIN: Final = 8
"""Cards of one chain: the newest, and those before it that changed the stewards."""
LIMIT_CHAIN_BYTES: Final = FrameClass.LARGE.capacity - 64
"""Bytes of a chain: it fits one large frame."""

Chain: TypeAlias = tuple[SignedCard, ...]
"""Oldest first; the last one is the card that is followed. Empty where none is known."""


def card_frame_keys(commons_key: bytes) -> FrameKeys:
    """The keys of the frames that carry cards of a commons: whoever has its key can read them."""
    return frame_keys(Label.COMMONS_CARD_FRAME, commons_key)


def chain_item(chain: Chain) -> Item:
    """The chain as an item; its oldest cards are left out where it would not fit a frame."""
    while len(chain) > 1 and (len(chain) > LIMIT_CHAIN or len(_encoded(chain)) > LIMIT_CHAIN_BYTES):
        chain = chain[1:]
    return Item(ItemType.COMMONS_CARD, [card.to_value() for card in chain])


def proposal_item(card: SignedCard) -> Item:
    """A card that waits for more signatures, as an item."""
    return Item(ItemType.COMMONS_PROPOSAL, card.to_value())


def read_chain(item: Item) -> Chain:
    """Read a chain's item. Raises RemoteError: SIZE, ENCODING, SHAPE, VERSION; signatures are not looked at."""
    cards = as_list(item.body, most=LIMIT_CHAIN)
    return tuple(SignedCard.from_value(card) for card in cards)


def to_bytes(chain: Chain) -> bytes:
    """The chain for the archive."""
    return _encoded(chain)


def from_bytes(data: bytes) -> Chain:
    """Read what `to_bytes` gave. Raises RemoteError."""
    return read_chain(Item(ItemType.COMMONS_CARD, decode(data, LIMIT_CHAIN_BYTES)))


def follow(commons: Commons, known: Chain, coming: Chain, minute: int) -> Chain:
    """Return the chain to follow after `coming` was heard of: `known` itself where it brings nothing new.

    Raises RemoteError: ID for a card of another commons, WINDOW for one issued in the future, EXPIRED for a new one
    whose time has passed, OLD for nothing but versions older than the one followed, PROOF for one that no quorum
    of those who may decide has signed.
    """
    for signed in coming:
        if signed.card.commons != commons.id or signed.card.generation != commons.generation:
            raise RemoteError(RejectReason.ID, "card of another commons")
        if signed.card.issued > minute + LIMIT_AHEAD:
            raise RemoteError(RejectReason.WINDOW, "card from the future")
    walked = _walk(commons, known, coming)
    if walked is known:
        if known and coming and coming[-1].id == known[-1].id:
            return known
        old = known and coming and coming[-1].card.version < known[-1].card.version
        raise RemoteError(RejectReason.OLD if old else RejectReason.PROOF, "card of a commons")
    if walked[-1].card.expires <= minute:
        raise RemoteError(RejectReason.EXPIRED, "card of a commons")
    return walked


def is_rightful(known: Chain, proposal: SignedCard) -> bool:
    """Whether a proposal is for the card after the one followed, and at least one of its stewards has signed."""
    if not known or proposal.card.commons != known[-1].card.commons:
        return False
    newest = known[-1].card
    return proposal.card.version > newest.version and proposal.signed_by(newest.stewards) > 0


def genuine(known: Chain, proposal: SignedCard) -> SignedCard:
    """A rightful proposal with the signatures that count: good ones, of the stewards there are and those it names."""
    old, new = known[-1].card.stewards, proposal.card.stewards
    return proposal.without_strangers(Stewards(tuple(sorted({*old.keys, *new.keys})), 1))


def _walk(commons: Commons, known: Chain, coming: Sequence[SignedCard]) -> Chain:
    """Go on from what is known, card by card."""
    chain = known
    for signed in coming:
        if not chain:
            if signed.card.stewards.digest == commons.stewards and signed.is_decided_by(signed.card.stewards):
                chain = (signed,)
            continue
        newest = chain[-1]
        if _succeeds(newest, signed):
            chain = _joined(chain, signed)
    return chain


def is_decided(newest: SignedCard, signed: SignedCard) -> bool:
    """Whether a card has the signatures that put it in the place of the newest one: of both quorums.

    The stewards it names sign too: so nobody becomes a steward without holding the key, and who knows nothing but
    their digest can begin at this card.
    """
    return signed.is_decided_by(newest.card.stewards) and signed.is_decided_by(signed.card.stewards)


def _succeeds(newest: SignedCard, signed: SignedCard) -> bool:
    """Whether a card takes the place of the newest one: a later version does.

    Of two cards with one version and the same stewards the one with the lower id does, so that everybody follows the
    same.
    """
    before, after = newest.card, signed.card
    later = after.version > before.version
    twin = after.version == before.version and after.stewards == before.stewards and signed.id < newest.id
    return (later or twin) and is_decided(newest, signed)


def _joined(chain: Chain, signed: SignedCard) -> Chain:
    """The chain with one more card. The newest stays in it only as a link: the last, or the first, of its stewards."""
    newest = chain[-1].card.stewards
    first = len(chain) > 1 and chain[-2].card.stewards != newest
    kept = chain if first or newest != signed.card.stewards else chain[:-1]
    return (*kept, signed)[-LIMIT_CHAIN:]


def _encoded(chain: Chain) -> bytes:
    return encode([card.to_value() for card in chain])
