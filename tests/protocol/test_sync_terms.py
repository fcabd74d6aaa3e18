"""What two peers compare: the same on both sides, whatever their clocks and floors."""

from hypothesis import given
from hypothesis import strategies as st

from tertulia.protocol.frame import sync_window
from tertulia.protocol.sync_terms import Stand, Terms, agree

NOW = 29_700_000 * 60_000
MINUTE = 60_000
YEARS = 5 * 365 * 24 * 60 * MINUTE
STANDS = st.builds(Stand, st.integers(0, 2**53), st.integers(0, 2**32 - 1))


@given(ours=STANDS, theirs=STANDS)
def test_both_sides_agree(ours, theirs):
    here, there = agree(ours, theirs), agree(theirs, ours)
    assert here.reach == there.reach
    assert here.skew == -there.skew
    assert here.clocks_differ == there.clocks_differ


def test_the_higher_floor_and_the_earlier_clock_count():
    ours, theirs = Stand(NOW, 29_690_000), Stand(NOW + 5 * MINUTE, 29_680_000)
    terms = agree(ours, theirs)
    assert terms == Terms(29_690_000, 29_700_091, 5 * MINUTE)
    assert not terms.clocks_differ


def test_all_that_is_compared_is_acceptable_to_both():
    ours, theirs = Stand(NOW, 29_680_000), Stand(NOW - 60 * MINUTE, 29_680_000)
    newest = agree(ours, theirs).reach[-1]
    assert newest in sync_window(ours.clock, 30)
    assert newest in sync_window(theirs.clock, 30)
    assert newest + 1 not in sync_window(theirs.clock, 30)


def test_a_clock_or_floor_years_off_leaves_nothing_to_compare_and_is_said():
    here = Stand(NOW, 29_656_800)
    for clock, floor in ((NOW + YEARS, 29_656_800 + YEARS // MINUTE), (NOW - YEARS, 29_656_800 - YEARS // MINUTE)):
        terms = agree(here, Stand(clock, floor))
        assert terms.clocks_differ
        assert len(terms.reach) == 0
    terms = agree(here, Stand(NOW, 2**32 - 1))
    assert not terms.clocks_differ
    assert len(terms.reach) == 0
