"""Welcomes: a seat, or a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import frame_keys
from tertulia.protocol.ids import EpochId, PersonaId, PrekeyId
from tertulia.protocol.invite import Fault
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.share import SEALED, Share
from tertulia.protocol.welcome import LIMIT_CHECKPOINT, LIMIT_WELCOME_SHARES, Welcome, refusal, welcome_keys

SHARE = Share(EpochId(b"e" * 32), PersonaId(b"p" * 32), PrekeyId(b"k" * 32), bytes(SEALED))
DEEP = [[[[[[[["eight levels of its own"]]]]]]]]


@pytest.mark.parametrize("checkpoint", [None, {"heads": [b"h" * 32]}, DEEP])
def test_a_seat(checkpoint):
    welcome = Welcome(checkpoint, (SHARE, SHARE))
    item = welcome.to_item()
    item.encoded()
    assert item.type is ItemType.WELCOME
    assert Welcome.from_item(item) == welcome
    assert welcome.fault is None


@pytest.mark.parametrize("fault", [Fault.USED_UP, Fault.EXPIRED, Fault.REFUSED])
def test_a_reason(fault):
    told = Welcome.from_item(refusal(fault).to_item())
    assert told.fault is fault
    assert told.shares == ()


def test_a_reason_that_this_version_does_not_know_is_a_refusal():
    assert Welcome.from_item(Welcome(None, (), "the moon was wrong").to_item()).fault is Fault.REFUSED


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        [b"\xf6", []],
        [b"\xf6", [], "", 1],
        [None, [], ""],
        [b"\xf6", None, ""],
        [b"\xf6", [1], ""],
        [b"\xf6", [SHARE.to_value()] * (LIMIT_WELCOME_SHARES + 1), ""],
        [b"\xf6", [], None],
        [b"\xf6", [], "x" * 65],
        [bytes(LIMIT_CHECKPOINT + 1), [], ""],
    ],
)
def test_another_shape_is_refused(body):
    with pytest.raises(RemoteError) as refused:
        Welcome.from_item(Item(ItemType.WELCOME, body))
    assert refused.value.reason is RejectReason.SHAPE


@given(st.binary(max_size=100))
def test_a_checkpoint_is_a_value_or_the_welcome_is_refused(data):
    try:
        welcome = Welcome.from_item(Item(ItemType.WELCOME, [data, [], ""]))
    except RemoteError as refused:
        reason = refused.reason
        assert reason is RejectReason.ENCODING
        return
    assert encode(welcome.checkpoint) == data


def test_its_keys_are_of_the_secret_inside_the_knock():
    assert welcome_keys(b"w" * 32) == frame_keys(Label.WELCOME_FRAME, b"w" * 32)


def test_its_repr_tells_nothing():
    assert repr(Welcome(DEEP, (SHARE,))) == "Welcome(refused='')"
