"""What wins: what becomes of what somebody did, unaware that their power had ended; as a table that the fold looks up.

Implements docs/spec/events.md, section What wins and why, which prints it (a test holds them equal). “Unaware”: what
ended the power is not in the past of what they did, and nobody who signed the end had seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final


@unique
class Did(StrEnum):
    """What somebody did."""

    SAT = "was in"
    FACILITATED = "admitted people, opened a room, or signed as a facilitator"
    SIGNED = "signed as a member"
    SEALED = "announced an epoch"
    SAID = "said something"


@unique
class End(StrEnum):
    """How somebody's power ended, by an act of others."""

    REMOVED = "removed"
    LOWERED = "no longer a facilitator"


@unique
class Fate(StrEnum):
    """What becomes of it."""

    STANDS = "stands"
    VOID = "is void"
    IF_HEARD = "stands if somebody heard it"


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of it, and why."""

    fate: Fate
    why: str


FATES: Final[Mapping[tuple[Did, End], Rule]] = {
    (Did.SAT, End.REMOVED): Rule(Fate.VOID, "power ends at once; coming back takes an admission that knows of it"),
    (Did.SAT, End.LOWERED): Rule(Fate.STANDS, "they are as much a member as before"),
    (Did.FACILITATED, End.REMOVED): Rule(
        Fate.VOID, "else whoever goes could reach back and fill the roster; what enough others signed too stands"
    ),
    (Did.FACILITATED, End.LOWERED): Rule(Fate.VOID, "the same, and being made one again does not bring it back"),
    (Did.SIGNED, End.REMOVED): Rule(Fate.VOID, "two thirds of those who stay must agree without them"),
    (Did.SIGNED, End.LOWERED): Rule(Fate.STANDS, "every member's word counts alike"),
    (Did.SEALED, End.REMOVED): Rule(Fate.VOID, "they know its secret: nobody seals under it, what was sealed opens"),
    (Did.SEALED, End.LOWERED): Rule(Fate.STANDS, "they may know what members know"),
    (Did.SAID, End.REMOVED): Rule(Fate.IF_HEARD, "removal must not erase dissent that others have seen"),
    (Did.SAID, End.LOWERED): Rule(Fate.STANDS, "it was theirs to say"),
}


def voids(end: End, did: Did) -> bool:
    """Say whether this end of somebody's power voids what they did unaware."""
    return FATES[did, end].fate is Fate.VOID
