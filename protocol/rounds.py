"""Rounds: everybody speaks once, and nobody is skipped for sleeping or being offline.

Implements docs/spec/events.md, section Rounds. A round is open to whoever knows of it and of no end of it: by what they
had seen, never by a clock. The first word of anybody who knows of a round is their turn in it, also after its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from tertulia.protocol.encoding import Value
from tertulia.protocol.event import LIMIT_LAMPORT
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.ids import EventId, PersonaId, RoomId
from tertulia.protocol.seat import Order
from tertulia.protocol.shape import as_id, as_int, as_list
from tertulia.protocol.steering import in_force, is_lifted, is_steered

if TYPE_CHECKING:
    from tertulia.protocol.ruling import Record

Turns: TypeAlias = Mapping[EventId, Mapping[PersonaId, Order]]
"""The place of the word with which each person took their turn, by rounds."""
LIMIT_ROUNDS_TOLD: Final = 64
"""Rounds of a room, and rooms, of which a checkpoint tells who has spoken."""
LIMIT_SPOKEN_TOLD: Final = 4096
"""Turns of one round that a checkpoint tells."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round that somebody knows of, by the event that opened it; `is_open` until they know of its end."""

    event: EventId
    is_open: bool


def rounds(record: Record, room: RoomId, past: int) -> tuple[Round, ...]:
    """The rounds of a room in that past which no other has followed: one, or those opened unaware of each other."""
    acts = in_force(record, room, past)
    ends = [act for act, body in acts if body.deed is Deed.END]
    opened = [act for act, body in acts if body.deed is Deed.ROUND]
    return tuple(
        Round(act.event, not any(is_lifted(act, end) for end in ends))
        for act in sorted(opened, key=lambda act: act.order)
        if not any(is_lifted(act, later) for later in opened)
    )


def rounds_for(record: Record, room: RoomId, speaker: PersonaId, past: int) -> tuple[Round, ...]:
    """The rounds in which somebody's next word is their turn; whoever has the floor speaks beside them."""
    if room not in record.steers or is_steered(record, room, Deed.GIVE, past, speaker):
        return ()
    return rounds(record, room, past)


def has_spoken(
    turns: Turns, known: tuple[Round, ...], here: frozenset[PersonaId], speaker: PersonaId, order: Order
) -> bool:
    """Say whether a word at that place would be somebody's second in every open round they know of.

    A round is over too when everybody who is `here` has spoken.
    """
    lasting = [turns.get(found.event, {}) for found in known if found.is_open]
    lasting = [taken for taken in lasting if not all(_before(taken, persona, order) for persona in here)]
    return bool(lasting) and all(_before(taken, speaker, order) for taken in lasting)


def with_turn(turns: Turns, known: tuple[Round, ...], speaker: PersonaId, order: Order) -> Turns:
    """The turns with this word, in those rounds in which it is the speaker's first; the same object where in none."""
    fresh = [found.event for found in known if not _before(turns.get(found.event, {}), speaker, order)]
    if not fresh:
        return turns
    return {**turns, **{event: {**turns.get(event, {}), speaker: order} for event in fresh}}


def _before(taken: Mapping[PersonaId, Order], persona: PersonaId, order: Order) -> bool:
    found = taken.get(persona)
    return found is not None and found < order


def turns_value(turns: Mapping[RoomId, Turns]) -> Value:
    """`[[room, [[round, [[persona, lamport, event], …]], …]], …]`, ids ascending."""
    return [
        [room, [[event, [[who, *order] for who, order in spoken.items()]] for event, spoken in opened.items()]]
        for room, opened in turns.items()
    ]


def read_turns(value: Value) -> dict[RoomId, Turns]:
    """Read what `turns_value` gives. Raises RemoteError(SHAPE)."""
    found: dict[RoomId, Turns] = {}
    for entry in as_list(value, most=LIMIT_ROUNDS_TOLD):
        room, opened = as_list(entry, 2)
        by_round: dict[EventId, Mapping[PersonaId, Order]] = {}
        for one in as_list(opened, most=LIMIT_ROUNDS_TOLD):
            event, spoken = as_list(one, 2)
            rows = (as_list(row, 3) for row in as_list(spoken, most=LIMIT_SPOKEN_TOLD))
            by_round[EventId(as_id(event))] = {
                PersonaId(as_id(who)): (as_int(lamport, 0, LIMIT_LAMPORT), EventId(as_id(name)))
                for who, lamport, name in rows
            }
        found[RoomId(as_id(room))] = by_round
    return found
