"""A file goes from one citizen to another over whole nodes: on demand, in pieces, checked, and erased in time."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from citizens import Config, admitted, found, invited, join, open_citizen, until

from tertulia.node.citizen import Citizen
from tertulia.node.resources import LIMIT_KEPT, runs
from tertulia.protocol.errors import LocalError
from tertulia.protocol.resource import CHUNK, RESOURCE_PROTOCOL, SEALED_CHUNK, AskChunks, Resource
from tertulia.protocol.views_resources import standing


@asynccontextmanager
async def two(tmp_path: Path):
    async with open_citizen(tmp_path / "ana", Config()) as ana, open_citizen(tmp_path / "ben", Config()) as ben:
        talk = await found(ana, "Ana")
        await admitted(ben, await join(ben, "Ben", await invited(ana, talk)))
        yield ana, ben, talk


async def shared(ana: Citizen, ben: Citizen, talk: str, path: Path) -> Resource:
    """Ana adds a file; Ben knows of it."""
    added = await ana.call("resource.add", {"dialogue": talk, "path": str(path)})
    key = bytes.fromhex(str(added["id"]))
    await until(ben, lambda: key in ben.service.core.dialogues[bytes.fromhex(talk)].events)
    return next(one for event, _, one in standing(ben.service.core.dialogues[bytes.fromhex(talk)]) if event == key)


def kept(citizen: Citizen) -> list[Path]:
    return list(citizen.service.resources._all())


async def here(citizen: Citizen, talk: str) -> list[object]:
    return [row["here"] for row in (await citizen.call("resource.list", {"dialogue": talk}))["resources"]]


async def test_a_file_is_fetched_when_wanted_and_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    source = tmp_path / "table.pdf"
    source.write_bytes(os.urandom(20 * CHUNK + 77))
    async with two(tmp_path) as (ana, ben, talk):
        resource = await shared(ana, ben, talk, source)
        assert await here(ben, talk) == [0]
        assert kept(ben) == []  # nobody has it unasked
        mine = ana.service.resources
        for index in (3, 20):  # two of hers are damaged: the rest comes, and stays
            mine.keep(resource, index, bytes(resource.length(index)))
        with pytest.raises(LocalError, match="2 of 21 parts"):
            await ben.call("resource.get", {"dialogue": talk, "resource": "table.pdf", "path": str(tmp_path)})
        assert await here(ben, talk) == [90]
        await ana.call("resource.add", {"dialogue": talk, "path": str(source), "name": "again.pdf"})
        sealed = [ben.service.resources.chunk(resource, index) for index in range(21)]
        assert [index for index, one in enumerate(sealed) if one is None] == [3, 20]
        from tertulia.protocol.resource import seal_chunks

        for index, one in enumerate(seal_chunks(source.read_bytes(), resource.key)):
            mine.keep(resource, index, one)
        to = tmp_path / "to"
        to.mkdir()
        got = await ben.call("resource.get", {"dialogue": talk, "resource": "table.pdf", "path": str(to)})
        assert Path(str(got["path"])) == to / "table.pdf"
        assert (to / "table.pdf").read_bytes() == source.read_bytes()
        assert (to / "table.pdf").stat().st_mode & 0o777 == 0o600
        with pytest.raises(LocalError, match="file of that name already"):
            await ben.call("resource.get", {"dialogue": talk, "resource": "table.pdf", "path": str(to)})
        assert source.read_bytes()[:64] not in kept(ben)[0].read_bytes()  # sealed where it is kept
        await ben.call("panic", {})
        assert kept(ben) == []


async def test_who_does_not_know_the_key_gets_nothing_and_a_liar_is_left(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(os.urandom(3 * CHUNK))
    async with two(tmp_path) as (ana, ben, talk):
        resource = await shared(ana, ben, talk, source)
        (carried,) = ben.service.carrying
        host, (peer,) = carried.network.host, carried.network.neighbours
        assert host is not None
        me = host.peer_id
        for tag, sizes in (
            (resource.tag(me.encode(), peer.encode()), [SEALED_CHUNK] * 3 + [0]),
            (resource.tag(peer.encode(), me.encode()), [0] * 4),  # for the other direction
            (os.urandom(32), [0] * 4),
        ):
            stream = await host.open(peer, RESOURCE_PROTOCOL)
            await stream.send(AskChunks(tag, 0, 4).encode())
            assert [len(await stream.receive(SEALED_CHUNK)) for _ in range(4)] == sizes
            await stream.reset()
        await ana.call("lock", {})
        stream = await host.open(peer, RESOURCE_PROTOCOL)
        await stream.send(AskChunks(resource.tag(me.encode(), peer.encode()), 0, 1).encode())
        assert await stream.receive(SEALED_CHUNK) == b""
        lying: list[int] = []

        async def lie(stream) -> None:
            await stream.receive(256)
            lying.append(1)
            await stream.send(bytes(SEALED_CHUNK + len(lying) - 1))  # false, then endless

        (theirs,) = ana.service.carrying
        assert theirs.network.host is not None
        theirs.network.host.serve(RESOURCE_PROTOCOL, lie)
        for _ in range(2):
            with pytest.raises(LocalError, match="3 of 3 parts"):
                await ben.call("resource.get", {"dialogue": talk, "resource": "a.bin", "path": str(tmp_path / "b")})
        assert len(lying) == 2
        assert await here(ben, talk) == [0]


async def test_what_cannot_be_shared_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty, large, fine = (tmp_path / name for name in ("empty", "large", "fine"))
    empty.write_bytes(b"")
    fine.write_bytes(b"fine")
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    async with two(tmp_path) as (ana, ben, talk):
        for path, why in ((empty, "is empty"), (large, "larger than 64 MiB"), (tmp_path / "none", "cannot be read"),
                          (tmp_path, "empty, or larger")):  # fmt: skip
            with pytest.raises(LocalError, match=why):
                await ana.call("resource.add", {"dialogue": talk, "path": str(path)})
        await shared(ana, ben, talk, fine)
        monkeypatch.setattr("tertulia.node.resources.LIMIT_KEPT", 10)
        with pytest.raises(LocalError, match="fill all the room"):
            await ana.call("resource.add", {"dialogue": talk, "path": str(fine)})
        with pytest.raises(LocalError, match="fill all the room"):
            await ben.call("resource.get", {"dialogue": talk, "resource": "fine", "path": str(tmp_path / "to")})
        monkeypatch.setattr("tertulia.node.resources.LIMIT_KEPT", LIMIT_KEPT)
        with pytest.raises(LocalError, match="cannot be written"):
            await ben.call("resource.get", {"dialogue": talk, "resource": "fine", "path": str(tmp_path / "no" / "x")})
        assert len(kept(ana)) == 1
        await trio.to_thread.run_sync(ana.service.resources.tidy, frozenset())
        assert kept(ana) == []


def test_what_lacks_is_asked_for_in_unbroken_runs() -> None:
    assert list(runs([0, 1, 2, 5, 7, 8])) == [(0, 3), (5, 1), (7, 2)]
    assert list(runs(list(range(20)))) == [(0, 16), (16, 4)]
