"""Who the operator keeps out: a peer, an address or a network, each with a reason and an end.

docs/guide/relay.md, *Bans*. Kept in the encrypted archive, nowhere else. Invariants: a ban without an end is told as
one; what has ended counts no more; the list is bounded; a record that cannot be read bans nobody and is told of.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.address import peer_from_text
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError, Problem
from tertulia.protocol.shape import as_int, as_list, as_text

SETTING: Final = "relay.bans"
LIMIT_BANS: Final = 1_000
LIMIT_REASON: Final = 200
LIMIT_WHO: Final = 64
LIMIT_RECORD: Final = LIMIT_BANS * 512
LIMIT_UNTIL: Final = 2**53
FOR_EVER: Final = 0

NOBODY: Final = Problem(
    "This names neither a peer nor an address nor a network.",
    "Nobody was banned or let in, and nothing changed.",
    "Write a PeerId (12D3Koo…), an address (203.0.113.7) or a network (203.0.113.0/24).",
)
NOT_BANNED: Final = Problem(
    "Nobody of that name is banned.", "Nothing changed.", "Look at the list: tertulia relay ban list"
)
TOO_MANY: Final = Problem(
    f"This relay keeps {LIMIT_BANS} bans at most.",
    "Nobody was banned, and nothing changed.",
    "Let some in again (tertulia relay ban lift WHO), or ban a whole network instead of its addresses.",
)


@dataclass(frozen=True, slots=True)
class Ban:
    """One of them; `until` in ms, 0 for ever."""

    who: str = field(repr=False)
    reason: str
    until: int

    def stands(self, now: int) -> bool:
        """Whether it has not ended."""
        return self.until == FOR_EVER or now < self.until


def subject(text: str) -> str:
    """A PeerId, address or network in its one way of writing. Raises LocalError."""
    if len(text) <= LIMIT_WHO:
        if peer_from_text(text) is not None:
            return text
        try:
            return str(ipaddress.ip_network(text, strict=False))
        except ValueError:
            pass
    raise LocalError(NOBODY)


class Bans:
    """All of them."""

    def __init__(self, bans: tuple[Ban, ...] = ()) -> None:
        self._bans = {ban.who: ban for ban in bans}

    def standing(self, now: int) -> tuple[Ban, ...]:
        """Those that have not ended."""
        return tuple(ban for ban in self._bans.values() if ban.stands(now))

    def find(self, peer: str, origin: str, now: int) -> Ban | None:
        """The ban that keeps out this peer, or whoever comes from there (an address or an IPv6 /64)."""
        if not self._bans:
            return None
        if peer in self._bans and self._bans[peer].stands(now):
            return self._bans[peer]
        try:
            there = ipaddress.ip_network(origin, strict=False)
        except ValueError:
            return None
        return next((ban for ban in self.standing(now) if _covers(ban.who, there)), None)

    def add(self, ban: Ban, now: int) -> None:
        """Keep somebody out. Raises LocalError when the list is full."""
        self._bans = {one.who: one for one in self.standing(now)}
        if ban.who not in self._bans and len(self._bans) >= LIMIT_BANS:
            raise LocalError(TOO_MANY)
        self._bans[ban.who] = ban

    def lift(self, who: str) -> None:
        """Let somebody in again. Raises LocalError when nobody of that name is banned."""
        if self._bans.pop(who, None) is None:
            raise LocalError(NOT_BANNED)

    @property
    def record(self) -> bytes:
        """What the archive keeps."""
        return encode([[ban.who, ban.reason, ban.until] for ban in self._bans.values()])


def read_bans(record: bytes | None) -> Bans:
    """Read what `record` gave. Raises RemoteError for a damaged one."""
    if record is None:
        return Bans()
    rows = (as_list(row, 3) for row in as_list(decode(record, LIMIT_RECORD), most=LIMIT_BANS))
    return Bans(
        tuple(
            Ban(as_text(who, LIMIT_WHO), as_text(reason, LIMIT_REASON), as_int(until, 0, LIMIT_UNTIL))
            for who, reason, until in rows
        )
    )


def _covers(who: str, there: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        banned = ipaddress.ip_network(who)
    except ValueError:
        return False  # a peer
    if isinstance(banned, ipaddress.IPv4Network):
        return isinstance(there, ipaddress.IPv4Network) and there.subnet_of(banned)
    # An IPv6 line is one /64 here: a ban on an address in it is a ban on the line.
    return isinstance(there, ipaddress.IPv6Network) and there.overlaps(banned)
