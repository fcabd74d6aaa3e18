"""The ruling: which acts have effect in one past, and so who is in, who facilitates, and what is void.

Implements docs/spec/events.md, section What has effect. An act that ends power voids what the one it is about did
unaware of it; so acts can strike at each other, also in a circle. The rule: what nobody in force strikes is in force;
where that leaves a circle, all in the circle are. A function of the past alone: no order of arrival enters.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from tertulia.protocol.act import Act
from tertulia.protocol.ancestry import Ancestry
from tertulia.protocol.ids import ActorId, EventId, PersonaId, RoomId
from tertulia.protocol.precedence import Did, voids
from tertulia.protocol.room import Breakout
from tertulia.protocol.seat import Seat, Use

by_order = attrgetter("order")


@dataclass(slots=True, eq=False)
class Record:
    """Every act, and every use of power in the order (lamport, id), as far as a fold has come.

    `breakouts` are those of the acts that open rooms for some. `lines` has the numbers that each key gave to its
    control events; `forked`, that one was given twice. `matters` are the marks of all that a ruling looks at:
    signatures, and what shares its number with another event.
    """

    ancestry: Ancestry
    acts: dict[EventId, Act] = field(default_factory=dict)
    grants: dict[PersonaId, list[Act]] = field(default_factory=dict)
    steers: dict[RoomId, list[Act]] = field(default_factory=dict)
    breakouts: dict[RoomId, Act] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    lines: dict[ActorId, dict[int, list[EventId]]] = field(default_factory=dict)
    forked: bool = False
    matters: int = 0
    _rulings: dict[int, Ruling] = field(default_factory=dict)

    def propose(self, act: Act) -> None:
        """Take in an act; its signatures come after."""
        self.acts[act.event] = act
        if isinstance(act.body, Breakout):
            self.breakouts[RoomId(act.event)] = act
        if act.steer is not None:
            self.steers.setdefault(act.steer.room, []).append(act)
        if act.grants and act.target is not None:
            self.grants.setdefault(act.target, []).append(act)

    def sign(self, act: Act, use: Use) -> None:
        """Take in a signature."""
        act.signatures.append(use)
        self.matters |= use.mark
        self.use(use)

    def use(self, use: Use) -> None:
        """Take in a use of power."""
        insort(self.uses, use, key=by_order)

    def number(self, actor: ActorId, seq: int, event: EventId) -> list[EventId]:
        """Note the number that a key gave to a control event; return all events with that number, to be looked at."""
        twins = self.lines.setdefault(actor, {}).setdefault(seq, [])
        if event not in twins:
            twins.append(event)
        if len(twins) > 1:
            self.forked = True
            for twin in twins:
                self.matters |= self.ancestry.mark(twin)
        return twins

    def last_number(self, actor: ActorId, past: int) -> int:
        """The greatest number that a key had given in that past; 0 for none."""
        line = self.lines.get(actor, {})
        mark = self.ancestry.mark
        return max((seq for seq, events in line.items() if any(mark(event) & past for event in events)), default=0)

    def ruling(self, past: int) -> Ruling:
        """What has effect in that past. Looked up once for all pasts that have the same acts in them."""
        what = past & self.matters
        found = self._rulings.get(what)
        if found is None:
            found = self._rulings[what] = Ruling(self, past)
        return found


class Under:
    """Who had power, if just these acts have effect that end somebody's. `settled` are marks that nothing voids."""

    __slots__ = ("_by_target", "_past", "_record", "_settled", "_void")

    def __init__(self, record: Record, past: int, strikes: Iterable[Act], settled: int) -> None:
        self._record = record
        self._past = past
        self._settled = settled
        self._by_target: dict[PersonaId, list[Act]] = {}
        for strike in strikes:
            assert strike.target is not None, "power is somebody's"
            self._by_target.setdefault(strike.target, []).append(strike)
        self._void: set[Use] = set()
        if self._by_target or record.forked:
            for use in record.uses:  # each rests only on those before it
                if use.mark & past and self._is_void(use):
                    self._void.add(use)

    def is_void(self, use: Use) -> bool:
        """Say whether a use of power has no effect."""
        return use in self._void

    def is_in_force(self, act: Act, past: int) -> bool:
        """Say whether enough signatures count, of those in that past."""
        sound = {use.seat.persona for use in act.signatures if use.mark & past and use not in self._void}
        return len(sound) >= act.need.count

    def stands(self, seat: Seat, past: int) -> bool:
        """Say whether somebody sits there in that past."""
        return seat.is_held(past) and not self.is_taken(seat)

    def is_taken(self, seat: Seat) -> bool:
        """Say whether a removal ends the seat, or whoever gave it had no power to."""
        return (seat.given is not None and seat.given in self._void) or bool(self.removals(seat))

    def removals(self, seat: Seat) -> list[Act]:
        """The removals that end a seat: those that its admission does not follow."""
        return [act for act in self._against(seat, Did.SAT) if not act.is_complete(seat.past)]

    def facilitates(self, seat: Seat, past: int) -> bool:
        """Say whether who sits there facilitates, by a grant that nothing ends."""
        strikes = self._against(seat, Did.FACILITATED)
        return any(all(strike.is_complete(since) for strike in strikes) for since in self._grants(seat, past))

    def _against(self, seat: Seat, did: Did) -> list[Act]:
        """The acts that void what the holder of a seat did unaware of them."""
        return [act for act in self._by_target.get(seat.persona, ()) if act.ends and voids(act.ends, did)]

    def _grants(self, seat: Seat, past: int) -> Iterator[int]:
        """The pasts of what makes the holder of a seat a facilitator, in that past."""
        if seat.appointed:
            yield seat.past
        for act in self._record.grants.get(seat.persona, ()):
            if seat.mark & act.past and act.is_complete(past) and self.is_in_force(act, past):
                yield act.past

    def _is_void(self, use: Use) -> bool:
        if use.mark & self._settled:
            return False
        seat = use.seat
        if is_forked(use, self._past, self._record.ancestry) or (seat.given is not None and seat.given in self._void):
            return True
        def spares(strike: Act, since: int) -> bool:
            return strike.has_seen(use.mark, self._past) or strike.is_complete(since)

        if not use.facilitates:
            return not all(spares(strike, seat.past) for strike in self._against(seat, Did.SIGNED))
        strikes = self._against(seat, Did.FACILITATED)
        return not any(all(spares(strike, since) for strike in strikes) for since in self._grants(seat, use.past))


