"""Speaking: whether I may say something in a room now, by the rules that everybody will judge it by.

Implements docs/spec/core.md §5. Asked before anything is written, so that nobody's words turn out unsaid; who tries
hears in a sentence who has stopped them, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol.body import Words
from tertulia.protocol.event import LIMIT_LAMPORT
from tertulia.protocol.facilitation import LIMIT_REASON, Deed, Steer
from tertulia.protocol.ids import EventId
from tertulia.protocol.propose import Floor
from tertulia.protocol.refusal import refuse
from tertulia.protocol.rounds import has_spoken, rounds_for
from tertulia.protocol.say import Say
from tertulia.protocol.state import Outcome, State
from tertulia.protocol.text import clean
from tertulia.protocol.views import name_of

if TYPE_CHECKING:
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.errors import LocalError
    from tertulia.protocol.ids import PersonaId, RoomId

READ_ON: Final = "Nothing was sent, and you can read along."
NEXT: Final = (LIMIT_LAMPORT + 1, EventId(b""))
"""A place in the order after everything."""


def may_speak(dialogue: Dialogue, room: RoomId, words: Words, minute: int) -> None:
    """Let a member of the dialogue say this in a room, in this minute.

    Raises: LocalError with the reason why they may not.
    """
    member, state = dialogue.member, dialogue.state
    if member is None or not member.accepted:
        raise refuse(
            "You have not accepted the rules of this dialogue yet.",
            f"Read them and accept them: tertulia accept {dialogue.id.hex()[:8]}",
            "Nothing was sent. You can read along meanwhile.",
        )
    if dialogue.me not in state.rooms[room].members:
        raise refuse(
            "You are not in this room.", "Speak in the plenary: “rooms” lists those you are in.", "Nothing was sent."
        )
    stands = state.steering[room]
    if stands.closed:
        raise refuse(_done_by(state, room, Deed.CLOSE, "closed this room"), "Go on in another one.", READ_ON)
    if dialogue.is_over(room, minute):
        raise refuse("The time of this room is over.", "Go on in the plenary.", READ_ON)
    if stands.paused and dialogue.me not in stands.floor and not isinstance(words, Floor):
        then = "Say it when a facilitator resumes it; or ask for the floor: tertulia floor"
        raise refuse(_done_by(state, room, Deed.PAUSE, "paused this room"), then, READ_ON)
    if dialogue.me in stands.muted:
        why = _done_by(state, room, Deed.MUTE, "muted you here", dialogue.me)
        raise refuse(why, "Write to one of the facilitators.", READ_ON)
    if isinstance(words, Say) and has_had_turn(state, room, dialogue.me):
        raise _spoken(state, room)


def has_had_turn(state: State, room: RoomId, me: PersonaId) -> bool:
    """Say whether a word of mine would be my second in a round that is open."""
    assert state.ground is not None, "there is a room, so there is a charter"
    authority = state.ground.authority
    known = rounds_for(authority.record, room, me, authority.ancestry.whole())
    return has_spoken(state.rooms[room].turns, known, state.rooms[room].members, me, NEXT)


def _spoken(state: State, room: RoomId) -> LocalError:
    rounds = [steer for _event, steer in state.steering[room].announced if steer.deed is Deed.ROUND]
    about = "”, “".join(clean(steer.text, LIMIT_REASON) for steer in rounds)
    return refuse(
        f"You have had your turn in this round (“{about}”), and others are awaited.",
        "Say it when everybody has spoken, or a facilitator ends the round; stances and proposals are free.",
        READ_ON,
    )


def _done_by(state: State, room: RoomId, deed: Deed, what: str, whom: bytes = b"") -> str:
    """Who has done it and why, in a sentence; of several times the last."""
    done = ((act.body, act.signers) for act in reversed(state.acts) if act.outcome is Outcome.DONE)
    body, signers = next(
        (body, signers)
        for body, signers in done
        if isinstance(body, Steer) and (body.deed, body.room, body.subject) == (deed, room, whom)
    )
    names = " and ".join(name_of(state, persona) for persona in signers)
    return f"{names} {'has' if len(signers) == 1 else 'have'} {what}: {clean(body.text, LIMIT_REASON).rstrip('.')}."
