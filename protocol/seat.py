"""Seats: what one admission gives one person, and the uses they make of its power.

Implements docs/spec/events.md, section Membership. A person who comes back has another seat; keys, prekeys, acceptance
of the charter and power belong to the seat, so nothing of an earlier one returns with them. Whether a seat stands is
asked of a causal past (an int of `Ancestry`), never of “now”; the answer is `ruling`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tertulia.protocol.ids import ActorId, EventId, PersonaId, RoomId
from tertulia.protocol.newcomer import LIMIT_PREKEYS, Newcomer
from tertulia.protocol.prekey import Prekey

Order: TypeAlias = tuple[int, EventId]
"""The place of an event among all: (lamport, id)."""
Last: TypeAlias = Mapping[tuple[RoomId, ActorId], tuple[int, EventId]]
"""The last event (seq, id) of each session in each room that a removal names."""
Brought: TypeAlias = tuple[Order, int, Prekey]
"""A prekey with the event that brought it and its place in there."""


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """Somebody used the power of their seat in an event: they admitted people, proposed an act or signed one.

    `mark` and `past` are the event's; `facilitates` says that it took a facilitator. Of a signature, `twins` are the
    events to which the same key gave the same number, and `last` is what a removal's signer knew of the removed.
    """

    seat: Seat = field(repr=False)
    order: Order
    mark: int
    past: int
    facilitates: bool
    twins: list[EventId] = field(default_factory=list)
    last: Last = field(default_factory=dict)

    @property
    def event(self) -> EventId:
        """The event in which the power was used."""
        return self.order[1]


@dataclass(frozen=True, slots=True)
class Removal:
    """What ends a seat without its holder: `lasts` has what each of those who signed it knew of what they had said."""

    lasts: tuple[Last, ...]

    def knows(self, room: RoomId, actor: ActorId, seq: int, event: EventId, *, twin: bool) -> bool:
        """Say whether one who signed knew what was said; a `twin` is not known by its number."""
        for last in self.lasts:
            number, name = last.get((room, actor), (0, None))
            if event == name or (seq <= number and not twin):
                return True
        return False


@dataclass(slots=True, eq=False)
class Claim:
    """A session key that belongs to a seat, by the events `since` (their marks: `mark`).

    `endings` are the introductions of a successor, with its key (their marks: `ended`). `witnesses` are control events
    signed by the key whose author knew of no other claim to it (their marks: `borne`): only the key's holder can make
    them, which settles whose it is when somebody else introduces the same key as theirs.
    """

    key: ActorId
    seat: Seat
    since: list[Order] = field(default_factory=list)
    mark: int = 0
    endings: list[tuple[Order, ActorId]] = field(default_factory=list)
    ended: int = 0
    witnesses: list[EventId] = field(default_factory=list)
    borne: int = 0

    @property
    def order(self) -> Order:
        """The earliest event that gave the key."""
        return min(self.since)

    def give(self, order: Order, mark: int) -> None:
        """Whoever has seen this event knows the key as this seat's."""
        self.since.append(order)
        self.mark |= mark

    def end(self, order: Order, mark: int, following: ActorId) -> None:
        """Whoever has seen this event knows `following` as the next key."""
        self.endings.append((order, following))
        self.ended |= mark

    def bear_out(self, event: EventId, mark: int) -> None:
        """Whoever has seen this event knows that the key's holder sits here."""
        self.witnesses.append(event)
        self.borne |= mark


@dataclass(slots=True, eq=False)
class Seat:
    """One admission of one person; `mark` and `past` are the admission's, `told_by` whose checkpoint told us of it.

    `endings` are the events by which its holder left, `ended` their marks. `given` is the admission as a use of power:
    None for the founder, and where that is in everybody's past. `appointed`: its holder facilitates by the charter, or
    by an act in everybody's past. `removals` are those that end the seat when everything is known.
    """

    persona: PersonaId
    newcomer: Newcomer
    order: Order
    mark: int
    past: int
    joined: int
    told_by: PersonaId | None = None
    claims: dict[ActorId, Claim] = field(default_factory=dict)
    prekeys: list[Brought] = field(default_factory=list)
    accepted: list[EventId] = field(default_factory=list)
    acceptance: int = 0
    ended: int = 0
    endings: list[EventId] = field(default_factory=list)
    given: Use | None = field(default=None, repr=False)
    appointed: bool = False
    removals: tuple[Removal, ...] = ()

    def is_held(self, past: int) -> bool:
        """Say whether this seat is given and was not left in that past; whether it was taken is for a ruling."""
        return bool(self.mark & past) and not self.ended & past

    def end(self, event: EventId, mark: int) -> None:
        """Whoever has seen this event knows that the seat is empty."""
        self.endings.append(event)
        self.ended |= mark

    def accept(self, event: EventId, mark: int) -> None:
        """Whoever has seen this event knows that the charter is accepted."""
        self.accepted.append(event)
        self.acceptance |= mark

    def newest(self) -> list[Brought]:
        """The newest prekey of each retention class, newest first, of at most `LIMIT_PREKEYS` classes."""
        found: dict[int, Brought] = {}
        for brought in sorted(self.prekeys, key=lambda brought: brought[:2], reverse=True):
            found.setdefault(brought[2].retention_days, brought)
        return list(found.values())[:LIMIT_PREKEYS]

    def chain(self) -> list[ActorId]:
        """The session keys from the first to the current; where a key introduced two, the earlier event counts."""
        keys = [self.newcomer.session]
        while True:
            endings = self.claims[keys[-1]].endings if keys[-1] in self.claims else []
            following = min(endings)[1] if endings else keys[-1]
            if following in keys:
                return keys
            keys.append(following)
