"""Messages of reconciliation: what is written is read again, everything else is refused with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol import varint
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.negentropy import (
    END,
    INFINITY,
    LIMIT_RANGES,
    Bound,
    Fingerprint,
    IdList,
    Skip,
    between,
    read,
    write,
)
from tertulia.protocol.range_index import key_of

BOUNDS = st.builds(Bound, st.integers(0, INFINITY - 1), st.binary(max_size=32)) | st.just(END)
JOINED = st.lists(st.binary(min_size=32, max_size=32)).map(b"".join)
RANGES = st.lists(
    st.one_of(
        st.builds(Skip, BOUNDS),
        st.builds(Fingerprint, BOUNDS, st.binary(min_size=16, max_size=16)),
        st.builds(IdList, BOUNDS, JOINED),
    )
)


def message(text, *joined):
    """A message of the version and these bytes, in hex."""
    return bytes.fromhex("61" + text) + b"".join(joined)


@given(ranges=RANGES)
def test_what_is_written_is_read(ranges):
    ranges.sort(key=lambda each: each.upper.key)
    assert read(b"\x61" + write(ranges, 0), 1 << 20) == tuple(ranges)


@given(data=st.binary(max_size=200))
def test_what_is_read_is_written_the_same(data):
    try:
        ranges = read(b"\x61" + data, 1_000)
    except RemoteError:
        return
    assert write(ranges, 0) == data


def test_a_message_byte_for_byte():
    ranges = [
        Skip(Bound(0)),
        Fingerprint(Bound(299, b"\xab\xcd"), bytes(range(16))),
        IdList(Bound(299, b"\xac"), b"\x11" * 64),
        Skip(END),
    ]
    expected = "010000" + "822c02abcd01" + bytes(range(16)).hex() + "0101ac0202" + "11" * 64 + "000000"
    assert write(ranges, 0).hex() == expected
    assert read(message(expected), 1_000) == tuple(ranges)
    assert ranges[2].ids == [b"\x11" * 32] * 2


def test_a_message_may_end_anywhere_and_ranges_may_be_empty():
    assert read(message(""), 1) == ()
    assert read(message("000000000000"), 100) == (Skip(END), Skip(END))
    assert read(message("0020", bytes(32), b"\0"), 100) == (Skip(Bound(INFINITY, bytes(32))),)
    assert read(message("020205000001", b"\x02", b"\x05\0", b"\0"), 100) == (
        Skip(Bound(1, b"\x05\0")),
        Skip(Bound(1, b"\x05\0")),
    )


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", RejectReason.VERSION, ""),
        (b"\x62", RejectReason.VERSION, ""),
        (b"\x00" * 40, RejectReason.VERSION, ""),
        (b"\x61" * 101, RejectReason.SIZE, ""),
        (message("01"), RejectReason.ENCODING, "cut short"),
        (message("0100"), RejectReason.ENCODING, "cut short"),
        (message("010100"), RejectReason.ENCODING, "cut short"),
        (message("010001", bytes(15)), RejectReason.ENCODING, "cut short"),
        (message("01000201", bytes(31)), RejectReason.ENCODING, "cut short"),
        (message("010002", varint.encode(2**64 - 1)), RejectReason.ENCODING, "cut short"),
        (message("80010000"), RejectReason.ENCODING, "longer than needed"),
        (message("010003"), RejectReason.SHAPE, "no such mode"),
        (message("0100", varint.encode(2**63)), RejectReason.SHAPE, "no such mode"),
        (message("0121", bytes(33), b"\0"), RejectReason.SHAPE, "longer than an id"),
        (message("", varint.encode(2**64 - 1), b"\0\0", b"\x02\0\0"), RejectReason.SHAPE, "beyond all"),
        (message("000000010000"), RejectReason.SHAPE, "beyond all"),
        (message("0101050001010400"), RejectReason.SHAPE, "goes back"),
        (message("00010500000000"), RejectReason.SHAPE, "goes back"),
    ],
)
def test_what_is_no_message_is_refused(data, reason, detail):
    with pytest.raises(RemoteError) as refused:
        read(data, 100)
    assert refused.value.reason is reason
    assert detail in refused.value.detail


def test_a_message_has_so_many_ranges_and_no_more():
    ranges = [Skip(Bound(minute)) for minute in range(LIMIT_RANGES)]
    whole = b"\x61" + write(ranges, 0)
    assert len(read(whole, 1 << 20)) == LIMIT_RANGES
    with pytest.raises(RemoteError) as refused:
        read(whole + write([Skip(END)], 0), 1 << 20)
    assert refused.value.reason is RejectReason.LIMIT


@pytest.mark.parametrize(
    ("before", "after", "bound"),
    [
        ((4, b"\xff" * 32), (5, b"\x01" * 32), Bound(5)),
        ((5, b"\x01" * 32), (5, b"\x02" * 32), Bound(5, b"\x02")),
        ((5, b"\x01" * 32), (5, b"\x01" * 31 + b"\x02"), Bound(5, b"\x01" * 31 + b"\x02")),
        ((5, b"\x01\x02" + bytes(30)), (5, b"\x01\x03" + bytes(30)), Bound(5, b"\x01\x03")),
    ],
)
def test_the_shortest_bound_tells_two_neighbours_apart(before, after, bound):
    before, after = key_of(*before), key_of(*after)
    assert between(before, after) == bound
    assert before < bound.key <= after
