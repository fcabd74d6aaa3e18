"""Where a seed peer listens: a TCP address of at most 34 bytes, and its multiaddr text.

Implements docs/spec/invite.md, section Address. One canonical text and one canonical byte form per address.
Wildcard, multicast and port-0 addresses do not exist here: nobody could dial them, so none enters an invite.
A multiaddr's `/p2p/` part is the peer's raw Ed25519 key (32 bytes) written as libp2p writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, assert_never

from tertulia.protocol.errors import LocalError, Problem

LIMIT_ADDRESS: Final = 34
"""Bytes of an address within an invite, its kind not counted."""
LIMIT_DNS_NAME: Final = LIMIT_ADDRESS - 2
"""Characters of a name to dial."""
LIMIT_MULTIADDR: Final = 160
"""Characters of a multiaddr text."""
PORT: Final = 2
PEER: Final = 32

_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,32}(?<!-)(\.(?!-)[a-z0-9-]{1,32}(?<!-))*")
_PEER_ID_PREFIX: Final = bytes.fromhex("002408011220")
"""Identity multihash of 36 bytes: protobuf of an Ed25519 public key (libp2p peer-ids specification)."""
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class AddressKind(IntEnum):
    """The invite's address kind byte. 4 is kept for onion3 (32-byte key and port)."""

    NONE = 0
    IP4 = 1
    IP6 = 2
    DNS4 = 3


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address in canonical text. Its repr says no more than its kind: peers' addresses are never logged."""

    kind: AddressKind
    host: str = field(default="", repr=False)
    port: int = field(default=0, repr=False)


NOWHERE = Address(AddressKind.NONE)


def to_bytes(address: Address) -> bytes:
    """Host then port, as an invite carries them; nothing for NOWHERE."""
    port = address.port.to_bytes(PORT, "big")
    match address.kind:
        case AddressKind.NONE:
            return b""
        case AddressKind.IP4:
            return IPv4Address(address.host).packed + port
        case AddressKind.IP6:
            return IPv6Address(address.host).packed + port
        case AddressKind.DNS4:
            return address.host.encode("ascii") + port
    assert_never(address.kind)


def from_bytes(kind: int, data: bytes) -> Address | None:
    """The address those bytes name, or None: unknown kind, wrong size, not canonical, or not dialable."""
    host, port = data[:-PORT], int.from_bytes(data[-PORT:], "big")
    match kind:
        case AddressKind.NONE if not data:
            return NOWHERE
        case AddressKind.IP4 if len(host) == 4:
            return _checked(AddressKind.IP4, str(IPv4Address(host)), port)
        case AddressKind.IP6 if len(host) == 16:
            return _checked(AddressKind.IP6, str(IPv6Address(host)), port)
        case AddressKind.DNS4 if len(host) <= LIMIT_DNS_NAME and host.isascii():
            return _checked(AddressKind.DNS4, host.decode("ascii"), port)
    return None


def _checked(kind: AddressKind, host: str, port: int) -> Address | None:
    if not 0 < port < 2**16:
        return None
    if kind is AddressKind.DNS4:
        # A name whose last label is a number would be dialled as an IP address, wildcard included.
        if not _NAME.fullmatch(host) or host.rpartition(".")[2].isdigit():
            return None
    else:
        ip = IPv4Address(host) if kind is AddressKind.IP4 else IPv6Address(host)
        mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
        if any(one.is_unspecified or one.is_multicast for one in (ip, mapped) if one is not None):
            return None
    return Address(kind, host, port)


# Multiaddr text -----------------------------------------------------------------------------------------------------


def to_multiaddr(address: Address, peer: bytes = b"") -> str:
    """`/ip4/192.0.2.7/tcp/4001`, with `/p2p/…` when the peer's raw key is given; "" for NOWHERE."""
    if address.kind is AddressKind.NONE:
        return ""
    text = f"/{address.kind.name.lower()}/{address.host}/tcp/{address.port}"
    return f"{text}/p2p/{peer_text(peer)}" if peer else text


def from_multiaddr(text: str) -> tuple[Address, bytes]:
    """Read an ip4, ip6 or dns4 TCP multiaddr: the address, and the peer's raw key or b"" when it names none.

    Raises LocalError with a sentence for the person who typed it.
    """
    if len(text) > LIMIT_MULTIADDR or not text.isascii():
        raise _refuse(text)
    empty, *parts = text.strip().rstrip("/").split("/")
    peer: bytes | None = b""
    if len(parts) == 6 and parts[4] == "p2p":
        peer = peer_from_text(parts[5])
        parts = parts[:4]
    if empty or peer is None or len(parts) != 4 or parts[2] != "tcp":
        raise _refuse(text)
    address = _typed(parts[0], parts[1].lower(), parts[3])
    if address is None:
        raise _refuse(text)
    return address, peer


def _typed(protocol: str, host: str, port: str) -> Address | None:
    if not port.isdigit() or len(port) > 5:
        return None
    try:
        match protocol:
            case "ip4":
                return _checked(AddressKind.IP4, str(IPv4Address(host)), int(port))
            case "ip6" if "%" not in host:
                return _checked(AddressKind.IP6, str(IPv6Address(host)), int(port))
            case "dns4" if len(host) <= LIMIT_DNS_NAME:
                return _checked(AddressKind.DNS4, host, int(port))
    except AddressValueError:
        return None
    return None


def _refuse(text: str) -> LocalError:
    wildcard = "/0.0.0.0/" in text or "/::/" in text
    return LocalError(
        Problem(
            error="A wildcard address leads nowhere from another machine."
            if wildcard
            else "This is not an address that others can dial.",
            safe="Nothing was changed and nothing was published.",
            next="Give one address of this machine, like /ip4/192.168.1.20/tcp/4001 or /dns4/home.example.org/tcp/4001"
            f" (a name has at most {LIMIT_DNS_NAME} characters).",
        )
    )


# PeerId text --------------------------------------------------------------------------------------------------------


def peer_text(peer: bytes) -> str:
    """The libp2p PeerId text ("12D3Koo…") of a raw Ed25519 public key of 32 bytes."""
    number = int.from_bytes(_PEER_ID_PREFIX + peer, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" + digits  # the prefix begins with exactly one zero byte


def peer_from_text(text: str) -> bytes | None:
    """The raw key of a libp2p Ed25519 PeerId text, or None."""
    if not text or len(text) > 64 or any(letter not in _BASE58 for letter in text):
        return None
    number = 0
    for letter in text:
        number = number * 58 + _BASE58.index(letter)
    size = len(_PEER_ID_PREFIX) + PEER
    if number.bit_length() > 8 * size:
        return None
    peer = number.to_bytes(size, "big")[len(_PEER_ID_PREFIX) :]
    return peer if peer_text(peer) == text else None
