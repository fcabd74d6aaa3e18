"""Prekeys: their life, and what is refused as one."""

import pytest

from tertulia.protocol import hpke
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.prekey import Prekey, PrekeySecret, is_live, new_prekey, renew_at

DAY = 24 * 60
MINE = PrekeySecret(b"\1" * 32, b"\2" * 96, 1_000, 30)
VALUE = MINE.public.to_value()


def test_a_prekey_is_drawn():
    sizes = []

    def entropy(size):
        sizes.append(size)
        return bytes([len(sizes)]) * size

    assert new_prekey(entropy, 1_000, 30) == MINE
    assert sizes == [32, 96]


def test_it_is_renewed_after_a_third_and_dead_after_its_class():
    public = MINE.public
    assert renew_at(public) == 1_000 + 10 * DAY
    assert public.expires == 1_000 + 30 * DAY
    assert [is_live(public, minute) for minute in (1_000, public.expires - 1, public.expires)] == [True, True, False]


def test_its_id_is_of_everything_in_it():
    public = MINE.public
    changed = [
        Prekey(b"\3" * 32, public.hpke, 30, 1_000),
        Prekey(public.box, b"\3" * 1216, 30, 1_000),
        Prekey(public.box, public.hpke, 31, 1_000),
        Prekey(public.box, public.hpke, 30, 1_001),
    ]
    assert len({public.id, *(one.id for one in changed)}) == 5


def test_it_survives_the_wire():
    assert Prekey.from_value(VALUE) == MINE.public


def test_neither_half_is_shown():
    assert repr(MINE.public) == "Prekey(retention_days=30, born=1000)"
    assert repr(MINE) == f"PrekeySecret(born=1000, retention_days=30, public={MINE.public!r})"


@pytest.mark.parametrize(
    "value",
    [
        None,
        VALUE[:3],
        [*VALUE, 1],
        [VALUE[0][:31], *VALUE[1:]],
        [VALUE[0], VALUE[1][:-1], *VALUE[2:]],
        [*VALUE[:2], 0, 1_000],
        [*VALUE[:2], 366, 1_000],
        [*VALUE[:2], True, 1_000],
        [*VALUE[:3], -1],
        [*VALUE[:3], 2**32],
    ],
)
def test_another_shape_is_refused(value):
    with pytest.raises(RemoteError) as refused:
        Prekey.from_value(value)
    assert refused.value.reason is RejectReason.SHAPE


@pytest.mark.parametrize(
    "value",
    [
        [bytes(32), *VALUE[1:]],
        [VALUE[0], b"\xff" * 1216, *VALUE[2:]],
        [VALUE[0], VALUE[1][:1184] + bytes(32), *VALUE[2:]],
    ],
)
def test_what_nothing_could_be_sealed_to_is_refused(value):
    with pytest.raises(RemoteError) as refused:
        Prekey.from_value(value)
    assert refused.value.reason is RejectReason.KEY


def test_what_is_accepted_can_be_sealed_to_and_opened():
    public = Prekey.from_value(VALUE)
    assert hpke.unseal(MINE.hpke_seed, b"info", hpke.seal(public.hpke, b"info", b"hello")) == b"hello"
