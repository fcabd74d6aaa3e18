"""What I lack of a dialogue: epochs I cannot open though they were made for me too, events that others name.

Implements docs/spec/keys.md, section Lack. Derived from what is held, never noted: it ends by itself when what was
lacking has come. `Asking` is how far asking for it has gone (asking.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tertulia.protocol.epoch import roster_hash
from tertulia.protocol.ids import EpochId, EventId
from tertulia.protocol.mark import LIMIT_CUT

if TYPE_CHECKING:
    from tertulia.protocol.dialogue import Dialogue

MINUTES_PER_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Asking:
    """`wanted` is lacking; `turns` is how often it was asked for in vain; `everything`: I was away, tell me all."""

    wanted: frozenset[bytes]
    turns: int = 0
    everything: bool = False


def epochs(dialogue: Dialogue, minute: int, days: int) -> frozenset[EpochId]:
    """The epochs announced for a roster with me that I cannot open, younger than the retention (days)."""
    state = dialogue.state
    first = minute - days * MINUTES_PER_DAY
    found = set()
    for key, fact in state.epochs.items():
        if key in dialogue.secrets or key in dialogue.lost or fact.epoch.created < first:
            continue
        roster = state.room_roster_at(fact.epoch.room, (fact.event,))
        if dialogue.me in roster - {fact.epoch.sealer} and roster_hash(roster) == fact.epoch.roster_hash:
            found.add(key)
    return frozenset(found)


def events(dialogue: Dialogue) -> frozenset[EventId]:
    """What others name and I do not hold, of the rooms I am in and of the control room."""
    return _missing(dialogue) - dialogue.lost


def lost(dialogue: Dialogue) -> frozenset[bytes]:
    """What others name and nobody who was asked has: events of the rooms I am in and of the control room."""
    return _missing(dialogue) & dialogue.lost


def _missing(dialogue: Dialogue) -> frozenset[EventId]:
    return dialogue.state.missing.union(*(room.missing for room in dialogue.places))


def cut(dialogue: Dialogue) -> tuple[EventId, ...]:
    """The latest events of the rooms I am in up to which nothing is missing, ascending; of too many the highest."""
    state = dialogue.state
    places = {room.id for room in dialogue.places}
    said = [event for event in dialogue.events.values() if event.header.room in places]
    whole: set[EventId] = set()
    heads: dict[EventId, int] = {}
    for event in sorted(said, key=lambda event: event.order):
        parents = event.header.parents
        if all(parent in whole or (parent not in dialogue.events and state.knows(parent)) for parent in parents):
            whole.add(event.id)
            heads[event.id] = event.header.lamport
            for parent in parents:
                heads.pop(parent, None)
    highest = sorted(heads, key=lambda head: (heads[head], head))[-LIMIT_CUT:]
    return tuple(sorted(highest))
