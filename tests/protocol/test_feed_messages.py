"""The messages of a feed: each reads as it was written, everything else is refused with a reason."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.feed_messages import (
    KIB,
    LIMIT_ASK,
    LIMIT_BATCH,
    LIMIT_CREDIT,
    LIMIT_CURSOR,
    LIMIT_PUT,
    LIMIT_RELAY_CARD,
    LIMIT_TELL,
    Accepted,
    AskCard,
    Batch,
    Behind,
    Credit,
    Draining,
    Fate,
    Put,
    Refusal,
    Refused,
    Subscribe,
    Taken,
    TellCard,
    Type,
    cost,
    fitting,
    read_ask,
    read_tell,
    write,
)
from tertulia.protocol.frame import FrameClass

CURSOR = bytes(range(LIMIT_CURSOR))
LARGE = bytes(FrameClass.LARGE.size)
SMALL = bytes(FrameClass.SMALL.size)
CLOCK = 1_780_000_000_000
ASKS = [
    Subscribe(b"", 1),
    Subscribe(CURSOR, LIMIT_CREDIT),
    Credit(1),
    Credit(LIMIT_CREDIT),
    Put((SMALL,)),
    Put((LARGE,) * LIMIT_PUT),
    AskCard(),
]
TELLS = [
    Accepted(b"", 0, b""),
    Accepted(CURSOR, 2**53, bytes(32)),
    Batch(CURSOR, ()),
    Batch(CURSOR, (LARGE,)),
    Batch(CURSOR, (SMALL,) * 16),
    Behind(CURSOR),
    Taken(()),
    Taken(tuple(Fate)),
    Taken((Fate.KEPT,) * LIMIT_PUT),
    TellCard(b""),
    TellCard(bytes(LIMIT_RELAY_CARD)),
    Draining(CLOCK),
    *(Refused(reason, CLOCK) for reason in Refusal),
]
KNOWN = {
    Subscribe(b"\x01\x02", 64): "8301420102" + "1840",
    Credit(16): "820210",
    Put((b"abc",)): "8203814361" + "6263",
    AskCard(): "8104",
    Accepted(b"\x01", 1_000, b""): "8405410119" + "03e840",
    Batch(b"\x01", (b"a", b"b")): "830641018241614162",
    Behind(b"\x02"): "82074102",
    Taken((Fate.KEPT, Fate.GONE, Fate.WINDOW, Fate.DISK)): "82088400010203",
    TellCard(b"c"): "82094163",
    Draining(7): "820a07",
    Refused(Refusal.RATE, 0): "830b0300",
}


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_what_a_citizen_says_reads_as_it_was_written(ask):
    data = write(ask)
    assert len(data) <= LIMIT_ASK
    assert read_ask(data) == ask


@pytest.mark.parametrize("tell", TELLS, ids=lambda tell: type(tell).__name__)
def test_what_a_relay_says_reads_as_it_was_written(tell):
    data = write(tell)
    assert len(data) <= LIMIT_TELL
    assert read_tell(data) == tell


@pytest.mark.parametrize(("message", "known"), KNOWN.items(), ids=lambda value: type(value).__name__)
def test_the_bytes_are_those_of_the_spec(message, known):
    assert write(message).hex() == known


def test_nobody_takes_the_words_of_the_other_side():
    for reader, messages in [(read_tell, ASKS), (read_ask, TELLS)]:
        for message in messages:
            if len(write(message)) > LIMIT_TELL:
                continue
            with pytest.raises(RemoteError) as refused:
                reader(write(message))
            assert refused.value.reason is RejectReason.SHAPE


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [0],
        ["1"],
        [True, b"", 1],
        [Type.SUBSCRIBE, b""],
        [Type.SUBSCRIBE, b"", 0],
        [Type.SUBSCRIBE, b"", LIMIT_CREDIT + 1],
        [Type.SUBSCRIBE, bytes(LIMIT_CURSOR + 1), 1],
        [Type.CREDIT, 0],
        [Type.CREDIT, LIMIT_CREDIT + 1],
        [Type.CREDIT, -1],
        [Type.PUT, []],
        [Type.PUT, SMALL],
        [Type.PUT, [LARGE + b"x"]],
        [Type.PUT, [b""] * (LIMIT_PUT + 1)],
        [Type.PUT, ["text"]],
        [Type.ASK_CARD, 0],
        [1, 2, 3, 4],
    ],
)
def test_another_shape_of_a_citizen_is_refused(fields):
    with pytest.raises(RemoteError) as refused:
        read_ask(encode(fields))
    assert refused.value.reason is RejectReason.SHAPE


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [12],
        [Type.ACCEPTED, b"", 0],
        [Type.ACCEPTED, bytes(LIMIT_CURSOR + 1), 0, b""],
        [Type.ACCEPTED, b"", -1, b""],
        [Type.ACCEPTED, b"", 2**53 + 1, b""],
        [Type.ACCEPTED, b"", 0, bytes(31)],
        [Type.ACCEPTED, b"", 0, bytes(33)],
        [Type.BATCH, b"", SMALL],
        [Type.BATCH, b"", [LARGE, b"x"]],
        [Type.BATCH, b"", [b""] * 17],
        [Type.BATCH, bytes(LIMIT_CURSOR + 1), []],
        [Type.BEHIND, 1],
        [Type.TAKEN, [len(Fate)]],
        [Type.TAKEN, [False]],
        [Type.TAKEN, [0] * (LIMIT_PUT + 1)],
        [Type.TELL_CARD, bytes(LIMIT_RELAY_CARD + 1)],
        [Type.TELL_CARD, "card"],
        [Type.DRAINING],
        [Type.DRAINING, 2**53 + 1],
        [Type.REFUSED, len(Refusal), 0],
        [Type.REFUSED, 0],
        [1, 2, 3, 4, 5],
    ],
)
def test_another_shape_of_a_relay_is_refused(fields):
    with pytest.raises(RemoteError) as refused:
        read_tell(encode(fields))
    assert refused.value.reason is RejectReason.SHAPE


@pytest.mark.parametrize(("reader", "limit"), [(read_ask, LIMIT_ASK), (read_tell, LIMIT_TELL)])
def test_size_comes_first(reader, limit):
    with pytest.raises(RemoteError) as refused:
        reader(bytes(limit + 1))
    assert refused.value.reason is RejectReason.SIZE
    with pytest.raises(RemoteError) as refused:
        reader(b"\x82\x18\x02\x01")
    assert refused.value.reason is RejectReason.ENCODING


def test_credit_is_what_frames_weigh():
    assert cost([]) == 0
    assert [cost([bytes(each.size)]) for each in FrameClass] == [1, 4, 16]
    assert cost([SMALL, LARGE]) == 17
    assert cost([b"x"]) == 1


def test_a_batch_is_full_at_its_bytes_or_at_the_end_of_the_credit():
    small, large = FrameClass.SMALL.size, FrameClass.LARGE.size
    assert fitting([], 100) == 0
    assert fitting([small] * 40, 100) == 16
    assert fitting([small] * 40, 3) == 3
    assert fitting([small, large], 100) == 1
    assert fitting([large, small], 100) == 1
    assert fitting([large], 15) == 0


@given(st.lists(st.sampled_from([each.size for each in FrameClass]), max_size=40), st.integers(0, LIMIT_CREDIT))
def test_a_batch_never_passes_its_bounds_and_never_stops_short_of_them(sizes, credit):
    count = fitting(sizes, credit)
    bound = min(LIMIT_BATCH, credit * KIB)
    assert sum(sizes[:count]) <= bound
    assert count == len(sizes) or sum(sizes[: count + 1]) > bound


@pytest.mark.fuzz
def test_no_bytes_do_more_than_be_refused(fuzz_cases):
    dice = random.Random(None if fuzz_cases > 2_000 else 7)
    for reader, messages in [(read_ask, ASKS), (read_tell, TELLS)]:
        honest = [write(message) for message in messages if len(write(message)) < 1_500]
        for _ in range(fuzz_cases):
            data = bytearray(dice.choice(honest))
            for _ in range(dice.randrange(1, 4)):
                at = dice.randrange(len(data))
                data[at : at + dice.randrange(2)] = dice.randbytes(dice.randrange(2))
                data = data or bytearray(1)
            try:
                message = reader(bytes(data))
            except RemoteError:
                continue
            assert write(message) == data
