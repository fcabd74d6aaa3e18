"""Proposing and signing: how a removal, a change of roles, or a settlement becomes an act.

Implements docs/spec/events.md, section Acts, which prints `FAULTS` (a test holds them equal). Judged where the signer
stood: what an act needs is fixed by what its proposer knew. A signature counts only if it follows everything its key
had signed in the control room before; so nobody reaches back behind their own words to void what came since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tertulia.protocol.act import Act, Need, Part, Proposal, two_thirds
from tertulia.protocol.event import Event
from tertulia.protocol.facilitation import CLOSED, DEEDS, About, Deed, Steer
from tertulia.protocol.ids import PersonaId, RoomId
from tertulia.protocol.room import Breakout
from tertulia.protocol.roster import Cosign, Remove, Role
from tertulia.protocol.ruling import Record
from tertulia.protocol.seat import Seat, Use
from tertulia.protocol.state import NoOp
from tertulia.protocol.steering import is_steered, steers

LIMIT_BREAKOUTS: Final = 128
"""Breakouts that a dialogue may have had when another is asked for."""


@dataclass(frozen=True, slots=True)
class Motion:
    """A proposal or a signature, and the people as its author knew them: in `past`, which it is not in itself.

    `roster` is who was in, `facilitators` who facilitated, `quorum` how many of those the charter asks for,
    `rooms` what was open; `act` is what is signed, None for a proposal.
    """

    record: Record
    event: Event
    body: Proposal | Cosign
    seat: Seat
    past: int
    roster: frozenset[PersonaId]
    facilitators: frozenset[PersonaId]
    quorum: int
    rooms: frozenset[RoomId] = frozenset()
    act: Act | None = None

    @property
    def need(self) -> Need:
        """So many facilitators; where there are fewer than that, two thirds of all; to step down, oneself.

        What is not harsh takes one facilitator.
        """
        if self.act is not None:
            return self.act.need
        if isinstance(self.body, Role) and not self.body.facilitator and self.body.member == self.seat.persona:
            return Need(Part.FACILITATOR, 1)
        quorum = 1 if isinstance(self.body, Steer) and not DEEDS[self.body.deed].harsh else self.quorum
        if len(self.facilitators) >= quorum:
            return Need(Part.FACILITATOR, quorum)
        return Need(Part.MEMBER, two_thirds(len(self.roster)))


def _no_act(motion: Motion) -> bool:
    return isinstance(motion.body, Cosign) and motion.act is None


def _no_room(motion: Motion) -> bool:
    match motion.body:
        case Steer(deed, room):
            shut = deed not in CLOSED and is_steered(motion.record, room, Deed.CLOSE, motion.past)
            return room not in motion.rooms or shut
        case _:
            return False


def _too_many_rooms(motion: Motion) -> bool:
    known = (act for act in motion.record.breakouts.values() if motion.record.ancestry.mark(act.event) & motion.past)
    return isinstance(motion.body, Breakout) and sum(1 for _ in known) >= LIMIT_BREAKOUTS


def _no_facilitator(motion: Motion) -> bool:
    return motion.need.part is Part.FACILITATOR and motion.seat.persona not in motion.facilitators


def _decided(motion: Motion) -> bool:
    return motion.act is not None and motion.act.is_complete(motion.past)


def _signed(motion: Motion) -> bool:
    return motion.act is not None and motion.seat.persona in motion.act.signers(motion.past)


def _oneself(motion: Motion) -> bool:
    return isinstance(motion.body, Remove) and motion.body.member == motion.seat.persona


def _no_change(motion: Motion) -> bool:
    match motion.body:
        case Role(member, facilitator):
            return facilitator == (member in motion.facilitators) or member not in motion.roster
        case Remove(member) if member not in motion.roster:
            acts = motion.record.acts.values()
            return any(act.removes and act.target == member and act.is_complete(motion.past) for act in acts)
        case Breakout(members=members):
            return not motion.roster.issuperset(members)
        case Steer():
            return not _steers_anew(motion, motion.body)
        case _:
            return False


def _steers_anew(motion: Motion, body: Steer) -> bool:
    """Say whether a deed changes how a room stands: what is announced always does."""
    rule = DEEDS[body.deed]
    if not rule.stands:
        return is_steered(motion.record, body.room, rule.lifts[0], motion.past, body.subject)
    if body.deed in {Deed.ITEM, Deed.ROUND}:
        return True
    if body.deed is Deed.CUT:
        cuts = steers(motion.record, body.room, Deed.CUT, motion.past)
        return all(agreed.upto != body.upto for _, agreed in cuts)
    if rule.about is About.MEMBER and body.subject not in motion.roster:
        return False
    return not is_steered(motion.record, body.room, body.deed, motion.past, body.subject)


def _not_latest(motion: Motion) -> bool:
    header = motion.event.header
    return header.seq != motion.record.last_number(header.actor, motion.past) + 1


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a proposal or a signature has no effect: the recorded reason, when it is given, and what it is good for."""

    reason: NoOp
    applies: Callable[[Motion], bool]
    when: str
    why: str


