"""The demo's plan: a connected graph, and a third of the citizens away while others speak."""

import pytest

from tertulia.bootstrap.demo.plan import NEIGHBOURS, name_of, plan
from tertulia.bootstrap.demo.polis import FOUNDER, conversation
from tertulia.protocol.text import clean_name

TALK = conversation()
SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_third_is_away_for_a_third_of_the_statements_each_and_nobody_while_speaking(seed: int):
    absences = plan(TALK, seed).absences
    away = [citizen for absence in absences for citizen in absence.citizens]
    assert len(away) == len(set(away)) == 9
    assert FOUNDER not in away
    for absence in absences:
        missed = TALK.statements[absence.first : absence.last]
        assert len(missed) == 12
        assert {statement.author for statement in missed}.isdisjoint(absence.citizens)
        assert absence.last < len(TALK.statements)


@pytest.mark.parametrize("seed", SEEDS)
def test_everybody_dials_only_those_who_are_there_already(seed: int):
    neighbours = plan(TALK, seed).neighbours
    assert set(neighbours) == set(TALK.citizens)
    for citizen, dialled in neighbours.items():
        assert all(FOUNDER < other < citizen for other in dialled)
        assert len(set(dialled)) == len(dialled) == min(NEIGHBOURS, max(0, citizen - 1))


def test_the_same_seed_gives_the_same_plan():
    assert plan(TALK, 7) == plan(TALK, 7)
    assert plan(TALK, 7) != plan(TALK, 8)


def test_names_are_shown_as_they_are_and_long_enough_to_search_for():
    names = [name_of(citizen) for citizen in TALK.citizens]
    assert len(set(names)) == len(names)
    assert all(clean_name(name) == name and len(name) >= 12 for name in names)
