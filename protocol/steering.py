"""Steering: what facilitators have done to a room, as it stands in one past.

Implements docs/spec/events.md, section Act. The harsher wins until lifted: what lifts, ends what had been decided in
its own past, and nothing beside it. A function of the past alone. Rounds have a file of their own (`rounds.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tertulia.protocol.cut import Cut
from tertulia.protocol.encoding import Value
from tertulia.protocol.facilitation import DEEDS, Deed, Steer
from tertulia.protocol.ids import EventId, PersonaId, RoomId
from tertulia.protocol.state import NoOp, Outcome

if TYPE_CHECKING:
    from tertulia.protocol.act import Act
    from tertulia.protocol.ruling import Record
    from tertulia.protocol.state import State


@dataclass(frozen=True, slots=True)
class Agreed:
    """A cut that has effect, agreed on by the act `event`; `after` are those others that its proposer knew of.

    A seal is one too: `subject` is the outcome, of a plain cut None.
    """

    event: EventId
    cut: Cut
    after: frozenset[EventId] = field(default=frozenset(), compare=False)
    subject: EventId | None = None


@dataclass(frozen=True, slots=True)
class Steering:
    """How a room stands. `announced` are items and open rounds, in order, each with the event that did it.

    `floor` are those who were given it, several where two facilitators did so unaware; `agenda` is what was put on it.
    `cuts` and `seals` are in order too.
    """

    closed: bool = False
    paused: bool = False
    muted: frozenset[PersonaId] = frozenset()
    folded: frozenset[EventId] = frozenset()
    announced: tuple[tuple[EventId, Steer], ...] = ()
    floor: frozenset[PersonaId] = frozenset()
    agenda: tuple[EventId, ...] = ()
    cuts: tuple[Agreed, ...] = ()
    seals: tuple[Agreed, ...] = ()

    def to_value(self) -> Value:
        """`[closed, paused, muted, folded, [[event, deed, text, opens, closes], …], floor, agenda]`.

        Ids ascending, but on the agenda. Where there are any cuts, then `[[event, cut], …]`; where there are any seals,
        then those, and `[[event, outcome, cut], …]`.
        """
        said: list[Value] = [
            [event, int(steer.deed), steer.text, steer.opens, steer.closes] for event, steer in self.announced
        ]
        muted, folded, floor = sorted(self.muted), sorted(self.folded), sorted(self.floor)
        cuts: list[Value] = [[agreed.event, agreed.cut.to_value()] for agreed in self.cuts]
        seals: list[Value] = [[agreed.event, agreed.subject, agreed.cut.to_value()] for agreed in self.seals]
        more: list[Value] = [cuts, seals] if seals else [cuts] if cuts else []
        return [self.closed, self.paused, muted, folded, said, floor, self.agenda, *more]


def steers(record: Record, room: RoomId, deed: Deed, past: int) -> list[tuple[Act, Steer]]:
    """The deeds of one sort in a room that have effect in that past and that nothing lifts there."""
    acts = in_force(record, room, past)
    these = ((act, body) for act, body in acts if body.deed is deed)
    return [(act, body) for act, body in these if not any(is_lifted(act, lift) for lift, _ in acts)]


def lifts(lift: Steer, steer: Steer) -> bool:
    """Say whether one deed ends another, done earlier in the same room. There is one floor, whoever has it."""
    same = steer.deed is Deed.GIVE or lift.subject == steer.subject
    return steer.deed in DEEDS[lift.deed].lifts and same and lift.room == steer.room


def is_lifted(act: Act, lift: Act) -> bool:
    """Say whether a deed was complete as far as the other knew, which ends such deeds.

    What a checkpoint tells as standing in everybody's past was not ended by what it tells so too.
    """
    if act is lift or act.steer is None or lift.steer is None or not lifts(lift.steer, act.steer):
        return False
    return (act.need.count > 0 or lift.need.count > 0) and act.is_complete(lift.past)


def is_steered(record: Record, room: RoomId, deed: Deed, past: int, subject: bytes = b"") -> bool:
    """Say whether such a deed stands in that past, about this member, this event or the room."""
    return any(body.subject == subject for _, body in steers(record, room, deed, past))


def silence(record: Record, room: RoomId, speaker: PersonaId, past: int) -> NoOp | None:
    """Why somebody may not speak in a room in that past, as far as facilitators have their say; None if they may."""
    if room not in record.steers:
        return None
    if is_steered(record, room, Deed.CLOSE, past):
        return NoOp.NO_ROOM
    if is_steered(record, room, Deed.PAUSE, past) and not is_steered(record, room, Deed.GIVE, past, speaker):
        return NoOp.PAUSED
    return NoOp.MUTED if is_steered(record, room, Deed.MUTE, past, speaker) else None


def steering(record: Record, room: RoomId, past: int) -> Steering:
    """How a room stands in that past."""
    announced = [
        (act, body) for deed in (Deed.ITEM, Deed.ROUND) for act, body in steers(record, room, deed, past)
    ]
    return Steering(
        is_steered(record, room, Deed.CLOSE, past),
        is_steered(record, room, Deed.PAUSE, past),
        frozenset(PersonaId(body.subject) for _, body in steers(record, room, Deed.MUTE, past)),
        frozenset(EventId(body.subject) for _, body in steers(record, room, Deed.FOLD, past)),
        tuple((act.event, body) for act, body in sorted(announced, key=lambda entry: entry[0].order)),
        frozenset(PersonaId(body.subject) for _, body in steers(record, room, Deed.GIVE, past)),
        agenda(record, room, past),
        _agreed(record, room, Deed.CUT, past),
        _agreed(record, room, Deed.SEAL, past),
    )


def _agreed(record: Record, room: RoomId, deed: Deed, past: int) -> tuple[Agreed, ...]:
    """The cuts or seals of a room that have effect, each with the cuts it follows.

    Of two that are ancient the later counts as having known the earlier.
    """
    cuts = steers(record, room, Deed.CUT, past)
    found = sorted(steers(record, room, deed, past), key=lambda entry: entry[0].order)
    agreed = []
    for act, body in found:
        assert body.upto is not None, "it says what it counts"
        subject = EventId(body.subject) if deed is Deed.SEAL else None
        agreed.append(Agreed(act.event, body.upto, _known(cuts, act), subject))
    return tuple(agreed)


def agenda(record: Record, room: RoomId, past: int) -> tuple[EventId, ...]:
    """What facilitators have put on the agenda, in the order in which they did."""
    fixed = sorted(steers(record, room, Deed.FIX, past), key=lambda entry: entry[0].order)
    return tuple(dict.fromkeys(EventId(body.subject) for _, body in fixed))


def cuts_known(state: State, room: RoomId, event: EventId) -> frozenset[EventId]:
    """The cuts of a room that whoever proposed this act knew of."""
    assert state.ground is not None, "there is an act, so there is a charter"
    record = state.ground.authority.record
    return _known(steers(record, room, Deed.CUT, record.ancestry.whole()), record.acts[event])


def _known(cuts: list[tuple[Act, Steer]], act: Act) -> frozenset[EventId]:
    return frozenset(other.event for other, _ in cuts if other.order < act.order and other.is_complete(act.past))


def folded(state: State, event: EventId) -> str:
    """Why something said is folded, as it came; empty where it is not."""
    if not any(event in stands.folded for stands in state.steering.values()):
        return ""
    done = (act.body for act in state.acts if act.outcome is Outcome.DONE and isinstance(act.body, Steer))
    return next(steer.text for steer in done if steer.deed is Deed.FOLD and steer.subject == event)


def in_force(record: Record, room: RoomId, past: int) -> list[tuple[Act, Steer]]:
    """Every deed in a room that has effect in that past, whether something has lifted it since or not."""
    under = record.ruling(past).under
    return [
        (act, act.steer)
        for act in record.steers.get(room, ())
        if act.steer is not None and act.is_complete(past) and under.is_in_force(act, past)
    ]