FAULTS: Final = (
    Fault(NoOp.NO_ACT, _no_act, "it signs what its author had not seen proposed", "nobody agrees to the unknown"),
    Fault(
        NoOp.NO_ROOM,
        _no_room,
        "it is about a room not open, or closed to all but folds and cuts",
        "there is nothing to do",
    ),
    Fault(
        NoOp.NOT_A_FACILITATOR,
        _no_facilitator,
        "facilitators must sign, and its author, as far as they knew, is none",
        "power is asked for where the doer stood",
    ),
    Fault(
        NoOp.TOO_MANY_ROOMS,
        _too_many_rooms,
        f"it opens a breakout where {LIMIT_BREAKOUTS} have been proposed",
        "a newcomer is told of all of them",
    ),
    Fault(NoOp.DECIDED, _decided, "enough had signed", "what is decided needs no more"),
    Fault(NoOp.SIGNED, _signed, "its author had signed", "everybody counts once"),
    Fault(NoOp.ONESELF, _oneself, "it removes its author", "one leaves"),
    Fault(
        NoOp.NO_CHANGE,
        _no_change,
        "the role or the room is so already; or nobody's who is in, or for such; or the removed is out by a removal",
        "so that nothing is piled up",
    ),
    Fault(
        NoOp.NOT_LATEST,
        _not_latest,
        "it does not follow all that its key had signed in the control room, by the numbers",
        "so that nobody reaches back behind their own words to void what came since",
    ),
)
"""In order of precedence."""


def put(motion: Motion) -> NoOp | None:
    """Take in a proposal or a signature under one; or say why it has no effect."""
    record, body, past = motion.record, motion.body, motion.past
    if isinstance(body, Cosign):
        act = record.acts.get(body.act)
        if act is not None and record.ancestry.mark(act.event) & past:
            motion = replace(motion, act=act)
    reason = next((fault.reason for fault in FAULTS if fault.applies(motion)), None)
    if reason is not None:
        return reason
    act = motion.act
    if act is None:
        assert not isinstance(body, Cosign), "what is not there was refused"
        act = Act(body, motion.need, motion.event.order, record.ancestry.past_of(motion.event.id))
        record.propose(act)
    record.sign(act, _signature(motion, act))
    return None


def _signature(motion: Motion, act: Act) -> Use:
    header, body = motion.event.header, motion.body
    twins = motion.record.lines[header.actor][header.seq]
    lasts = body.last if isinstance(body, Remove | Cosign) else ()
    known = {(room, actor): (seq, name) for room, actor, seq, name in lasts}
    ancestry, event = motion.record.ancestry, motion.event
    facilitates = act.need.part is Part.FACILITATOR
    return Use(
        motion.seat, event.order, ancestry.mark(event.id), ancestry.past_of(event.id), facilitates, twins, known
    )
