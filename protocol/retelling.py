"""Telling again what was on its way, behind the door of those who were in before, while others were let in.

Implements docs/spec/core.md on top of PROTOCOL §2. Newcomers cannot open that door, and whatever names such an event
waits at theirs. So it is sent again under the new door, by whoever can: its author, on going through that door or on
coming back, and the facilitator, on hearing of it afterwards. Said once by each; who has it takes no notice.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tertulia.protocol import keyring
from tertulia.protocol.event import CONTROL
from tertulia.protocol.ground import stand
from tertulia.protocol.lineage import past
from tertulia.protocol.mark import Lack

if TYPE_CHECKING:
    from tertulia.protocol.checkpoint import Checkpoint
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.event import Event
    from tertulia.protocol.ids import EventId
    from tertulia.protocol.state import EpochFact


def mine(dialogue: Dialogue, fact: EpochFact) -> tuple[Event, ...]:
    """What I sent that whoever came in with this epoch may lack; nothing unless it opens the door of the roster."""
    if not keyring.opens_a_door(dialogue, fact):
        return ()
    actors = dialogue.state.actors
    events = keyring.unheard(dialogue, fact.event)
    return tuple(event for event in events if actors.get(event.header.actor) == dialogue.me)


def overtaken(dialogue: Dialogue, heard: Collection[EventId]) -> tuple[Event, ...]:
    """Those of the control events just `heard` whose authors did not know the present door: what anybody said who asks
    me for what they lack; and, for a facilitator, who has let people in, all of them.
    """
    member = dialogue.member
    if not heard or member is None:
        return ()
    actors = dialogue.state.actors
    asking = {
        actors.get(event.header.actor)
        for event in (dialogue.events[key] for key in heard)
        if isinstance(event.content, Lack) and dialogue.me in event.content.asked
    }
    heard = [key for key in heard if member.facilitator or actors.get(dialogue.events[key].header.actor) in asking]
    if not heard:
        return ()
    control = [event for event in dialogue.events.values() if event.header.room == CONTROL]
    door = keyring.current_door(dialogue)
    knowing = set() if door is None else {dialogue.state.epochs[door].event}
    for event in sorted(control, key=lambda event: event.header.lamport):
        if not knowing.isdisjoint(event.header.parents):
            knowing.add(event.id)
    return tuple(dialogue.events[key] for key in heard if key not in knowing)


def unnamed(dialogue: Dialogue) -> tuple[Event, ...]:
    """My own control events that nobody else's builds on: whoever stands behind a later door may lack them."""
    actors = dialogue.state.actors
    control = {event.id: event for event in dialogue.events.values() if event.header.room == CONTROL}
    others = (event.id for event in control.values() if actors.get(event.header.actor) != dialogue.me)
    mine = control.keys() - past(control, others)
    return tuple(sorted((control[key] for key in mine), key=lambda event: event.order))


def unsaid(before: Dialogue, told: Checkpoint) -> tuple[Event, ...]:
    """What I wrote during my last stay that whoever let me in again had not heard, as their checkpoint shows.

    It may never have gone out: out of a dialogue nobody seals for it. And what I say from now on names it.
    """
    ground = stand(told)
    covers = {CONTROL: ground.control, **ground.covers}
    actors = before.state.actors
    found = [
        event
        for event in before.events.values()
        if actors.get(event.header.actor) == before.me
        and not covers.get(event.header.room, ground.strays).covers(event.id, event.header.lamport)
        and event.id not in ground.strays.named
    ]
    return tuple(sorted(found, key=lambda event: event.order))
