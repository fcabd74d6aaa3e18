"""Asking for what I lack: whom, how often, and taking in what they tell.

Implements docs/spec/keys.md, sections Lack and Retold. What lacks after a while is asked for in a `lack` mark: of two
members, then of six, then of all; then it counts as lost. Whoever was away beyond the life of their prekey asks at once
for everything. An answer that brings something begins the count anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tertulia.protocol import keyring, lacking, retelling
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import SetTimer, View
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, Event, Kind, to_item
from tertulia.protocol.lacking import Asking
from tertulia.protocol.mark import LIMIT_LACKING, Lack
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.retold import Retold, is_past, open_retold, retold_context
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import DialogueId, EpochId, PersonaId
    from tertulia.protocol.item import Item
    from tertulia.protocol.turn import Turn

ASK_TIMER: Final = "ask"
PATIENCE_MS: Final = 10 * MS_PER_MINUTE
"""How long something may lack before it is asked for: catching up mostly brings it."""
SOON_MS: Final = MS_PER_MINUTE
"""How soon the next is asked for when an answer has brought something."""
TURNS: Final = ((2, 10 * MS_PER_MINUTE), (6, 30 * MS_PER_MINUTE), (30, 24 * 60 * MS_PER_MINUTE))
"""Whom to ask at each turn, and how long to wait for an answer (ms); after the last, it counts as lost."""
RECENT: Final = 64
"""Events of the room that are looked through for who has spoken lately."""


def look(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Once a batch: note what lacks, and whether some of it has come."""
    epochs = lacking.epochs(dialogue, turn.minute, core.retention(dialogue))
    wanted: frozenset[bytes] = frozenset({*epochs, *lacking.events(dialogue)})
    before = dialogue.asking
    if before is None:
        if wanted:
            dialogue.asking = Asking(wanted)
            _again(turn, dialogue, PATIENCE_MS)
    elif before.wanted - wanted:
        dialogue.asking = replace(before, wanted=wanted, turns=0)
        if before.turns:
            _again(turn, dialogue, SOON_MS)
    else:
        dialogue.asking = replace(before, wanted=wanted)
    if dialogue.asking is not None and not wanted and not dialogue.asking.everything:
        dialogue.asking = None


def returned(turn: Turn, dialogue: Dialogue) -> None:
    """I was away longer than others could seal anything for me: ask for all there is, as soon as anybody is there."""
    dialogue.asking = Asking(frozenset(), everything=True)
    _again(turn, dialogue, 0)


def _again(turn: Turn, dialogue: Dialogue, wait: int) -> None:
    turn.emit(SetTimer(f"{ASK_TIMER}:{dialogue.id.hex()}", turn.now + wait))


def timer(core: Core, turn: Turn, key: DialogueId) -> None:
    """It lacks still: ask, or give up."""
    dialogue = core.own(key)
    asking = dialogue.asking
    if asking is None or dialogue.standing is not Standing.IN or dialogue.alone:
        return
    if not core.reachable.get(dialogue.commons):
        _again(turn, dialogue, SOON_MS)
    elif asking.turns == len(TURNS):
        dialogue.hold_lost(turn, asking.wanted)
        dialogue.asking = None
        turn.changed(View.DIALOGUES)
        turn.changed(View.MESSAGES, dialogue.id)
    else:
        most, wait = TURNS[asking.turns]
        _ask(core, turn, dialogue, asking, most)
        dialogue.asking = replace(asking, turns=asking.turns + 1)
        _again(turn, dialogue, wait)


