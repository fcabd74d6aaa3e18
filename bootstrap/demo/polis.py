"""The dialogue to be held again, read from the Polis export that lies beside this file.

Data and attribution: data/london.youth.policing/README.md (CC BY 4.0, The Computational Democracy Project).
Invariants: a statement counts when its moderator accepted it (`moderated` is 1); statements come in the order in which
they were written; every author of one is a citizen, and so is everybody who voted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from tertulia.bootstrap.demo.votes import Tally, Vote, stands, tallies, votes
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.text import clean

FOUNDER: Final = 0
"""The author who opened the conversation: founds the dialogue here."""
ACCEPTED: Final = "1"


@dataclass(frozen=True, slots=True)
class Statement:
    """What one person wrote, as a screen shows it; `number` is the statement's own in the export."""

    number: int
    author: int
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """`citizens` are the numbers of all who take part, the founder first; `statements` are in the order of writing.

    `votes` are in the order in which they were cast; `stands` says where each citizen stands on each statement at last.
    """

    topic: str
    citizens: tuple[int, ...]
    statements: tuple[Statement, ...]
    votes: tuple[Vote, ...] = ()
    stands: Mapping[tuple[int, int], str] = field(default_factory=dict)

    @property
    def tallies(self) -> dict[str, Tally]:
        """What everybody must see of each statement, by its text."""
        found = tallies(self.stands, (statement.number for statement in self.statements))
        return {statement.text: found[statement.number] for statement in self.statements}

    @property
    def expected(self) -> int:
        """How many statements are shown when everybody sees everything."""
        return len(self.citizens) * len(self.statements)

    def part(self, citizens: int, statements: int) -> Conversation:
        """A smaller one: the founder and those who spoke first, and the last of what they said. Raises ValueError."""
        if not (2 <= citizens <= len(self.citizens) and 1 <= statements <= len(self.statements)):
            raise ValueError(
                f"the dialogue has 2 to {len(self.citizens)} citizens and 1 to {len(self.statements)} statements"
            )
        speakers = dict.fromkeys((FOUNDER, *(statement.author for statement in self.statements), *self.citizens))
        chosen = tuple(sorted(list(speakers)[:citizens]))
        theirs = tuple(statement for statement in self.statements if statement.author in chosen)
        kept = theirs[-statements:]
        numbers = {statement.number for statement in kept}
        return Conversation(
            self.topic,
            chosen,
            kept,
            tuple(vote for vote in self.votes if vote.citizen in chosen and vote.statement in numbers),
            {key: value for key, value in self.stands.items() if key[0] in chosen and key[1] in numbers},
        )


def conversation(folder: Traversable | None = None) -> Conversation:
    """Read the export in `folder`, by default the one beside this file. Raises ValueError, OSError, KeyError."""
    source = files(__package__) / "data" / "london.youth.policing" if folder is None else folder
    rows = [row for row in _rows(source, "comments.csv") if row["moderated"] == ACCEPTED]
    rows.sort(key=lambda row: (int(row["timestamp"]), int(row["comment-id"])))
    statements = tuple(_statement(row) for row in rows)
    people = {int(row["participant"]) for row in _rows(source, "participants-votes.csv")}
    people |= {statement.author for statement in statements}
    numbers = {statement.number for statement in statements}
    cast = tuple(vote for vote in votes(_rows(source, "votes.csv")) if vote.statement in numbers)
    final = {key: value for key, value in stands(_rows(source, "participants-votes.csv")).items() if key[1] in numbers}
    return Conversation(_topic(source), (FOUNDER, *sorted(people - {FOUNDER})), statements, cast, final)


def _statement(row: Mapping[str, str]) -> Statement:
    return Statement(int(row["comment-id"]), int(row["author-id"]), clean(row["comment-body"], LIMIT_SAY_TEXT).strip())


def _topic(source: Traversable) -> str:
    facts = {row[0]: row[1] for row in csv.reader(_lines(source, "summary.csv")) if len(row) == 2}
    return clean(facts["topic"], LIMIT_TITLE)


def _rows(source: Traversable, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_lines(source, name)))


def _lines(source: Traversable, name: str) -> list[str]:
    return (source / name).read_text(encoding="utf-8").splitlines(keepends=True)
