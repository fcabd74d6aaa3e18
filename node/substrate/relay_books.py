"""What our relay grants: places, circuits and bytes, counted for each peer, for each address and in all.

libp2p specs/relay, "circuit-v2"; the numbers are the node's policy (DESIGN.md §8). Invariants: what is granted is given
back exactly once; a place ends with its connection or unrenewed at its hour; bytes are set aside for a circuit before
it stands, so however many run at once, an address is never granted more than its allowance; refusals leave nothing
behind. Time is trio's, in seconds, and is handed in.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb import circuit_pb2 as pb

from tertulia.node.substrate.relay_reasons import CircuitLimit

LIMIT_ALLOWANCES = 4096
LEAST_TO_ONE_TARGET = 2
_Key = TypeVar("_Key")
SMALLEST_CIRCUIT_BYTES = 16 * 1024
"""Below this a circuit is not worth its handshake, and is refused instead."""


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """How much a relay carries for others. Raises ValueError for numbers that cannot be meant.

    None: no limit of that kind. `reservations=0` takes no new member in and renews nobody, `circuits=0` opens no new
    circuit: what stands is left (a relay that is being emptied). An address is an IPv4 address or an IPv6 /64.
    """

    reservations: int = 128
    reservations_per_address: int = 32
    reservation_seconds: int = 3600
    circuits: int = 256
    circuits_per_peer: int = 16
    """Of which it is either end. Callers at one address get half of one target's, so that nobody shuts it off alone."""
    circuits_per_address: int = 64
    """Opened by callers there."""
    circuit_bytes: int | None = None
    """Of one circuit, in each direction; told to both ends."""
    circuit_seconds: int | None = None
    """Of one circuit; told to both ends."""
    address_bytes: int | None = None
    """Of all circuits that callers at one address open, both directions together, in `allowance_seconds`; refills
    evenly. Needs `circuit_bytes`, because what a circuit may take is set aside when it begins."""
    allowance_seconds: int = 3600

    def __post_init__(self) -> None:
        if min(self.reservations, self.circuits) < 0:
            raise ValueError("a relay cannot keep fewer than no places and circuits")
        bounds = (self.reservations_per_address, self.circuits_per_peer, self.circuits_per_address,
                  self.reservation_seconds, self.allowance_seconds, self.circuit_seconds or 1)  # fmt: skip
        if min(bounds) < 1 or self.circuit_seconds == 0:
            raise ValueError("a bound of a relay is at least one")
        for size, least in ((self.circuit_bytes, 1), (self.address_bytes, 2)):
            if size is not None and size < least * SMALLEST_CIRCUIT_BYTES:
                raise ValueError(f"a circuit of fewer than {SMALLEST_CIRCUIT_BYTES} bytes each way carries nothing")
        if self.address_bytes is not None and self.circuit_bytes is None:
            raise ValueError("an allowance of bytes needs a limit of bytes for each circuit")

    @property
    def for_each_circuit(self) -> CircuitLimit:
        """What a circuit gets when its caller's allowance is whole."""
        return CircuitLimit(self.circuit_bytes, self.circuit_seconds)


@dataclass(frozen=True, slots=True)
class Place:
    """One peer's reservation."""

    address: str
    until: float


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """A circuit that may stand."""

    caller: ID
    target: ID
    address: str
    limit: CircuitLimit


class RelayBooks:
    """See the module's head."""

    def __init__(self, limits: RelayLimits) -> None:
        self.limits = limits
        """May be replaced at any time; what was granted stays granted."""
        self._places: dict[ID, Place] = {}
        self._ends: Counter[ID] = Counter()
        self._callers: Counter[str] = Counter()
        self._circuits: set[Grant] = set()
        self._spent: dict[str, tuple[float, float]] = {}  # bytes spent or set aside, and when that was so

    @property
    def places(self) -> int:
        """Reservations that stand; those that ran out count until somebody asks for one."""
        return len(self._places)

    @property
    def circuits(self) -> int:
        """Circuits that stand or are being opened."""
        return len(self._circuits)

    # Places.

    def reserve(self, peer: ID, address: str, now: float) -> pb.Status.ValueType:
        """Keep or renew a place for `peer`, which asks from `address`."""
        self._places = {one: place for one, place in self._places.items() if place.until > now}
        others = [place for one, place in self._places.items() if one != peer]
        from_there = sum(place.address == address for place in others)
        if len(others) >= self.limits.reservations or from_there >= self.limits.reservations_per_address:
            return pb.RESERVATION_REFUSED
        self._places[peer] = Place(address, now + self.limits.reservation_seconds)
        return pb.OK

    def leave(self, peer: ID) -> None:
        """`peer` is gone: its place is free."""
        self._places.pop(peer, None)

    # Circuits.

    def open(self, caller: ID, target: ID, address: str, now: float) -> Grant | pb.Status.ValueType:
        """A circuit for `caller`, which asks from `address`; or why not. Give it back with `close`."""
        place = self._places.get(target)
        if place is None or place.until <= now:
            return pb.NO_RESERVATION
        limits = self.limits
        from_there = sum(grant.target == target and grant.address == address for grant in self._circuits)
        if (
            from_there >= max(LEAST_TO_ONE_TARGET, limits.circuits_per_peer // 2)
            or len(self._circuits) >= limits.circuits
            or max(self._ends[caller], self._ends[target]) >= limits.circuits_per_peer
            or self._callers[address] >= limits.circuits_per_address
        ):
            return pb.RESOURCE_LIMIT_EXCEEDED
        limit = self._set_aside(address, now)
        if limit is None:
            return pb.RESOURCE_LIMIT_EXCEEDED
        grant = Grant(caller, target, address, limit)
        self._circuits.add(grant)
        self._ends.update((caller, target))
        self._callers[address] += 1
        return grant

    def close(self, grant: Grant, carried: int, now: float) -> None:
        """The circuit is over, after `carried` bytes in both directions together."""
        self._circuits.discard(grant)
        _take_one(self._ends, grant.caller)
        _take_one(self._ends, grant.target)
        _take_one(self._callers, grant.address)
        if grant.address in self._spent and grant.limit.bytes is not None:
            unused = max(0, 2 * grant.limit.bytes - carried)
            self._spent[grant.address] = (max(0.0, self._owed(grant.address, now) - unused), now)

    def _set_aside(self, address: str, now: float) -> CircuitLimit | None:
        """What a circuit from `address` may carry; None when too little is left."""
        whole = self.limits.for_each_circuit
        if self.limits.address_bytes is None or whole.bytes is None:
            return whole
        owed = self._owed(address, now)
        size = min(whole.bytes, int(self.limits.address_bytes - owed) // 2)
        if size < SMALLEST_CIRCUIT_BYTES:
            return None
        if address not in self._spent and len(self._spent) >= LIMIT_ALLOWANCES:
            self._spent = {one: spent for one, spent in self._spent.items() if self._owed(one, now) > 0}
            if len(self._spent) >= LIMIT_ALLOWANCES:
                return None
        self._spent[address] = (owed + 2 * size, now)
        return CircuitLimit(size, whole.seconds)

    def _owed(self, address: str, now: float) -> float:
        """Bytes of the allowance of `address` that are used or set aside now."""
        spent, when = self._spent.get(address, (0.0, now))
        refilled = (now - when) * (self.limits.address_bytes or 0) / self.limits.allowance_seconds
        return max(0.0, spent - refilled)


def _take_one(counter: Counter[_Key], key: _Key) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
