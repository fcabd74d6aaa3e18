"""What clients see of how a dialogue is run: whose turn it is, who waits for the floor, what is on the agenda.

Implements docs/spec/control.md (proceedings), on top of docs/spec/events.md, section Rounds, and docs/spec/method.md,
section Queue and agenda. Pure functions of the core, like `views`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol.facilitation import LIMIT_REASON, Deed, Steer
from tertulia.protocol.method.rules import What
from tertulia.protocol.propose import LIMIT_FLOOR, AgendaItem
from tertulia.protocol.rounds import Round, rounds
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.speaking import has_had_turn
from tertulia.protocol.steering import in_force
from tertulia.protocol.text import clean, clean_name
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import Row, names_of

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.ids import DialogueId, EventId, PersonaId, RoomId
    from tertulia.protocol.method.matters import Matter
    from tertulia.protocol.views import Names


def proceedings(core: Core, key: DialogueId) -> Row:
    """How the plenary is run just now."""
    dialogue = core.dialogues[key]
    names, stands = names_of(dialogue.state), dialogue.state.steering[dialogue.plenary]
    items = [steer.text for _event, steer in stands.announced if steer.deed is Deed.ITEM]
    return {
        "dialogue": key.hex(),
        "closed": stands.closed,
        "paused": stands.paused,
        "muted": [names[persona] for persona in sorted(stands.muted)],
        "floor": [names[persona] for persona in sorted(stands.floor)],
        "item": clean(items[-1], LIMIT_REASON) if items else "",
        "rounds": [_round(dialogue, known.event, names, is_open=known.is_open) for known in _rounds(dialogue)],
        "queue": [_waiting(dialogue, matter, names) for matter in queue(dialogue)],
        "agenda": [_item(dialogue, matter, names) for matter in _agenda(dialogue)],
    }


def awaited(dialogue: Dialogue, room: RoomId) -> dict[PersonaId, int]:
    """Who is in a room and has not spoken in a round that is open there, with the minute until which they are awaited.

    From outside a breakout nobody sees who has spoken there: then nobody is awaited.
    """
    found: dict[PersonaId, int] = {}
    place = dialogue.state.rooms[room]
    if dialogue.me not in place.members:
        return found
    turns = place.turns
    for event, steer in dialogue.state.steering[room].announced:
        if steer.deed is Deed.ROUND:
            lacking = place.members - turns.get(event, {}).keys()
            found.update((persona, max(found.get(persona, 0), steer.closes)) for persona in lacking)
    return found


def queue(dialogue: Dialogue) -> list[Matter]:
    """Who asks for the floor and was not given it since, in the order of asking."""
    state = dialogue.state
    assert state.ground is not None, "there is a room, so there is a charter"
    authority = state.ground.authority
    whole, ancestry = authority.ancestry.whole(), authority.ancestry
    given = [(act, body) for act, body in in_force(authority.record, dialogue.plenary, whole) if body.deed is Deed.GIVE]

    def is_served(matter: Matter) -> bool:
        past = ancestry.past(dialogue.events[matter.event].header.control)
        return any(body.subject == matter.author and not act.is_complete(past) for act, body in given)

    return [
        matter
        for matter in dialogue.matters.matters.values()
        if matter.what is What.FLOOR
        and matter.room == dialogue.plenary
        and not matter.is_withdrawn
        and matter.author in state.roster
        and not is_served(matter)
    ]


def _rounds(dialogue: Dialogue) -> tuple[Round, ...]:
    ground = dialogue.state.ground
    assert ground is not None, "there is a room, so there is a charter"
    return rounds(ground.authority.record, dialogue.plenary, ground.authority.ancestry.whole())


def _round(dialogue: Dialogue, event: EventId, names: Names, *, is_open: bool) -> Row:
    """One round: `spoken` in the order of speaking; `awaited` by name, nobody once it has ended."""
    state, room = dialogue.state, dialogue.plenary
    opened = next(act for act in state.acts if act.event == event)
    assert isinstance(opened.body, Steer), "a deed opened it"
    taken = state.rooms[room].turns.get(event, {})
    lacking = state.roster - taken.keys() if is_open else frozenset()
    return {
        "round": event.hex(),
        "about": clean(opened.body.text, LIMIT_REASON),
        "opens": opened.body.opens * MS_PER_MINUTE,
        "closes": opened.body.closes * MS_PER_MINUTE,
        "open": bool(lacking),
        "spoken": [names[persona] for persona in sorted(taken, key=lambda persona: taken[persona]) if persona in names],
        "awaited": sorted(names[persona] for persona in lacking),
        "turn": bool(lacking) and dialogue.me in state.roster and not has_had_turn(state, room, dialogue.me),
    }


def _waiting(dialogue: Dialogue, matter: Matter, names: Names) -> Row:
    return {
        "id": matter.event.hex(),
        "author": names[matter.author],
        "member": matter.author.hex(),
        "about": clean(matter.text, LIMIT_FLOOR),
        "time": dialogue.events[matter.event].header.tick * MS_PER_MINUTE,
        "mine": matter.author == dialogue.me,
    }


def _agenda(dialogue: Dialogue) -> list[Matter]:
    """What is on the agenda, in its order; then what else was proposed for it."""
    found = {
        event: matter
        for event, matter in dialogue.matters.matters.items()
        if matter.what is What.AGENDA and matter.room == dialogue.plenary and not matter.is_withdrawn
    }
    fixed = dialogue.state.steering[dialogue.plenary].agenda
    on = [found[event] for event in fixed if event in found]
    return [*on, *(matter for event, matter in found.items() if event not in fixed)]


def _item(dialogue: Dialogue, matter: Matter, names: Names) -> Row:
    content = matter.content
    assert isinstance(content, AgendaItem), "only those are proposed for it"
    return {
        "id": matter.event.hex(),
        "title": clean_name(content.title),
        "text": clean(matter.text, LIMIT_SAY_TEXT),
        "author": names[matter.author],
        "minutes": content.minutes,
        "fixed": matter.event in dialogue.state.steering[dialogue.plenary].agenda,
    }
