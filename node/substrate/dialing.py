"""Reaching one peer at any of its addresses.

Trap 8 (research/libp2p.md): the library dials a peer's first TCP address only, refuses the peer for 60 s when that
fails, and waits 250 ms even when it succeeds. Invariants: every address is tried, the next one as soon as the previous
failed and at the latest `STAGGER_SECONDS` after it began; the first connection wins and the others are abandoned;
an address that failed lately is tried after the others, never refused; the whole takes at most `DIAL_SECONDS`.
Delete when upstream does (docs/upstream.md).
"""

from collections import OrderedDict
from collections.abc import Sequence

import trio
from multiaddr import Multiaddr
from multiaddr.exceptions import Error as MultiaddrError

from tertulia.node.substrate.circuit import RelaySaidNo
from tertulia.node.substrate.errors import DialFailed
from tertulia.node.substrate.peer_ids import PeerId, library_id
from tertulia.node.substrate.relay_reasons import RelayRefusal
from tertulia.node.substrate.swarm import HostSwarm

DIAL_SECONDS = 15.0
STAGGER_SECONDS = 0.25
LIMIT_ADDRESSES = 32
LIMIT_REMEMBERED = 1024
BACK_OFF_SECONDS = 5.0
LONGEST_BACK_OFF_SECONDS = 600.0


class Failures:
    """Which addresses failed lately: 5 s for the first time, twice as long for each time after that."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, address: str) -> None:
        """`address` did not lead to its peer."""
        times = min(self._failed.pop(address, (0, 0.0))[0] + 1, 16)
        seconds = min(BACK_OFF_SECONDS * 2 ** (times - 1), LONGEST_BACK_OFF_SECONDS)
        self._failed[address] = (times, trio.current_time() + seconds)
        if len(self._failed) > LIMIT_REMEMBERED:
            self._failed.popitem(last=False)

    def forget(self, address: str) -> None:
        """`address` led to its peer."""
        self._failed.pop(address, None)

    def put_off(self, address: str) -> bool:
        """Whether others should be tried before `address`."""
        return self._failed.get(address, (0, 0.0))[1] > trio.current_time()


async def dial(swarm: HostSwarm, addresses: Sequence[str], failures: Failures) -> PeerId:
    """A connection to the one peer that `addresses` name, each ending in `/p2p/<PeerId>`.

    Returns at once when one stands already. Raises DialFailed.
    """
    peer, targets = _one_peer(addresses)
    identity = library_id(peer)
    if identity == swarm.self_id:
        raise DialFailed("these addresses are this host's own")
    if any(not connection.is_closed for connection in swarm.get_connections(identity)):
        return peer
    connected = False
    refusal: RelayRefusal | None = None

    async def attempt(target: Multiaddr, failed: trio.Event) -> None:
        nonlocal connected, refusal
        try:
            await swarm.connect(target, identity)
        except Exception as error:  # noqa: BLE001  whatever the other end did, this address does not lead to the peer
            if isinstance(error, RelaySaidNo):
                refusal = error.refusal
            failures.note(str(target))
            failed.set()
            return
        failures.forget(str(target))
        connected = True
        nursery.cancel_scope.cancel()

    with trio.move_on_after(DIAL_SECONDS):
        async with trio.open_nursery() as nursery:
            for target in sorted(targets, key=lambda target: failures.put_off(str(target))):
                failed = trio.Event()
                nursery.start_soon(attempt, target, failed)
                with trio.move_on_after(STAGGER_SECONDS):
                    await failed.wait()
    if not connected:
        raise DialFailed(f"none of {len(targets)} addresses led to the peer", refusal=refusal)
    return peer


def _one_peer(addresses: Sequence[str]) -> tuple[PeerId, list[Multiaddr]]:
    """The peer all `addresses` name, and the addresses. Raises DialFailed for none, too many, or several peers."""
    if not 0 < len(addresses) <= LIMIT_ADDRESSES:
        raise DialFailed(f"{len(addresses)} addresses where 1 to {LIMIT_ADDRESSES} can be tried")
    targets: list[Multiaddr] = []
    peers: set[str] = set()
    for text in addresses:
        try:
            target = Multiaddr(text)
            peers.add([str(value) for protocol, value in target.items() if protocol.name == "p2p"][-1])
        except (MultiaddrError, ValueError, LookupError) as error:
            raise DialFailed("an address that cannot be read, or that does not end in /p2p/ and a PeerId") from error
        targets.append(target)
    if len(peers) != 1:
        raise DialFailed("these addresses are of several peers")
    peer = PeerId(peers.pop())
    try:
        library_id(peer)
    except ValueError as error:
        raise DialFailed("the PeerId in these addresses is not of an Ed25519 key") from error
    return peer, targets
