"""Varints: one number, one string of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.varint import LIMIT_VARINT, decode, encode


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8100"), (300, "822c"), (16_383, "ff7f"), (16_384, "818000")],
)
def test_known_numbers(number, encoded):
    assert encode(number).hex() == encoded
    assert decode(bytes.fromhex(encoded), 0) == (number, len(encoded) // 2)


@given(number=st.integers(0, LIMIT_VARINT), before=st.binary(max_size=3), after=st.binary(max_size=3))
def test_a_number_is_read_where_it_stands(number, before, after):
    encoded = encode(number)
    assert decode(before + encoded + after, len(before)) == (number, len(before) + len(encoded))


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ("", "cut short"),
        ("81", "cut short"),
        ("8000", "longer than needed"),
        ("8080", "longer than needed"),
        ("82808080808080808000", "beyond 64 bits"),
        ("ff" * 1000, "beyond 64 bits"),
    ],
)
def test_what_is_none_is_refused(data, detail):
    with pytest.raises(RemoteError, match=detail) as refused:
        decode(bytes.fromhex(data), 0)
    assert refused.value.reason is RejectReason.ENCODING


def test_the_highest_number_is_the_last_that_is_read():
    highest = encode(LIMIT_VARINT)
    assert decode(highest, 0) == (LIMIT_VARINT, 10)
    with pytest.raises(RemoteError):
        decode(encode(LIMIT_VARINT + 1), 0)
