"""To whom a remote address is charged when limits are counted.

DESIGN.md §6: limits are charged to connection and address, never to a PeerId alone. Invariants: total; an IPv6 line
has a /64 and counts as one address; an IPv4 address in IPv6's clothes counts as itself; what is no IP address (a relay
that brought a circuit) counts as it stands.
"""

import ipaddress

NOWHERE = "nowhere"
"""The key of a connection that has no address: in memory."""
_LINE_BITS = 64


def charged_to(remote: tuple[str, int] | None) -> str:
    """The key under which a connection from `remote` (host, port) is counted."""
    if remote is None:
        return NOWHERE
    try:
        host = ipaddress.ip_address(remote[0].partition("%")[0])
    except ValueError:
        return remote[0]
    if host.version == 4:
        return str(host)
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    return str(ipaddress.ip_network((host, _LINE_BITS), strict=False))
