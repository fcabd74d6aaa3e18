"""Two members on one local network find each other: the datagrams, and the ports they go to.

Spec: docs/spec/lan.md. A *call* goes to everybody on the network, an *answer* to who called; both are `DATAGRAM` bytes
that nobody without the commons' key can tell from noise, from each other, or from those of another minute or commons.
Invariants: the size is judged before anything else, one key is tried, and what does not open is a typed refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

from tertulia.protocol import address as addresses
from tertulia.protocol import crypto
from tertulia.protocol.address import Address, AddressKind
from tertulia.protocol.commons import Commons
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import ID
from tertulia.protocol.labels import Label

DATAGRAM: Final = 128
"""Bytes of every datagram."""
FIRST_PORT: Final = 0x8000
"""Ports from here to 65,535 are called at."""
LIMIT_LAN_SKEW: Final = 2
"""Minutes by which two clocks may differ and their owners still hear each other's calls."""
NO_CALL: Final = bytes(crypto.NONCE)
"""What a call names as the call it answers."""

_PLACE: Final = 6
_PLAIN: Final = DATAGRAM - crypto.NONCE - crypto.SEAL
_FIELDS: Final = 1 + ID + _PLACE + crypto.NONCE


@unique
class Kind(IntEnum):
    """What a datagram is; nobody outside the commons can tell."""

    CALL = 1
    ANSWER = 2


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Who can be reached where: a host's 32-byte Ed25519 key, and its IPv4 address and TCP port on this network.

    `call` is the nonce of the call that is answered; `NO_CALL` in a call.
    """

    kind: Kind
    peer: bytes = field(repr=False)
    address: Address
    call: bytes = field(default=NO_CALL, repr=False)


def port(commons: Commons, minute: int) -> int:
    """Return the UDP port at which a commons' calls of this minute are heard."""
    drawn = crypto.keyed(Label.LAN_PORT, commons.key, encode([commons.generation, minute]), 2)
    return FIRST_PORT | int.from_bytes(drawn, "big")


def seal(commons: Commons, minute: int, nonce: bytes, told: Whereabouts) -> bytes:
    """Return the datagram; `nonce` is fresh. Raises ValueError for what no datagram can say."""
    place = addresses.to_bytes(told.address)
    if told.address.kind is not AddressKind.IP4 or len(told.peer) != ID or len(told.call) != crypto.NONCE:
        raise ValueError("a datagram names a key of 32 bytes, an IPv4 address and a nonce")
    plain = bytes([told.kind]) + told.peer + place + told.call + bytes(_PLAIN - _FIELDS)
    return nonce + crypto.seal(_key(commons, minute), nonce, plain, b"")


def unseal(commons: Commons, minute: int, data: bytes) -> Whereabouts:
    """Read a datagram that came in answer to, or at the port of, this minute.

    Raises RemoteError: LENGTH; MAC for anyone else's, another minute's and junk; SHAPE and PADDING for a member's junk.
    """
    if len(data) != DATAGRAM:
        raise RemoteError(RejectReason.LENGTH, "lan")
    plain = crypto.unseal(_key(commons, minute), data[: crypto.NONCE], data[crypto.NONCE :], b"")
    if plain is None:
        raise RemoteError(RejectReason.MAC, "lan")
    if any(plain[_FIELDS:]):
        raise RemoteError(RejectReason.PADDING, "lan")
    peer, place, call = plain[1 : 1 + ID], plain[1 + ID : 1 + ID + _PLACE], plain[1 + ID + _PLACE : _FIELDS]
    address = addresses.from_bytes(AddressKind.IP4, place)
    if plain[0] not in set(Kind) or address is None or (plain[0] == Kind.CALL) != (call == NO_CALL):
        raise RemoteError(RejectReason.SHAPE, "lan")
    return Whereabouts(Kind(plain[0]), peer, address, call)


def _key(commons: Commons, minute: int) -> bytes:
    return crypto.keyed(Label.LAN_KEY, commons.key, encode([commons.generation, minute]))
