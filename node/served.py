"""What the archive remembers of a commons, so that a locked node can carry it: the commons and where we listen for it.

DESIGN.md §5 *At rest*: carrying needs no passphrase. A record is CBOR [version, commons, [listen…]]; the seed of a
published PeerId stands beside it in the archive. Invariant: whoever holds the archive's key can carry, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.commons import LIMIT_ADDRESS, Commons, from_value
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.shape import as_int, as_list, as_text

VERSION: Final = 1
LIMIT_RECORD: Final = 16 * 1024
LIMIT_LISTEN: Final = 8


@dataclass(frozen=True, slots=True)
class Served:
    """A commons this node serves. `listen` is empty for a node that only dials; `seed` (32 bytes) goes with it."""

    commons: Commons
    listen: tuple[str, ...] = field(default=(), repr=False)
    seed: bytes | None = field(default=None, repr=False)

    @property
    def record(self) -> bytes:
        """The archive's record of it, without the seed."""
        return encode([VERSION, self.commons.to_value(), list(self.listen)])


def read_record(record: bytes, seed: bytes | None) -> Served:
    """Read what `record` gave. Raises RemoteError for a record of another release, or a damaged one."""
    version, commons, listen = as_list(decode(record, LIMIT_RECORD), 3)
    as_int(version, VERSION, VERSION)
    addresses = as_list(listen, most=LIMIT_LISTEN)
    return Served(from_value(commons), tuple(as_text(address, LIMIT_ADDRESS) for address in addresses), seed)
