"""The network, and the only code that imports libp2p.

DESIGN.md §6, §8 and PROTOCOL.md §3, §9: hosts, streams, author-less GossipSub. The names below are the seam that the
rest of `node` uses; nothing else of this package is for others. Every deviation from the library is described beside
its code and in docs/upstream.md, with its test and the condition under which it can be deleted.
"""

import tertulia.node.substrate.left_out  # noqa: F401  first: it decides how much of libp2p is loaded
from tertulia.node.substrate.charged import NOWHERE
from tertulia.node.substrate.circuit import Circuit
from tertulia.node.substrate.config import HostConfig
from tertulia.node.substrate.errors import DialFailed, ListenFailed, MessageTooLong, StreamFailed, SubstrateError
from tertulia.node.substrate.events import PeerDown, PeerUp
from tertulia.node.substrate.gossip import Gossip, Validator, Verdict
from tertulia.node.substrate.host import Host, open_host
from tertulia.node.substrate.peer_ids import PeerId, peer_id_bytes, peer_id_from_key, peer_id_of
from tertulia.node.substrate.relay import Reservation
from tertulia.node.substrate.relay_books import RelayLimits
from tertulia.node.substrate.relay_reasons import CircuitCut, CircuitLimit, RelayRefusal
from tertulia.node.substrate.streams import Stream

__all__ = [
    "NOWHERE",
    "Circuit",
    "CircuitCut",
    "CircuitLimit",
    "DialFailed",
    "Gossip",
    "Host",
    "HostConfig",
    "ListenFailed",
    "MessageTooLong",
    "PeerDown",
    "PeerId",
    "PeerUp",
    "RelayLimits",
    "RelayRefusal",
    "Reservation",
    "Stream",
    "StreamFailed",
    "SubstrateError",
    "Validator",
    "Verdict",
    "open_host",
    "peer_id_bytes",
    "peer_id_from_key",
    "peer_id_of",
]
