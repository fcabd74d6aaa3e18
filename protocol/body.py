"""What an event says: its body, read once, whatever it turns out to be.

Implements docs/spec/events.md, section Bodies. Reading never fails: a body of a kind, version, op or form that we do
not know is `UNREAD` (kept and carried, not executed), one that breaks the spec of its kind is `MALFORMED` (likewise,
and its author is wrong), one erased after its time is `ERASED`.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum, unique
from typing import Final, TypeAlias

from tertulia.protocol.charter import Charter
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.facilitation import Steer, decode_act
from tertulia.protocol.mark import MarkAct, decode_mark
from tertulia.protocol.outcome import Outcome, decode_outcome
from tertulia.protocol.propose import Propose, decode_propose
from tertulia.protocol.resource import Resource, decode_resource
from tertulia.protocol.revise import Revise, decode_revise
from tertulia.protocol.room import RoomAct, decode_room
from tertulia.protocol.roster import RosterAct, decode_roster
from tertulia.protocol.say import Say, decode_say
from tertulia.protocol.stance import Stance, decode_stance
from tertulia.protocol.survey import Answers

VERSION: Final = 1
"""The version of events that we execute."""


@unique
class Kind(IntEnum):
    """The twelve kinds. Not executed yet: liaise."""

    CHARTER = 1
    ROSTER = 2
    ROOM = 3
    SAY = 4
    REVISE = 5
    PROPOSE = 6
    STANCE = 7
    OUTCOME = 8
    RESOURCE = 9
    ACT = 10
    LIAISE = 11
    MARK = 12


@unique
class Opaque(StrEnum):
    """A body that says nothing to us, and why."""

    UNREAD = "unread"
    MALFORMED = "malformed"
    ERASED = "erased"


Words: TypeAlias = Say | Revise | Propose | Stance | Answers | Outcome | Resource
"""What is said in rooms."""
Body: TypeAlias = Charter | RosterAct | RoomAct | Words | Steer | MarkAct | Opaque
SPOKEN: Final = frozenset({Kind.SAY, Kind.REVISE, Kind.PROPOSE, Kind.STANCE, Kind.OUTCOME, Kind.RESOURCE})
"""Kinds that stand in rooms."""


def read_body(version: int, kind: int, body: bytes | None) -> Body:
    """Read the body of an event. Never raises."""
    if version != VERSION:
        return Opaque.UNREAD
    if body is None:
        return Opaque.ERASED
    found: Body | None = None
    try:
        match kind:
            case Kind.CHARTER:
                found = Charter.decode(body)
            case Kind.ROSTER:
                found = decode_roster(body)
            case Kind.ROOM:
                found = decode_room(body)
            case Kind.SAY:
                found = decode_say(body)
            case Kind.REVISE:
                found = decode_revise(body)
            case Kind.PROPOSE:
                found = decode_propose(body)
            case Kind.STANCE:
                found = decode_stance(body)
            case Kind.OUTCOME:
                found = decode_outcome(body)
            case Kind.RESOURCE:
                found = decode_resource(body)
            case Kind.ACT:
                found = decode_act(body)
            case Kind.MARK:
                found = decode_mark(body)
            case _:
                pass
    except RemoteError:
        return Opaque.MALFORMED
    return Opaque.UNREAD if found is None else found
