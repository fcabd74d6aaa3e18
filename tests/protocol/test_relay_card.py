"""A relay's card: read for the peer that signed it and for its time; every flipped byte is refused."""

from dataclasses import replace

import pytest

from tertulia.protocol import crypto
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.relay_card import LIMIT_CARD_DAYS, RelayCard, card_hash, read_card, sign_card

SEED = b"s" * 32
PEER = crypto.signing_public(SEED)
NOW = 30_000_000
CARD = RelayCard(
    PEER, "Casa", "PT", "casa@example.org", "Be kind.", 30, 20 * 2**30, 400, 2**26, 3600, NOW, NOW + 43_200
)  # fmt: skip


def refused(signed: bytes, minute: int = NOW, peer: bytes = PEER) -> RejectReason:
    with pytest.raises(RemoteError) as caught:
        read_card(signed, peer, minute)
    return caught.value.reason


def test_what_went_in_comes_out():
    signed = sign_card(CARD, SEED)
    assert read_card(signed, PEER, NOW) == CARD
    assert len(card_hash(signed)) == 32
    assert card_hash(b"") == b""
    assert "casa" not in repr(replace(CARD, name="", contact="", terms="")).lower()


def test_every_flipped_byte_is_refused():
    signed = sign_card(CARD, SEED)
    for at in range(len(signed)):
        flipped = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        with pytest.raises(RemoteError):
            read_card(flipped, PEER, NOW)


def test_it_speaks_for_its_own_peer_and_time():
    signed = sign_card(CARD, SEED)
    assert refused(signed, peer=crypto.signing_public(b"t" * 32)) is RejectReason.ID
    assert refused(sign_card(CARD, b"t" * 32)) is RejectReason.PROOF
    assert refused(signed, NOW - 91) is RejectReason.WINDOW
    assert refused(signed, NOW + 43_201) is RejectReason.EXPIRED
    assert refused(bytes(5_000)) is RejectReason.SIZE


@pytest.mark.parametrize(
    "card",
    [
        replace(CARD, name="x" * 201), replace(CARD, retention_days=366), replace(CARD, expires=NOW - 1),
        replace(CARD, expires=NOW + (LIMIT_CARD_DAYS + 1) * 24 * 60), replace(CARD, size=2**60),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(card):
    assert refused(sign_card(card, SEED)) is RejectReason.SHAPE


def test_another_format_is_refused():
    body = encode([2, *([0] * 12)])
    assert refused(encode([body, bytes(64)])) is RejectReason.SHAPE
