import asyncio

import pytest
from fake_node import FakeNode, populated
from on_asyncio import on_asyncio

from tertulia.protocol.control import LIMIT_MESSAGE, Delta, Failure, LocalError, Snapshot
from tertulia.tui.client import NodeAbsent, NodeGone, OtherVersion, Refused, connect


def socket_of(node: FakeNode):
    from pathlib import Path

    return Path((node.folder / "node.socket").read_text().strip())


@on_asyncio
async def test_hello_then_calls_answered_by_their_number(tmp_path):
    async with populated(tmp_path / "main") as node:
        client = await connect(socket_of(node))
        assert (client.answer.release, client.answer.profile) == ("9.9", "main")
        status, listed = await asyncio.gather(client.call("status"), client.call("dialogue.list"))
        assert status["state"] == "unlocked"
        assert [row["title"] for row in listed["dialogues"]] == ["Water treaty"]
        await client.close()


@on_asyncio
async def test_a_failure_carries_the_nodes_own_sentences(tmp_path):
    async with populated(tmp_path / "main") as node:
        node.do_lock()
        client = await connect(socket_of(node))
        with pytest.raises(Refused) as refused:
            await client.call("unlock", passphrase="no")
        assert refused.value.problem.error == "This is not the passphrase."
        assert node.state == "locked"
        await client.close()


@on_asyncio
async def test_a_watch_begins_with_a_snapshot_goes_on_with_deltas_and_ends_when_told(tmp_path):
    async with populated(tmp_path / "main") as node:
        client = await connect(socket_of(node))
        updates: asyncio.Queue = asyncio.Queue()
        talk = next(iter(node.talks.values()))
        number = client.watch("messages", {"dialogue": talk.id, "last": 200}, updates.put_nowait)
        first = await updates.get()
        assert isinstance(first, Snapshot)
        assert first.rows == ()
        node.hear(talk, "Ruth", "Good evening")
        second = await updates.get()
        assert isinstance(second, Delta)
        assert [row.value["text"] for row in second.upserts] == ["Good evening"]
        client.unwatch(number)
        await client.call("status")
        node.hear(talk, "Ruth", "Are you there?")
        await client.call("status")
        assert updates.empty()
        await client.close()


@on_asyncio
async def test_a_watch_the_node_refuses_is_told_to_its_listener(tmp_path):
    async with populated(tmp_path / "main") as node:
        client = await connect(socket_of(node))
        updates: asyncio.Queue = asyncio.Queue()
        client.watch("messages", {"dialogue": "nowhere", "last": 200}, updates.put_nowait)
        assert isinstance(await updates.get(), Failure)
        await client.close()


@on_asyncio
async def test_a_dead_node_fails_open_calls_within_a_tenth_of_a_second(tmp_path):
    async with populated(tmp_path / "main") as node:
        node.init_gate = asyncio.Event()
        client = await connect(socket_of(node))
        ended = asyncio.Event()
        client.on_end = ended.set
        call = asyncio.create_task(client.call("init", nick="x", passphrase="long enough"))
        await client.call("status")
        begun = asyncio.get_running_loop().time()
        await node.die()
        await ended.wait()
        with pytest.raises(NodeGone):
            await call
        assert asyncio.get_running_loop().time() - begun < 0.1
        assert not client.is_open
        with pytest.raises(NodeGone):
            await client.call("status")


@on_asyncio
async def test_another_version_is_said_in_a_sentence(tmp_path):
    async with FakeNode(tmp_path / "main", version=77) as node:
        with pytest.raises(OtherVersion) as other:
            await connect(socket_of(node))
        assert "another version" in other.value.problem.error


@on_asyncio
async def test_nobody_there_and_nonsense_there(tmp_path):
    with pytest.raises(NodeAbsent):
        await connect(tmp_path / "nothing")

    async def babble(_reader, writer):
        writer.write(b"\xff\xff\xff\xffHTTP/1.1 200 OK")
        writer.close()

    async with await asyncio.start_unix_server(babble, str(tmp_path / "b")):
        with pytest.raises(NodeGone):
            await connect(tmp_path / "b")


@on_asyncio
async def test_a_node_that_breaks_the_protocol_later_ends_the_conversation(tmp_path):
    async with populated(tmp_path / "main") as node:
        client = await connect(socket_of(node))
        ended = asyncio.Event()
        client.on_end = ended.set
        for writer in node.clients:
            writer.write(b"\x00\x00\x00\x02\x81\x18")
        await ended.wait()
        assert not client.is_open


@on_asyncio
async def test_what_is_too_large_is_refused_before_it_is_sent(tmp_path):
    async with populated(tmp_path / "main") as node:
        client = await connect(socket_of(node))
        with pytest.raises(LocalError):
            await client.call("say", dialogue="Water treaty", text="x" * (LIMIT_MESSAGE + 1))
        assert (await client.call("status"))["state"] == "unlocked"
        await client.close()
