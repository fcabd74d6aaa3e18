"""Terms: what a charter says about how people talk and decide, each of it in a field of its own.

Implements docs/spec/events.md, section Charter. A body says all of it in full: whoever accepts needs nothing but the
body to know the rules. Which terms go with the name of a preset is `presets`; how they read is `charter_words`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

from tertulia.protocol.encoding import Value
from tertulia.protocol.shape import as_bool, as_int, as_list, as_text, wrong

LIMIT_LANGUAGES: Final = 8
"""Languages that a charter names."""
LIMIT_LANGUAGE: Final = 16
"""Characters of the name of a language."""
LIMIT_GUIDELINES: Final = 2048
"""Characters of the guidelines in a charter."""
LIMIT_FACILITATORS: Final = 30
"""Facilitators that a charter may ask for."""
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}")
"""A language: `en`, `ti`, `zh-hant`; lower case, so that there is one way to write it."""


@unique
class Door(IntEnum):
    """Who may join."""

    INVITED = 1
    LET_IN = 2


@unique
class Speak(IntEnum):
    """Who may speak."""

    ACCEPTED = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """The rules of talking and deciding; `facilitators` is how many there are to be.

    `personal`: everybody speaks for themselves, for no institution. `binding`: an outcome binds. `simulation`: all of
    it is an exercise. `block`: a member may block a proposal. `hidden`: others' stances are shown after one's own.
    """

    join: Door
    speak: Speak
    facilitators: int
    languages: tuple[str, ...]
    personal: bool
    binding: bool
    simulation: bool
    block: bool
    hidden: bool
    guidelines: str = field(repr=False)

    def to_value(self) -> Value:
        """`[join, speak, facilitators, [language, …], personal, binding, simulation, block, hidden, guidelines]`."""
        languages: list[Value] = list(self.languages)
        return [
            int(self.join), int(self.speak), self.facilitators, languages, self.personal, self.binding,
            self.simulation, self.block, self.hidden, self.guidelines,
        ]  # fmt: skip

    @classmethod
    def from_value(cls, value: Value) -> Terms:
        """Read what `to_value` gives. Raises RemoteError(SHAPE)."""
        join, speak, facilitators, languages, personal, binding, simulation, block, hidden, guidelines = as_list(
            value, 10
        )
        named = tuple(as_text(language, LIMIT_LANGUAGE) for language in as_list(languages, most=LIMIT_LANGUAGES))
        if len(set(named)) < len(named) or not all(LANGUAGE.fullmatch(language) for language in named):
            raise wrong("not a list of languages")
        return cls(
            Door(as_int(join, Door.INVITED, Door.LET_IN)),
            Speak(as_int(speak, Speak.ACCEPTED, Speak.ACCEPTED)),
            as_int(facilitators, 1, LIMIT_FACILITATORS),
            named,
            as_bool(personal),
            as_bool(binding),
            as_bool(simulation),
            as_bool(block),
            as_bool(hidden),
            as_text(guidelines, LIMIT_GUIDELINES),
        )
