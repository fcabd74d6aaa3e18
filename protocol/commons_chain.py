"""Which card of a commons is followed: a chain of cards, each decided by its stewards and those of the one before.

Implements docs/spec/commons.md, sections Root, Succession and Frames. The root of trust is the digest of the stewards
that an invite's card vouches for; from there on only a quorum of the card that is followed can change it. Invariants:
total; whoever knows the same cards follows the same one, in whatever order they came; a refusal changes nothing.
"""

from __future__ import annotations

from collections import Counter
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
LIMIT_PROPOSALS: Final = 8
"""Proposals that wait for signatures; the oldest of the steward who made most goes first."""
LIMIT_CHAIN_BYTES: Final = FrameClass.LARGE.capacity - 64
"""Bytes of a chain: it fits one large frame."""

Chain: TypeAlias = tuple[SignedCard, ...]
"""Oldest first; the last one is the card that is followed. Empty where none is known."""


def card_frame_keys(commons_key: bytes) -> FrameKeys:
    """The keys of the frames that carry cards of a commons: whoever has its key can read them."""
    return frame_keys(Label.COMMONS_CARD_FRAME, commons_key)


def chain_item(chain: Chain) -> Item:
    """The chain as an item; its oldest cards are left out where it would not fit a frame."""
    return Item(ItemType.COMMONS_CARD, [card.to_value() for card in _fitting(chain)])


def proposal_item(card: SignedCard) -> Item:
    """A card that waits for more signatures, as an item."""
    return Item(ItemType.COMMONS_PROPOSAL, card.to_value())


def read_chain(item: Item) -> Chain:
    """Read a chain's item. Raises RemoteError: SIZE, ENCODING, SHAPE, VERSION; signatures are not looked at."""
    cards = as_list(item.body, most=LIMIT_CHAIN)
    return tuple(SignedCard.from_value(card) for card in cards)


def to_bytes(chain: Chain) -> bytes:
    """The chain for the archive, no longer than it travels."""
    return _encoded(_fitting(chain))


def from_bytes(data: bytes) -> Chain:
    """Read what `to_bytes` gave. Raises RemoteError."""
    return read_chain(Item(ItemType.COMMONS_CARD, decode(data, LIMIT_CHAIN_BYTES)))


def follow(commons: Commons, known: Chain, coming: Chain, minute: int) -> Chain:
    """Return the chain to follow after `coming` was heard of: `known` itself where it brings nothing new.

    Raises RemoteError: ID for a card of another commons, WINDOW for one issued in the future, EXPIRED for a new one
    whose time has passed, FORK for one by stewards who have handed over to others than it says, OLD for nothing but
    versions older than the one followed, PROOF for one that no quorum of those who may decide has signed.
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
        raise RemoteError(_refusal(known, coming), "card of a commons")
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


def waiting(known: Chain, proposals: Sequence[SignedCard]) -> Chain:
    """Those genuine proposals that go on waiting, in their order.

    Where they are too many the oldest goes of whoever has signed most of them: so a thief with one steward's key cannot
    crowd out the proposal by which the others take it from them.
    """
    kept = [one for one in proposals if is_rightful(known, one)]
    while len(kept) > LIMIT_PROPOSALS:
        stewards = known[-1].card.stewards.keys
        signers = [[key for key, _ in one.signatures if key in stewards] for one in kept]
        signed = Counter(key for keys in signers for key in keys)
        crowds = [min(signed[key] for key in keys) for keys in signers]
        del kept[crowds.index(max(crowds))]
    return tuple(kept)


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

    Of two with one version that each could follow the other, the one with the lower id does; else the one that follows
    (it hands over, and the other does not know of that). So everybody follows the same, whichever they met first.
    """
    if signed.card.version < newest.card.version or signed.id == newest.id or not is_decided(newest, signed):
        return False
    if signed.card.version > newest.card.version:
        return True
    return signed.id < newest.id or not is_decided(signed, newest)


def _refusal(known: Chain, coming: Sequence[SignedCard]) -> RejectReason:
    """Why what came is not followed."""
    if not known or not coming:
        return RejectReason.PROOF
    if any(_forks(known, signed) for signed in coming):
        return RejectReason.FORK
    newest, last = known[-1].card, coming[-1]
    lost = last.card.version == newest.version and any(is_decided(one, last) for one in known)
    return RejectReason.OLD if last.card.version < newest.version or lost else RejectReason.PROOF


def _forks(known: Chain, signed: SignedCard) -> bool:
    """Whether stewards who had handed over decided this card, or handed over to others than the chain says.

    What they decided among themselves before that is merely old.
    """
    earlier = [one for one in known if one.card.version < signed.card.version]
    if not earlier or signed.id in {one.id for one in known}:
        return False
    *gone, reigning = earlier
    if is_decided(reigning, signed):
        after = known[len(earlier)]  # there is one: else this card would be followed
        return reigning.card.stewards not in {signed.card.stewards, after.card.stewards}
    return any(is_decided(one, signed) for one in gone)


def _joined(chain: Chain, signed: SignedCard) -> Chain:
    """The chain with one more card: where it begins, the first card of each set of stewards since, and this one."""
    newest = chain[-1].card.stewards
    link = chain[-2].card.stewards != newest if len(chain) > 1 else newest != signed.card.stewards
    return (*(chain if link else chain[:-1]), signed)[-LIMIT_CHAIN:]


def _fitting(chain: Chain) -> Chain:
    while len(chain) > 1 and (len(chain) > LIMIT_CHAIN or len(_encoded(chain)) > LIMIT_CHAIN_BYTES):
        chain = chain[1:]
    return chain


def _encoded(chain: Chain) -> bytes:
    return encode([card.to_value() for card in chain])
