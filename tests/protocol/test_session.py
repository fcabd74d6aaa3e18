"""Session keys and the MACs that introduce the next one."""

from dataclasses import replace

import pytest

from tertulia.protocol.crypto import signing_public
from tertulia.protocol.ids import ActorId, DialogueId, EventId, PersonaId
from tertulia.protocol.persona import Persona
from tertulia.protocol.session import (
    SESSION_MINUTES,
    Introduction,
    Session,
    check_introduction,
    introduction_mac,
    new_session,
)

RUTH, OMAR, EVE = (Persona(bytes([n]) * 32, bytes([n + 1]) * 32) for n in (10, 20, 30))
DIALOGUE = DialogueId(b"d" * 32)
SAID = Introduction(
    dialogue=DIALOGUE,
    session=ActorId(b"s" * 32),
    introducer=RUTH.id(DIALOGUE),
    key=ActorId(b"k" * 32),
    start=1_000,
    end=2_440,
    heads=(EventId(b"a" * 32), EventId(b"b" * 32)),
    state_hash=b"h" * 32,
)
TO_OMAR = OMAR.id(DIALOGUE)


def test_a_session_is_drawn_for_a_day():
    session = new_session(lambda size: b"\7" * size, 100)
    assert session == Session(b"\7" * 32, 100, 100 + SESSION_MINUTES)
    assert session.actor == signing_public(b"\7" * 32)
    assert "seed" not in repr(session)


def test_either_side_can_make_the_mac_so_it_proves_nothing_to_others():
    from_ruth = introduction_mac(RUTH.box_secret, OMAR.keys.box, SAID, TO_OMAR)
    assert len(from_ruth) == 16
    assert introduction_mac(OMAR.box_secret, RUTH.keys.box, SAID, TO_OMAR) == from_ruth
    assert check_introduction(OMAR.box_secret, RUTH.keys.box, SAID, TO_OMAR, from_ruth)


@pytest.mark.parametrize(
    "change",
    [
        {"dialogue": DialogueId(b"e" * 32)},
        {"session": ActorId(b"x" * 32)},
        {"introducer": EVE.id(DIALOGUE)},
        {"key": ActorId(b"x" * 32)},
        {"start": 1_001},
        {"end": 9_999},
        {"heads": (EventId(b"a" * 32),)},
        {"heads": ()},
        {"state_hash": b"x" * 32},
    ],
)
def test_it_covers_every_field(change):
    mac = introduction_mac(RUTH.box_secret, OMAR.keys.box, SAID, TO_OMAR)
    assert not check_introduction(OMAR.box_secret, RUTH.keys.box, replace(SAID, **change), TO_OMAR, mac)


def test_it_is_for_one_recipient_from_one_introducer():
    mac = introduction_mac(RUTH.box_secret, OMAR.keys.box, SAID, TO_OMAR)
    assert not check_introduction(EVE.box_secret, RUTH.keys.box, SAID, EVE.id(DIALOGUE), mac)
    assert not check_introduction(OMAR.box_secret, EVE.keys.box, SAID, TO_OMAR, mac)
    assert not check_introduction(OMAR.box_secret, RUTH.keys.box, SAID, PersonaId(b"o" * 32), mac)


@pytest.mark.parametrize("mac", [b"", bytes(16), bytes(15), bytes(17)])
def test_another_mac_fails(mac):
    assert not check_introduction(OMAR.box_secret, RUTH.keys.box, SAID, TO_OMAR, mac)


def test_a_mac_cannot_be_made_for_a_key_of_low_order():
    with pytest.raises(ValueError, match="low order"):
        introduction_mac(RUTH.box_secret, bytes(32), SAID, TO_OMAR)
