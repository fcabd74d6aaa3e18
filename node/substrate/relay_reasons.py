"""Why a relay said no, and why a circuit was cut: what the two ends can be told, as types.

libp2p specs/relay, "circuit-v2", "Status codes" and "Limit". Invariants: a refusal is what the relay said, never a
guess; a cut is what the end itself counted against the limit it was told before the circuit stood, so it needs no
message of the relay's and holds beside relays no one here wrote. The value of each is a sentence a person may read.
"""

from dataclasses import dataclass
from enum import Enum

from libp2p.relay.circuit_v2.pb import circuit_pb2 as pb


class RelayRefusal(Enum):
    """What a relay answered instead of OK."""

    NOT_ALLOWED = "The relay serves its own members only. Nothing was sent."
    NO_PLACE_LEFT = "The relay keeps as many places as it may. Try again later, or another relay."
    FULL = "The relay carries as much as it may, for you or in all. Try again later, or another relay."
    NOT_THERE = "Nobody of that name has a place at the relay. They may be offline."
    NOT_ANSWERING = "The relay could not reach the other side. Try again later."
    OTHER = "The relay said no, and not why. Try another relay."


_REFUSALS = {
    pb.PERMISSION_DENIED: RelayRefusal.NOT_ALLOWED,
    pb.RESERVATION_REFUSED: RelayRefusal.NO_PLACE_LEFT,
    pb.RESOURCE_LIMIT_EXCEEDED: RelayRefusal.FULL,
    pb.NO_RESERVATION: RelayRefusal.NOT_THERE,
    pb.CONNECTION_FAILED: RelayRefusal.NOT_ANSWERING,
}


def refusal_of(status: int) -> RelayRefusal:
    """What a status other than OK means; total."""
    return _REFUSALS.get(status, RelayRefusal.OTHER)  # type: ignore[call-overload,no-any-return]  # any number can come


class CircuitCut(Enum):
    """Which limit ended a circuit."""

    BYTES = "The relay's limit of bytes for one circuit was reached. What was acknowledged is safe; connect again."
    SECONDS = "The relay's limit of time for one circuit was reached. What was acknowledged is safe; connect again."


@dataclass(frozen=True, slots=True)
class CircuitLimit:
    """What a relay lets one circuit carry. None: no limit."""

    bytes: int | None = None
    """In each direction."""
    seconds: int | None = None

    def to_wire(self) -> pb.Limit | None:
        """As both ends are told it; None when there is nothing to tell."""
        if self.bytes is None and self.seconds is None:
            return None
        return pb.Limit(data=self.bytes or 0, duration=self.seconds or 0)

    @classmethod
    def from_wire(cls, limit: pb.Limit) -> "CircuitLimit":
        """What a relay told us; zero and absent mean no limit."""
        return cls(limit.data or None, limit.duration or None)