class Ruling:
    """What has effect in one past."""

    __slots__ = ("settled", "strikes", "under")

    def __init__(self, record: Record, past: int) -> None:
        complete = [act for act in record.acts.values() if act.is_complete(past)]
        strikes = [act for act in complete if act.ends]
        self.settled = 0
        if len(complete) > len(strikes):
            against = Under(record, past, strikes, 0)
            for act in complete:
                if act.settles and against.is_in_force(act, past) and len(act.signers(past)) > 1:
                    self.settled |= act.past
        self.strikes = _in_force(record, past, strikes, self.settled)
        self.under = Under(record, past, self.strikes, self.settled)


def is_forked(use: Use, past: int, ancestry: Ancestry) -> bool:
    """Say whether the signer gave the same number to another event beside this one: it is not their latest."""
    for twin in use.twins:
        mark = ancestry.mark(twin)
        if twin != use.event and mark & past and not mark & use.past and not use.mark & ancestry.past_of(twin):
            return True
    return False


def _in_force(record: Record, past: int, strikes: list[Act], settled: int) -> list[Act]:
    """Those of the complete strikes that have effect: the well-founded answer, and circles as a whole."""
    forced: set[Act] = set()

    def standing(against: list[Act]) -> list[Act]:
        under = Under(record, past, against, settled)
        return [act for act in strikes if act in forced or under.is_in_force(act, past)]

    while True:
        surely: list[Act] = []
        while True:
            perhaps = standing(surely)
            following = standing(perhaps)
            if following == surely:
                break
            surely = following
        doubtful = [act for act in perhaps if act not in surely]
        if not doubtful:
            return surely
        forced.update(_circle(record, past, doubtful))


def _circle(record: Record, past: int, doubtful: list[Act]) -> set[Act]:
    """Of acts that are in doubt, those that are struck at only by such as they strike at in turn."""
    struck = {act: {other for other in doubtful if _strikes_at(record, past, other, act)} for act in doubtful}
    above = {act: _reach(struck, act) for act in doubtful}
    return {act for act in doubtful if all(act in above[other] for other in above[act])}


def _reach(struck: dict[Act, set[Act]], start: Act) -> set[Act]:
    found: set[Act] = set()
    walk = set(struck[start])
    while walk:
        found |= walk
        walk = {further for act in walk for further in struck[act]} - found
    return found


def _strikes_at(record: Record, past: int, strike: Act, act: Act) -> bool:
    """Say whether one act alone would cost the other a signature."""
    under = Under(record, past, [strike], 0)
    return any(use.mark & past and under.is_void(use) for use in act.signatures)

