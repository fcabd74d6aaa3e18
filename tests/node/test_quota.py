"""What is kept of each neighbour on one day."""

from __future__ import annotations

import pytest

from tertulia.node import quota
from tertulia.node.quota import OWN, STICK, Allowance, Quota, day_of, line_of


@pytest.mark.parametrize(("allowance", "fit"), [(Allowance(frames=3), 3), (Allowance(size=3_000), 3), (Allowance(), 9)])
def test_so_many_frames_or_bytes_and_no_more(allowance, fit) -> None:
    one = Quota(allowance)
    assert [one.charge("ana", 1_000, 1) for _ in range(9)] == [True] * fit + [False] * (9 - fit)
    assert one.has_room("ana", 1) is (fit == 9)
    assert one.charge("ben", 1_000, 1), "nobody takes from another's"


def test_a_smaller_frame_may_still_fit() -> None:
    one = Quota(Allowance(size=1_500))
    assert one.charge("ana", 1_000, 1)
    assert not one.charge("ana", 1_000, 1)
    assert one.charge("ana", 500, 1)
    assert not one.has_room("ana", 1)


def test_every_day_begins_anew() -> None:
    one = Quota(Allowance(frames=1))
    assert one.charge("ana", 1, 1)
    assert not one.has_room("ana", 1)
    assert one.has_room("ana", 2)
    assert one.charge("ana", 1, 2)
    assert day_of(2 * 86_400_000 - 1) == 1


def test_what_was_not_kept_is_given_back() -> None:
    one = Quota(Allowance(frames=1))
    one.charge("ana", 1, 1)
    one.refund("ana", 1, 1)
    assert one.charge("ana", 1, 1)
    one.refund("ana", 1, 2)
    assert one.charge("ana", 1, 2), "and on another day there is nothing to give back"
    assert not one.charge("ana", 1, 2)


def test_new_names_share_one_quota(monkeypatch) -> None:
    monkeypatch.setattr(quota, "LIMIT_ACCOUNTS", 2)
    one = Quota(Allowance(frames=2))
    assert one.charge("ana", 1, 1)
    assert one.charge("ben", 1, 1)
    assert [one.charge(f"sybil {number}", 1, 1) for number in range(4)] == [True, True, False, False]
    assert one.charge("ana", 1, 1)
    assert one.charge(OWN, 1, 1)
    assert one.charge(STICK, 1, 1)


def test_what_is_taken_over_counts_as_before(monkeypatch) -> None:
    monkeypatch.setattr(quota, "LIMIT_ACCOUNTS", 1)
    one = Quota(Allowance(frames=2))
    for neighbour in ("ana", "ben"):
        one.charge(neighbour, 10, 1)
    accounts = [one.account(neighbour, 1) for neighbour in ("ana", "ben")]
    assert accounts == [("ana", 1, 10), ("others", 1, 10)]
    again = Quota(Allowance(frames=2))
    again.restore(1, {name: (frames, size) for name, frames, size in accounts})
    assert [again.charge("cleo", 10, 1) for _ in range(2)] == [True, False]
    assert again.account("ana", 2) == ("ana", 0, 0)


def test_two_weeks_of_a_large_community_pass_in_one_day() -> None:
    assert quota.LIMIT_DAY_FRAMES >= 220_000
    assert quota.LIMIT_DAY_BYTES >= 220_000 * 1_232


def test_a_line_has_four_times_what_a_neighbour_has(monkeypatch) -> None:
    monkeypatch.setattr(quota, "LIMIT_ACCOUNTS", 2)
    one = Quota(Allowance(frames=1, size=1_000))
    here, there, beyond, further = (line_of(b"k" * 32, address) for address in ("10.0.0.1", "10.0.0.2", "::/64", "x"))
    assert len({here, there, beyond, further}) == 4
    assert here != line_of(b"l" * 32, "10.0.0.1")
    assert [one.charge(f"{number}", 100, 1, here) for number in range(2)] == [True] * 2
    one.refund("1", 100, 1, here)
    assert one.account(here, 1) == (here, 1, 100)
    assert one.charge("1", 3_000, 1, there) is False, "the neighbour's own quota counts as well"
    assert [one.charge(here, 100, 1) for _ in range(2)] == [False] * 2, "in a neighbour's place it has what one has"
    again = Quota(Allowance(frames=2, size=200))
    again.restore(1, {here: (7, 700), "ana": (1, 100)})
    assert again.has_room("ana", 1, here)
    assert again.charge("ana", 100, 1, here)
    assert not again.has_room("ben", 1, here)
    assert not again.charge("ben", 100, 1, here)
    assert again.charge("ben", 100, 1, there)
    # Lines beyond the table share one account.
    assert again.charge("cy", 100, 1, beyond)
    assert again.account(beyond, 1) == again.account(further, 1) == ("@", 1, 100)
    assert again.charge("dan", 100, 2, here), "every day begins anew"