def _ask(core: Core, turn: Turn, dialogue: Dialogue, asking: Asking, most: int) -> None:
    """Ask behind the door I can speak behind; and each of those asked alone, where that door may be theirs no more."""
    state = dialogue.state
    epochs = list(lacking.epochs(dialogue, turn.minute, core.retention(dialogue)))
    epochs.sort(key=lambda key: (-state.epochs[key].epoch.created, key))
    events = lacking.events(dialogue)
    speech = asking.everything or any(not events.isdisjoint(room.missing) for room in dialogue.places)
    asked = _whom(dialogue, epochs)[:most]
    lack = Lack(
        asked=tuple(sorted(asked)),
        epochs=tuple(sorted(epochs[:LIMIT_LACKING])),
        events=() if asking.everything else tuple(sorted(events)[:LIMIT_LACKING]),
        cut=lacking.cut(dialogue) if speech else None,
    )
    event = dialogue.author(turn, CONTROL, Kind.MARK, lack.encode())
    door = keyring.spoken_door(dialogue)
    if door is not None:
        lane = Lane(LaneKind.OLD_DOOR, dialogue.id, door)
        core.outbox.queue(turn, Entry(dialogue.commons, lane, (to_item(event),)))
    if asking.everything or _asks_alone(asking, epochs, door=keyring.current_door(dialogue)):
        items = tuple(to_item(one) for one in retelling.unnamed(dialogue))
        for persona in asked:
            pair = Lane(LaneKind.PAIR, dialogue.id, persona)
            core.outbox.queue(turn, Entry(dialogue.commons, pair, items))


def _asks_alone(asking: Asking, epochs: list[EpochId], *, door: EpochId | None) -> bool:
    """Whether those asked may not stand behind the door I hold, or I hold none.

    Where events alone are missing, a few of them are asked alone, once: they let me in where I am out. An event that
    hangs on nothing would make everybody send a frame to everybody else.
    """
    return door is None or (asking.turns > 0 if epochs else asking.turns == 1)


def _whom(dialogue: Dialogue, epochs: Iterable[EpochId]) -> list[PersonaId]:
    """The others on the roster: those in a breakout of which something lacks, facilitators, who spoke, the rest."""
    state = dialogue.state
    lacks = {state.epochs[key].epoch.room for key in epochs}
    apart = (room for room in dialogue.places[1:] if room.id in lacks or room.missing - dialogue.lost)
    mates = [persona for room in apart for persona in sorted(room.members)]
    facilitators = [persona for persona in sorted(state.roster) if state.members[persona].facilitator]
    spoke = [entry.author for entry in reversed(state.rooms[dialogue.plenary].log[-RECENT:])]
    order = dict.fromkeys([*mates, *facilitators, *spoke, *sorted(state.roster)])
    return [persona for persona in order if persona != dialogue.me and persona in state.roster]


def take_retold(core: Core, turn: Turn, key: DialogueId, item: Item) -> tuple[Event, ...]:
    """What somebody tells me again; the events that I did not hold.

    Raises: RemoteError when it is not for me, does not open, or holds what no event may be.
    """
    retold = Retold.from_value(item.body)
    dialogue = core.dialogues[key]
    sender = dialogue.state.members.get(retold.sender)
    prekey = dialogue.prekeys.get(retold.prekey)
    if sender is None or prekey is None:
        return ()
    context = retold_context(key, retold.sender, dialogue.me, retold.prekey)
    events, more = open_retold(retold, prekey, sender.keys, context)
    days = core.retention(dialogue)
    if any(event.header.dialogue != key for event in events):
        raise RemoteError(RejectReason.ID, "event of another dialogue")
    if any(event.body is None and not is_past(event, turn.minute, days) for event in events):
        raise RemoteError(RejectReason.SHAPE, "speech without its body before its time")
    dialogue = core.own(key)
    if dialogue.asking is not None:
        dialogue.asking = replace(dialogue.asking, everything=more, turns=0 if more else dialogue.asking.turns)
        if more:
            _again(turn, dialogue, SOON_MS)
    places = {room.id for room in dialogue.places}
    mine = (event for event in events if event.header.room in places or not dialogue.is_known_apart(event.header.room))
    fresh = {event.id: event for event in mine if event.id not in dialogue.events}
    return tuple(event.erased() if is_past(event, turn.minute, days) else event for event in fresh.values())
