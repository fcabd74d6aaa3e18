"""The fingerprint of a range, beside the words of the specification of Negentropy V1."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.fingerprint import addend, fingerprint

IDS = st.lists(st.binary(min_size=32, max_size=32), max_size=40)


def by_hand(ids):
    """Add with carry byte by byte, as the specification's little-endian numbers do."""
    total = bytearray(32)
    for frame in ids:
        carry = 0
        for at in range(32):
            carry += total[at] + frame[at]
            total[at], carry = carry & 0xFF, carry >> 8
    return sha256(bytes(total) + bytes([len(ids)])).digest()[:16]


@given(ids=IDS)
def test_it_is_what_the_specification_says(ids):
    assert fingerprint(sum(map(addend, ids)), len(ids)) == by_hand(ids)


def test_a_sum_beyond_256_bits_begins_again_and_the_number_of_ids_tells_them_apart():
    assert fingerprint(1 << 256, 2) == fingerprint(0, 2)
    assert fingerprint(0, 2) != fingerprint(0, 1)
    assert fingerprint(0, 300) == sha256(bytes(32) + b"\x82\x2c").digest()[:16]
