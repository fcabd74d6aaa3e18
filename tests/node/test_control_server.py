"""The control socket: hello, calls, views and cursors; clients that are rude, slow, foreign or gone."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from citizens import LOOPBACK, PASSPHRASE, Config, admitted, found, init, invited, join, open_citizen, until
from faulty_links import links
from waiting import eventually

from tertulia.node.citizen import Citizen
from tertulia.node.control import connection as connections
from tertulia.node.control import server as servers
from tertulia.node.control.server import ControlServer
from tertulia.node.control.views import Views
from tertulia.protocol.control import (
    CONTROL_VERSION,
    LIMIT_MESSAGE,
    Call,
    ClientMessage,
    Delta,
    Failure,
    Hello,
    HelloAnswer,
    NodeMessage,
    Notice,
    Result,
    Snapshot,
    Unwatch,
    Watch,
    encode_message,
    node_splitter,
)

SOCKET = "s"


class Client:
    """A client as the bytes are."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._splitter = node_splitter()
        self._read: list[NodeMessage] = []

    async def send(self, *messages: ClientMessage) -> None:
        await self.stream.send_all(b"".join(encode_message(message) for message in messages))

    async def receive(self) -> NodeMessage | None:
        """The next message, None at the end."""
        with trio.fail_after(20):
            while not self._read:
                try:
                    data = await self.stream.receive_some()
                except trio.BrokenResourceError:
                    return None
                if not data:
                    return None
                self._read += self._splitter.feed(data)
        return self._read.pop(0)

    async def call(self, method: str, **params) -> NodeMessage | None:
        await self.send(Call(1, method, params))
        return await self.receive()


@asynccontextmanager
async def serving(citizen: Citizen, folder: Path, **options: int) -> AsyncIterator[ControlServer]:
    server = ControlServer(citizen.methods, **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run, folder / SOCKET)
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def client(folder: Path, *, greet: bool = True) -> AsyncIterator[Client]:
    async with await trio.open_unix_socket(folder / SOCKET) as stream:
        one = Client(stream)
        if greet:
            await one.send(Hello(CONTROL_VERSION, "test"))
            assert isinstance(await one.receive(), HelloAnswer)
        yield one


@pytest.fixture
async def ana(tmp_path: Path) -> AsyncIterator[Citizen]:
    async with open_citizen(tmp_path / "ana", Config()) as citizen, serving(citizen, tmp_path):
        yield citizen


async def test_hello_call_and_failure(ana: Citizen, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600
    async with client(tmp_path, greet=False) as one:
        await one.send(Hello(CONTROL_VERSION, "test"))
        answer = await one.receive()
        assert isinstance(answer, HelloAnswer)
        assert (answer.version, answer.profile) == (CONTROL_VERSION, "ana")
        result = await one.call("status")
        assert isinstance(result, Result)
        assert result.value["state"] == "new"
        refused = await one.call("dialogue.list")
        assert isinstance(refused, Failure)
        assert refused.problem.safe == "Nothing was done and nothing changed."
        unknown = await one.call("dance")
        assert isinstance(unknown, Failure)


async def test_another_version_offers_a_restart(ana: Citizen, tmp_path: Path) -> None:
    async with client(tmp_path, greet=False) as one:
        await one.send(Hello(CONTROL_VERSION + 1, "test"))
        assert isinstance(await one.receive(), HelloAnswer)
        refused = await one.receive()
        assert isinstance(refused, Failure)
        assert "tertulia stop" in refused.problem.next
        assert await one.receive() is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\0\0\0",
        b"\0\0\0\1\x80",
        b"\0\0\0\3\xff\xff\xff",
        (LIMIT_MESSAGE + 1).to_bytes(4, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
        encode_message(Call(1, "status", {})),
        os.urandom(2_000),
    ],
)
@pytest.mark.parametrize("greet", [False, True])
async def test_garbage_ends_only_that_client(ana: Citizen, tmp_path: Path, garbage: bytes, greet: bool) -> None:
    async with client(tmp_path) as polite:
        async with client(tmp_path, greet=greet) as rude:
            await rude.stream.send_all(garbage)
            answer = await rude.receive()
            if greet and garbage == encode_message(Call(1, "status", {})):
                assert isinstance(answer, Result)
                return
            assert isinstance(answer, Failure)
            assert await rude.receive() is None
        assert isinstance(await polite.call("status"), Result)


