"""One value, one string of bytes: what is canonical comes through, everything else is refused."""

import random
from enum import IntEnum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.encoding import LIMIT_DEPTH, LIMIT_INT_HIGH, LIMIT_INT_LOW, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.labels import Label

# The examples of RFC 8949, appendix A, that are in our subset.
RFC = [
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-1, "20"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (bytes.fromhex("01020304"), "4401020304"),
    ("", "60"),
    ("IETF", "6449455446"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
]


@pytest.mark.parametrize(("value", "encoded"), RFC)
def test_rfc_8949_examples(value, encoded):
    assert encode(value).hex() == encoded
    again = decode(bytes.fromhex(encoded), 100)
    assert again == value
    assert type(again) is type(value)


def test_keys_stand_in_the_order_of_their_encodings():
    # RFC 8949 §4.2.1 gives 10, 100, -1, "z", "aa" in this order (§4.2.3's length-first order would differ).
    assert encode({"aa": 4, -1: 2, "z": 3, 100: 1, 10: 0}).hex() == "a50a001864012002617a0362616104"
    assert list(decode(bytes.fromhex("a50a001864012002617a0362616104"), 100)) == [10, 100, -1, "z", "aa"]


def test_tuples_and_enums_of_plain_values_encode_as_what_they_are():
    class Colour(IntEnum):
        RED = 7

    class Word(StrEnum):
        YES = "yes"

    assert decode(encode((1, (Colour.RED, Word.YES, Label.HELLO), {Word.YES: Colour.RED, Colour.RED: 1})), 100) == [
        1,
        [7, "yes", bytes(Label.HELLO)],
        {"yes": 7, 7: 1},
    ]


@pytest.mark.parametrize("value", [LIMIT_INT_LOW, LIMIT_INT_HIGH, -1, 0])
def test_integers_of_64_bits(value):
    assert decode(encode(value), 9) == value


@pytest.mark.parametrize("value", [LIMIT_INT_LOW - 1, LIMIT_INT_HIGH + 1, "\ud800", ["\ud800"], {"\ud800": 1}])
def test_encode_refuses_values_out_of_range(value):
    with pytest.raises(ValueError):
        encode(value)


@pytest.mark.parametrize("value", [1.0, {1}, object(), bytearray(b"a"), {b"a": 1}, {True: 1}, {None: 1}, {(1,): 1}])
def test_encode_refuses_other_types(value):
    with pytest.raises(TypeError):
        encode(value)


def nested(depth, leaf=b"\x00"):
    return b"\x81" * depth + leaf


def test_depth():
    assert encode(decode(nested(LIMIT_DEPTH), 100)) == nested(LIMIT_DEPTH)
    with pytest.raises(RemoteError) as deep:
        decode(nested(LIMIT_DEPTH + 1), 100)
    assert deep.value.reason is RejectReason.ENCODING
    value = 0
    for _ in range(LIMIT_DEPTH + 1):
        value = [value]
    with pytest.raises(ValueError):
        encode(value)
    with pytest.raises(ValueError):
        encode({"a": value[0]})


def test_size_comes_first():
    with pytest.raises(RemoteError) as large:
        decode(b"\xff" * 11, 10)
    assert large.value.reason is RejectReason.SIZE
    assert decode(encode(b"12345678"), 9) == b"12345678"


@pytest.mark.parametrize(
    ("what", "hostile"),
    [
        ("nothing", ""),
        ("two values", "0000"),
        ("trailing byte", "8000"),
        ("head cut", "19"),
        ("head cut in the middle", "1901"),
        ("string cut", "43aaaa"),
        ("text cut", "636161"),
        ("list cut", "820000"[:4]),
        ("map cut", "a100"),
        ("map without value", "a201020"[:6]),
        ("long head", "1817"),
        ("long head of two", "190017"),
        ("long head of bytes", "580100"),
        ("long head of a list", "980100"),
        ("reserved head", "1c"),
        ("list of 2^64", "9bffffffffffffffff00"),
        ("bytes of 2^64", "5bffffffffffffffff00"),
        ("map of 2^63", "bb8000000000000000"),
        ("list of 4 GiB", "9affffffff00"),
        ("indefinite bytes", "5f4100ff"),
        ("indefinite text", "7f6161ff"),
        ("indefinite list", "9f00ff"),
        ("indefinite map", "bf0000ff"),
        ("break alone", "ff"),
        ("tag: date", "c074323031332d30332d32315432303a30343a30305a"),
        ("tag: bignum", "c249010000000000000000"),
        ("tag: 1E+1099511627776", "c4821b000001000000000001"),
        ("tag: shared reference", "d81c81d81d00"),
        ("tag: regular expression", "d823686128612b292b24"),
        ("tag: self-described", "d9d9f700"),
        ("half float", "f93c00"),
        ("NaN", "f97e00"),
        ("float", "fa47c35000"),
        ("double", "fb3ff199999999999a"),
        ("undefined", "f7"),
        ("simple value", "f0"),
        ("simple value in two bytes", "f8ff"),
        ("true in two bytes", "f815"),
        ("integer below 64 bits", "3bffffffffffffffff"),
        ("not UTF-8", "61ff"),
        ("surrogate", "63eda080"),
        ("overlong UTF-8", "62c080"),
        ("duplicate key", "a201000100"),
        ("duplicate text key", "a2616100616100"),
        ("keys out of order", "a202000100"),
        ("text before integer", "a26161000000"),
        ("1 and true as keys", "a20100f500"),
        ("key: true", "a1f500"),
        ("key: null", "a1f600"),
        ("key: bytes", "a1416100"),
        ("key: list", "a1800000"[:6]),
        ("key: map", "a1a000"),
        ("key: NaN", "a1f97e0000"),
    ],
)
def test_hostile_bytes_are_refused_with_a_type(what, hostile):
    with pytest.raises(RemoteError) as wrong:
        decode(bytes.fromhex(hostile), 1000)
    assert wrong.value.reason is RejectReason.ENCODING, what


scalars = (
    st.none()
    | st.booleans()
    | st.integers(LIMIT_INT_LOW, LIMIT_INT_HIGH)
    | st.binary(max_size=40)
    | st.text(st.characters(codec="utf-8"), max_size=40)
)
keys = st.integers(LIMIT_INT_LOW, LIMIT_INT_HIGH) | st.text(st.characters(codec="utf-8"), max_size=30)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(values.filter(lambda value: depth(value) <= LIMIT_DEPTH))
def test_what_is_encoded_decodes_to_the_same(value):
    encoded = encode(value)
    assert decode(encoded, len(encoded)) == value


@given(st.dictionaries(keys, st.integers(0, 9), max_size=8), st.randoms())
def test_the_order_of_insertion_does_not_matter(value, shuffle):
    rows = list(value.items())
    shuffle.shuffle(rows)
    assert encode(dict(rows)) == encode(value)


def survives(data):
    """Decode hostile bytes: a refusal is typed, and what is accepted is the one encoding of its value."""
    try:
        value = decode(data, 2000)
    except RemoteError:
        return False
    assert encode(value) == data
    return True


@given(st.binary(max_size=200))
def test_any_bytes_are_a_canonical_value_or_a_typed_refusal(data):
    survives(data)


@pytest.mark.fuzz
def test_no_bytes_get_anything_but_a_value_or_a_typed_refusal(fuzz_cases):
    """Half of them random, half of them valid values with a few bytes changed, put in or left out."""
    draw = random.Random(fuzz_cases)
    valid = [bytes.fromhex(encoded) for _, encoded in RFC]
    valid.append(encode([1, b"x" * 32, {1: "a", "b": [None, True, -5]}, "text" * 9]))
    accepted = 0
    for number in range(fuzz_cases):
        if number % 2:
            data = draw.randbytes(draw.randrange(40))
        else:
            data = bytearray(draw.choice(valid))
            for _ in range(draw.randrange(1, 4)):
                at = draw.randrange(len(data) + 1)
                data[at : at + draw.randrange(2)] = draw.randbytes(draw.randrange(3))
            data = bytes(data)
        accepted += survives(data)
    assert 0 < accepted < fuzz_cases
