"""Relays are held to their word and to one another; what is remembered of them is bounded."""

from __future__ import annotations

import pytest

from tertulia.node.relay_watch import LIMIT_BROUGHT, LIMIT_PROMISED, LIMIT_RELAYS, WAIT_SECONDS, RelayWatch

A, B = "relay A", "relay B"
NAMES = {A: "Lisboa", B: "Porto"}


@pytest.fixture
def watch() -> RelayWatch:
    found = RelayWatch()
    for peer in (A, B):
        found.stands(peer, standing=True, skew=0, now=0.0)
    return found


def frames(*numbers: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in numbers]


def test_a_relay_that_lacks_what_it_promised_is_named(watch) -> None:
    watch.promised(A, frames(1, 2))
    assert watch.lacks(A, frames(3)) == 0
    assert watch.problem(A, NAMES, 1.0) == ""
    assert watch.lacks(A, frames(1, 2, 3)) == 2
    assert watch.lacks(A, frames(1, 2)) == 0
    assert watch.problem(A, NAMES, 1.0) == "Lisboa no longer has 2 of the messages it said it keeps."
    assert watch.problem(B, NAMES, 1.0) == ""
    assert watch.lacks("stranger", frames(1)) == 0
    watch.promised(A, frames(9), 5.0)
    assert watch.lacks(A, frames(9), 4.0) == 0  # promised after the two archives were compared
    watch.promised("stranger", frames(1))
    assert watch.lacks("stranger", frames(1)) == 0


def test_a_relay_that_does_not_bring_what_the_other_brings_is_named(watch) -> None:
    watch.fed(A, frames(1, 2, 3), 1.0)
    assert watch.problem(B, NAMES, WAIT_SECONDS) == ""
    late = watch.problem(B, NAMES, WAIT_SECONDS + 2)
    assert late == "Porto does not bring what Lisboa brings: it is behind, cut off, or keeps things back."
    assert watch.problem(A, NAMES, WAIT_SECONDS + 2) == ""
    watch.fed(B, frames(4), 200.0)
    assert watch.problem(B, NAMES, 201.0 + WAIT_SECONDS) == ""


def test_what_is_noticed_is_told_at_once(watch) -> None:
    told: list[str] = []
    watch.on_noticed = lambda: told.append("noticed")
    watch.promised(A, frames(1))
    watch.lacks(A, frames(2))
    assert told == []
    watch.lacks(A, frames(1))
    assert told == ["noticed"]
    watch.fed(A, frames(1, 2, 3, 4), 1.0)
    assert told == ["noticed"]
    watch.fed(A, frames(5), WAIT_SECONDS + 2)
    assert told == ["noticed"] * 2


def test_a_relay_that_was_away_is_not_blamed(watch) -> None:
    watch.stands(B, standing=False, skew=0, now=0.5)
    watch.fed(A, frames(1, 2, 3), 1.0)
    watch.stands(B, standing=True, skew=0, now=2.0)
    assert watch.problem(B, NAMES, WAIT_SECONDS + 2) == ""


@pytest.mark.parametrize(("skew", "words"), [(-3_600_000, "60 minutes behind"), (3_600_000, "60 minutes ahead of")])
def test_a_clock_that_is_off_is_named(watch, skew, words) -> None:
    watch.stands(A, standing=False, skew=0, now=1.0)
    watch.stands(A, standing=True, skew=skew, now=2.0)
    assert words in watch.problem(A, NAMES, 3.0)
    assert watch.problem("stranger", NAMES, 3.0) == ""


def test_what_is_remembered_is_bounded(watch) -> None:
    watch.promised(A, frames(*range(LIMIT_PROMISED + 10)))
    assert watch.lacks(A, frames(*range(10))) == 0
    assert watch.lacks(A, frames(10)) == 1
    watch.fed(A, frames(*range(LIMIT_BROUGHT + 10)), 1.0)
    assert len(watch._brought) == LIMIT_BROUGHT
    for number in range(LIMIT_RELAYS + 5):
        watch.stands(f"relay {number}", standing=True, skew=0, now=1.0)
    assert len(watch._relays) == LIMIT_RELAYS
