"""Members of one commons on the same local network: who was heard there, whom we dial, who may come in.

docs/spec/lan.md; DESIGN.md §8. Who looks is handed in (`Seeker`, bootstrap/lan.py); without being switched on by the
person nothing is looked for and nobody is let in. Invariants: only who proved the commons' key in a datagram from their
own address on this network is dialled or let in, for a while; tables and dials are bounded; no address is logged.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import trio

from tertulia.node.problems import NOT_ON_A_LAN
from tertulia.node.substrate import DialFailed, Host, PeerId, peer_id_bytes
from tertulia.protocol.address import peer_text, to_multiaddr
from tertulia.protocol.lan import Kind, Whereabouts

if TYPE_CHECKING:
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.errors import Problem

ANYWHERE: Final = "/ip4/0.0.0.0/tcp/0"
"""Where a host listens for neighbours when it listens for nobody else: who was not heard is turned away unanswered."""
ADMIT_SECONDS: Final = 120.0
"""How long an address that was heard may connect."""
LIMIT_HEARD: Final = 64
"""Peers, and addresses, that are remembered as heard."""
LIMIT_NEARBY: Final = 8
"""Neighbours on the local network that we are connected with: more are neither dialled nor answered."""

K = TypeVar("K")
V = TypeVar("V")


class Hears(Protocol):
    """What a seeker tells, and asks."""

    @property
    def peer(self) -> bytes:
        """Our host's key, 32 bytes."""

    def port(self, here: IPv4Address) -> int:
        """The TCP port at which our host can be reached at this address of ours; 0 when it cannot."""

    def heard(self, told: Whereabouts) -> bool:
        """Somebody of the commons said where they are, and it is true. Says whether a call is to be answered."""

    def stands(self, *, connected: bool) -> None:
        """Whether this machine is on a local network on which it can call."""

    def refused(self, reason: str) -> None:
        """A datagram was dropped."""


class Seeker(Protocol):
    """Calls and listens on the local network."""

    async def seek(self, commons: Commons, hears: Hears) -> None:
        """Look for members of `commons`, until cancelled."""


class Nearby:
    """One commons' neighbours on the local network. The `Hears` of its seeker."""

    def __init__(self, seeker: Seeker | None, counts: Counter[str], changed: Callable[[], None]) -> None:
        self.problem: Problem | None = None
        """Why nobody can be found here; None when all is well, or nobody is looked for."""
        self._seeker, self._counts, self._changed = seeker, counts, changed
        self._let_in: OrderedDict[str, float] = OrderedDict()
        self._heard: OrderedDict[PeerId, None] = OrderedDict()
        self._dialling: set[PeerId] = set()
        self._host: Host
        self._nursery: trio.Nursery

    @property
    def can_seek(self) -> bool:
        """Whether there is anything to look with."""
        return self._seeker is not None

    def admits(self, address: str) -> bool:
        """Whether somebody was heard at this address lately. Asked before a word is said to who connects."""
        return self._let_in.get(address, 0.0) > trio.current_time()

    def among(self, peers: Iterable[PeerId]) -> list[PeerId]:
        """Which of these peers were heard on the local network."""
        return [peer for peer in peers if peer in self._heard]

    async def run(self, host: Host, commons: Commons) -> None:
        """Look for neighbours and dial them, until cancelled."""
        assert self._seeker is not None
        self._host = host
        try:
            async with trio.open_nursery() as self._nursery:
                await self._seeker.seek(commons, self)
        finally:
            self.problem = None
            self._let_in.clear()
            self._heard.clear()
            self._dialling.clear()

    # What the seeker tells, and asks --------------------------------------------------------------------------------

    @property
    def peer(self) -> bytes:
        """Our host's key, 32 bytes."""
        return peer_id_bytes(self._host.peer_id)

    def port(self, here: IPv4Address) -> int:
        """The TCP port at which our host can be reached at this address of ours; 0 when it cannot."""
        for text in self._host.addresses:
            _, _, host, _, port, *_ = text.split("/")
            if host in {"0.0.0.0", str(here)}:
                return int(port)
        return 0

    def heard(self, told: Whereabouts) -> bool:
        """Somebody of the commons said where they are, and it is true. Says whether a call is to be answered."""
        peer = PeerId(peer_text(told.peer))
        if told.peer == self.peer or self._is_enough(peer):
            return False
        _note(self._heard, peer, None)
        _note(self._let_in, told.address.host, trio.current_time() + ADMIT_SECONDS)
        if told.kind is Kind.ANSWER and peer not in self._dialling:
            self._dialling.add(peer)
            self._nursery.start_soon(self._dial, peer, to_multiaddr(told.address, told.peer))
        return True

    def stands(self, *, connected: bool) -> None:
        """Whether this machine is on a local network on which it can call."""
        problem = None if connected else NOT_ON_A_LAN
        if problem != self.problem:
            self.problem = problem
            self._changed()

    def refused(self, reason: str) -> None:
        """A datagram was dropped."""
        self._counts[f"lan {reason}"] += 1

    def _is_enough(self, peer: PeerId) -> bool:
        peers = self._host.peers
        return peer in peers or len(self.among(peers)) + len(self._dialling) >= LIMIT_NEARBY

    async def _dial(self, peer: PeerId, address: str) -> None:
        try:
            await self._host.dial([address])
        except DialFailed:
            self._counts["lan dial failed"] += 1
        finally:
            self._dialling.discard(peer)


def _note(table: OrderedDict[K, V], key: K, value: V) -> None:
    """Remember `key` as the newest of at most `LIMIT_HEARD`."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > LIMIT_HEARD:
        table.popitem(last=False)
