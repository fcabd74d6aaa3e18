"""The messages of a sync session: each reads as it was written, everything else is refused with a reason."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.gone import DAY, LIMIT_GONE, LIMIT_GONE_DAY, GoneDay
from tertulia.protocol.reconciliation import LIMIT_RECONCILE
from tertulia.protocol.sync_messages import (
    LIMIT_ANSWER,
    LIMIT_FRAMES,
    LIMIT_GONE_DAYS,
    LIMIT_MESSAGE,
    LIMIT_MINUTE,
    AskGone,
    End,
    Ending,
    Frames,
    Give,
    Kept,
    Noted,
    Offer,
    Open,
    Opened,
    Reconcile,
    TellGone,
    Type,
    Verdict,
    Want,
    batches,
    read,
    unexpected,
    write,
)
from tertulia.protocol.sync_terms import Stand

ID = bytes(range(32))
STAND = Stand(1_780_000_000_000, 29_000_000)
GONE = (GoneDay(20_000, 3, bytes(16)), GoneDay(20_002, 1, b"\xff" * 16))
MESSAGES = [
    Open(STAND, ()),
    Open(Stand(0, 0), GONE),
    Opened(STAND, (), (), bytes(16)),
    Opened(Stand(2**53, LIMIT_MINUTE), GONE, (20_000, 20_002), b""),
    AskGone(20_000),
    TellGone(0, ()),
    TellGone(20_000, ((20_000 * DAY, ID), (20_000 * DAY, b"\xff" * 32), (20_000 * DAY + 1_439, ID))),
    Noted(b""),
    Noted(b"\x07" * 16),
    Reconcile(b""),
    Reconcile(b"\x61" + bytes(40)),
    Want(()),
    Want((ID, ID)),
    Frames(()),
    Frames((b"any", bytes(FrameClass.LARGE.size))),
    Offer(()),
    Offer((ID, ID)),
    Give((b"any",)),
    Kept(()),
    Kept(tuple(Verdict)),
    *map(End, Ending),
]


@pytest.mark.parametrize("message", MESSAGES, ids=repr)
def test_what_is_written_is_read(message):
    assert read(write(message)) == message


def test_every_type_is_tried():
    assert {write(message)[1] for message in MESSAGES} == set(Type)


def test_frames_are_not_in_a_repr():
    assert "secret" not in repr(Frames((b"secret",))) + repr(Give((b"secret",)))


@given(ids=st.lists(st.binary(min_size=32, max_size=32), max_size=300))
def test_batches_are_all_of_it_in_order(ids):
    cut = batches(ids)
    assert [each for batch in cut for each in batch] == ids
    assert all(0 < len(batch) <= LIMIT_FRAMES for batch in cut)


def test_the_longest_messages_fit_their_limits():
    large = FrameClass.LARGE.size
    frames = tuple(bytes(large) for _ in range(LIMIT_FRAMES))
    first = LIMIT_MINUTE // DAY * DAY
    day = tuple((first + number // 256, number.to_bytes(32, "big")) for number in range(LIMIT_GONE_DAY))
    days = tuple(GoneDay(10_000 + number, 20, bytes(16)) for number in range(LIMIT_GONE_DAYS))
    asked = tuple(each.day for each in days)
    for message, limit in [
        (Frames(frames), LIMIT_MESSAGE),
        (Give(frames), LIMIT_MESSAGE),
        (TellGone(LIMIT_MINUTE // DAY, day), LIMIT_ANSWER),
        (Opened(Stand(2**53, LIMIT_MINUTE), days, asked, bytes(16)), LIMIT_ANSWER),
        (Reconcile(bytes(LIMIT_RECONCILE)), LIMIT_ANSWER),
        (Want(tuple([ID] * LIMIT_FRAMES)), LIMIT_ANSWER),
        (Offer(tuple([ID] * LIMIT_FRAMES)), LIMIT_ANSWER),
        (Kept(tuple([Verdict.GONE] * LIMIT_FRAMES)), LIMIT_ANSWER),
    ]:
        data = write(message)
        assert read(data, limit) == message


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [0],
        [13],
        ["1"],
        [True, 0, 0, []],
        [1, 0, 0],
        [1, -1, 0, []],
        [1, 2**53 + 1, 0, []],
        [1, 0, 2**32, []],
        [1, 0, 0, {}],
        [1, 0, 0, [[20_000, 3, bytes(15)]]],
        [1, 0, 0, [[20_000, 0, bytes(16)]]],
        [1, 0, 0, [[20_000, LIMIT_GONE_DAY + 1, bytes(16)]]],
        [1, 0, 0, [[2**32, 1, bytes(16)]]],
        [1, 0, 0, [[2, 1, bytes(16)], [2, 1, bytes(16)]]],
        [1, 0, 0, [[2, 1, bytes(16)], [1, 1, bytes(16)]]],
        [1, 0, 0, [[day, 1, bytes(16)] for day in range(LIMIT_GONE_DAYS + 1)]],
        [2, 0, 0, [], []],
        [2, 0, 0, [], [], bytes(15)],
        [2, 0, 0, [], [], bytes(17)],
        [2, 0, 0, [], [3, 3], b""],
        [2, 0, 0, [], list(range(LIMIT_GONE_DAYS + 1)), b""],
        [3],
        [3, 2**32],
        [4, 0, bytes(33)],
        [4, 0, (bytes(34) * 2)],
        [4, 0, b"\x05\xa0" + ID],
        [4, 0, bytes(34 * (LIMIT_GONE_DAY + 1))],
        [4, 0, [ID]],
        [5, bytes(8)],
        [6, bytes(LIMIT_RECONCILE + 1)],
        [6, []],
        [7, bytes(31)],
        [7, bytes(32 * (LIMIT_FRAMES + 1))],
        [8, [bytes(FrameClass.LARGE.size + 1)]],
        [8, [b""] * (LIMIT_FRAMES + 1)],
        [9, ["text"]],
        [9, [], []],
        [10, [3]],
        [10, [-1]],
        [10, [False]],
        [10, [1] * (LIMIT_FRAMES + 1)],
        [11],
        [11, 3],
        [11, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
    ],
)
def test_another_shape_is_refused(fields):
    with pytest.raises(RemoteError) as refused:
        read(encode(fields))
    assert refused.value.reason is RejectReason.SHAPE


def test_more_gone_frames_than_anyone_remembers_are_refused():
    days = [[day, LIMIT_GONE_DAY, bytes(16)] for day in range(LIMIT_GONE // LIMIT_GONE_DAY)]
    assert read(encode([1, 0, 0, days])).gone[0].count == LIMIT_GONE_DAY
    with pytest.raises(RemoteError) as refused:
        read(encode([1, 0, 0, [*days, [2_000, 1, bytes(16)]]]))
    assert refused.value.reason is RejectReason.LIMIT


def test_size_comes_first():
    with pytest.raises(RemoteError) as refused:
        read(bytes(LIMIT_ANSWER + 1), LIMIT_ANSWER)
    assert refused.value.reason is RejectReason.SIZE
    with pytest.raises(RemoteError) as refused:
        read(b"\x82\x18\x01\x00")
    assert refused.value.reason is RejectReason.ENCODING
    assert unexpected().reason is RejectReason.SHAPE


@pytest.mark.fuzz
def test_no_bytes_do_more_than_be_refused(fuzz_cases):
    dice = random.Random(None if fuzz_cases > 2_000 else 6)
    honest = [write(message) for message in MESSAGES if len(write(message)) < 1_000]
    for _ in range(fuzz_cases):
        data = bytearray(dice.choice(honest))
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(data))
            data[at : at + dice.randrange(2)] = dice.randbytes(dice.randrange(2))
            data = data or bytearray(1)
        try:
            message = read(bytes(data))
        except RemoteError:
            continue
        assert write(message) == data
