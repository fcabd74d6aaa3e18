"""Readers give back what they were promised or refuse with SHAPE."""

import pytest

from tertulia.protocol import shape
from tertulia.protocol.errors import RejectReason, RemoteError

A, B = b"a" * 32, b"b" * 32


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (shape.as_list, [1, 2]),
        (lambda v: shape.as_list(v, 2), [1, 2]),
        (lambda v: shape.as_list(v, most=2), [1, 2]),
        (lambda v: shape.as_list(v, most=2), []),
        (shape.as_bytes, b"ab"),
        (lambda v: shape.as_bytes(v, 2), b"ab"),
        (lambda v: shape.as_bytes(v, most=2), b"ab"),
        (shape.as_id, A),
        (lambda v: shape.as_int(v, 1, 3), 1),
        (lambda v: shape.as_int(v, 1, 3), 3),
        (lambda v: shape.as_text(v, 2), "né"),
        (shape.as_bool, False),
        (lambda v: shape.as_map(v, 1), {"a": 1}),
    ],
)
def test_what_fits_comes_back_as_it_was(reader, value):
    assert reader(value) is value


def test_ids_come_back_as_a_tuple():
    assert shape.as_ids([A, B], 2) == (A, B)
    assert shape.as_ids([], 2) == ()


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        pytest.param(shape.as_list, b"ab", id="list-bytes"),
        pytest.param(lambda v: shape.as_list(v, 2), [1], id="list-short"),
        pytest.param(lambda v: shape.as_list(v, 2), [1, 2, 3], id="list-long"),
        pytest.param(lambda v: shape.as_list(v, most=2), [1, 2, 3], id="list-most"),
        pytest.param(shape.as_bytes, "ab", id="bytes-text"),
        pytest.param(lambda v: shape.as_bytes(v, 2), b"abc", id="bytes-size"),
        pytest.param(lambda v: shape.as_bytes(v, most=2), b"abc", id="bytes-most"),
        pytest.param(shape.as_id, b"a" * 31, id="id-short"),
        pytest.param(lambda v: shape.as_ids(v, 2), [B, A], id="ids-order"),
        pytest.param(lambda v: shape.as_ids(v, 2), [A, A], id="ids-twice"),
        pytest.param(lambda v: shape.as_ids(v, 1), [A, B], id="ids-most"),
        pytest.param(lambda v: shape.as_ids(v, 1), [1], id="ids-int"),
        pytest.param(lambda v: shape.as_int(v, 0, 3), True, id="int-bool"),
        pytest.param(lambda v: shape.as_int(v, 0, 3), "1", id="int-text"),
        pytest.param(lambda v: shape.as_int(v, 1, 3), 0, id="int-low"),
        pytest.param(lambda v: shape.as_int(v, 1, 3), 4, id="int-high"),
        pytest.param(lambda v: shape.as_text(v, 3), b"ab", id="text-bytes"),
        pytest.param(lambda v: shape.as_text(v, 1), "ab", id="text-most"),
        pytest.param(shape.as_bool, 1, id="bool-int"),
        pytest.param(shape.as_bool, None, id="bool-null"),
        pytest.param(lambda v: shape.as_map(v, 3), [], id="map-list"),
        pytest.param(lambda v: shape.as_map(v, 0), {1: 1}, id="map-most"),
    ],
)
def test_what_does_not_fit_is_refused(reader, value):
    with pytest.raises(RemoteError) as wrong:
        reader(value)
    assert wrong.value.reason is RejectReason.SHAPE
