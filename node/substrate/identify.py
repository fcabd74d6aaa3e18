"""A host that tells others only what they need to speak with it.

libp2p specs/identify. The library's identify announces listen addresses, the observed address of the peer and an agent
string with its version, pushes them at every change and runs on system tasks that outlive the host. Ours answers a
question with the key and the protocol names, asks none and believes none (DESIGN.md §8). Invariants: no address and no
version leaves through identify; an answer never depends on who asks, but that a relay tells them their own address.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address

from libp2p.abc import INetStream
from libp2p.custom_types import StreamHandlerFn, TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.host.ping import ID as PING_PROTOCOL
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY_PROTOCOL
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.peer.id import ID
from libp2p.utils import encode_varint_prefixed
from multiaddr import Multiaddr

from tertulia.node.substrate.guard import guarded
from tertulia.node.substrate.swarm import HANDSHAKE_SECONDS, HostSwarm
from tertulia.node.substrate.yamux import HostYamux


class QuietHost(BasicHost):
    """The library's host: negotiation of stream protocols, and the little that identify says."""

    def __init__(self, swarm: HostSwarm, agent: str, counts: Counter[str]) -> None:
        self._agent = agent
        self.tells_observed = False
        """Tells whoever asks at which address it sees them, and them alone: a relay does, for hole punching."""
        handlers: OrderedDict[TProtocol, StreamHandlerFn] = OrderedDict()
        handlers[IDENTIFY_PROTOCOL] = self._answer_identify
        super().__init__(
            swarm,
            default_protocols=handlers,
            negotiate_timeout=int(HANDSHAKE_SECONDS),
            announce_addrs=[],
            disable_identify_address_discovery=True,
        )
        self.set_stream_handler(PING_PROTOCOL, PingService(self).handle_ping)
        swarm.notifees.clear()  # the library's identify, which asks every peer who it is
        swarm.set_stream_handler(guarded(self._swarm_stream_handler, counts))

    async def _answer_identify(self, stream: INetStream) -> None:
        protocols = [protocol for protocol in self.get_mux().get_protocols() if protocol]
        answer = Identify(
            public_key=self.get_public_key().serialize(),
            agent_version=self._agent,
            protocol_version="",
            protocols=protocols,
        )
        if self.tells_observed and (place := _place(stream)) is not None:
            answer.observed_addr = place.to_bytes()
        await stream.write(encode_varint_prefixed(answer.SerializeToString()))
        await stream.close()

    def _schedule_identify(self, peer_id: ID, *, reason: str) -> None:
        """Ask nobody: a peer's addresses and agent are claims we do not use."""

    def _preferred_protocol(self, peer_id: ID, protocol_ids: Sequence[TProtocol]) -> TProtocol | None:
        """None: always negotiate."""
        return None


def _place(stream: INetStream) -> Multiaddr | None:
    """Where whoever asks is seen; None for who comes through a relay, or in memory."""
    muxed = stream.muxed_conn
    remote = muxed.get_remote_address() if isinstance(muxed, HostYamux) else None
    try:
        host = ip_address(remote[0]) if remote is not None else None
    except ValueError:
        return None
    return None if host is None or remote is None else Multiaddr(f"/ip{host.version}/{host}/tcp/{remote[1]}")
