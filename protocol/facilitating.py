"""Facilitating: a person does something to a room, or proposes to; refused here where everybody would find it void.

Implements docs/spec/core.md §5 and events.md, section Act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol import concluding, lacking, sending
from tertulia.protocol.effects import View
from tertulia.protocol.event import CONTROL, Kind
from tertulia.protocol.facilitation import BOUNDED, CLOSED, DEEDS, LIMIT_REASON, About, Deed, Steer
from tertulia.protocol.ids import EventId
from tertulia.protocol.method.cutting import NOTHING, draw, line
from tertulia.protocol.method.rules import What
from tertulia.protocol.proposing import LIMIT_BREAKOUTS
from tertulia.protocol.refusal import refuse
from tertulia.protocol.room import Breakout
from tertulia.protocol.steering import Agreed, Steering
from tertulia.protocol.text import clean, clean_name
from tertulia.protocol.views import name_of
from tertulia.protocol.views_proceedings import awaited

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.cut import Cut
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import RoomId
    from tertulia.protocol.inputs import Facilitate, OpenBreakout
    from tertulia.protocol.state import ActFact
    from tertulia.protocol.turn import Turn

LIMIT_ROUND: Final = 60 * 24 * 60
"""Minutes that a round, or a breakout, may stay open."""
LEAST: Final = 2
"""Members of a breakout: nobody breaks out alone."""


def facilitate(core: Core, turn: Turn, dialogue: Dialogue, command: Facilitate) -> dict[str, Value]:
    """Do it, or propose it where several must sign.

    Raises: LocalError when I may not, or it would change nothing.
    """
    text = clean(command.text, LIMIT_REASON + 1).strip()
    room = _room(dialogue, command)
    _check(dialogue, turn, command, room, text)
    opens, closes = (turn.minute, turn.minute + command.minutes) if command.deed is Deed.ROUND else (0, 0)
    upto = _upto(dialogue, room, command.deed) if command.deed in BOUNDED else None
    seals = command.deed is Deed.SEAL
    proof = b"" if upto is None or not seals else concluding.to_seal(dialogue, room, command.subject, upto)
    body = Steer(command.deed, room, command.subject, text, opens, closes, upto, proof)
    event = dialogue.author(turn, CONTROL, Kind.ACT, body.encode())
    sending.send_control(core, turn, dialogue, event)
    turn.changed(View.PEOPLE, dialogue.id)
    turn.changed(View.MESSAGES, dialogue.id)
    fact = next(act for act in dialogue.state.acts if act.event == event.id)
    return {"act": event.id.hex(), "state": fact.outcome.value}


def _check(dialogue: Dialogue, turn: Turn, command: Facilitate, room: RoomId, text: str) -> None:
    state, rule = dialogue.state, DEEDS[command.deed]
    _may(dialogue, harsh=rule.harsh)
    if not text:
        raise refuse("This needs a reason that everybody can read.", "Say why, in a sentence.")
    if len(text) > LIMIT_REASON:
        raise refuse(f"A reason has at most {LIMIT_REASON} characters.", "Say it in fewer words.")
    if command.deed is Deed.ROUND and not 1 <= command.minutes <= LIMIT_ROUND:
        raise refuse("A round stays open from a minute to 60 days.", "Say for how long, such as 72h.")
    stands = state.steering[room]
    if stands.closed and command.deed not in CLOSED:
        raise refuse("This room is closed.", "Read on; or begin another dialogue.")
    if command.deed in {Deed.MUTE, Deed.GIVE} and command.subject not in state.roster:
        raise refuse("This person is not in the dialogue.", "List the people to see who is.")
    if command.deed is Deed.FIX and not _is_proposed(dialogue, command.subject):
        raise refuse("That was not proposed for the agenda.", "See what was: tertulia proceedings")
    if command.deed in {Deed.END, Deed.ROUND}:
        _wait_for_all(dialogue, turn, room)
    if not _changes(stands, command):
        raise refuse("That is so already.", "See what was done: tertulia acts")


def _may(dialogue: Dialogue, *, harsh: bool) -> None:
    state, member = dialogue.state, dialogue.member
    quorum = state.charter.quorum if harsh and state.charter is not None else 1
    enough = sum(one.facilitator for one in state.members.values()) >= quorum
    if enough and (member is None or not member.facilitator):
        raise refuse("Only those who facilitate can do this.", "Ask one of them; “members” says who they are.")


def _room(dialogue: Dialogue, command: Facilitate) -> RoomId:
    """The room named, else that of the message it is about, else the plenary."""
    if command.room is not None:
        return command.room
    about = dialogue.events.get(EventId(command.subject)) if DEEDS[command.deed].about is About.EVENT else None
    return dialogue.plenary if about is None or about.header.room not in dialogue.state.rooms else about.header.room


def break_out(core: Core, turn: Turn, dialogue: Dialogue, command: OpenBreakout) -> dict[str, Value]:
    """Open a room for some, or propose it where several must sign.

    Raises: LocalError when I may not, or it is none.
    """
    state, title = dialogue.state, clean_name(command.title)
    _may(dialogue, harsh=True)
    if not title:
        raise refuse("A room needs a title.", "Give it a few words that say what it is for.")
    members = tuple(sorted(set(command.members)))
    if len(members) < LEAST or not state.roster.issuperset(members):
        raise refuse("A room is for two or more who are in the dialogue.", "List the people to see who is.")
    if command.rapporteur not in members:
        raise refuse("Who reports back must be in the room.", "Name one of those you put there.")
    if not 0 <= command.minutes <= LIMIT_ROUND:
        raise refuse("A room stays open for up to 60 days.", "Say for how long, such as 2h.")
    if sum(isinstance(act.body, Breakout) for act in state.acts) >= LIMIT_BREAKOUTS:
        raise refuse(f"This dialogue has had {LIMIT_BREAKOUTS} rooms.", "Go on in those there are.")
    closes = turn.minute + command.minutes if command.minutes else 0
    body = Breakout(title, members, command.rapporteur, closes)
    event = dialogue.author(turn, CONTROL, Kind.ROOM, body.encode())
    sending.send_control(core, turn, dialogue, event)
    turn.changed(View.PEOPLE, dialogue.id)
    turn.changed(View.DIALOGUES)
    fact = next(act for act in dialogue.state.acts if act.event == event.id)
    return {"act": event.id.hex(), "room": event.id.hex(), "state": fact.outcome.value}


def _upto(dialogue: Dialogue, place: RoomId, deed: Deed) -> Cut:
    """Everything said so far in a room.

    Raises: LocalError when there is nothing, not all of it is here, or it is counted already.
    """
    room = dialogue.state.rooms[place]
    if not room.heads:
        raise refuse("There is nothing to count yet.", "Ask people where they stand first.")
    if lacking.events(dialogue):
        raise refuse(
            "Something that was said is not here yet, so it would not be counted.",
            "Wait until it has come; then try again.",
        )
    cut = draw(room.id, room.heads, dialogue.events, dialogue.covers.get(room.id, NOTHING))
    if deed is Deed.CUT and any(agreed.cut == cut for agreed in dialogue.state.steering[room.id].cuts):
        raise refuse("Everything said so far is counted already.", "See what was done: tertulia acts")
    return cut


def may_sign(dialogue: Dialogue, act: ActFact) -> None:
    """Let somebody sign a cut only if they would count the same.

    Raises: LocalError when they hold less than it counts, or something else.
    """
    body = act.body
    if not isinstance(body, Steer) or body.upto is None:
        return
    cover = dialogue.covers.get(body.room, NOTHING)
    if not line(body.room, Agreed(act.event, body.upto), dialogue.events, cover).whole:
        raise refuse(
            "You do not hold just what this cut counts, so you would count something else.",
            "Wait until everything has come; or propose a cut yourself: tertulia cut",
        )


def _is_proposed(dialogue: Dialogue, subject: bytes) -> bool:
    matter = dialogue.matters.matters.get(EventId(subject))
    return matter is not None and matter.what is What.AGENDA and not matter.is_withdrawn


def _wait_for_all(dialogue: Dialogue, turn: Turn, room: RoomId) -> None:
    """A round is not cut short while somebody may still be asleep. Raises LocalError."""
    everybody = awaited(dialogue, room).items()
    lacking = sorted(name_of(dialogue.state, one) for one, until in everybody if until > turn.minute)
    if lacking:
        raise refuse(
            f"A round is open, and {', '.join(lacking)} may still be offline or asleep.",
            "Wait until they have spoken, or its window is over: tertulia proceedings",
        )


def _changes(stands: Steering, command: Facilitate) -> bool:
    match command.deed:
        case Deed.PAUSE | Deed.RESUME:
            return stands.paused == (command.deed is Deed.RESUME)
        case Deed.MUTE | Deed.UNMUTE:
            return (command.subject in stands.muted) == (command.deed is Deed.UNMUTE)
        case Deed.FOLD | Deed.UNFOLD:
            return (command.subject in stands.folded) == (command.deed is Deed.UNFOLD)
        case Deed.FIX | Deed.DROP:
            return (command.subject in stands.agenda) == (command.deed is Deed.DROP)
        case Deed.GIVE:
            return command.subject not in stands.floor
        case Deed.END:
            return any(steer.deed is Deed.ROUND for _event, steer in stands.announced)
        case _:
            return True
