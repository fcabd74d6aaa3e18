"""Gone frames: bounded, told truly, asked of others, never of the same neighbour twice on one day."""

import random

import pytest

from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.fingerprint import addend, fingerprint
from tertulia.protocol.gone import (
    DAY,
    LIMIT_GONE,
    LIMIT_GONE_DAY,
    LIMIT_GONE_NEIGHBOUR,
    LIMIT_GONE_NEIGHBOURS,
    LIMIT_RETRIED,
    LIMIT_TRIED,
    Gone,
    GoneDay,
    Told,
)
from tertulia.protocol.range_index import Index

TODAY = 20_000
ALWAYS = range(2**32)


def places(count, day=TODAY, seed=0):
    dice = random.Random(f"{seed} {day}")
    return sorted((day * DAY + dice.randrange(DAY), dice.randbytes(32)) for _ in range(count))


def gone_with(found, neighbour="ana", day=TODAY):
    gone = Gone()
    assert all(gone.add(place, neighbour, day) for place in found)
    return gone


def test_what_was_kept_after_all_is_no_longer_gone():
    first, second = places(2)
    gone = gone_with([first, second])
    gone.kept(first)
    gone.kept(first)
    assert (first in gone, second in gone, len(gone)) == (False, True, 1)
    assert gone.of_day(TODAY) == (second,)
    assert not gone.tried(first, "ana", TODAY)


def test_a_neighbour_has_so_many_a_day():
    found = places(LIMIT_GONE_NEIGHBOUR + 1)
    gone = gone_with(found[:-1])
    assert not gone.add(found[-1], "ana", TODAY)
    assert found[-1] not in gone
    assert gone.add(found[0], "ana", TODAY), "had of her before: it costs nothing"
    assert gone.add(found[-1], "ben", TODAY), "another neighbour's count is its own"
    assert not gone.add(found[-1], "ana", TODAY), "known, but one more of hers"
    assert gone.add(found[-1], "ana", TODAY + 1), "the next day begins at nothing"


def test_so_many_neighbours_a_day():
    """However many names a peer takes on."""
    gone, (place,) = Gone(), places(1)
    assert all(gone.add(place, f"sybil {number}", TODAY) for number in range(LIMIT_GONE_NEIGHBOURS))
    assert not gone.add(place, "one more", TODAY)
    assert gone.add(place, "sybil 0", TODAY)
    assert gone.add(place, "one more", TODAY + 1)


def test_what_is_taken_over_counts_as_before():
    first, second = places(2)
    gone = gone_with([first, second])
    again = Gone()
    tried = {place: gone.tried_by(place, TODAY) for place in (first, second)}
    again.restore(TODAY, {"ana": gone.spent_by("ana", TODAY)}, tried)
    assert again.days() == gone.days()
    assert again.tried(first, "ana", TODAY)
    assert (again.spent_by("ana", TODAY), again.spent_by("ana", TODAY + 1)) == (2, 0)
    assert gone.tried_by(first, TODAY + 1) == ()


