"""What a host is started with.

DESIGN.md §6 (life of a PeerId) and §8 (reach). Invariants: the seed never appears in a repr; nothing here is read from
the environment or from disk; `listen == ()` means a node that only dials.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from libp2p.abc import ITransport

from tertulia.node.substrate.peer_ids import SEED_BYTES, PeerId

LIMIT_INBOUND_CONNECTIONS = 256


class Network(Protocol):
    """What hosts are connected by, when it is not the system's TCP: see `memory.MemoryNet`."""

    def transport(self, home: str | None) -> ITransport:
        """The transport of a host whose own address is `home`, or that only dials."""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """All a host needs to know. Raises ValueError for a seed that is not 32 bytes.

    `tap` is for audits: it is called with every decrypted payload received from a neighbour, directly after Noise and
    before anything interprets it, in the order of arrival on each connection. It must return quickly and not raise.
    `admits` is asked about the address of whoever connects over TCP, before a byte is read or sent; whom it does not
    want is closed. `network` replaces TCP; time is trio's, so a virtual clock is given to `trio.run` and not to a host.
    """

    key_seed: bytes = field(repr=False)
    listen: tuple[str, ...] = ()
    agent: str = ""
    tap: Callable[[PeerId, bytes], None] | None = None
    inbound_limit: int = LIMIT_INBOUND_CONNECTIONS
    network: Network | None = None
    admits: Callable[[str], bool] | None = None

    def __post_init__(self) -> None:
        if len(self.key_seed) != SEED_BYTES:
            raise ValueError(f"a key seed has {SEED_BYTES} bytes, not {len(self.key_seed)}")
        if self.inbound_limit < 1:
            raise ValueError("a host needs room for one inbound connection")
