"""Knocks: what the inviter can rely on, and what nobody else can do with one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol import hpke
from tertulia.protocol.card import Card, card_keys, knock_info
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.item import ItemType, pack
from tertulia.protocol.knock import (
    LIMIT_KNOCK,
    Knock,
    knock_id,
    knock_item,
    knock_keys,
    make_knock,
    short_code,
)
from tertulia.protocol.newcomer import LIMIT_PREKEYS
from tertulia.protocol.persona import Persona
from tertulia.protocol.prekey import PrekeySecret
from tertulia.protocol.session import Session

HPKE_SEED = b"\3" * 96
CARD = Card(
    dialogue=DialogueId(b"d" * 32),
    title="Ferry",
    commons_name="Harbour",
    retention_days=30,
    inviter=Persona(b"\1" * 32, b"\2" * 32).keys,
    nick="Ruth",
    hpke_public=hpke.public(HPKE_SEED),
    uses=1,
    expires=1_000,
    ask=False,
    charter=b"",
    randomness=b"r" * 32,
)
OTHER_CARD = replace(CARD, randomness=b"s" * 32)
GUEST = Persona(b"\4" * 32, b"\5" * 32)
SESSION = Session(b"\6" * 32, 0, 1_440)
PREKEY = PrekeySecret(b"\7" * 32, b"\x08" * 96, 500, 30)
MINE = (PREKEY.public,)
WELCOME, RULES = b"w" * 32, b"c" * 32
KNOCK = make_knock(CARD, GUEST, SESSION, MINE, "Omar", WELCOME, RULES)
PLAINTEXT = KNOCK.encoded()
FIELDS = decode(PLAINTEXT, LIMIT_KNOCK)


def reason_of(plaintext, card=CARD):
    with pytest.raises(RemoteError) as refused:
        Knock.verified(plaintext, card)
    return refused.value.reason


def test_the_inviter_opens_what_the_guest_sealed():
    request = KNOCK.request(CARD)
    opened = hpke.unseal(HPKE_SEED, knock_info(CARD), hpke.seal(request.public, request.info, request.plaintext))
    assert Knock.verified(opened, CARD) == KNOCK
    assert (KNOCK.keys, KNOCK.session, KNOCK.prekeys) == (GUEST.keys, SESSION.actor, MINE)


def test_it_opens_for_its_own_card_only():
    request = KNOCK.request(CARD)
    sealed = hpke.seal(request.public, request.info, request.plaintext)
    assert hpke.unseal(HPKE_SEED, knock_info(OTHER_CARD), sealed) is None
    assert reason_of(PLAINTEXT, OTHER_CARD) is RejectReason.PROOF


def test_sealed_twice_it_is_the_same_knock():
    again = make_knock(CARD, GUEST, SESSION, MINE, "Omar", WELCOME, RULES)
    assert knock_id(again.encoded()) == knock_id(PLAINTEXT)
    assert knock_id(replace(KNOCK, welcome_secret=b"x" * 32).encoded()) != knock_id(PLAINTEXT)


@pytest.mark.parametrize(
    "change",
    [
        {"keys": Persona(b"\x09" * 32, b"\5" * 32).keys},
        {"keys": Persona(b"\4" * 32, b"\x09" * 32).keys},
        {"session": Session(b"\x09" * 32, 0, 1).actor},
        {"prekeys": (PrekeySecret(b"\x09" * 32, b"\x08" * 96, 500, 30).public,)},
        {"prekeys": MINE * 2},
        {"nickname": "Ruth"},
        {"welcome_secret": b"x" * 32},
        {"charter_hash": b"x" * 32},
        {"persona_proof": bytes(64)},
        {"session_proof": bytes(64)},
        {"persona_proof": KNOCK.session_proof, "session_proof": KNOCK.persona_proof},
        {"keys": replace(GUEST.keys, sign=bytes(32))},
        {"session": bytes(32)},
    ],
)
def test_every_claim_is_proved(change):
    assert reason_of(replace(KNOCK, **change).encoded()) is RejectReason.PROOF


def test_somebody_elses_persona_cannot_be_brought_along():
    mallory = make_knock(CARD, Persona(b"\x09" * 32, b"\x0a" * 32), SESSION, MINE, "Omar", WELCOME, RULES)
    assert reason_of(replace(mallory, keys=GUEST.keys).encoded()) is RejectReason.PROOF


def test_it_is_read_back_without_proofs_when_they_were_verified_before():
    assert Knock.read(PLAINTEXT) == KNOCK
    assert Knock.read(replace(KNOCK, persona_proof=bytes(64)).encoded()).persona_proof == bytes(64)


def changed(at, value):
    return [*FIELDS[:at], value, *FIELDS[at + 1 :]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        FIELDS[:-1],
        [*FIELDS, 1],
        changed(0, [b"s" * 32]),
        changed(1, b"s" * 31),
        changed(2, []),
        changed(2, FIELDS[2] * 5),
        changed(2, [FIELDS[2][0][:3]]),
        changed(3, "x" * 41),
        changed(3, b"Omar"),
        changed(4, b"w" * 31),
        changed(5, b"c" * 33),
        changed(6, bytes(63)),
        changed(7, bytes(65)),
    ],
)
def test_a_malformed_knock_is_refused(value):
    assert reason_of(encode(value)) is RejectReason.SHAPE


def test_keys_of_low_order_are_refused():
    assert reason_of(encode(changed(0, [FIELDS[0][0], bytes(32)]))) is RejectReason.KEY
    assert reason_of(encode(changed(2, [[bytes(32), *FIELDS[2][0][1:]]]))) is RejectReason.KEY


def test_one_too_large_is_not_decoded():
    assert reason_of(bytes(LIMIT_KNOCK + 1)) is RejectReason.SIZE


@given(st.integers(0, len(PLAINTEXT) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at, flip):
    broken = bytearray(PLAINTEXT)
    broken[at] ^= flip
    with pytest.raises(RemoteError):
        Knock.verified(bytes(broken), CARD)


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_inviter_down(data):
    with pytest.raises(RemoteError):
        Knock.verified(data, CARD)


def frames(knock, frame_class):
    sealed = bytes(len(knock.encoded()) + hpke.OVERHEAD)
    return len(pack([knock_item(sealed)], frame_class))


def test_a_knock_with_one_prekey_fits_a_medium_frame_whatever_the_name():
    longest = make_knock(CARD, GUEST, SESSION, MINE, "\U0001f469" * 40, WELCOME, RULES)
    assert frames(longest, FrameClass.MEDIUM) == 1


def test_a_knock_with_all_prekeys_takes_a_large_frame():
    full = make_knock(CARD, GUEST, SESSION, MINE * LIMIT_PREKEYS, "\U0001f469" * 40, WELCOME, RULES)
    assert frames(full, FrameClass.MEDIUM) > 1
    assert frames(full, FrameClass.LARGE) == 1
    assert Knock.verified(full.encoded(), CARD) == full
    assert len(full.encoded()) + hpke.OVERHEAD < LIMIT_KNOCK


def test_its_item_and_keys():
    assert knock_item(b"sealed").type is ItemType.KNOCK
    assert knock_keys(b"s" * 16) != card_keys(b"s" * 16)


def test_both_compare_the_same_code_and_it_changes_with_either_side():
    code = short_code(CARD, KNOCK)
    assert [len(group) for group in code.split(" ")] == [4] * 5
    assert code.replace(" ", "").isdigit()
    others = {
        short_code(OTHER_CARD, KNOCK),
        short_code(CARD, replace(KNOCK, nickname="Ruth")),
        short_code(CARD, replace(KNOCK, welcome_secret=b"x" * 32)),
    }
    assert len(others | {code}) == 4


def test_its_repr_shows_only_public_keys():
    shown = repr(KNOCK)
    assert "Omar" not in shown
    assert "wwww" not in shown
    assert "proof" not in shown
