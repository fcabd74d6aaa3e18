"""Evaluating: what a questionnaire came to, in counts that are about nobody, and whether they may leave the room.

Implements docs/spec/method.md, section Evaluation. Everybody computes the same pack from the same cut, on their own
device; it has no row about a person. A count below five is not shown, nor what it could be reckoned from: what is
withheld in a question is five people or more together, or all of it is. So where all say the same nothing is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tertulia.protocol.crypto import digest
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.labels import Label
from tertulia.protocol.method.matters import Matter, Matters
from tertulia.protocol.stance import Value as StanceValue
from tertulia.protocol.survey import Release, Survey

LEAST_CELL: Final = 5
"""The smallest count that is shown."""
VERSION: Final = 1

Cells = tuple[int | None, ...]
"""Counts, one for each option; None for one that is not shown."""


@dataclass(frozen=True, slots=True)
class Pack:
    """What one survey came to: how many answered, and for each question how often each option, and last none."""

    dialogue: DialogueId
    survey: Matter
    simulation: bool
    answered: int | None
    counts: tuple[Cells, ...]

    def encode(self) -> bytes:
        """CBOR `[1, dialogue, survey, cut, simulation, answered, [[count, …], …]]`; null: not shown."""
        counts: list[Value] = [list(cells) for cells in self.counts]
        assert self.survey.cut is not None
        return encode([
            VERSION, self.dialogue, self.survey.event, self.survey.cut, self.simulation, self.answered, counts,
        ])  # fmt: skip

    @property
    def hash(self) -> bytes:
        """By which the room agrees to it."""
        return digest(Label.EVALUATION, self.encode())


def evaluate(dialogue: DialogueId, survey: Matter, *, simulation: bool) -> Pack:
    """Count the answers to a survey that a cut has."""
    asked = survey.content
    assert isinstance(asked, Survey)
    rows = [answers.choices for answers in survey.answers.values()]
    counts = []
    for number, question in enumerate(asked.questions):
        chosen = Counter(row[number] for row in rows)
        counts.append(withheld([*(chosen[option] for option in range(1, len(question.options) + 1)), chosen[0]]))
    (answered,) = withheld([len(rows)])
    return Pack(dialogue, survey, simulation, answered, tuple(counts))


def withheld(counts: Sequence[int]) -> Cells:
    """Take out every count below five, and of the others the smallest, until what is gone is five people or more.

    A question's sum may be known from elsewhere; so what is withheld must not be small together either.
    """
    left = sorted(range(len(counts)), key=lambda place: (counts[place], place))
    gone: list[int] = []
    while left and (counts[left[0]] < LEAST_CELL or (gone and sum(counts[place] for place in gone) < LEAST_CELL)):
        gone.append(left.pop(0))
    return tuple(None if place in gone else count for place, count in enumerate(counts))


def is_released(matters: Matters, pack: Pack, people: int) -> bool:
    """Whether the room agrees that this very pack leaves it: more than half of all say so, and nobody blocks it."""
    return any(
        isinstance(matter.content, Release)
        and matter.content.pack == pack.hash
        and not matter.is_withdrawn
        and 2 * _agreeing(matter) > people
        and not any(position.value is StanceValue.BLOCK for position in matter.votes.values())
        for matter in matters.matters.values()
        if matter.target == pack.survey.event
    )


def _agreeing(release: Matter) -> int:
    return sum(position.value is StanceValue.AGREE for position in release.votes.values())
