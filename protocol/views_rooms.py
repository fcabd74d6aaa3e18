"""What clients see of rooms: the plenary, the breakouts, who is in them, and what was reported back.

Implements docs/spec/control.md (rooms), on top of docs/spec/events.md, section Room. Pure functions of the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol.ids import EventId
from tertulia.protocol.method.rules import What
from tertulia.protocol.room import PLENARY
from tertulia.protocol.text import clean_name
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import PREFIX, Names, Row, is_message, names_of, unclear

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.ids import DialogueId, RoomId
    from tertulia.protocol.state import Room


def rooms(core: Core, key: DialogueId, now: int) -> tuple[Row, ...]:
    """The plenary, then the breakouts in the order in which they were opened; `now` in ms."""
    dialogue = core.dialogues[key]
    names = names_of(dialogue.state)
    shown = (room for room in dialogue.state.rooms.values() if room.breakout is not None)
    plenary = dialogue.state.rooms[dialogue.plenary]
    return tuple(_row(dialogue, room, names, now) for room in (plenary, *shown))


def _row(dialogue: Dialogue, room: Room, names: Names, now: int) -> Row:
    apart, minute = room.breakout, now // MS_PER_MINUTE
    said = [entry.event for entry in room.log if is_message(dialogue, entry)]
    matters = dialogue.matters.matters.values()
    reports = [one for one in matters if one.what is What.REPORT and one.target == EventId(room.id)]
    return {
        "room": room.id.hex(),
        "form": PLENARY if apart is None else apart.form,
        "title": clean_name(room.title),
        "members": [names[persona] for persona in sorted(room.members)],
        "mine": dialogue.me in room.members,
        "rapporteur": "" if apart is None else names.get(apart.rapporteur, apart.rapporteur.hex()[:8]),
        "closes": 0 if apart is None else apart.closes * MS_PER_MINUTE,
        "state": "over" if dialogue.is_over(room.id, minute) else "open",
        "said": len(said),
        "last": dialogue.events[said[-1]].header.tick * MS_PER_MINUTE if said else 0,
        "reports": [matter.event.hex() for matter in reports],
    }


def resolve_room(core: Core, key: DialogueId, text: str) -> RoomId:
    """The room a person means: `plenary`, its title, its id or the start of it; of several of one title, one I am in.

    Raises: LocalError when it is none or several.
    """
    dialogue, wanted = core.dialogues[key], text.strip()
    if wanted.casefold() in {"", PLENARY}:
        return dialogue.plenary
    found = [
        room
        for room in dialogue.state.rooms.values()
        if clean_name(room.title).casefold() == wanted.casefold()
        or (len(wanted) >= PREFIX and room.id.hex().startswith(wanted.lower()))
    ]
    if len(found) > 1:
        found = [room for room in found if room.breakout is not None and dialogue.me in room.members] or found
    if len(found) != 1:
        raise unclear("room", len(found))
    return found[0].id
