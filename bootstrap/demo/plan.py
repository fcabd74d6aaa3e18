"""Who dials whom, who is away when, and what everybody is called: decided before the first node starts.

Invariants: the same seed gives the same plan; a citizen dials only citizens who came before, so that the first dial
finds somebody; a third of the citizens is away for some of the statements, none while their own is due, never the
founder; every name is long enough to be searched for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from tertulia.bootstrap.demo.polis import FOUNDER, Conversation

COMMUNITY: Final = "London youth on policing"
NEIGHBOURS: Final = 3
"""Earlier citizens that each dials besides the founder; being dialled gives each about as many again."""
AWAY_SHARE: Final = 3
"""One citizen in so many is away for a part of the dialogue."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Who is away from before statement number `first` (counted from 0) until before statement number `last`."""

    first: int
    last: int
    citizens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`neighbours[n]` are the citizens whom citizen n dials; `absences` come in the order of their beginning."""

    neighbours: dict[int, tuple[int, ...]]
    absences: tuple[Absence, ...]


def name_of(citizen: int) -> str:
    """What a citizen is called in the dialogue."""
    return "Londoner who asked" if citizen == FOUNDER else f"Young Londoner {citizen:02}"


def plan(talk: Conversation, seed: int) -> Plan:
    """Draw the plan for `talk`."""
    chance = random.Random(seed)  # noqa: S311 - a graph to try things on, no secret
    neighbours: dict[int, tuple[int, ...]] = {}
    earlier: list[int] = []
    for citizen in talk.citizens:
        neighbours[citizen] = tuple(chance.sample(earlier, min(NEIGHBOURS, len(earlier))))
        if citizen != FOUNDER:
            earlier.append(citizen)
    return Plan(neighbours, _absences(talk, chance))


def _absences(talk: Conversation, chance: random.Random) -> tuple[Absence, ...]:
    """Two groups, one after the other, each away for a third of the statements."""
    statements = len(talk.statements)
    wanted = len(talk.citizens) // AWAY_SHARE
    absences: list[Absence] = []
    gone: set[int] = {FOUNDER}
    for part, size in ((1, wanted - wanted // 2), (3, wanted // 2)):
        first, last = part * statements // 6, (part + 2) * statements // 6
        speaking = {statement.author for statement in talk.statements[first:last]}
        free = [citizen for citizen in talk.citizens if citizen not in speaking and citizen not in gone]
        away = tuple(sorted(chance.sample(free, min(size, len(free)))))
        gone.update(away)
        absences.append(Absence(first, last, away))
    return tuple(absences)
