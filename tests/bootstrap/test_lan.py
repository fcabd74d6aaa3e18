"""Looking for members on the local network, over real sockets: on loopback, where everybody is 127.255.255.255."""

from __future__ import annotations

import os
import socket
from collections import Counter
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import trio
from carriers import commons, frame, held, network

from tertulia.bootstrap import lan as sockets
from tertulia.bootstrap.lan import Lan, is_on_link
from tertulia.node.clock import wall_clock
from tertulia.node.nearby import LIMIT_HEARD
from tertulia.protocol import lan
from tertulia.protocol.address import Address, AddressKind
from tertulia.protocol.lan import DATAGRAM, Kind, Whereabouts

HERE, OTHER = (commons(f"{name} {os.urandom(8).hex()}") for name in ("Casa", "Otra"))
"""New ones in each process: what runs beside this on the machine has other ports and keys."""
HOME = "127.0.0.1"
EVERYBODY = "127.255.255.255"
SEEKER = Lan(here=lambda: IPv4Address(HOME), everybody=EVERYBODY)


class Ears:
    """A host that is none: hears what a seeker tells."""

    def __init__(self, port: int = 4001) -> None:
        self.peer = os.urandom(32)
        self.place = port
        self.answers = True
        self.told: list[Whereabouts] = []
        self.dropped: Counter[str] = Counter()
        self.connected: bool | None = None
        self.changed = trio.Event()

    def port(self, here: IPv4Address) -> int:
        assert str(here) == HOME
        return self.place

    def heard(self, told: Whereabouts) -> bool:
        if told.peer == self.peer:
            return False
        self.told.append(told)
        self._note()
        return self.answers

    def stands(self, *, connected: bool) -> None:
        self.connected = connected
        self._note()

    def refused(self, reason: str) -> None:
        self.dropped[str(reason)] += 1
        self._note()

    def _note(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, holds) -> None:
        with trio.fail_after(20):
            while not holds():
                await self.changed.wait()


@asynccontextmanager
async def seeking(where, ears: Ears, seeker: Lan = SEEKER):
    """A seeker that has called once, and so hears as well."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(seeker.seek, where, ears)
        await ears.until(lambda: ears.connected is not None)
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def member():
    """Somebody's own socket on the network."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        await mouth.bind((HOME, 0))
        yield mouth


def now() -> int:
    return wall_clock() // 60_000


def call(peer: bytes = b"p" * 32, host: str = HOME) -> Whereabouts:
    return Whereabouts(Kind.CALL, peer, Address(AddressKind.IP4, host, 5000))


async def test_who_comes_second_is_answered_at_once_and_both_know_where_the_other_is() -> None:
    ana, ben = Ears(4001), Ears(4002)
    async with seeking(HERE, ana), seeking(HERE, ben):
        await ben.until(lambda: ben.told)
        await ana.until(lambda: ana.told)
        assert [(told.kind, told.peer, told.address.port) for told in ana.told] == [(Kind.CALL, ben.peer, 4002)]
        assert [(told.kind, told.peer, told.address.port) for told in ben.told] == [(Kind.ANSWER, ana.peer, 4001)]


async def test_two_communities_on_one_network_hear_nothing_of_each_other() -> None:
    ana, zoe = Ears(), Ears()
    async with seeking(HERE, ana), seeking(OTHER, zoe), member() as mouth:
        # Another community's call, sent to this one's port.
        await mouth.sendto(lan.seal(OTHER, now(), os.urandom(24), call()), (EVERYBODY, lan.port(HERE, now())))
        await ana.until(lambda: ana.dropped["mac"] == 1)
        assert ana.told == zoe.told == []


async def test_junk_is_dropped_for_its_reason_and_the_next_call_is_heard() -> None:
    ana = Ears()
    async with seeking(HERE, ana), member() as mouth:

        async def send(data: bytes, minute: int | None = None) -> None:
            await mouth.sendto(data, (EVERYBODY, lan.port(HERE, now() if minute is None else minute)))

        for size in (0, 1, DATAGRAM - 1, DATAGRAM + 1, 1_400):
            await send(os.urandom(size))
        await ana.until(lambda: ana.dropped["length"] == 5)
        await send(os.urandom(DATAGRAM))
        await ana.until(lambda: ana.dropped["mac"] == 1)
        # Recorded a minute ago and played again now; and at its own port, by who is not where it says.
        await send(lan.seal(HERE, now() - 1, os.urandom(24), call()), now())
        await ana.until(lambda: ana.dropped["mac"] == 2)
        await send(lan.seal(HERE, now(), os.urandom(24), call(host="127.0.0.2")))
        await ana.until(lambda: ana.dropped["elsewhere"] == 1)
        assert ana.told == []
        await send(lan.seal(HERE, now(), os.urandom(24), call()))
        await ana.until(lambda: len(ana.told) == 1)


