"""The index does what a sorted list does, and knows sums; views of it stand by themselves."""

import random
from bisect import bisect_left, insort

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.fingerprint import addend, fingerprint
from tertulia.protocol.range_index import BLOCK, Index, key_of, place_of

FEW = st.builds(lambda minute, tail: (minute, tail.rjust(32, b"\0")), st.integers(0, 3), st.binary(max_size=1))


def many(count, seed=0, minutes=50):
    dice = random.Random(seed)
    return [(dice.randrange(minutes), dice.randbytes(32)) for _ in range(count)]


def same(index, places):
    """The index holds exactly these places, in order, in blocks as they should be, and sums them up."""
    places = sorted(set(places))
    assert list(index) == places
    assert len(index) == len(places)
    assert all(0 < block.count <= BLOCK for block in index._blocks)
    for block in index._blocks:
        assert block.total == sum(addend(block.key(position)[8:]) for position in range(block.count))
    dice = random.Random(len(places))
    for _ in range(20):
        lower, upper = sorted(dice.choices(range(len(places) + 1), k=2))
        ids = [frame for _, frame in places[lower:upper]]
        assert index.fingerprint(lower, upper) == fingerprint(sum(map(addend, ids)), len(ids))
        assert [place_of(key) for key in index.keys(lower, upper)] == places[lower:upper]
        if lower < len(places):
            assert place_of(index.key_at(lower)) == places[lower]
            assert index.rank(key_of(*places[lower])) == lower
            assert places[lower] in index


@given(places=st.lists(FEW, max_size=40))
def test_many_at_once_come_in_order_and_once(places):
    same(Index(places), places)


@given(steps=st.lists(st.tuples(st.booleans(), FEW), max_size=60))
def test_it_changes_as_a_set_does(steps):
    index, model = Index(), set()
    for add, place in steps:
        assert (index.add(*place) if add else index.discard(*place)) is (add is not (place in model))
        (model.add if add else model.discard)(place)
    same(index, model)


@pytest.mark.parametrize("seed", range(4))
def test_thousands_come_and_go_one_by_one(seed):
    dice, places = random.Random(seed), many(3_000, seed)
    index, model = Index(places[:1_000]), sorted(places[:1_000])
    for number, place in enumerate(places[1_000:]):
        assert index.add(*place)
        insort(model, place)
        if number % 100 == 0:
            lower, upper = sorted(dice.choices(range(len(model)), k=2))
            total = sum(addend(frame) for _, frame in model[lower:upper])
            assert index.fingerprint(lower, upper) == fingerprint(total, upper - lower)
    same(index, model)
    assert len(index._blocks) < len(model) / (BLOCK / 4)
    dice.shuffle(model)
    while len(model) > 5:
        place = model.pop()
        assert index.discard(*place)
        assert not index.discard(*place)
        if len(model) % 500 == 0:
            same(index, model)
    same(index, model)
    assert len(index._blocks) == 1


def test_an_emptied_index_begins_again():
    index = Index([(7, bytes(32))])
    assert index.discard(7, bytes(32))
    same(index, [])
    assert (7, bytes(32)) not in index
    assert not index.discard(7, bytes(32))
    assert index.add(7, bytes(32))
    same(index, [(7, bytes(32))])


def test_a_block_without_a_neighbour_small_enough_stays_alone():
    places = sorted(many(BLOCK + 1, minutes=1))
    index = Index()
    for place in places:
        index.add(*place)
    left, right = places[:128], places[128:]
    for place in left[:100]:
        index.discard(*place)  # joined with the right one as soon as both fit a block
    same(index, left[100:] + right)
    full = Index(sorted(many(192 + 60, minutes=1)))
    for place in list(full)[:1]:
        full.discard(*place)
    assert [block.count for block in full._blocks] == [191, 60]
    full.discard(*list(full)[-1])
    assert [block.count for block in full._blocks] == [250]


def test_rank_takes_shorter_and_longer_keys():
    index = Index([(5, bytes([9]) * 32), (6, bytes(32))])
    assert index.rank(b"") == 0
    assert index.rank(key_of(5, b"")) == 0
    assert index.rank(key_of(5, bytes([9]))) == 0
    assert index.rank(key_of(5, bytes([10]))) == 1
    assert index.rank(key_of(6, bytes(33))) == 2
    assert index.rank(b"\xff" * 8) == 2


@pytest.mark.parametrize("floor", [0, 1, 17, 49, 50, 1_000])
def test_evicting_takes_whole_minutes(floor):
    places = many(1_000)
    index = Index(places)
    gone = [place for place in places if place[0] < floor]
    assert index.evict(floor) == len(gone)
    same(index, set(places) - set(gone))


BETWEEN = [(0, None), (10, 40), (10, 10), (40, 10), (0, 0), (25, 1_000), (99, None)]


@pytest.mark.parametrize(("floor", "ceiling"), BETWEEN)
def test_a_view_has_what_lies_between(floor, ceiling):
    places = many(2_000)
    within = [place for place in places if floor <= place[0] and (ceiling is None or place[0] < ceiling)]
    without = random.Random(1).sample(places, 300) + many(50, seed=9)
    index = Index(places)
    same(index.view(floor, ceiling), within)
    same(index.view(floor, ceiling, without), set(within) - set(without))
    same(index, places)


def test_a_view_stands_by_itself():
    places, later = many(2_000), many(500, seed=5)
    index = Index(places)
    view = index.view()
    for place in later:
        index.add(*place)
        view.discard(*places[later.index(place)])
    same(index, places + later)
    same(view, places[len(later) :])


def test_places_and_keys_are_one_to_one():
    place = (29_000_000, bytes(range(32)))
    assert place_of(key_of(*place)) == place
    assert bisect_left([key_of(255, b"\xff" * 32), key_of(256, bytes(32))], key_of(256, b"")) == 1
