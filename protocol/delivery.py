"""Delivery told truthfully: taking in others' receipts, sending mine, and who has received a message.

Implements docs/spec/receipts.md. My receipt rides in what is left of my next frame of speech; alone it goes only after
ten quiet minutes, at most once in thirty, never in a dialogue of more than 25, and never when switched off. Whoever
names an event as a parent has it too, receipt or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol import keyring
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import SetTimer, Table, View
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import Event
from tertulia.protocol.ids import DialogueId, PersonaId
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.receipt import Receipt, merged, received, sign_receipt
from tertulia.protocol.retold import is_past
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import ActorId
    from tertulia.protocol.item import Item
    from tertulia.protocol.turn import Turn

QUIET_MS: Final = 10 * MS_PER_MINUTE
"""How long a room must be quiet before a receipt goes out alone."""
ALONE_MS: Final = 30 * MS_PER_MINUTE
"""At least this long between two receipts that go out alone."""
LIMIT_RECEIPTED: Final = 25
"""People in a dialogue above which no receipts are sent alone."""
RECENT: Final = 256
"""Events of a room that a receipt looks back on."""
RECEIPT_TIMER: Final = "receipt"


def take_receipt(core: Core, turn: Turn, key: DialogueId, item: Item) -> None:
    """Somebody says what they have received.

    Raises: RemoteError when it is malformed, or not signed by a session key of somebody on the roster.
    """
    receipt = Receipt.from_value(item.body)
    dialogue = core.dialogues[key]
    state = dialogue.state
    persona = state.actors.get(receipt.actor)
    if persona not in state.roster or not receipt.is_genuine(key):
        raise RemoteError(RejectReason.PROOF, "receipt")
    if receipt.room != dialogue.plenary:  # numbers of another room say nothing of what is shown
        return
    known = [
        (actor, number)
        for actor, number in receipt.vector
        if number < state.next_seq(actor, dialogue.plenary) and actor in state.actors
    ]
    _note(core.own(key), turn, persona, known)


def take_named(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Whoever named an event has it: learn that from what has just arrived."""
    state = dialogue.state
    for event in dialogue.fresh:
        persona = state.actors.get(event.header.actor)
        if persona in state.equivocations:
            turn.changed(View.PEOPLE, dialogue.id)
        if event.header.room != dialogue.plenary or persona is None or persona == dialogue.me:
            continue
        _note(dialogue, turn, persona, _named(dialogue, event, core.retention(dialogue)))
        if core.receipts:
            turn.emit(SetTimer(f"{RECEIPT_TIMER}:{dialogue.id.hex()}", turn.now + QUIET_MS))
    dialogue.fresh = ()


def _named(dialogue: Dialogue, event: Event, days: int) -> list[tuple[ActorId, int]]:
    """The numbers, in its room, of what an event names; not of what its author may hold without its text by then."""
    parents = (dialogue.events[parent] for parent in event.header.parents if parent in dialogue.events)
    return [
        (parent.header.actor, parent.header.seq)
        for parent in parents
        if parent.header.room == event.header.room and not is_past(parent, event.header.tick, days)
    ]


def _note(dialogue: Dialogue, turn: Turn, persona: PersonaId, news: list[tuple[ActorId, int]]) -> None:
    before = dialogue.received.get(persona, {})
    after = merged(before, news)
    if after != before:
        dialogue.received[persona] = after
        turn.put(Table.RECEIPT, dialogue.id + persona, encode([list(entry) for entry in after.items()]))
        turn.changed(View.MESSAGES, dialogue.id)


def _mine(dialogue: Dialogue) -> dict[ActorId, int]:
    """What I have received and not yet said."""
    state = dialogue.state
    member = state.members[dialogue.me]
    room = state.rooms[dialogue.plenary]
    latest = (dialogue.events[entry.event] for entry in room.log[-RECENT:])
    arrived = received(latest, frozenset(member.sessions), whole=not room.missing)
    return {actor: number for actor, number in arrived.items() if dialogue.receipted.get(actor) != number}


def riding(core: Core, dialogue: Dialogue) -> Item | None:
    """The receipt to put into what is left of my next frame of speech, if there is news and receipts are on."""
    if not core.receipts or dialogue.standing is not Standing.IN:
        return None
    news = _mine(dialogue)
    return sign_receipt(dialogue.id, dialogue.plenary, dialogue.session, news).to_item() if news else None


def said(dialogue: Dialogue, item: Item) -> None:
    """This receipt of mine is on its way."""
    dialogue.receipted = merged(dialogue.receipted, Receipt.from_value(item.body).vector)


def timer(core: Core, turn: Turn, key: DialogueId) -> None:
    """The room has been quiet: send what has not been said, alone, unless that was done lately."""
    dialogue = core.own(key)
    item = riding(core, dialogue)
    if item is None or len(dialogue.state.roster) > LIMIT_RECEIPTED or keyring.usable(dialogue, turn.minute) is None:
        return
    if turn.now < dialogue.receipted_alone + ALONE_MS:
        turn.emit(SetTimer(f"{RECEIPT_TIMER}:{key.hex()}", dialogue.receipted_alone + ALONE_MS))
        return
    dialogue.receipted_alone = turn.now
    said(dialogue, item)
    core.outbox.queue(turn, Entry(dialogue.commons, Lane(LaneKind.ROOM, key), (item,)))


def addressed(dialogue: Dialogue, event: Event) -> frozenset[PersonaId]:
    """Whom this was said to: those who were on the roster, as far as its author knew, and still are; not the author.

    Whoever came later will never read it, and is not waited for.
    """
    state = dialogue.state
    known = state.room_roster_at(event.header.room, event.header.control)
    return known.intersection(state.roster) - {state.actors.get(event.header.actor)}


def is_alone(dialogue: Dialogue, event: Event) -> bool:
    """Whether this was said while nobody else was there: it goes to nobody, then or later."""
    people = dialogue.state.room_roster_at(event.header.room, event.header.control)
    return people <= {dialogue.state.actors.get(event.header.actor)}


def receivers(dialogue: Dialogue, event: Event) -> tuple[PersonaId, ...]:
    """Who of those it was said to is known to have received this event. Receipts are about the plenary alone."""
    place = event.header
    if dialogue.state.is_apart(place.room):
        return ()
    return tuple(
        persona
        for persona in sorted(addressed(dialogue, event))
        if persona == dialogue.me or dialogue.received.get(persona, {}).get(place.actor, 0) >= place.seq
    )
