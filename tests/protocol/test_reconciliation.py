"""Two sides end with exactly their differences, whatever they hold; a hostile message spoils nothing but its answer."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.fingerprint import fingerprint
from tertulia.protocol.negentropy import END, LIMIT_RANGES, Bound, Fingerprint, IdList, read, write
from tertulia.protocol.range_index import Index
from tertulia.protocol.reconciliation import (
    BUCKETS,
    FRAME_SIZE,
    LEAST_FRAME_SIZE,
    LIMIT_RECONCILE,
    Limits,
    initiate,
    reconcile,
    respond,
)

UNBOUNDED = 1 << 22
SMALL = Limits(LEAST_FRAME_SIZE)
SIZES = st.sampled_from([0, LEAST_FRAME_SIZE, 5_000, FRAME_SIZE])
COUNTS = st.one_of(st.integers(0, 40), st.integers(0, 700))


def frames(dice, count, minutes, common=0):
    """Random places; ids begin with `common` bytes that are the same for all."""
    return [(dice.randrange(minutes) * 10, bytes(common) + dice.randbytes(32 - common)) for _ in range(count)]


def exchange(initiator, responder, theirs=None, ours=None, rounds=2_000):
    """Run both roles to the end; return all that was sent, and the differences as the initiator found them."""
    ours = ours or Limits(0, UNBOUNDED)
    theirs = theirs or ours
    sent, have, need = [initiate(initiator, ours)], [], []
    for _ in range(rounds):
        sent.append(respond(responder, sent[-1], theirs))
        step = reconcile(initiator, sent[-1], ours)
        assert len(set(step.have)) == len(step.have)
        assert len(set(step.need)) == len(step.need)
        have += step.have
        need += step.need
        if step.message is None:
            return sent, set(have), set(need)
        sent.append(step.message)
    raise AssertionError("rounds without end")


def ids(places):
    return {frame for _, frame in places}


@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.tuples(COUNTS, COUNTS, COUNTS),
    minutes=st.sampled_from([1, 3, 500]),
    common=st.sampled_from([0, 0, 28]),
    sizes=st.tuples(SIZES, SIZES),
    as_reference=st.tuples(st.booleans(), st.booleans()),
)
def test_the_differences_are_exact(seed, counts, minutes, common, sizes, as_reference):
    dice = random.Random(seed)
    both, have, need = (frames(dice, count, minutes, common) for count in counts)
    ours, theirs = (
        Limits(size, UNBOUNDED, reference) for size, reference in zip(sizes, as_reference, strict=True)
    )
    sent, found_have, found_need = exchange(Index(both + have), Index(both + need), theirs, ours)
    assert found_have == ids(have)
    assert found_need == ids(need)
    for number, message in enumerate(sent):
        size = sizes[number % 2]
        assert size == 0 or len(message) <= size


@pytest.mark.parametrize("frame_size", [0, LEAST_FRAME_SIZE, FRAME_SIZE])
@pytest.mark.parametrize(("mine", "theirs"), [(0, 9_000), (9_000, 0), (9_000, 9_000), (20, 9_000), (9_000, 20)])
def test_thousands_that_have_nothing_in_common(frame_size, mine, theirs):
    dice = random.Random(4)
    have, need = frames(dice, mine, 400), frames(dice, theirs, 400)
    sent, found_have, found_need = exchange(Index(have), Index(need), ours=Limits(frame_size, UNBOUNDED))
    assert (found_have, found_need) == (ids(have), ids(need))
    if frame_size == 0:
        assert len(sent) <= 8


def test_what_is_new_takes_four_messages():
    dice = random.Random(1)
    old = frames(dice, 20_000, 4_000)
    new = [(50_000 + dice.randrange(60), dice.randbytes(32)) for _ in range(200)]
    sent, have, need = exchange(Index(old), Index(old + new))
    assert (have, need) == (set(), ids(new))
    assert len(sent) == 4
    assert sum(map(len, sent)) < 40 * len(new) + 1_000
    sent, have, need = exchange(Index(old + new), Index(old))
    assert (have, need) == (ids(new), set())
    assert len(sent) == 4


def test_two_sides_in_step_say_little():
    index = Index(frames(random.Random(2), 5_000, 100))
    (question, answer), have, need = exchange(index, index)
    assert (answer, have, need) == (b"\x61", set(), set())
    assert len(question) < 1_000
    assert len(exchange(index, index, ours=Limits(as_reference=True))[0][0]) < 400


def test_the_first_message_honours_the_frame_size():
    """Ids that differ in their last bytes alone make bounds as long as they can be."""
    crowded = initiate(Index(frames(random.Random(3), 100_000, 1, common=28)), SMALL)
    assert len(read(crowded, LEAST_FRAME_SIZE)) == 3 * (BUCKETS - 1) + 1
    longest = 10 + 1 + 32 + 1 + 16
    assert 1 + 4 * BUCKETS * longest < LEAST_FRAME_SIZE


def test_a_set_that_changes_meanwhile_loses_nothing_that_stayed():
    dice = random.Random(7)
    both, have, need = (frames(dice, count, 200) for count in (3_000, 300, 300))
    late = iter(frames(dice, 500, 200))
    ours, theirs = Index(both + have), Index(both + need)
    message, found_have, found_need = initiate(ours, SMALL), set(), set()
    while message is not None:
        step = reconcile(ours, respond(theirs, message, SMALL), SMALL)
        found_have |= set(step.have)
        found_need |= set(step.need)
        message = step.message
        for place in need[:100]:
            if place[1] in step.need:
                ours.add(*place)
        for index in (ours, theirs):
            index.add(*next(late))
    assert ids(have) <= found_have
    assert ids(need) <= found_need


def test_only_minutes_of_the_view_are_compared():
    dice = random.Random(8)
    both, have, need = (frames(dice, count, 300) for count in (500, 200, 200))
    floor, ceiling = 1_000, 2_000

    def within(places):
        return {frame for minute, frame in places if floor <= minute < ceiling}

    gone = need[:50] + both[:50] + have[:50]
    ours, theirs = Index(both + have), Index(both + need)
    _, found_have, found_need = exchange(ours.view(floor, ceiling), theirs.view(floor, ceiling))
    assert (found_have, found_need) == (within(have), within(need))
    _, found_have, found_need = exchange(ours.view(floor, ceiling, gone), theirs.view(floor, ceiling, gone))
    assert (found_have, found_need) == (within(have[50:]), within(need[50:]))


# What a full message must not hide ---------------------------------------------------------------------------------


def test_a_range_that_they_say_is_empty_is_never_taken_for_settled():
    """The reference leaves the range that no longer fits out of the last fingerprint, and loses it here."""
    index = Index((minute, bytes([minute % 251]) * 32) for minute in range(31 * 3 + 25 + 900))
    bounds = [Bound(31), Bound(62), Bound(93), Bound(118)]
    nothing = Fingerprint(END, fingerprint(0, 0))
    question = b"\x61" + write([*(Fingerprint(bound, bytes(16)) for bound in bounds), nothing], 0)
    answer = read(respond(index, question, SMALL), LEAST_FRAME_SIZE)
    assert [type(each) for each in answer] == [IdList, IdList, IdList, IdList, Fingerprint]
    assert answer[-1] == Fingerprint(END, index.fingerprint(118, len(index)))
    assert answer[-1] != nothing
    # One that they say is not empty is left out, as the reference does: it differs for whoever holds any of it.
    question = b"\x61" + write([*(Fingerprint(bound, bytes(16)) for bound in bounds), Fingerprint(END, bytes(16))], 0)
    assert read(respond(index, question, SMALL), LEAST_FRAME_SIZE)[-1] == nothing


def test_a_full_list_goes_on_from_where_it_ended():
    index = Index((minute // 2, minute.to_bytes(32, "big")) for minute in range(1_000))
    answer = respond(index, b"\x61" + write([IdList(END, b"")], 0), SMALL)
    listed, rest = read(answer, LEAST_FRAME_SIZE)
    count = len(listed.ids)
    assert count == 122, "the last id begins within 4,096 - 200 bytes, as the reference has it"
    assert listed.upper.key == index.key_at(count)
    assert rest == Fingerprint(END, index.fingerprint(count, 1_000))


def test_a_list_that_just_fits_is_followed_by_an_empty_range():
    index = Index((0, minute.to_bytes(32, "big")) for minute in range(122))
    listed, rest = read(respond(index, b"\x61" + write([IdList(END, b"")], 0), SMALL), LEAST_FRAME_SIZE)
    assert len(listed.ids) == 122
    assert rest == Fingerprint(END, fingerprint(0, 0))


# Hostile messages --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def held():
    return Index(frames(random.Random(11), 2_000, 60))


def test_a_later_version_is_answered_with_ours(held):
    assert respond(held, b"\x62 whatever comes then") == b"\x61"
    for message in (b"", b"\x5f", b"\x70"):
        with pytest.raises(RemoteError) as refused:
            respond(held, message)
        assert refused.value.reason is RejectReason.VERSION
    with pytest.raises(RemoteError) as refused:
        reconcile(held, b"\x62")
    assert refused.value.reason is RejectReason.VERSION


@pytest.mark.parametrize("role", [respond, reconcile])
def test_size_comes_before_all_else(held, role):
    with pytest.raises(RemoteError) as refused:
        role(held, bytes(LIMIT_RECONCILE + 1))
    assert refused.value.reason is RejectReason.SIZE


def test_an_answer_without_ranges_ends_it(held):
    assert reconcile(held, b"\x61").message is None
    assert respond(held, b"\x61") == b"\x61"


def test_ids_listed_twice_are_needed_once(held):
    wanted = bytes(range(32))
    step = reconcile(held, b"\x61" + write([IdList(Bound(0), wanted * 2), IdList(END, wanted)], 0))
    assert step.need == (wanted,)
    assert len(step.have) == len(held)


def test_absurd_questions_get_bounded_answers(held):
    """As many ranges as may be, each of which differs, or each of which asks for a list."""
    wrong = [Fingerprint(Bound(minute), bytes(16)) for minute in range(3_000)]
    asks = [IdList(Bound(minute), b"") for minute in range(LIMIT_RANGES)]
    empty = [IdList(END, b"") for _ in range(LIMIT_RANGES)]
    for ranges in (wrong, asks, empty):
        question = b"\x61" + write(ranges, 0)
        assert len(respond(held, question, SMALL)) <= LEAST_FRAME_SIZE
        assert len(respond(held, question)) <= FRAME_SIZE
        answer = reconcile(held, question).message
        assert answer is None or len(answer) <= FRAME_SIZE


def test_a_frame_size_that_nothing_fits_is_a_mistake():
    with pytest.raises(ValueError, match="below the least"):
        Limits(LEAST_FRAME_SIZE - 1)


def mangled(dice, message):
    """A message with some bytes changed, put in, taken out, or doubled."""
    data = bytearray(message)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(4):
            case 0:
                data[at:at] = dice.randbytes(dice.randrange(1, 4))
            case 1:
                del data[at : at + dice.randrange(1, 40)]
            case 2:
                data[at : at + 1] = bytes([dice.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFF])])
            case _:
                data[at:at] = data[at : at + dice.randrange(1, 60)]
    return bytes(data)


@pytest.mark.fuzz
def test_no_message_does_more_than_be_refused(fuzz_cases):
    dice = random.Random(None if fuzz_cases > 2_000 else 5)
    both, have, need = (frames(dice, count, 40) for count in (300, 60, 60))
    ours, theirs = Index(both + have), Index(both + need)
    honest = exchange(ours, theirs, ours=SMALL)[0]
    before = ours.fingerprint(0, len(ours))
    for _ in range(fuzz_cases):
        message = mangled(dice, dice.choice(honest)) if dice.random() < 0.8 else b"\x61" + dice.randbytes(60)
        for role in (respond, reconcile):
            try:
                answer = role(ours, message, SMALL)
            except RemoteError:
                continue
            written = answer if role is respond else answer.message
            assert written is None or len(written) <= LEAST_FRAME_SIZE
            assert written is None or read(written, LEAST_FRAME_SIZE) is not None
    assert ours.fingerprint(0, len(ours)) == before
