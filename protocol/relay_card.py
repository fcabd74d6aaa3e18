"""What a relay says of itself: who runs it, where, how long it keeps, how much it gives, on which terms.

Spec: docs/spec/feed.md, *Card of a relay*. Signed by the key that its PeerId is made of, one card for each commons.
Invariants: a card speaks for the peer it is read from or for nobody; its words are claims of a stranger, cleaned
before they are shown and never acted on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import crypto
from tertulia.protocol.commons import LIMIT_RETENTION_DAYS
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.feed_messages import LIMIT_RELAY_CARD
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list, as_text, wrong

CARD_FORMAT: Final = 1
SIGNATURE: Final = 64
LIMIT_CARD_WORDS: Final = 200
"""Characters of each text on a relay's card."""
LIMIT_CARD_FIGURE: Final = 2**53
"""The highest number on a relay's card."""
LIMIT_CARD_DAYS: Final = 366
"""Days for which a relay's card may be valid."""
_DAY: Final = 24 * 60
_AHEAD: Final = 90


@dataclass(frozen=True, slots=True)
class RelayCard:
    """A relay's card. `peer`: its raw Ed25519 key; `issued`, `expires`: minutes; `size`: bytes a community may take.

    `retention_days` 0: as long as the commons wants. `circuit_bytes`: each way, of one circuit.
    """

    peer: bytes = field(repr=False)
    name: str
    country: str
    contact: str
    terms: str
    retention_days: int
    size: int
    feeds: int
    circuit_bytes: int
    circuit_seconds: int
    issued: int
    expires: int

    def encoded(self) -> bytes:
        """What is signed."""
        return encode([
            CARD_FORMAT, self.peer, self.name, self.country, self.contact, self.terms, self.retention_days, self.size,
            self.feeds, self.circuit_bytes, self.circuit_seconds, self.issued, self.expires,
        ])  # fmt: skip


def sign_card(card: RelayCard, seed: bytes) -> bytes:
    """The signed card, under the 32-byte seed of the relay's host key."""
    body = card.encoded()
    return encode([body, crypto.sign(seed, Label.RELAY_CARD, body)])


def card_hash(signed: bytes) -> bytes:
    """By which a feed names a signed card; empty for a relay without one."""
    return crypto.digest(Label.RELAY_CARD_HASH, signed) if signed else b""


def read_card(signed: bytes, peer: bytes, minute: int) -> RelayCard:
    """Read the card of the relay whose raw key is `peer`, as it stands at `minute`.

    Raises RemoteError: SIZE, ENCODING, SHAPE; ID for a card of another peer, PROOF for one it did not sign, WINDOW for
    one of tomorrow, EXPIRED for one whose time has passed.
    """
    body, signature = as_list(decode(signed, LIMIT_RELAY_CARD), 2)
    card = _read(as_bytes(body, most=LIMIT_RELAY_CARD))
    if card.peer != peer:
        raise RemoteError(RejectReason.ID, "a card of another relay")
    if not crypto.verify(peer, Label.RELAY_CARD, card.encoded(), as_bytes(signature, SIGNATURE)):
        raise RemoteError(RejectReason.PROOF, "a card its relay did not sign")
    if card.issued > minute + _AHEAD:
        raise RemoteError(RejectReason.WINDOW, "a card of tomorrow")
    if card.expires < minute:
        raise RemoteError(RejectReason.EXPIRED, "a relay's card")
    return card


def _read(body: bytes) -> RelayCard:
    form, peer, name, country, contact, terms, *figures = as_list(decode(body, LIMIT_RELAY_CARD), 13)
    as_int(form, CARD_FORMAT, CARD_FORMAT)
    days, size, feeds, circuit_bytes, circuit_seconds, issued, expires = (
        as_int(one, 0, LIMIT_CARD_FIGURE) for one in figures
    )
    if days > LIMIT_RETENTION_DAYS or not issued <= expires <= issued + LIMIT_CARD_DAYS * _DAY:
        raise wrong("a card for no time, or for too long")
    return RelayCard(
        as_id(peer),
        as_text(name, LIMIT_CARD_WORDS),
        as_text(country, LIMIT_CARD_WORDS),
        as_text(contact, LIMIT_CARD_WORDS),
        as_text(terms, LIMIT_CARD_WORDS),
        days,
        size,
        feeds,
        circuit_bytes,
        circuit_seconds,
        issued,
        expires,
    )
