"""Looks for members of a commons on the local network: a call to everybody there, an answer to who called.

docs/spec/lan.md; DESIGN.md §8. Switched on by the person for each community, never by itself. Invariants: nothing is
sent beyond the local network, nothing to who did not prove the commons' key, and no more than `ANSWERS_A_MINUTE` to one
address; a datagram's size is judged before it is opened; who floods is dropped by the system, not by us.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import trio

from tertulia.bootstrap.relay.rates import Rates
from tertulia.node.addresses import lan_host
from tertulia.node.clock import MS_PER_MINUTE, Clock, wall_clock
from tertulia.node.neighbour import jitter
from tertulia.protocol import lan
from tertulia.protocol.address import Address, AddressKind
from tertulia.protocol.crypto import NONCE
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.lan import DATAGRAM, LIMIT_LAN_SKEW, Kind, Whereabouts

if TYPE_CHECKING:
    from tertulia.node.nearby import Hears
    from tertulia.protocol.commons import Commons

CALL_SECONDS: Final = 30.0
CALL_SPREAD: Final = 15.0
ANSWER_SECONDS: Final = 3.0
"""How long answers to a call are waited for."""
READ_A_MINUTE: Final = 6_000
"""Datagrams read for one commons, whoever sent them; the rest waits with the system, which drops what is too much."""
READ_FROM_ONE_A_MINUTE: Final = 120
"""Datagrams opened of one address."""
ANSWERS_A_MINUTE: Final = 12
"""Answers to one address."""
LIMIT_ANSWERED: Final = 1_024
"""Calls remembered as answered: one that is repeated is answered once."""
EVERYBODY: Final = "255.255.255.255"
ALL: Final = ""
"""Of every address: what an ear is bound to, and whom a total is charged to."""


def here() -> IPv4Address | None:
    """This machine's address on its local network; None when it is on none, or on one of IPv6 alone."""
    found = lan_host()
    return found if isinstance(found, IPv4Address) and not found.is_loopback else None


def is_on_link(host: str) -> bool:
    """Whether this machine reaches that address without a router. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        try:
            asking.connect((host, 9))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Lan:
    """See the module's head. `here` and `everybody` say where this machine calls from, and to whom."""

    clock: Clock = wall_clock
    here: Callable[[], IPv4Address | None] = here
    everybody: str = EVERYBODY

    async def seek(self, commons: Commons, hears: Hears) -> None:
        """Call, hear and answer, until cancelled."""
        await _Seeking(self, commons, hears).run()


