"""Presets: the terms that go with a name, as data.

Implements docs/spec/events.md, section Charter, which prints the table (a test holds them equal). A charter is called
`track-1.5` only where its terms are these: so the name never says what the rules do not. Languages, quorum, retention
and whether it is an exercise are for the founder to choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tertulia.protocol.terms import Door, Speak, Terms

CONVERSATION: Final = "conversation"
ROOM_GRADE: Final = "room"
OPEN_GRADE: Final = "open"

GUIDELINES: Final = (
    "Speak for yourself, and to the matter. "
    "What is said here may be used outside; who said it, and who was here, may not. "
    "Nobody has to speak, and a story is heard, never judged. "
    "Do not record, and write nothing that could harm somebody if it were found. "
    "Who disagrees says why; a minority is written down with the outcome."
)
"""What everybody agrees to before their first word, beside the rules."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A name's rules: whom it is for, the highest grade of what is said, the quorum to begin with, and the terms."""

    whom: str
    grade: str
    quorum: int
    terms: Terms


def _track(
    join: Door = Door.LET_IN,
    *,
    facilitators: int = 2,
    personal: bool = True,
    binding: bool = False,
    block: bool = False,
    hidden: bool = True,
) -> Terms:
    return Terms(join, Speak.ACCEPTED, facilitators, (), personal, binding, False, block, hidden, GUIDELINES)


PRESETS: Final[Mapping[str, Preset]] = {
    CONVERSATION: Preset(
        "people who know each other",
        ROOM_GRADE,
        1,
        Terms(Door.INVITED, Speak.ACCEPTED, 1, (), False, False, False, False, False, ""),
    ),
    "track-1": Preset(
        "officials, for their institutions",
        OPEN_GRADE,
        2,
        _track(personal=False, binding=True, block=True, hidden=False),
    ),
    "track-1.5": Preset(
        "officials and citizens together, each in a personal capacity", ROOM_GRADE, 2, _track(block=True)
    ),
    "track-2": Preset("experts and civil society, in a personal capacity", ROOM_GRADE, 2, _track()),
    "track-3": Preset("citizens among themselves", OPEN_GRADE, 2, _track(Door.INVITED)),
}
"""By the name that stands in a charter's body."""


def keeps_to(preset: str, grade: str, terms: Terms) -> bool:
    """Say whether the rules are those of a preset, but for what it leaves to the founder."""
    known = PRESETS.get(preset)
    if known is None:
        return False
    chosen = replace(terms, languages=known.terms.languages, simulation=known.terms.simulation)
    return grade == known.grade and chosen == known.terms
