"""Weighing: tallies, the strongest objection beside what is popular, and whose word has not been heard.

Implements docs/spec/method.md, section Weighing. Pure functions of `Matters`. Nobody gets a score and nothing is ranked
by applause: what few have looked at comes first, and an objection is shown however many agree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tertulia.protocol.ids import EventId, PersonaId
from tertulia.protocol.method.matters import Matter, Matters, Position
from tertulia.protocol.method.rules import Rules, What
from tertulia.protocol.stance import OBJECTIONS, Value


@dataclass(frozen=True, slots=True)
class Tally:
    """How many people took which stance."""

    agree: int
    disagree: int
    passed: int
    block: int
    heard: int
    endorse: int = 0
    reserve: int = 0


def tally(matter: Matter) -> Tally:
    """Count everybody's latest stance."""
    counts = Counter(position.value for position in matter.votes.values())
    return Tally(
        counts[Value.AGREE],
        counts[Value.DISAGREE],
        counts[Value.PASS],
        counts[Value.BLOCK],
        counts[Value.HEARD],
        counts[Value.ENDORSE],
        counts[Value.RESERVE],
    )


def is_shown(rules: Rules, matter: Matter, me: PersonaId) -> bool:
    """Whether I may see others' stances: at once, or where the charter hides them, after my own or after the cut."""
    return not rules.hidden or me in matter.votes or matter.cut is not None


def objections(matter: Matter) -> dict[PersonaId, Position]:
    """Who objects with a reason; blocks first."""
    found = [
        (persona, position)
        for persona, position in matter.votes.items()
        if position.value in OBJECTIONS and position.reason.strip()
    ]
    return dict(sorted(found, key=lambda one: (one[1].value is not Value.BLOCK, one[1].event)))


def strongest_objection(matters: Matters, matter: Matter) -> tuple[PersonaId, Position] | None:
    """The objection to show beside a matter: a block first, then of whoever objects most rarely, then the lowest id.

    Somebody who seldom objects has looked at this one; who objects to everything says little about it.
    """
    rare = objecting(matters)
    found = objections(matter).items()
    return min(found, key=lambda one: (one[1].value is not Value.BLOCK, rare[one[0]], one[1].event), default=None)


def objecting(matters: Matters) -> Counter[PersonaId]:
    """How often everybody objects."""
    return Counter(
        persona
        for matter in matters.matters.values()
        for persona, position in matter.votes.items()
        if position.value in OBJECTIONS
    )


def unheard_first(matters: Matters, what: What = What.STATEMENT) -> tuple[EventId, ...]:
    """Those matters that are not withdrawn, in the order to show them in.

    First what fewest others have taken a stance on; of those, what comes from people on whose words fewest have; then
    as they were said. How many agree does not count.
    """
    found = [matter for matter in matters.matters.values() if matter.what is what and not matter.is_withdrawn]
    attention: Counter[PersonaId] = Counter()
    for matter in found:
        attention[matter.author] += _others(matter)
    return tuple(
        matter.event for matter in sorted(found, key=lambda matter: (_others(matter), attention[matter.author]))
    )


def _others(matter: Matter) -> int:
    return len(matter.votes.keys() - {matter.author})