async def test_a_call_that_is_repeated_is_answered_once() -> None:
    ana = Ears()
    async with seeking(HERE, ana), member() as mouth:
        minute, nonce = now(), os.urandom(24)
        for _ in range(3):
            await mouth.sendto(lan.seal(HERE, minute, nonce, call()), (EVERYBODY, lan.port(HERE, minute)))
        with trio.fail_after(20):
            first = lan.unseal(HERE, minute, (await mouth.recvfrom(2_000))[0])
        assert (first.kind, first.peer, first.call) == (Kind.ANSWER, ana.peer, nonce)
        # What comes next on this socket is the answer to the next call: the first was answered once.
        again = os.urandom(24)
        await mouth.sendto(lan.seal(HERE, minute, again, call()), (EVERYBODY, lan.port(HERE, minute)))
        with trio.fail_after(20):
            assert lan.unseal(HERE, minute, (await mouth.recvfrom(2_000))[0]).call == again
        assert len(ana.told) == 2


async def test_one_address_is_answered_so_often_and_read_so_often(monkeypatch) -> None:
    monkeypatch.setattr(sockets, "READ_FROM_ONE_A_MINUTE", 20)
    monkeypatch.setattr(sockets, "ANSWERS_A_MINUTE", 3)
    ana = Ears()
    ana.place = 0  # its own calls would be read as well
    async with seeking(HERE, ana), member() as mouth:
        ana.place = 4001
        for _ in range(25):
            await mouth.sendto(lan.seal(HERE, now(), os.urandom(24), call()), (EVERYBODY, lan.port(HERE, now())))
        await ana.until(lambda: ana.dropped["rate"] == 5)
        assert len(ana.told) == 20
        answers = 0
        with trio.move_on_after(0.2):
            while True:
                await mouth.recvfrom(2_000)
                answers += 1
        assert answers == 3


async def test_an_answer_counts_only_for_the_call_it_answers() -> None:
    ana = Ears()
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        minute = now()
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await ear.bind(("", lan.port(HERE, minute)))
        async with seeking(HERE, ana), member() as mouth:
            with trio.fail_after(20):
                data, source = await ear.recvfrom(2_000)
            assert lan.unseal(HERE, minute, data).peer == ana.peer
            place = Address(AddressKind.IP4, HOME, 5000)
            for nonce in (b"n" * 24, data[:24]):
                told = Whereabouts(Kind.ANSWER, b"p" * 32, place, nonce)
                await mouth.sendto(lan.seal(HERE, minute, os.urandom(24), told), source)
            await ana.until(lambda: ana.told)
            assert [told.call for told in ana.told] == [data[:24]]


async def test_clocks_two_minutes_apart_still_hear_each_other_and_three_do_not() -> None:
    def late(minutes: int) -> Lan:
        return Lan(lambda: wall_clock() - minutes * 60_000, SEEKER.here, EVERYBODY)

    ana, ben, eva = Ears(), Ears(), Ears()
    async with seeking(HERE, ana), seeking(HERE, ben, late(2)):
        await ben.until(lambda: ben.told)
        async with seeking(HERE, eva, late(5)), member() as mouth:
            # Whatever she has called is heard before this.
            await mouth.sendto(lan.seal(HERE, now(), os.urandom(24), call()), (EVERYBODY, lan.port(HERE, now())))
            await ana.until(lambda: ana.told[-1].peer == call().peer)
            assert eva.peer not in {told.peer for told in (*ana.told, *ben.told)}
            assert eva.told == []


@pytest.mark.parametrize("seeker", [Lan(here=lambda: None), Lan(here=lambda: IPv4Address("203.0.113.77"))])
async def test_a_machine_that_is_nowhere_says_so_and_goes_on(seeker: Lan) -> None:
    ana = Ears()
    ana.port = lambda _here: 4001  # type: ignore[method-assign]
    async with seeking(HERE, ana, seeker):
        assert ana.connected is False


