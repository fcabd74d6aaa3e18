"""Cards: one per invite, and no other."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol import hpke
from tertulia.protocol.card import LIMIT_CARD, Card, card_hash, card_keys, knock_info, secret_of
from tertulia.protocol.charter import dialogue_id
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.item import Item, ItemType, pack
from tertulia.protocol.persona import Persona

RULES = b"the rules" * 20
CARD = Card(
    dialogue=dialogue_id(RULES),
    title="Fährfahrt für alle",
    commons_name="Hafen",
    retention_days=30,
    inviter=Persona(b"\1" * 32, b"\2" * 32).keys,
    nick="Ruth",
    hpke_public=hpke.public(b"\3" * 96),
    uses=3,
    expires=1_000,
    ask=True,
    charter=RULES,
    randomness=b"r" * 32,
)
SECRET = secret_of(CARD)
FIELDS = decode(CARD.encoded(), LIMIT_CARD)


def card_item(value):
    """An item that would be the card of its own secret, and that secret."""
    from tertulia.protocol.crypto import digest
    from tertulia.protocol.labels import Label

    data = value if isinstance(value, bytes) else encode(value)
    return Item(ItemType.CARD, data), digest(Label.INVITE_SECRET, data)[:16]


def reason_of(item, secret):
    with pytest.raises(RemoteError) as refused:
        Card.from_item(item, secret)
    return refused.value.reason


def test_the_guest_reads_the_card_of_their_invite():
    assert Card.from_item(CARD.to_item(), SECRET) == CARD
    assert Card.from_value(CARD.encoded()) == CARD
    assert len(SECRET) == 16


def test_a_card_may_vouch_for_the_stewards_of_its_commons():
    vouching = replace(CARD, stewards=b"s" * 32)
    assert Card.from_item(vouching.to_item(), secret_of(vouching)) == vouching
    assert secret_of(vouching) != SECRET
    for wrong in ([b"s" * 31], [b""], [b"s" * 32, b"s" * 32]):
        assert reason_of(*card_item([*FIELDS, *wrong])) is RejectReason.SHAPE


def test_another_card_is_not_the_invites():
    other = replace(CARD, hpke_public=hpke.public(b"\4" * 96))
    assert reason_of(other.to_item(), SECRET) is RejectReason.ID
    assert reason_of(CARD.to_item(), bytes(16)) is RejectReason.ID
    assert reason_of(CARD.to_item(), SECRET[:15]) is RejectReason.ID


@given(st.integers(0, len(CARD.encoded()) - 1), st.integers(1, 255))
def test_no_byte_of_it_can_be_changed(at, flip):
    broken = bytearray(CARD.encoded())
    broken[at] ^= flip
    assert reason_of(Item(ItemType.CARD, bytes(broken)), SECRET) is RejectReason.ID


def test_the_hash_that_members_see_leads_to_no_secret():
    assert card_hash(CARD)[:16] != SECRET
    assert SECRET not in knock_info(CARD)
    assert card_hash(CARD) in knock_info(CARD)


def changed(at, value):
    return [*FIELDS[:at], value, *FIELDS[at + 1 :]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1],
        FIELDS[:-1],
        [*FIELDS, 1],
        [1, *[0] * 40],
        changed(1, b"d" * 31),
        changed(2, "x" * 81),
        changed(2, b"title"),
        changed(3, "x" * 81),
        changed(4, 0),
        changed(4, 366),
        changed(5, [b"s" * 32]),
        changed(6, "x" * 41),
        changed(7, bytes(1215)),
        changed(8, 0),
        changed(8, 1_001),
        changed(9, -1),
        changed(9, 2**32),
        changed(10, 1),
        changed(11, bytes(12 * 1024 + 1)),
        changed(12, bytes(31)),
    ],
)
def test_a_malformed_card_is_refused(value):
    assert reason_of(*card_item(value)) is RejectReason.SHAPE


def test_a_card_of_a_later_version_is_called_so():
    assert reason_of(*card_item([2, "anything"])) is RejectReason.VERSION
    assert reason_of(*card_item([])) is RejectReason.VERSION


def test_the_rules_of_another_dialogue_are_refused():
    assert reason_of(*card_item(changed(1, b"d" * 32))) is RejectReason.ID
    assert reason_of(*card_item(changed(11, RULES + b"!"))) is RejectReason.ID


def test_keys_that_are_none_are_refused():
    assert reason_of(*card_item(changed(5, [b"s" * 32, bytes(32)]))) is RejectReason.KEY
    assert reason_of(*card_item(changed(7, b"\xff" * 1216))) is RejectReason.KEY


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x80\x80", bytes(LIMIT_CARD)])
def test_bytes_that_are_no_card_are_refused(data):
    assert reason_of(*card_item(data)) is RejectReason.ENCODING


@pytest.mark.parametrize("body", [None, 1, "card", [b"card"], bytes(LIMIT_CARD + 1)])
def test_a_body_that_is_no_card_is_refused(body):
    assert reason_of(Item(ItemType.CARD, body), SECRET) is RejectReason.SHAPE


@given(st.binary(max_size=300))
def test_no_bytes_bring_a_guest_down(data):
    with pytest.raises(RemoteError):
        Card.from_item(*card_item(data))


def test_the_largest_card_fits_a_large_frame():
    largest = replace(
        CARD,
        title="ü" * 80,
        commons_name="ü" * 80,
        nick="ü" * 40,
        dialogue=dialogue_id(bytes(12 * 1024)),
        charter=bytes(12 * 1024),
        uses=1_000,
        expires=2**32 - 1,
    )
    assert len(pack([largest.to_item()], FrameClass.LARGE)) == 1
    assert Card.from_item(largest.to_item(), secret_of(largest)) == largest


def test_its_keys_are_its_secrets():
    assert card_keys(SECRET) != card_keys(bytes(16))


def test_its_repr_tells_no_names():
    shown = repr(CARD)
    assert "Ruth" not in shown
    assert "Hafen" not in shown
    assert "alle" not in shown
