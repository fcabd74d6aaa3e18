"""A day of 20 people who each say 25 things: the frames that their nodes send, and how many of them are receipts alone.

The issue's own case for docs/spec/receipts.md. Real cores in virtual time, everybody online, texts at random times
between eight in the morning and eleven at night. A receipt alone is a frame that is sent when its timer fires and that
moves the sender's own mark of it. Invariant: everybody reads everything, or there is no figure.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from benchmarks.figure import Figure, figure

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from village import MINUTE, Citizen, Village

PEOPLE, TEXTS = 20, 25
SEED = 25
FIRST, LAST = 8 * 60, 23 * 60
DAY = 24 * 60


def measure() -> list[Figure]:
    """Frames of the day, and receipts among them."""
    village, chance = Village(SEED), random.Random(SEED)
    people = [village.citizen(f"Citizen{number}") for number in range(PEOPLE)]
    talk = village.gather(people[0], *people[1:])
    village.wait(DAY * MINUTE - village.now % (DAY * MINUTE))
    before = sum(len(one.published) for one in people)
    midnight, receipts = village.now, 0
    said = sorted((chance.randrange(FIRST, LAST), number % PEOPLE, number) for number in range(PEOPLE * TEXTS))

    def until(minute: int) -> int:
        """Let time pass minute by minute; how many receipts went out alone."""
        alone = 0
        while village.now < midnight + minute * MINUTE:
            marks = [one.core.dialogues[talk].receipted_alone for one in people]
            village.wait(MINUTE)
            alone += sum(
                one.core.dialogues[talk].receipted_alone != mark for one, mark in zip(people, marks, strict=True)
            )
        return alone

    for minute, who, number in said:
        receipts += until(minute)
        people[who].say(talk, f"{number}: {'palabra ' * chance.randrange(1, 40)}")
        village.settle()
    receipts += until(DAY)
    for one in people:
        _check(one, len(one.reads(talk)))
    frames = sum(len(one.published) for one in people) - before
    return [
        figure("day_frames", [frames], "frames", texts=PEOPLE * TEXTS, people=PEOPLE),
        figure("day_receipts", [receipts], "frames", share=receipts / frames),
    ]


def _check(one: Citizen, read: int) -> None:
    if read != PEOPLE * TEXTS:
        raise RuntimeError(f"{one.name} reads {read} of {PEOPLE * TEXTS} texts")
