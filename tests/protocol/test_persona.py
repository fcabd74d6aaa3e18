"""Personas: drawn for one dialogue, bound to it by their id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.crypto import box_public, signing_public
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.persona import Persona, PersonaKeys, new_persona, persona_id

HERE, THERE = DialogueId(b"h" * 32), DialogueId(b"t" * 32)
LOW_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def drawn():
    sizes = iter(range(1, 9))
    return new_persona(lambda size: bytes([next(sizes)]) * size)


def test_a_persona_is_two_drawn_keys():
    someone = drawn()
    assert someone == Persona(b"\1" * 32, b"\2" * 32)
    assert someone.keys == PersonaKeys(signing_public(b"\1" * 32), box_public(b"\2" * 32))


def test_its_id_is_of_the_dialogue_and_of_both_keys():
    keys = drawn().keys
    others = {
        persona_id(THERE, keys),
        persona_id(HERE, PersonaKeys(keys.box, keys.box)),
        persona_id(HERE, PersonaKeys(keys.sign, keys.sign)),
        persona_id(HERE, PersonaKeys(keys.box, keys.sign)),
    }
    assert len(others) == 4
    assert drawn().id(HERE) == persona_id(HERE, keys)
    assert persona_id(HERE, keys) not in others


def test_its_repr_holds_no_private_half():
    someone = drawn()
    assert repr(someone) == f"Persona(keys={someone.keys!r})"


def test_keys_survive_the_wire():
    keys = drawn().keys
    assert PersonaKeys.from_value(keys.to_value()) == keys


@pytest.mark.parametrize("box", LOW_ORDER)
def test_a_key_of_low_order_is_refused(box):
    with pytest.raises(RemoteError) as refused:
        PersonaKeys.from_value([drawn().keys.sign, box])
    assert refused.value.reason is RejectReason.KEY


@pytest.mark.parametrize("value", [None, [], [bytes(32)], [bytes(32), bytes(31)], [bytes(33), b"\7" * 32], ["a", "b"]])
def test_another_shape_is_refused(value):
    with pytest.raises(RemoteError) as refused:
        PersonaKeys.from_value(value)
    assert refused.value.reason is RejectReason.SHAPE


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_any_bytes_are_keys_or_refused(sign, box):
    try:
        keys = PersonaKeys.from_value([sign, box])
    except RemoteError:
        return
    assert encode(keys.to_value()) == encode([sign, box])
