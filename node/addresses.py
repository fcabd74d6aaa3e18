"""Where a citizen's node listens and what it publishes: LAN address, a free port, multiaddr text.

DESIGN.md §6 and §8, PROTOCOL.md §4. Invariants: choosing sends no packet and asks no one; a wildcard or port 0 may be
listened on but is never published; the port is chosen once and kept by the caller; nothing here is logged.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import address as addresses
from tertulia.protocol.errors import LocalError, Problem

FIRST_PORT: Final = 10_000
LAST_PORT: Final = 32_000
"""Ports are chosen below the range the system lends to outgoing connections, so that one stays free."""
LIMIT_PORT_TRIES: Final = 64
LIMIT_LISTEN: Final = 80
"""Characters of an address to listen on."""
LIMIT_PUBLISHED: Final = 8
"""Addresses one community may publish for this machine."""

# TEST-NET-1 and the documentation prefix: the system picks the interface it would use; nothing is sent.
_PROBES: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True, slots=True)
class Listen:
    """An interface (an IP address of this machine, or a wildcard) and a TCP port, 0 for any."""

    host: ipaddress.IPv4Address | ipaddress.IPv6Address = field(repr=False)
    port: int = field(repr=False)

    def __str__(self) -> str:
        """The multiaddr."""
        return f"/ip{self.host.version}/{self.host}/tcp/{self.port}"


def parse_listen(text: str) -> Listen:
    """Read `/ip4|ip6/HOST/tcp/PORT`. Raises LocalError."""
    match text.strip().split("/") if len(text) <= LIMIT_LISTEN else []:
        case ["", "ip4" | "ip6" as kind, host, "tcp", port] if port.isascii() and port.isdigit() and len(port) <= 5:
            try:
                address = ipaddress.IPv4Address(host) if kind == "ip4" else ipaddress.IPv6Address(host)
            except ValueError:
                raise _unusable() from None
            if int(port) > 0xFFFF or address.is_multicast:
                raise _unusable()
            return Listen(address, int(port))
        case _:
            raise _unusable()


def _unusable() -> LocalError:
    return LocalError(
        Problem(
            error="This is not an address that this machine can listen on.",
            safe="Nothing was opened and nothing was published.",
            next="Write it like /ip4/192.168.1.20/tcp/4001, with an address of this machine.",
        )
    )


def lan_host() -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address this machine would speak from; the loopback address when it has no network."""
    for family, probe in _PROBES:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asking:
                asking.connect((probe, 9))
                host = ipaddress.ip_address(str(asking.getsockname()[0]))
        except OSError:
            continue
        if not (host.is_unspecified or host.is_link_local):
            return host
    return ipaddress.IPv4Address("127.0.0.1")


def free_port(host: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """A TCP port that can be listened on at `host` now. Raises LocalError when there is none."""
    family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
    for _ in range(LIMIT_PORT_TRIES):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trying:
                trying.bind((str(host), port))
        except OSError:
            continue
        return port
    raise LocalError(
        Problem(
            error="This machine cannot listen on that address: it is not its own, or no port is free.",
            safe="Nothing was opened and nothing was published.",
            next="Name an address of this machine with --listen /ip4/ADDRESS/tcp/PORT.",
        )
    )


def can_listen(listen: Listen) -> bool:
    """Whether this machine could listen there now."""
    family = socket.AF_INET6 if listen.host.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trying.bind((str(listen.host), listen.port))
    except OSError:
        return False
    return True


def propose() -> Listen:
    """Where a new community would be reached: this machine on its own network, on a free port. Raises LocalError."""
    host = lan_host()
    return Listen(host, free_port(host))


def settle(listen: Listen) -> Listen:
    """Replace port 0 by a free port, so that it can be kept and published. Raises LocalError."""
    return listen if listen.port else Listen(listen.host, free_port(listen.host))


def published(listen: Listen, announce: Sequence[str] = ()) -> tuple[str, ...]:
    """What others are told: `announce` if given, else `listen`, a wildcard standing for the LAN address.

    Multiaddrs without a PeerId. Raises LocalError for one that nobody could dial.
    """
    told = announce
    if not told:
        host = lan_host() if listen.host.is_unspecified else listen.host
        told = [str(Listen(host, listen.port))]
    return tuple(addresses.to_multiaddr(addresses.from_multiaddr(one)[0]) for one in told[:LIMIT_PUBLISHED])