async def test_a_client_that_says_nothing_is_left(ana: Citizen, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(connections, "HELLO_SECONDS", 0.05)
    async with client(tmp_path, greet=False) as silent:
        assert await silent.receive() is None


async def test_calls_go_side_by_side(ana: Citizen, tmp_path: Path) -> None:
    await found(ana, "Ana")
    await ana.call("invite", {"dialogue": "Talk"})  # nobody is there to have it
    async with client(tmp_path) as one:
        await one.send(Call(1, "wait", {"for": "outbox", "seconds": 1000}), Call(2, "status"))
        first = await one.receive()
        assert isinstance(first, Result)
        assert first.id == 2


async def test_a_view_is_a_snapshot_then_deltas(ana: Citizen, tmp_path: Path) -> None:
    talk = await found(ana, "Ana")
    await ana.call("say", {"dialogue": talk, "text": "one"})
    async with client(tmp_path) as one:
        await one.send(Watch(7, "messages", {"dialogue": "Talk", "last": 50}))
        snapshot = await one.receive()
        assert isinstance(snapshot, Snapshot)
        assert [row.value["text"] for row in snapshot.rows] == ["one"]
        said = await ana.call("say", {"dialogue": talk, "text": "two"})
        delta = await one.receive()
        assert isinstance(delta, Delta)
        assert (delta.id, delta.removes) == (7, ())
        assert [(row.id, row.value["text"]) for row in delta.upserts] == [(said["id"], "two")]
        assert delta.upserts[0].order > snapshot.rows[0].order
        assert delta.change > snapshot.change

        await one.send(Unwatch(7), Watch(8, "dialogues"))
        dialogues = await one.receive()
        assert isinstance(dialogues, Snapshot)
        assert dialogues.rows[0].value["title"] == "Talk"
        await ana.call("lock")
        gone = await one.receive()
        assert isinstance(gone, Delta)
        assert (gone.id, gone.removes) == (8, (talk,))  # and nothing for the view that is not watched any more
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        back = await one.receive()
        assert isinstance(back, Delta)
        assert [row.id for row in back.upserts] == [talk]


async def test_a_cursor_brings_what_changed_and_an_unknown_one_everything(ana: Citizen, tmp_path: Path) -> None:
    talk = await found(ana, "Ana")
    params = {"dialogue": talk}
    async with client(tmp_path) as one:
        await one.send(Watch(1, "messages", params))
        snapshot = await one.receive()
        assert isinstance(snapshot, Snapshot)
        await ana.call("say", {"dialogue": talk, "text": "one"})
        seen = await one.receive()
        assert isinstance(seen, Delta)
    await ana.call("say", {"dialogue": talk, "text": "two"})
    await ana.call("say", {"dialogue": talk, "text": "three"})
    async with client(tmp_path) as one:
        await one.send(Watch(1, "messages", params, seen.change))
        missed = await one.receive()
        assert isinstance(missed, Delta)
        assert [row.value["text"] for row in missed.upserts] == ["two", "three"]
        for cursor in (0, missed.change + 1_000_000_000):
            await one.send(Unwatch(1), Watch(1, "messages", params, cursor))
            everything = await one.receive()
            assert isinstance(everything, Snapshot)
            assert len(everything.rows) == 3


async def test_all_views_have_rows(ana: Citizen, tmp_path: Path) -> None:
    talk = await found(ana, "Ana")
    async with client(tmp_path) as one:
        for number, (view, params, count) in enumerate([
            ("status", {}, 1),
            ("dialogues", {}, 1),
            ("messages", {"dialogue": talk}, 0),
            ("people", {"dialogue": talk}, 1),
            ("knocks", {}, 0),
            ("joins", {}, 0),
        ]):  # fmt: skip
            await one.send(Watch(number, view, params))
            snapshot = await one.receive()
            assert isinstance(snapshot, Snapshot)
            assert len(snapshot.rows) == count
        for view, params in (("mesh", {}), ("messages", {}), ("messages", {"dialogue": "nowhere"})):
            await one.send(Watch(99, view, params))
            refused = await one.receive()
            assert isinstance(refused, Failure)
            assert refused.id == 99


async def test_the_window_of_messages_grows_and_is_cut(ana: Citizen, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tertulia.node.control.views.LIMIT_GROWTH", 3)
    talk = await found(ana, "Ana")
    for number in range(4):
        await ana.call("say", {"dialogue": talk, "text": str(number)})
    async with client(tmp_path) as one:
        await one.send(Watch(1, "messages", {"dialogue": talk, "last": 2}))
        snapshot = await one.receive()
        assert isinstance(snapshot, Snapshot)
        shown = {row.id: row.value["text"] for row in snapshot.rows}
        assert sorted(shown.values()) == ["2", "3"]
        sizes = []
        for number in range(4, 12):
            await ana.call("say", {"dialogue": talk, "text": str(number)})
            delta = await one.receive()
            assert isinstance(delta, Delta)
            for gone in delta.removes:
                del shown[gone]
            shown |= {row.id: row.value["text"] for row in delta.upserts}
            sizes.append(len(shown))
        assert max(sizes) == 6
        assert min(sizes) == 2
        assert "11" in shown.values()


async def test_what_was_said_at_once_is_told_to_both_wherever_it_stands(tmp_path: Path) -> None:
    async with links(1, 0) as (link,), open_citizen(tmp_path / "ana", Config()) as ana, trio.open_nursery() as nursery:
        await init(ana, "Ana")
        await ana.call("commons.new", {"name": "Madrid", "listen": LOOPBACK, "announce": ["/ip4/127.0.0.1/tcp/1"]})
        talk = str((await ana.call("dialogue.new", {"title": "Talk"}))["dialogue"])
        (carried,) = ana.service.carrying
        await until(ana, lambda: bool(carried.network.addresses))
        address, _, peer = carried.network.addresses[0].rpartition("/p2p/")
        link.target = int(address.rpartition("/")[2])
        ours = Config()
        ours = replace(ours, network=replace(ours.network, peers=(f"{link.address}/p2p/{peer}",)))
        async with open_citizen(tmp_path / "ben", ours) as ben:
            await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
            send, told = trio.open_memory_channel[tuple[Citizen, object]](100)
            for citizen in (ana, ben):

                def note(update: Snapshot | Delta, citizen: Citizen = citizen) -> None:
                    for row in update.rows if isinstance(update, Snapshot) else update.upserts:
                        send.send_nowait((citizen, row.value["text"]))

                views = Views(citizen.methods)
                nursery.start_soon(views.run)
                views.watch(1, "messages", {"dialogue": talk}, None, note)
            heard: set[tuple[Citizen, object]] = set()

            async def until_told(*wanted: tuple[Citizen, object]) -> None:
                with trio.fail_after(20):
                    while not heard.issuperset(wanted):
                        heard.add(await told.receive())

            link.cut()
            await ana.call("say", {"dialogue": talk, "text": "hola"})
            await ben.call("say", {"dialogue": talk, "text": "hello"})
            await until_told((ana, "hola"), (ben, "hello"))
            link.heal()
            # Neither knew of the other's, so one of the two stands before all that somebody watches.
            await until_told((ana, "hello"), (ben, "hola"))
            nursery.cancel_scope.cancel()


async def test_a_slow_client_is_dropped_and_nobody_waits(ana: Citizen, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(connections, "LIMIT_BYTES", 100_000)
    talk = await found(ana, "Ana")
    async with client(tmp_path) as slow, client(tmp_path) as quick:
        await slow.send(Watch(1, "messages", {"dialogue": talk}))
        assert isinstance(await slow.receive(), Snapshot)
        long = "x" * 7_000
        with trio.fail_after(30):
            for number in range(120):  # more than the socket's own buffer and the limit together
                await ana.call("say", {"dialogue": talk, "text": f"{number} {long}"})
                assert isinstance(await quick.call("status"), Result)
        received = 0
        while await slow.receive() is not None:
            received += 1
        assert received < 120


async def test_too_many_clients(ana: Citizen, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(servers, "LIMIT_CLIENTS", 1)
    async with client(tmp_path) as first:
        async with client(tmp_path, greet=False) as second:
            assert await second.receive() is None
        assert isinstance(await first.call("status"), Result)


async def test_another_user_is_refused(ana: Citizen, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(servers.os, "geteuid", lambda: os.getuid() + 1)  # then we are the stranger
    async with client(tmp_path, greet=False) as stranger:
        assert await stranger.receive() is None


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    async with open_citizen(tmp_path / "ana", Config()) as citizen, serving(citizen, tmp_path), client(tmp_path) as one:
        assert isinstance(await one.call("status"), Result)
    assert not (tmp_path / SOCKET).exists()


async def test_stop_answers_tells_and_ends(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as citizen:
        await init(citizen, "Ana")
        async with serving(citizen, tmp_path) as server, client(tmp_path) as one, client(tmp_path) as other:
            stopped = await one.call("stop")
            assert isinstance(stopped, Result)
            assert stopped.value == {"state": "locked"}
            assert isinstance(await other.receive(), Notice)
            assert await other.receive() is None
            with trio.fail_after(5):
                await server.ended.wait()


async def test_the_last_client_takes_the_node_with_it(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config(), resident=False) as citizen:
        await init(citizen, "Ana")
        async with serving(citizen, tmp_path) as server:
            async with client(tmp_path):
                pass
            async with client(tmp_path) as again:  # within the grace: the same node
                assert isinstance(await again.call("status"), Result)
                assert not citizen.methods.stopping.is_set()
            with trio.fail_after(5):
                await server.ended.wait()
        assert citizen.service.state.value == "locked"


async def test_who_comes_while_the_node_is_ending_is_turned_away_at_once(tmp_path: Path) -> None:
    """A client that was served then would be told “unlocked”, or “keep”, by a node that is gone in a moment."""
    async with open_citizen(tmp_path / "ana", Config(), resident=False) as citizen:
        await init(citizen, "Ana")
        async with serving(citizen, tmp_path) as server:
            async with citizen.service._changing:  # a disk that takes its time to close the vault
                async with client(tmp_path):
                    pass
                await eventually(lambda: citizen.service._changing.statistics().tasks_waiting, 5)
                late = Client(await trio.open_unix_socket(str(tmp_path / SOCKET)))
                with suppress(trio.BrokenResourceError):  # the door may be shut before we have spoken
                    await late.send(Hello(CONTROL_VERSION, "late"))
                    assert await late.receive() is None
                await late.stream.aclose()
            with trio.fail_after(5):
                await server.ended.wait()


async def test_keep_receiving_outlives_the_last_client(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config(), resident=False) as citizen:
        await init(citizen, "Ana")
        async with serving(citizen, tmp_path) as server:
            async with client(tmp_path) as one:
                assert isinstance(await one.call("keep", on=True), Result)
            with trio.move_on_after(2 * servers.GRACE_SECONDS):
                await server.ended.wait()
            assert not citizen.methods.stopping.is_set()
            assert citizen.service.state.value == "unlocked"
            async with client(tmp_path) as one:
                assert isinstance(await one.call("keep", on=False), Result)
            with trio.fail_after(5):
                await server.ended.wait()


async def test_a_node_that_keeps_receiving_locks_after_a_while(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(servers, "SECONDS_PER_MINUTE", 0.1)
    async with open_citizen(tmp_path / "ana", Config(), resident=True) as citizen:
        await init(citizen, "Ana")
        async with serving(citizen, tmp_path, lock_after_minutes=1):
            async with client(tmp_path) as one:
                await one.send(Watch(1, "status"))
                assert isinstance(await one.receive(), Snapshot)
            locked = trio.Event()
            citizen.service.on_shown.append(lambda *_: citizen.service.state.value == "locked" and locked.set())
            with trio.fail_after(5):
                await locked.wait()
            assert not citizen.methods.stopping.is_set()