class _Seeking:
    """One commons."""

    def __init__(self, where: Lan, commons: Commons, hears: Hears) -> None:
        self._where, self._commons, self._hears = where, commons, hears
        self._reading = Rates(READ_A_MINUTE)
        self._from_one = Rates(READ_FROM_ONE_A_MINUTE)
        self._answers = Rates(ANSWERS_A_MINUTE)
        self._answered: dict[bytes, None] = {}

    @property
    def _minute(self) -> int:
        return self._where.clock() // MS_PER_MINUTE

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            ears: dict[int, trio.CancelScope] = {}
            self._listen(nursery, ears)
            nursery.start_soon(self._call)
            while True:
                await trio.sleep((MS_PER_MINUTE - self._where.clock() % MS_PER_MINUTE) / 1_000)
                self._listen(nursery, ears)

    def _listen(self, nursery: trio.Nursery, ears: dict[int, trio.CancelScope]) -> None:
        """Have an ear for every minute that somebody's clock may show."""
        now = self._minute
        due = set(range(now - LIMIT_LAN_SKEW, now + LIMIT_LAN_SKEW + 1))
        for minute in set(ears) - due:
            ears.pop(minute).cancel()
        for minute in due - set(ears):
            ears[minute] = trio.CancelScope()
            try:
                ear = _ear(lan.port(self._commons, minute))
            except OSError:
                self._hears.refused("deaf")  # the port is taken on this machine; the next minute has another one
            else:
                nursery.start_soon(self._hear, ear, minute, ears[minute])

    # Calling --------------------------------------------------------------------------------------------------------

    async def _call(self) -> None:
        while True:
            at = self._where.here()
            port = 0 if at is None else self._hears.port(at)
            try:
                if at is None or not port:
                    self._hears.stands(connected=False)
                else:
                    await self._call_once(at, port)
            except OSError:
                self._hears.stands(connected=False)
            await trio.sleep(jitter(CALL_SECONDS, CALL_SPREAD))

    async def _call_once(self, at: IPv4Address, port: int) -> None:
        """Call everybody, and take the answers. Raises OSError."""
        minute, nonce = self._minute, secrets.token_bytes(NONCE)
        told = Whereabouts(Kind.CALL, self._hears.peer, Address(AddressKind.IP4, str(at), port))
        with _mouth() as mouth:
            mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            await mouth.bind((str(at), 0))
            called = lan.seal(self._commons, minute, nonce, told)
            await mouth.sendto(called, (self._where.everybody, lan.port(self._commons, minute)))
            self._hears.stands(connected=True)
            with trio.move_on_after(ANSWER_SECONDS):
                while True:
                    answer = (await self._next(mouth, minute)).told
                    if answer.kind is Kind.ANSWER and answer.call == nonce:
                        self._hears.heard(answer)

    # Hearing --------------------------------------------------------------------------------------------------------

    async def _hear(self, ear: trio.socket.SocketType, minute: int, scope: trio.CancelScope) -> None:
        """Hear and answer the calls of one minute, until its scope is cancelled."""
        with scope, ear:
            try:
                while True:
                    heard = await self._next(ear, minute)
                    if heard.told.kind is Kind.CALL and self._is_first(heard.nonce) and self._hears.heard(heard.told):
                        await self._answer(minute, heard)
            except OSError:
                self._hears.refused("deaf")

    def _is_first(self, call: bytes) -> bool:
        if call in self._answered:
            return False
        self._answered[call] = None
        if len(self._answered) > LIMIT_ANSWERED:
            del self._answered[next(iter(self._answered))]
        return True

    async def _answer(self, minute: int, call: _Heard) -> None:
        """Tell who called where we are."""
        at = self._where.here()
        port = 0 if at is None else self._hears.port(at)
        if at is None or not port or not self._answers.allows(call.source[0], 1):
            return
        told = Whereabouts(Kind.ANSWER, self._hears.peer, Address(AddressKind.IP4, str(at), port), call.nonce)
        with contextlib.suppress(OSError), _mouth() as mouth:
            await mouth.bind((str(at), 0))
            await mouth.sendto(lan.seal(self._commons, minute, secrets.token_bytes(NONCE), told), call.source)

    async def _next(self, ear: trio.socket.SocketType, minute: int) -> _Heard:
        """The next datagram of a member who is where they say, on this network. Raises OSError."""
        while True:
            data, source = await ear.recvfrom(DATAGRAM + 1)
            await trio.sleep(self._reading.owe(ALL, 1))
            if not self._from_one.allows(source[0], 1):
                self._hears.refused("rate")
                continue
            try:
                told = lan.unseal(self._commons, minute, data)
            except RemoteError as wrong:
                self._hears.refused(wrong.reason)
                continue
            if told.address.host == source[0] and is_on_link(source[0]):
                return _Heard(told, data[:NONCE], source)
            self._hears.refused("elsewhere")


@dataclass(frozen=True, slots=True)
class _Heard:
    """A datagram that was opened, its nonce, and where it came from."""

    told: Whereabouts
    nonce: bytes
    source: tuple[str, int]


def _ear(port: int) -> trio.socket.SocketType:
    """What hears what is said to a port of this machine, or to everybody's. Raises OSError."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # two profiles of one community on one machine
        ear.bind((ALL, port))
    except OSError:
        ear.close()
        raise
    return trio.socket.from_stdlib_socket(ear)


def _mouth() -> trio.socket.SocketType:
    """What speaks to the local network and, whatever the routes say, no further."""
    mouth = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mouth.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
    mouth.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    return mouth
