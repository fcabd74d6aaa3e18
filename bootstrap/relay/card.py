"""The relay's card for a community: made of the settings, signed by the key it is known under there.

Spec: docs/spec/feed.md, *Card of a relay*. Invariants: valid from the beginning of a day, for a month, so that it
changes once a day at most and says nothing of when the relay was started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol.crypto import signing_public
from tertulia.protocol.relay_card import RelayCard, sign_card

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.settings import Settings

VALID_DAYS: Final = 30
_DAY: Final = 24 * 60
_MS: Final = 60_000


def card_of(settings: Settings, seed: bytes, now: int) -> RelayCard:
    """The card at `now` (ms) of the relay whose host key has this seed."""
    operator, quota, serve = settings.operator, settings.quota, settings.serve
    issued = now // _MS // _DAY * _DAY
    return RelayCard(
        signing_public(seed),
        operator.name,
        operator.country,
        operator.contact,
        operator.terms,
        quota.retention_days,
        quota.bytes if serve.archive else 0,
        quota.feeds if serve.feed else 0,
        quota.circuit_bytes if serve.circuits else 0,
        quota.circuit_seconds if serve.circuits else 0,
        issued,
        issued + VALID_DAYS * _DAY,
    )


def signed_card(settings: Settings, seed: bytes, now: int) -> bytes:
    """The signed card; empty where the operator says nothing of themselves."""
    return sign_card(card_of(settings, seed, now), seed) if settings.operator.name else b""