def test_a_day_of_minutes_and_the_whole_hold_so_many():
    gone = Gone()
    days = [TODAY + number for number in range(LIMIT_GONE // LIMIT_GONE_DAY)]
    for day in days:
        for number, place in enumerate(places(LIMIT_GONE_DAY, day)):
            assert gone.add(place, f"{day} {number // LIMIT_GONE_NEIGHBOUR}", TODAY)
        if day == days[0]:
            assert not gone.add(places(1, day, seed=1)[0], "zoe", TODAY)
    assert len(gone) == LIMIT_GONE
    assert not gone.add(places(1, TODAY + 9)[0], "zoe", TODAY)
    assert gone.add(places(LIMIT_GONE_DAY, days[0])[0], "zoe", TODAY), "what is gone may be had of another"
    assert [each.count for each in gone.days()] == [LIMIT_GONE_DAY] * len(days)


def test_old_minutes_are_forgotten_with_all_that_is_known_of_them():
    early, late = places(3, TODAY), places(3, TODAY + 1)
    gone = gone_with(early + late)
    gone.evict((TODAY + 1) * DAY)
    assert gone.of_day(TODAY) == ()
    assert gone.of_day(TODAY + 1) == tuple(late)
    assert not any(gone.tried(place, "ana", TODAY) for place in early)
    assert set(gone._tried) == {frame for _, frame in late}


def test_others_are_asked_newest_first_and_once_a_day():
    found = places(LIMIT_RETRIED + 30)
    gone = gone_with(found)
    assert gone.to_retry("ana", TODAY, ALWAYS, set()) == ()
    first = gone.to_retry("ben", TODAY, ALWAYS, set())
    assert first == tuple(reversed(found))[:LIMIT_RETRIED]
    for place in first:
        gone.lacked(place, "ben", TODAY)
    assert gone.to_retry("ben", TODAY, ALWAYS, set()) == tuple(reversed(found))[LIMIT_RETRIED:]
    assert gone.to_retry("ben", TODAY + 1, ALWAYS, set()) == first
    assert gone.to_retry("ana", TODAY + 1, ALWAYS, set()) == first


def test_what_is_gone_there_too_or_out_of_reach_is_not_asked_for():
    found = places(10)
    gone = gone_with(found)
    assert set(gone.to_retry("ben", TODAY, ALWAYS, set(found[:4]))) == set(found[4:])
    reach = range(found[3][0], found[7][0])
    assert set(gone.to_retry("ben", TODAY, reach, set())) == {place for place in found if place[0] in reach}
    assert gone.to_retry("ben", TODAY, range(5, 5), set()) == ()


def test_what_was_never_gone_leaves_no_trace():
    gone = Gone()
    gone.lacked(places(1)[0], "ben", TODAY)
    assert gone._tried == {}


def test_of_many_neighbours_the_one_tried_first_is_forgotten():
    place = places(1)[0]
    gone = gone_with([place])
    for number in range(LIMIT_TRIED):
        assert gone.add(place, f"peer {number}", TODAY)
    assert not gone.tried(place, "ana", TODAY)
    assert gone.tried(place, "peer 0", TODAY)
    gone.lacked(place, "peer 0", TODAY)
    gone.lacked(place, "one more", TODAY)
    assert gone.tried(place, "peer 0", TODAY), "the last one tried, not the first"
    assert not gone.tried(place, "peer 1", TODAY)


# What is told -------------------------------------------------------------------------------------------------------


def test_days_say_how_many_and_which():
    found = places(3, 0) + places(2, TODAY) + places(4, TODAY + 7)
    days = gone_with(found).days()
    assert [(each.day, each.count) for each in days] == [(0, 3), (TODAY, 2), (TODAY + 7, 4)]
    assert days[1].fingerprint == fingerprint(sum(addend(frame) for _, frame in found[3:5]), 2)
    assert Gone().days() == ()


def test_only_what_is_new_is_asked_for():
    gone, told = gone_with(places(3, TODAY) + places(2, TODAY + 1)), Told()
    assert told.unknown(gone.days()) == (TODAY, TODAY + 1)
    for each in gone.days():
        told.learn(each, gone.of_day(each.day))
    assert told.unknown(gone.days()) == ()
    assert told.places() == set(places(3, TODAY) + places(2, TODAY + 1))
    gone.kept(places(3, TODAY)[1])
    assert told.unknown(gone.days()) == (TODAY,)
    assert told.places() == set(places(2, TODAY + 1)), "what is said no longer is no longer left out"
    assert told.unknown(()) == ()
    assert told.places() == set()


@pytest.mark.parametrize("told", [places(2), places(4), places(3, seed=1), []])
def test_another_list_than_said_is_refused(told):
    (said,) = gone_with(places(3)).days()
    known = Told()
    with pytest.raises(RemoteError) as refused:
        known.learn(said, tuple(told))
    assert refused.value.reason is RejectReason.ID
    assert known.places() == set()
    with pytest.raises(RemoteError):
        known.learn(GoneDay(TODAY, 3, bytes(16)), tuple(places(3)))


def test_more_than_said_is_refused_even_if_the_fingerprint_was_made_for_it():
    """Otherwise the bound on what a peer announces would not bound what is remembered of it."""
    found = places(3)
    said = GoneDay(TODAY, 1, fingerprint(sum(addend(frame) for _, frame in found), 1))
    with pytest.raises(RemoteError):
        Told().learn(said, tuple(found))


def test_an_index_without_them_is_what_both_compare():
    held, lost = places(300), places(20, seed=2)
    told = Told()
    (said,) = gone_with(lost).days()
    told.learn(said, tuple(lost))
    ours, theirs = Index(held + lost), Index(held)
    view = ours.view(without=told.places())
    assert view.fingerprint(0, len(view)) == theirs.fingerprint(0, len(theirs))
