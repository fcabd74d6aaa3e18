"""The votes of the dialogue that is held again, and what they must add up to.

Data: data/london.youth.policing/README.md. Invariants: votes come in the order of their own timestamps, also those that
were changed later; what they must add up to is read from another file of the export than the votes themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

VALUES: Final[Mapping[int, str]] = {1: "agree", -1: "disagree", 0: "pass"}
"""What the numbers of the export mean."""

Tally = tuple[int, int, int]
"""How many agree, disagree and pass."""


@dataclass(frozen=True, slots=True)
class Vote:
    """In ms since 1970, `citizen` voted on the statement with this number of the export."""

    time: int
    citizen: int
    statement: int
    value: str


def votes(rows: Iterable[Mapping[str, str]]) -> tuple[Vote, ...]:
    """Read `votes.csv`. Raises KeyError, ValueError."""
    read = (
        Vote(int(row["timestamp"]), int(row["voter-id"]), int(row["comment-id"]), VALUES[int(row["vote"])])
        for row in rows
    )
    return tuple(sorted(read, key=lambda vote: (vote.time, vote.citizen, vote.statement)))


def stands(rows: Iterable[Mapping[str, str]]) -> dict[tuple[int, int], str]:
    """Read `participants-votes.csv`: where each citizen stands on each statement in the end."""
    return {
        (int(row["participant"]), int(name)): VALUES[int(value)]
        for row in rows
        for name, value in row.items()
        if name.isdigit() and value
    }


def tallies(stands: Mapping[tuple[int, int], str], statements: Iterable[int]) -> dict[int, Tally]:
    """What the screens must show of each statement."""
    counts = Counter((statement, value) for (_citizen, statement), value in stands.items())
    return {
        number: (counts[number, "agree"], counts[number, "disagree"], counts[number, "pass"]) for number in statements
    }
