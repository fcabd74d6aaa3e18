"""What a relay's operator says of themselves, as a client is shown it: claims, cleaned, one line each.

Spec: docs/spec/feed.md, *Card of a relay*. Invariants: only what the relay of that very connection signed is shown, and
only in its time; nothing is acted on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.node.clock import MS_PER_MINUTE
from tertulia.protocol.errors import RejectReason
from tertulia.protocol.relay_card import LIMIT_CARD_WORDS
from tertulia.protocol.text import clean

if TYPE_CHECKING:
    from tertulia.node.feed import Feed
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.relay_card import RelayCard

GB: Final = 10**9
OUT_OF_DATE: Final = "Its card is out of date, so what it says of its operator is not shown."
NOT_ITS_OWN: Final = "The card it shows is not a valid one of its own, so what it says of its operator is not shown."


def says(feed: Feed | None, minute: int) -> dict[str, Value]:
    """The card of the relay that feeds us, a field each; empty where there is none that counts at `minute`."""
    card = None if feed is None else feed.card
    if card is None or card.expires < minute:
        return {}
    return {
        "operator": _line(card.name),
        "country": _line(card.country),
        "contact": _line(card.contact),
        "terms": _line(card.terms),
        "retention_days": card.retention_days,
        "bytes": card.size,
        "feeds": card.feeds,
        "circuit_bytes": card.circuit_bytes,
        "circuit_seconds": card.circuit_seconds,
        "issued": card.issued * MS_PER_MINUTE,
        "expires": card.expires * MS_PER_MINUTE,
    }


def words(feed: Feed | None, minute: int) -> str:
    """The same in words; or why a card that came is not shown; empty where there is nothing to say."""
    card, refused = (None, None) if feed is None else (feed.card, feed.card_refused)
    if refused is not None:
        return OUT_OF_DATE if refused is RejectReason.EXPIRED else NOT_ITS_OWN
    if card is None:
        return ""
    if card.expires < minute:
        return OUT_OF_DATE
    return f"Its operator says: {'; '.join(_claims(card))}."


def _claims(card: RelayCard) -> list[str]:
    kept = f"for {card.retention_days} days at most" if card.retention_days else "for as long as the community wants"
    room = f"{kept}, up to {card.size / GB:.3g} GB" if card.size else "for a few hours"
    country, contact, terms = _line(card.country), _line(card.contact), _line(card.terms)
    return [
        f"run by “{_line(card.name)}”",
        *([f"in {country}"] if country else []),
        f"keeps messages {room}",
        *([f"contact {contact}"] if contact else []),
        *([f"terms: “{terms.rstrip('.')}”"] if terms else []),
    ]


def _line(text: str) -> str:
    return " ".join(clean(text, LIMIT_CARD_WORDS).split())
