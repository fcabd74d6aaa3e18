"""Uttering: what a person says by the method, checked first by the rules that everybody will read it by.

Implements docs/spec/core.md §5 and docs/spec/method.md. What would be without effect is refused with the reason why,
before anything is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol import revealing, sending
from tertulia.protocol.body import VERSION, read_body
from tertulia.protocol.event import Kind
from tertulia.protocol.method.gathering import People, foresee, rapporteurs
from tertulia.protocol.method.rules import REASONS, Rules
from tertulia.protocol.outcome import Answer, Attach, Conclusion, Minority
from tertulia.protocol.propose import Amendment, Take
from tertulia.protocol.refusal import refuse
from tertulia.protocol.resource import Resource
from tertulia.protocol.revise import Edit, Withdraw
from tertulia.protocol.say import Say
from tertulia.protocol.speaking import may_speak
from tertulia.protocol.stance import Stance
from tertulia.protocol.survey import Answers

if TYPE_CHECKING:
    from tertulia.protocol.body import Words
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import RoomId
    from tertulia.protocol.turn import Turn


def utter(core: Core, turn: Turn, dialogue: Dialogue, words: Words, named: RoomId | None = None) -> dict[str, Value]:
    """Say it in the room that is named, else where what it is about stands, else in the plenary.

    Raises: LocalError when it would have no effect, or nobody would read it.
    """
    place = _place(dialogue, words) if named is None else named
    may_speak(dialogue, place, words, turn.minute)
    revealing.must_have_looked(core, dialogue.id)
    kind, body = kind_of(words), words.encode()
    if read_body(VERSION, kind, body) != words:
        raise refuse("This is too long, or something it needs is missing.", "Shorten it, and give all that is asked.")
    state = dialogue.state
    room = state.rooms[place]
    cuts = dialogue.lines.get(room.id, ())
    reporting, people = rapporteurs(state.rooms.values()), People.of(state)
    reason = foresee(Rules.of(state.charter), room, dialogue.events, dialogue.me, words, cuts, reporting, people)
    if reason is not None:
        raise refuse(f"This would have no effect: {REASONS[reason]}.", "List the matters to see what there is.")
    event = dialogue.author(turn, place, kind, body)
    sending.send_room(core, turn, dialogue, event)
    return {"id": event.id.hex(), "state": "stored"}


def _place(dialogue: Dialogue, words: Words) -> RoomId:
    """The room in which what these words are about was said."""
    match words:
        case Say(target=target) | Stance(target=target) | Edit(target=target) | Withdraw(target=target):
            about = target
        case Amendment(version=about) | Take(amendment=about) | Minority(outcome=about) | Attach(outcome=about):
            pass
        case Conclusion(cited=(about, *_)):
            pass
        case Answer(objection):
            event = dialogue.events.get(objection)
            return dialogue.plenary if event is None else event.header.room
        case _:
            about = None
    matter = None if about is None else dialogue.matters.matters.get(about)
    return dialogue.plenary if matter is None else matter.room


def kind_of(words: Words) -> Kind:
    """The kind of event that carries these words."""
    match words:
        case Say():
            return Kind.SAY
        case Edit() | Withdraw():
            return Kind.REVISE
        case Stance() | Answers():
            return Kind.STANCE
        case Conclusion() | Minority() | Answer() | Attach():
            return Kind.OUTCOME
        case Resource():
            return Kind.RESOURCE
        case _:
            return Kind.PROPOSE
