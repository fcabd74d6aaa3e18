"""PeerIds: the base58 name of a libp2p host, which for us is always an Ed25519 public key.

libp2p specs/peer-ids.md: identity multihash over the protobuf `PublicKey{Ed25519, 32 bytes}`; PROTOCOL.md §3 takes both
PeerIds into the hello MAC. Invariants: text and key convert both ways without loss; a PeerId of another key
type or another encoding is refused, so one peer has one name.
"""

from typing import NewType

from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID

PeerId = NewType("PeerId", str)

SEED_BYTES = 32
KEY_BYTES = 32
_ED25519_IDENTITY_PREFIX = bytes.fromhex("002408011220")


def peer_id_of(key_seed: bytes) -> PeerId:
    """The PeerId of the host whose Ed25519 seed is `key_seed` (32 bytes). Raises ValueError for another length."""
    if len(key_seed) != SEED_BYTES:
        raise ValueError(f"a key seed has {SEED_BYTES} bytes, not {len(key_seed)}")
    return text_of(ID.from_pubkey(create_new_key_pair(key_seed).public_key))


def peer_id_from_key(public32: bytes) -> PeerId:
    """The PeerId of an Ed25519 public key (32 bytes). Raises ValueError for another length."""
    if len(public32) != KEY_BYTES:
        raise ValueError(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(public32)}")
    return text_of(ID(_ED25519_IDENTITY_PREFIX + public32))


def peer_id_bytes(peer: PeerId) -> bytes:
    """The 32-byte Ed25519 public key inside `peer`. Raises ValueError when it is not such a PeerId."""
    raw = library_id(peer).to_bytes()
    return raw[len(_ED25519_IDENTITY_PREFIX) :]


def library_id(peer: str) -> ID:
    """The library's form of `peer`. Raises ValueError unless it is the one base58 form of an Ed25519 PeerId."""
    try:
        identity = ID.from_base58(peer)
    except ValueError as error:
        raise ValueError("not a PeerId: it is not base58") from error
    if not is_ed25519(identity) or identity.to_base58() != peer:
        raise ValueError("not the PeerId of an Ed25519 key")
    return identity


def is_ed25519(identity: ID) -> bool:
    """Whether the library's id carries an Ed25519 key, which is the only kind of peer we speak with."""
    raw = identity.to_bytes()
    return len(raw) == len(_ED25519_IDENTITY_PREFIX) + KEY_BYTES and raw.startswith(_ED25519_IDENTITY_PREFIX)


def text_of(identity: ID) -> PeerId:
    """The base58 text of the library's id."""
    return PeerId(identity.to_base58())
