"""The life of a frame: made by a member, carried by all, opened by whoever has the key; and every way to spoil one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol import crypto, frame
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass, Window
from tertulia.protocol.item import LIMIT_ITEMS, Item, ItemType
from tertulia.protocol.labels import Label

COMMONS = b"c" * 32
KEYS = frame.frame_keys(Label.EPOCH_FRAME, b"e" * 32)
OTHERS = frame.frame_keys(Label.EPOCH_FRAME, b"o" * 32)
NONCE = bytes(range(24))
MINUTE = 29_500_000
NOW = MINUTE * 60_000
WINDOW = Window(MINUTE - 10, MINUTE + 10)
ITEMS = (Item(ItemType.EVENT, [b"header", b"salt", b"body", b"proof"]), Item(999, {"a": None}))

# Where each field stands: docs/spec/frame.md.
FIELDS = {
    "version": range(1),
    "class": range(1, 2),
    "minute": range(2, 6),
    "tag": range(6, 38),
    "nonce": range(38, 62),
    "ciphertext": range(62, 1008),
    "mac": range(1008, 1024),
}


def sealed(items=ITEMS, keys=KEYS, frame_class=FrameClass.SMALL, minute=MINUTE, nonce=NONCE, commons=COMMONS):
    return frame.seal(commons, keys, frame_class, minute, nonce, items)


def remade(raw):
    """Put a right commons MAC on altered bytes: what a hostile member of the commons can always do."""
    covered = raw[:-16]
    return covered + frame._mac(COMMONS, covered)


def retagged(raw, keys=KEYS):
    """Put a right tag and MAC on altered bytes: what a hostile member of the room can always do."""
    tag = crypto.keyed(Label.FRAME_TAG, keys.tag, frame._tagged(raw[:6], raw[38:62], raw[62:-16]))
    return remade(raw[:6] + tag + raw[38:])


def around(plaintext, frame_class=FrameClass.SMALL):
    """Seal a plaintext that `frame.seal` would never make."""
    aad = bytes([1, frame_class]) + MINUTE.to_bytes(4, "big")
    ciphertext = crypto.seal(KEYS.aead, NONCE, plaintext.ljust(frame_class.capacity + 2, b"\0"), aad)
    return frame.read(retagged(aad + bytes(32) + NONCE + ciphertext + bytes(16)))


def reason(call, *args):
    with pytest.raises(RemoteError) as wrong:
        call(*args)
    return wrong.value.reason


def check(raw):
    return frame.check(raw, COMMONS, WINDOW)


# ---------------------------------------------------------------------------------------------------------------------
# As it should be


@pytest.mark.parametrize("frame_class", FrameClass)
def test_a_frame_s_way_from_member_to_member(frame_class):
    made = sealed(frame_class=frame_class)
    assert len(made.raw) == frame_class.size == {1: 1024, 2: 4096, 3: 16384}[frame_class]

    # A carrier checks it without being able to open it.
    carried = check(made.raw)
    assert carried == made
    assert (carried.minute, carried.frame_class, carried.tag, carried.nonce) == (
        MINUTE, frame_class, made.tag, NONCE,
    )  # fmt: skip
    assert carried.id == made.id == carried.id
    assert carried.id == crypto.digest(Label.FRAME_ID, made.raw)
    assert not frame.recognises(OTHERS, carried)
    assert reason(frame.open, OTHERS, carried) is RejectReason.TAG

    # A member recognises and opens it.
    assert frame.recognises(KEYS, carried)
    assert frame.open(KEYS, carried) == ITEMS


def test_fields_stand_where_the_spec_says():
    raw = sealed().raw
    assert [raw[at.start : at.stop] for at in FIELDS.values()][:3] == [b"\1", b"\1", MINUTE.to_bytes(4, "big")]
    assert sum(map(len, FIELDS.values())) == len(raw)
    read = frame.read(raw)
    assert read.aad + read.tag + read.nonce + read.ciphertext + raw[-16:] == raw


def test_a_frame_may_be_empty_or_exactly_full():
    assert frame.open(KEYS, sealed(items=())) == ()
    room = FrameClass.SMALL.capacity - len(encode([[1, bytes(256)]])) + 256
    full = (Item(1, bytes(room)),)
    assert frame.open(KEYS, sealed(items=full)) == full
    with pytest.raises(ValueError, match="fit"):
        sealed(items=(Item(1, bytes(room + 1)),))


def test_the_number_of_items_is_bounded_on_both_sides():
    most = tuple(Item(1, 0) for _ in range(LIMIT_ITEMS))
    assert frame.open(KEYS, sealed(items=most, frame_class=FrameClass.MEDIUM)) == most
    with pytest.raises(ValueError, match="more items"):
        sealed(items=(*most, Item(1, 0)), frame_class=FrameClass.MEDIUM)
    content = encode([[1, 0]] * (LIMIT_ITEMS + 1))
    forged = around(len(content).to_bytes(2, "big") + content, FrameClass.MEDIUM)
    assert reason(frame.open, KEYS, forged) is RejectReason.SHAPE


@pytest.mark.parametrize("minute", [-1, 2**32])
def test_a_minute_has_32_bits(minute):
    with pytest.raises(ValueError, match="32 bits"):
        sealed(minute=minute)


def test_nothing_secret_shows_in_a_repr():
    made = sealed()
    assert repr(made) == f"Frame(minute={MINUTE}, frame_class=<FrameClass.SMALL: 1>)"
    assert repr(KEYS) == "FrameKeys()"
    assert "header" not in repr(ITEMS[0])


def test_equal_means_equal_bytes():
    made, same, other = sealed(), sealed(), sealed(nonce=bytes(24))
    _ = made.id
    assert made == same
    assert hash(made) == hash(same)
    assert len({made, same, other}) == 2


def test_frames_of_two_secrets_have_nothing_in_common():
    mine, theirs = sealed(), sealed(keys=OTHERS)
    assert mine.tag != theirs.tag
    assert mine.ciphertext != theirs.ciphertext
    assert frame.frame_keys(Label.DOOR_FRAME, b"e" * 32) != KEYS


def test_find_names_the_key_that_fits():
    many = [frame.frame_keys(Label.EPOCH_FRAME, bytes([n]) * 32) for n in range(30)]
    assert frame.find(sealed(keys=many[17]), many) == 17
    assert frame.find(sealed(), many) is None
    assert frame.find(sealed(), []) is None


# ---------------------------------------------------------------------------------------------------------------------
# Time


@pytest.mark.parametrize(
    ("now", "minute"),
    [(0, 10), (1, 10), (599_999, 10), (600_000, 20), (NOW, MINUTE + 10), (NOW + 3 * 60_000, MINUTE + 10)],
)
def test_publication_minute_is_the_next_multiple_of_ten(now, minute):
    assert frame.publication_minute(now) == minute
    assert 0 < minute - now / 60_000 <= 10


def test_windows():
    assert frame.gossip_window(NOW + 59_999) == Window(MINUTE - 120, MINUTE + 90)
    assert frame.sync_window(NOW, 30) == Window(MINUTE - 30 * 24 * 60, MINUTE + 90)
    assert frame.publication_minute(NOW) in frame.gossip_window(NOW)


@pytest.mark.parametrize(
    ("minute", "inside"), [(MINUTE - 11, False), (MINUTE - 10, True), (MINUTE + 10, True), (MINUTE + 11, False)]
)
def test_the_window_counts_both_ends(minute, inside):
    raw = sealed(minute=minute).raw
    if inside:
        assert check(raw).minute == minute
    else:
        assert reason(check, raw) is RejectReason.WINDOW


# ---------------------------------------------------------------------------------------------------------------------
# Every field spoiled: C1


CARRIER = {
    "version": RejectReason.VERSION,
    "class": RejectReason.CLASS,
    "tag": RejectReason.MAC,
    "nonce": RejectReason.MAC,
    "ciphertext": RejectReason.MAC,
    "mac": RejectReason.MAC,
}
MEMBER = {
    "minute": RejectReason.TAG,
    "tag": RejectReason.TAG,
    "nonce": RejectReason.TAG,
    "ciphertext": RejectReason.TAG,
}


def flips(field):
    """Every single bit of a frame flipped within one field."""
    raw = sealed().raw
    for at in FIELDS[field]:
        for bit in range(8):
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            yield bytes(changed)


@pytest.mark.parametrize("field", CARRIER)
def test_a_flipped_bit_is_dropped_by_the_first_carrier(field):
    assert {reason(check, raw) for raw in flips(field)} == {CARRIER[field]}


def test_a_moved_minute_is_dropped_by_the_first_carrier():
    """Out of the window for what it is, inside it because of the MAC: near minutes too are refused."""
    for raw in flips("minute"):
        moved = int.from_bytes(raw[2:6], "big")
        assert reason(check, raw) is (RejectReason.MAC if moved in WINDOW else RejectReason.WINDOW)
        assert reason(frame.check, raw, COMMONS, Window(0, 2**32)) is RejectReason.MAC


@pytest.mark.parametrize("field", MEMBER)
def test_a_flipped_bit_under_a_new_mac_is_refused_by_every_member(field):
    """A member of the commons can put a new MAC on what they altered; the tag still refuses it."""
    for raw in flips(field):
        forged = frame.check(remade(raw), COMMONS, Window(0, 2**32))
        assert not frame.recognises(KEYS, forged)
        assert reason(frame.open, KEYS, forged) is MEMBER[field]


@pytest.mark.parametrize("size", [0, 1, 6, 61, 78, 1023, 1025, 2048, 4095, 8192, 16383, 16385, 65536])
def test_another_length_is_refused(size):
    assert reason(check, (sealed().raw * 64)[:size]) is RejectReason.LENGTH


@pytest.mark.parametrize("size", [4096, 16384])
def test_a_frame_padded_to_another_class_is_refused(size):
    assert reason(check, sealed().raw.ljust(size, b"\0")) is RejectReason.CLASS


def test_a_frame_cut_to_another_class_is_refused():
    raw = sealed(frame_class=FrameClass.MEDIUM).raw[:1024]
    assert reason(check, raw) is RejectReason.CLASS
    assert reason(check, raw[:1] + b"\1" + raw[2:]) is RejectReason.MAC


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused_before_its_class_is_looked_at(version):
    raw = sealed().raw
    assert reason(check, bytes([version, 77]) + raw[2:]) is RejectReason.VERSION


@pytest.mark.parametrize("number", [0, 2, 3, 4, 255])
def test_a_class_that_is_not_that_of_the_length_is_refused(number):
    raw = sealed().raw
    assert reason(check, raw[:1] + bytes([number]) + raw[2:]) is RejectReason.CLASS


def test_the_window_comes_before_the_mac():
    raw = sealed(minute=MINUTE + 11).raw
    assert reason(check, raw[:-1] + bytes([raw[-1] ^ 1])) is RejectReason.WINDOW


def test_an_outsider_s_frame_is_dropped_unread():
    assert reason(check, sealed(commons=b"d" * 32).raw) is RejectReason.MAC


def test_a_tag_copied_onto_junk_is_refused():
    made = sealed()
    junk = remade(made.aad + made.tag + made.nonce + bytes(len(made.ciphertext)) + bytes(16))
    assert reason(frame.open, KEYS, check(junk)) is RejectReason.TAG


def test_a_body_moved_under_another_frame_s_tag_is_refused():
    first, second = sealed(), sealed(items=(), nonce=bytes(24))
    mixed = remade(first.aad + first.tag + second.nonce + second.ciphertext + bytes(16))
    assert reason(frame.open, KEYS, check(mixed)) is RejectReason.TAG


def test_a_frame_opens_under_one_secret_alone():
    """The tag commits to the key: a ciphertext made to open under two AEAD keys passes one tag key only."""
    made = sealed()
    for raw in (made.raw, retagged(made.raw, OTHERS)):
        both = [frame.recognises(keys, frame.read(raw)) for keys in (KEYS, OTHERS)]
        assert sorted(both) == [False, True]


def test_a_member_s_right_tag_on_a_body_that_does_not_open():
    made = sealed()
    forged = retagged(made.raw[:62] + bytes(946) + made.raw[-16:])
    assert frame.recognises(KEYS, check(forged))
    assert reason(frame.open, KEYS, check(forged)) is RejectReason.SEAL


@pytest.mark.parametrize(
    ("plaintext", "expected"),
    [
        pytest.param(b"\0\1\x80" + bytes(926) + b"\1", RejectReason.PADDING, id="last-byte-not-zero"),
        pytest.param(b"\0\1\x80\1", RejectReason.PADDING, id="first-byte-of-padding-not-zero"),
        pytest.param((929).to_bytes(2, "big") + b"\x80", RejectReason.PADDING, id="length-one-too-far"),
        pytest.param(b"\xff\xff\x80", RejectReason.PADDING, id="length-far-too-far"),
        pytest.param(b"\0\2\x80", RejectReason.ENCODING, id="padding-inside-the-length"),
        pytest.param(b"\0\0", RejectReason.ENCODING, id="no-list-at-all"),
        pytest.param(b"\0\3\x81\x80", RejectReason.ENCODING, id="trailing"),
        pytest.param(b"\0\1\xa0", RejectReason.SHAPE, id="a-map"),
        pytest.param(b"\0\2\x81\x80", RejectReason.SHAPE, id="an-item-without-type"),
        pytest.param(b"\0\4\x81\x82\x20\x00", RejectReason.SHAPE, id="a-negative-type"),
        pytest.param(b"\0\5\x81\x83\1\0\0", RejectReason.SHAPE, id="an-item-of-three"),
        pytest.param(b"\0\7" + encode([[2**16, 0]]), RejectReason.ENCODING, id="a-length-one-short"),
        pytest.param(b"\0\x08" + encode([[2**16, 0]]), RejectReason.SHAPE, id="a-type-too-high"),
    ],
)
def test_a_plaintext_made_wrongly_by_a_member(plaintext, expected):
    assert reason(frame.open, KEYS, around(plaintext)) is expected


def test_the_same_items_padded_otherwise_are_refused():
    content = encode([[item.type, item.body] for item in ITEMS])
    assert frame.open(KEYS, around(len(content).to_bytes(2, "big") + content)) == ITEMS
    for at in (len(content) + 2, 500, 929):
        padded = bytearray((len(content).to_bytes(2, "big") + content).ljust(930, b"\0"))
        padded[at] = 1
        assert reason(frame.open, KEYS, around(bytes(padded))) is RejectReason.PADDING


# ---------------------------------------------------------------------------------------------------------------------
# Anything at all


bodies = st.none() | st.integers(0, 2**64 - 1) | st.binary(max_size=60) | st.lists(st.booleans(), max_size=9)


@given(st.lists(st.builds(Item, st.integers(0, 2**16 - 1), bodies), max_size=9), st.sampled_from(FrameClass))
def test_whatever_is_sealed_opens(items, frame_class):
    made = sealed(items=tuple(items), frame_class=frame_class)
    assert frame.open(KEYS, check(made.raw)) == tuple(items)


@pytest.mark.fuzz
def test_any_bytes_are_refused_with_a_type(fuzz_cases):
    """Frames with a few bytes altered, alone, under a new MAC, and under a new tag: none opens, each fails typed."""
    draw = random.Random(fuzz_cases)
    raw = sealed().raw
    reasons = set()
    for number in range(fuzz_cases):
        changed = bytearray(raw)
        for _ in range(draw.randrange(1, 4)):
            # Of the header's six bytes and of all the rest alike.
            at = draw.randrange(6) if draw.random() < 0.2 else draw.randrange(len(raw))
            changed[at] ^= draw.randrange(1, 256)
        data = (bytes, remade, retagged)[number % 3](bytes(changed[: draw.choice((1024, 1024, 1024, 700))]))
        try:
            read = frame.check(data, COMMONS, Window(0, 2**32))
            frame.open(KEYS, read)
        except RemoteError as wrong:
            reasons.add(wrong.reason)
        else:  # only what a holder of all keys sealed over the same ciphertext: the commons MAC alone was altered
            assert read.raw == raw
    assert {RejectReason.LENGTH, RejectReason.MAC, RejectReason.TAG, RejectReason.SEAL} <= reasons
