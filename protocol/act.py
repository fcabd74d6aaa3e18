"""Acts: what takes effect once enough of those whose part it is have signed it.

Implements docs/spec/events.md, section Acts. One member proposes, by an event; others sign by events that name it. An
act says how many must sign and in which part (`Need`); every signature is a `Use` of somebody's seat, judged in its own
past. Whether an act has effect is asked of a past (an int of `Ancestry`), and answered by `ruling`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import TypeAlias

from tertulia.protocol.facilitation import Steer
from tertulia.protocol.ids import EventId, PersonaId
from tertulia.protocol.precedence import End
from tertulia.protocol.room import Breakout
from tertulia.protocol.roster import Remove, Role, Settle
from tertulia.protocol.seat import Order, Use

Proposal: TypeAlias = Remove | Role | Settle | Steer | Breakout
"""What can be proposed and signed by several."""


@unique
class Part(IntEnum):
    """As what somebody signs."""

    MEMBER = 1
    FACILITATOR = 2


@dataclass(frozen=True, slots=True)
class Need:
    """So many different people must sign, each in this part."""

    part: Part
    count: int


@dataclass(slots=True, eq=False)
class Act:
    """A proposal and who has signed it, the proposer first."""

    body: Proposal
    need: Need
    order: Order
    past: int
    signatures: list[Use] = field(default_factory=list)

    @property
    def event(self) -> EventId:
        """The event that proposed it: what others name to sign."""
        return self.order[1]

    @property
    def target(self) -> PersonaId | None:
        """Whom it takes in power: who is removed, or whose role changes."""
        return self.body.member if isinstance(self.body, Remove | Role) else None

    @property
    def steer(self) -> Steer | None:
        """What it does to a room, if it does."""
        return self.body if isinstance(self.body, Steer) else None

    @property
    def ends(self) -> End | None:
        """How it ends somebody's power, if it does."""
        if isinstance(self.body, Remove):
            return End.REMOVED
        return End.LOWERED if isinstance(self.body, Role) and not self.body.facilitator else None

    @property
    def removes(self) -> bool:
        """Whether it takes somebody off the roster."""
        return self.ends is End.REMOVED

    @property
    def settles(self) -> bool:
        """Whether it declares what it had seen settled."""
        return isinstance(self.body, Settle)

    @property
    def grants(self) -> bool:
        """Whether it makes somebody a facilitator."""
        return isinstance(self.body, Role) and self.body.facilitator

    def signers(self, past: int) -> set[PersonaId]:
        """Who has signed it in that past."""
        return {use.seat.persona for use in self.signatures if use.mark & past}

    def is_complete(self, past: int) -> bool:
        """Say whether as many as need be have signed it in that past."""
        return len(self.signers(past)) >= self.need.count

    def has_seen(self, mark: int, past: int) -> bool:
        """Say whether one of those who signed, as far as that past knows, had seen the event with this mark."""
        return any(use.past & mark for use in self.signatures if use.mark & past)


def two_thirds(people: int) -> int:
    """The least number that is two thirds of so many."""
    return -(-2 * people // 3)

