"""Noise, the only security protocol, with Ed25519 peers only and a place to listen for audits.

libp2p specs/noise (XX handshake). Trap 4 (research/libp2p.md): the library's default options accept plaintext, so the
host is built from this transport alone. Invariants: a connection whose peer has no Ed25519 key is refused; what the
`tap` sees is every decrypted transport payload, before the muxer or anything else reads it; a read is bounded.
Delete the subclass when upstream offers a read hook; Noise-only is a choice of ours and stays.
"""

from collections.abc import Callable

from libp2p.abc import IRawConnection, ISecureConn
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_key_pair
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.exceptions import HandshakeFailure
from libp2p.security.noise.io import NoiseTransportReadWriter
from libp2p.security.noise.transport import Transport
from libp2p.security.secure_session import SecureSession

from tertulia.node.substrate.channel import Channel, Cipher, Traffic
from tertulia.node.substrate.circuit import CircuitStream
from tertulia.node.substrate.peer_ids import PeerId, is_ed25519, text_of

Tap = Callable[[PeerId, bytes], None]

# Only the muxer's negotiation reads an exact number of bytes here; a multistream line is at most a few hundred.
LIMIT_EXACT_READ_BYTES = 64 * 1024


class TappedReadWriter(NoiseTransportReadWriter):
    """The transport phase of Noise, showing each decrypted payload to the audit."""

    def __init__(self, inner: NoiseTransportReadWriter, peer: PeerId, tap: Tap) -> None:
        self.conn = inner.conn
        self.read_writer = inner.read_writer
        self.noise_state = inner.noise_state
        self._peer = peer
        self._tap = tap

    async def read_msg(self, prefix_encoded: bool = False) -> bytes:
        """One decrypted payload."""
        payload = await super().read_msg(prefix_encoded)
        self._tap(self._peer, payload)
        return payload


class BoundedSession(SecureSession):
    """The library's session; a peer's announced length cannot make it gather more than a bounded buffer."""

    tap: Tap | None = None

    async def read(self, n: int | None = None) -> bytes:
        """Exactly `n` bytes, or with None whatever comes next. Raises HandshakeFailure for an absurd `n`."""
        if n is not None and n > LIMIT_EXACT_READ_BYTES:
            raise HandshakeFailure("a peer announced an absurd length during negotiation")
        return await super().read(n)

    def _raw(self) -> RawConnection:
        conn = self.conn
        assert isinstance(conn, NoiseTransportReadWriter)
        raw = conn.read_writer.read_write_closer
        assert isinstance(raw, RawConnection)
        return raw

    @property
    def circuit(self) -> CircuitStream | None:
        """The circuit that the bytes pass, when they pass a relay."""
        stream = self._raw().stream
        return stream if isinstance(stream, CircuitStream) else None

    def channel(self, traffic: Traffic) -> Channel:
        """What carries the muxer from here on; the session itself must not be read or written again."""
        conn, raw = self.conn, self._raw()
        assert isinstance(conn, NoiseTransportReadWriter)
        noise = conn.noise_state.noise_protocol
        tap, peer = self.tap, text_of(self.remote_peer)
        return Channel(
            raw.stream,  # type: ignore[arg-type]  # the streams of all our transports are Raw
            Cipher(noise.cipher_state_encrypt.k, noise.cipher_state_encrypt.n),
            Cipher(noise.cipher_state_decrypt.k, noise.cipher_state_decrypt.n),
            early=self._drain(None),
            tap=None if tap is None else lambda payload: tap(peer, payload),
            traffic=traffic,
        )


class HostNoise(Transport):
    """Noise for one host: a fresh X25519 static key each start, the host's Ed25519 key to sign it."""

    def __init__(self, key_pair: KeyPair, tap: Tap | None) -> None:
        super().__init__(key_pair, noise_privkey=new_x25519_key_pair().private_key)
        self._tap_on = tap

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Answer a handshake. Raises HandshakeFailure for a peer of another key type."""
        return self._ours(await super().secure_inbound(conn))

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        """Start a handshake with `peer_id`. Raises HandshakeFailure for a peer of another key type."""
        return self._ours(await super().secure_outbound(conn, peer_id))

    def _ours(self, session: ISecureConn) -> BoundedSession:
        assert isinstance(session, SecureSession)
        peer = session.get_remote_peer()
        if not is_ed25519(peer):
            raise HandshakeFailure("the peer's key is not Ed25519")
        channel = session.conn
        assert isinstance(channel, NoiseTransportReadWriter)
        ours = BoundedSession(
            local_peer=session.local_peer,
            local_private_key=session.local_private_key,
            remote_peer=peer,
            remote_permanent_pubkey=session.remote_permanent_pubkey,
            is_initiator=session.is_initiator,
            conn=channel if self._tap_on is None else TappedReadWriter(channel, text_of(peer), self._tap_on),
        )
        ours.tap = self._tap_on
        return ours
