"""A peer that keeps what libp2p shows it of whoever dials it, for figure W6.

libp2p specs/noise and specs/identify: a host of the library as shipped, the same for everybody. It notes the PeerId and
the static Noise key of the handshake, asks identify, and notes the agent, the version and every address told. Not
noted: the names of protocols, which are those of every citizen alike, and the IP address, which is a matter of the path
(Tor) and not of the host. Invariant: an empty answer is no string.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from libp2p import new_host
from libp2p.abc import IHost, INetStream, IRawConnection, ISecureConn
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.config import ConnectionConfig
from libp2p.peer.id import ID
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.security.secure_session import SecureSession
from libp2p.utils import read_varint_prefixed_bytes
from multiaddr import Multiaddr

LISTEN = Multiaddr("/ip4/127.0.0.1/tcp/0")
Seen = frozenset[str]
"""What was seen of one host, each string with its kind."""


class NotingNoise(Noise):
    """Noise, noting the static key of each peer that dials."""

    def note(self, statics: dict[ID, str]) -> "NotingNoise":
        """Keep them here."""
        self._statics = statics
        return self

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Answer a handshake."""
        session = await super().secure_inbound(conn)
        assert isinstance(session, SecureSession)
        self._statics[session.get_remote_peer()] = session.remote_permanent_pubkey.to_bytes().hex()
        return session


def stock_host(seed: bytes, statics: dict[ID, str] | None = None) -> IHost:
    """A host of py-libp2p as shipped, with Noise."""
    keys = create_new_key_pair(seed)
    noise = NotingNoise(keys, noise_privkey=new_x25519_key_pair().private_key).note({} if statics is None else statics)
    config = ConnectionConfig(min_connections=0, low_watermark=0)
    return new_host(key_pair=keys, sec_opt={NOISE: noise}, connection_config=config)


class Onlooker:
    """The peer, running."""

    def __init__(self, host: IHost, statics: dict[ID, str], greeting: str) -> None:
        self.address = str(host.get_addrs()[0])
        self._host, self._statics = host, statics
        self._send, self._receive = trio.open_memory_channel[Seen](100)
        host.set_stream_handler(TProtocol(greeting), self._greeted)

    async def next(self) -> Seen:
        """What is seen of the next host that greets. Raises trio.TooSlowError after 20 s."""
        with trio.fail_after(20):
            return await self._receive.receive()

    async def _greeted(self, greeting: INetStream) -> None:
        peer = greeting.muxed_conn.peer_id
        await self._send.send(await self._look_at(peer))
        await greeting.reset()

    async def _look_at(self, peer: ID) -> Seen:
        stream = await self._host.new_stream(peer, [IDENTIFY])
        told = Identify.FromString(await read_varint_prefixed_bytes(stream))
        found = {("PeerId", str(peer)), ("static key", self._statics[peer]), ("public key", told.public_key.hex())}
        found |= {("agent", told.agent_version), ("version", told.protocol_version)}
        found |= {("address", str(Multiaddr(address))) for address in told.listen_addrs}
        found |= {("peer record", told.signedPeerRecord.hex())}
        return frozenset(f"{kind} {text}" for kind, text in found if text)


@asynccontextmanager
async def onlooker(seed: bytes, greeting: str) -> AsyncIterator[Onlooker]:
    """Look at everybody who dials and opens a stream of the protocol `greeting`, until the block ends."""
    statics: dict[ID, str] = {}
    host = stock_host(seed, statics)
    async with host.run([LISTEN]):
        yield Onlooker(host, statics, greeting)
        await host.close()