def test_on_link_is_what_needs_no_router() -> None:
    assert is_on_link(HOME)
    assert not is_on_link("203.0.113.1")


@asynccontextmanager
async def node(folder: Path):
    """A node that looks for its neighbours, and has been heard to."""
    watcher = Ears()
    watcher.answers = False  # or it would be dialled
    async with network(folder, HERE, seeker=SEEKER) as (net, ear):
        async with seeking(HERE, watcher):
            await watcher.until(lambda: watcher.told)
        yield net, ear


# Two nodes -----------------------------------------------------------------------------------------------------------


async def test_two_nodes_that_listen_for_nobody_find_each_other_and_exchange(tmp_path) -> None:
    async with (
        network(tmp_path / "a", HERE, seeker=SEEKER) as (a, ear_a),
        network(tmp_path / "b", HERE, seeker=SEEKER) as (b, ear_b),
    ):
        await ear_a.until(lambda: a.reached == 1)
        await ear_b.until(lambda: b.reached == 1)
        assert (a.near, b.near, a.listening, a.addresses) == (1, 1, False, ())
        mine = frame(HERE)
        await a.carrier.publish([mine])
        await ear_b.until(lambda: ear_b.arrivals == 1)
        assert await held(b.carrier) == {mine.id}


async def test_who_was_not_heard_is_turned_away_without_a_word(tmp_path) -> None:
    async with node(tmp_path / "a") as (a, _):
        a.nearby._let_in.clear()  # as if whoever was heard before had gone
        port = a.nearby.port(IPv4Address(HOME))
        async with await trio.open_tcp_stream(HOME, port) as stranger:
            with trio.fail_after(20):
                try:
                    await stranger.send_all(b"\x13/multistream/1.0.0\n")
                    said = await stranger.receive_some()
                except trio.BrokenResourceError:
                    said = b""
        assert said == b""
        async with member() as mouth:
            await mouth.sendto(lan.seal(HERE, now(), os.urandom(24), call()), (EVERYBODY, lan.port(HERE, now())))
            with trio.fail_after(20):
                await mouth.recvfrom(2_000)
        async with await trio.open_tcp_stream(HOME, port) as known:
            await known.send_all(b"\x13/multistream/1.0.0\n")
            with trio.fail_after(20):
                assert b"/multistream" in await known.receive_some()


async def test_more_neighbours_than_the_limit_are_neither_answered_nor_let_in(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tertulia.node.nearby.LIMIT_NEARBY", 1)
    elsewhere = call(host="127.0.0.2")
    async with node(tmp_path / "a") as (a, ear):
        assert a.nearby.heard(elsewhere)
        assert a.nearby.admits("127.0.0.2")
        async with network(tmp_path / "b", HERE, seeker=SEEKER):
            await ear.until(lambda: a.near == 1)
            assert not a.nearby.heard(call(b"q" * 32, "127.0.0.3"))
            assert not a.nearby.admits("127.0.0.3")


async def test_what_is_remembered_of_who_was_heard_is_bounded(tmp_path) -> None:
    async with node(tmp_path / "a") as (a, _):
        hosts = [f"127.0.{number >> 8}.{number & 255}" for number in range(2, LIMIT_HEARD + 3)]
        for host in hosts:
            assert a.nearby.heard(call(os.urandom(32), host))
        assert [a.nearby.admits(host) for host in hosts] == [False] + [True] * LIMIT_HEARD


async def test_switched_off_it_lets_go_of_its_neighbours_and_hears_nobody(tmp_path) -> None:
    async with (
        network(tmp_path / "a", HERE, seeker=SEEKER) as (a, ear_a),
        network(tmp_path / "b", HERE, seeker=SEEKER) as (b, ear_b),
    ):
        await ear_a.until(lambda: a.reached == 1)
        await ear_b.until(lambda: b.reached == 1)
        a.go(None)
        await ear_a.until(lambda: a.reached == 0)
        await ear_b.until(lambda: b.reached == 0)
        ben = Ears()
        async with seeking(HERE, ben):  # b answers, and a does not
            await ben.until(lambda: ben.told)
            assert [told.peer for told in ben.told] == [b.nearby.peer]
        assert not a.nearby.admits(HOME)
