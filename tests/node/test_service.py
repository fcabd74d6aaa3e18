"""The batch loop and the states of a profile: real vault, real core, no network but loopback."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager

import pytest
import trio
import trio.testing
from citizens import LOOPBACK, PASSPHRASE, Config, found, init, messages, open_citizen

from tertulia.node import driver as drivers
from tertulia.node.control.views import Views
from tertulia.node.profile import ProfileBusy
from tertulia.node.service import State
from tertulia.node.store.problems import StoreDamaged, StoreFull, StoreNewer
from tertulia.protocol.checkpoint import CHECKPOINT_VERSION
from tertulia.protocol.commons import from_value
from tertulia.protocol.control import Delta
from tertulia.protocol.core import Core
from tertulia.protocol.effects import Put, Table
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import LocalError
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import CommonsAdded, Reachable, SayText, TimerFired
from tertulia.protocol.sync_terms import Terms


@contextmanager
def full_disk():
    """No file of this process may grow: what a full disk is to it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_new_locked_unlocked(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        assert ana.service.state is State.NEW
        for method, params in (("unlock", {"passphrase": "x"}), ("dialogue.list", {}), ("join", {"invite": "x"})):
            with pytest.raises(LocalError, match="not been set up"):
                await ana.call(method, params)
        await ana.call("lock")
        assert ana.service.state is State.NEW
        with pytest.raises(LocalError, match="nickname"):
            await ana.call("init", {"nick": "\u202e", "passphrase": PASSPHRASE, "kdf_mib": 8, "kdf_ops": 1})
        with pytest.raises(LocalError, match="passphrase"):
            await ana.call("init", {"nick": "Ana", "passphrase": "", "kdf_mib": 8, "kdf_ops": 1})
        assert ana.service.state is State.NEW
        await init(ana, "Ana")
        assert ana.service.state is State.UNLOCKED
        with pytest.raises(LocalError, match="set up already"):
            await init(ana, "Ana")
        await ana.call("lock")
        assert ana.service.state is State.LOCKED
        assert (await ana.call("status"))["nick"] == ""
        with pytest.raises(LocalError, match="locked"):
            await ana.call("dialogue.list")


async def test_a_wrong_passphrase_changes_nothing(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        await init(ana, "Ana")
        await ana.call("lock")
        before = {path.name: path.read_bytes() for path in (tmp_path / "ana").glob("vault*")}
        with pytest.raises(LocalError, match="not the passphrase"):
            await ana.call("unlock", {"passphrase": "wrong"})
        assert ana.service.state is State.LOCKED
        after = {path.name: path.read_bytes() for path in (tmp_path / "ana").glob("vault*")}
        assert after == before
        assert await ana.call("unlock", {"passphrase": PASSPHRASE, "keep": True}) == {"state": "unlocked"}
        assert (await ana.call("status"))["keep"] is True
        with pytest.raises(LocalError, match="not the passphrase"):
            await ana.call("unlock", {"passphrase": "wrong"})
        assert ana.service.state is State.UNLOCKED


async def test_one_node_for_a_profile(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()):
        with pytest.raises(ProfileBusy):
            async with open_citizen(tmp_path / "ana", Config()):
                raise AssertionError("two nodes on one profile")
    async with open_citizen(tmp_path / "ana", Config()):
        pass


async def test_a_full_disk_is_said_and_nothing_is_acknowledged(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        await ana.call("say", {"dialogue": talk, "text": "kept"})
        with full_disk():
            with pytest.raises(LocalError, match="no room") as refused:
                await ana.call("say", {"dialogue": talk, "text": "not kept"})
            assert refused.value.problem.next == "Free some space and try again."
            assert messages(ana, talk) == ["kept"]
            with pytest.raises(LocalError, match="no room"):
                await ana.call("commons.new", {"name": "Other", "listen": LOOPBACK})
        await ana.call("say", {"dialogue": talk, "text": "kept again"})
        assert messages(ana, talk) == ["kept", "kept again"]
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        assert messages(ana, talk) == ["kept", "kept again"]


async def test_what_nobody_asked_for_is_tried_again_after_a_full_disk(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(drivers, "PAUSE_SECONDS", 0.05)
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        await found(ana, "Ana")
        driver = ana.service.driver
        (known,) = ana.service.core.commons.values()
        renamed = from_value([known.key, 2, "Second", 30, [], b""])
        with full_disk():
            await driver.feed(CommonsAdded(renamed))
            with pytest.raises(LocalError, match="no room"):
                await driver.until(lambda core: renamed.id in core.commons)
        with trio.fail_after(20):
            while renamed.id not in driver.core.commons:
                try:
                    await driver.until(lambda core: renamed.id in core.commons)
                except LocalError:
                    await trio.lowlevel.checkpoint()
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        assert renamed.id in ana.service.core.commons


async def test_an_input_the_core_breaks_on_costs_only_itself(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        async with trio.open_nursery() as nursery:
            for text in ("one", "two", "three"):
                nursery.start_soon(ana.call, "say", {"dialogue": talk, "text": text})
            with pytest.raises(LocalError, match="went wrong"):
                await ana.service.ask(SayText(DialogueId(b"?" * 32), "no such dialogue reaches the core otherwise"))
        assert sorted(messages(ana, talk)) == ["one", "three", "two"]


async def test_many_at_once_are_all_kept(tmp_path) -> None:
    texts = [f"message {number}" for number in range(300)]
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        limiter = trio.CapacityLimiter(200)

        async def say(text: str) -> None:
            async with limiter:
                await ana.call("say", {"dialogue": talk, "text": text})

        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(say, text)
        assert sorted(messages(ana, talk)) == sorted(texts)
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        assert sorted(messages(ana, talk)) == sorted(texts)


async def test_locking_answers_whoever_waits(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        driver = ana.service.driver
        answers: list[str] = []

        async def ask(text: str) -> None:
            try:
                await ana.call("say", {"dialogue": talk, "text": text})
                answers.append("kept")
            except LocalError as refused:
                answers.append(refused.problem.error)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, str(number))
            await trio.lowlevel.checkpoint()
            await ana.call("lock")
        assert len(answers) == 20
        assert all(answer == "kept" or "locked" in answer for answer in answers)
        with pytest.raises(LocalError, match="locked"):
            await driver.ask(SayText(DialogueId(bytes(32)), "to a core that is gone"))
        await driver.feed(TimerFired("nobody hears this"))
        await ana.call("unlock", {"passphrase": PASSPHRASE})
        assert len(messages(ana, talk)) == answers.count("kept")


async def test_a_damaged_vault_is_refused_and_left_alone(tmp_path) -> None:
    folder = tmp_path / "ana"
    async with open_citizen(folder, Config()) as ana:
        await init(ana, "Ana")
    data = bytearray((folder / "vault.db").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "vault.db").write_bytes(data)
    async with open_citizen(folder, Config()) as ana:
        with pytest.raises(StoreDamaged):
            await ana.call("unlock", {"passphrase": PASSPHRASE})
        assert ana.service.state is State.LOCKED
    assert (folder / "vault.db").read_bytes() == bytes(data)


@pytest.mark.parametrize("version", [CHECKPOINT_VERSION - 1, CHECKPOINT_VERSION + 1])
async def test_a_vault_with_a_dialogue_of_another_version_is_refused_in_a_sentence_and_left_alone(
    tmp_path, version
) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = bytes.fromhex(await found(ana, "Ana"))
        row = Put(Table.CHECKPOINT, talk + bytes(4), encode(encode([version])))
        ana.service._vault.commit((row,))
        await ana.call("lock")
        with pytest.raises(StoreNewer, match="another version of Tertulia"):
            await ana.call("unlock", {"passphrase": PASSPHRASE})
        assert ana.service.state is State.LOCKED


async def test_a_damaged_archive_keeps_the_node_from_starting(tmp_path) -> None:
    folder = tmp_path / "ana"
    async with open_citizen(folder, Config()) as ana:
        await init(ana, "Ana")
    path = folder / "archive.db"
    path.write_bytes(os.urandom(path.stat().st_size))
    with pytest.raises(StoreDamaged):
        async with open_citizen(folder, Config()):
            raise AssertionError("started on a damaged archive")


async def test_a_full_disk_at_init_leaves_a_new_profile(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        with full_disk(), pytest.raises(StoreFull):
            await init(ana, "Ana")
        assert ana.service.state is State.NEW
        await init(ana, "Ana")
        assert ana.service.state is State.UNLOCKED


async def test_commons_are_chosen_by_name_or_id(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        await init(ana, "Ana")
        with pytest.raises(LocalError, match="no community"):
            await ana.call("dialogue.new", {"title": "Talk"})
        first = await ana.call("commons.new", {"name": "Madrid", "listen": LOOPBACK})
        second = await ana.call("commons.new", {"name": "Lisboa", "listen": LOOPBACK})
        with pytest.raises(LocalError, match="more than one"):
            await ana.call("dialogue.new", {"title": "Talk"})
        with pytest.raises(LocalError, match="No community"):
            await ana.call("dialogue.new", {"title": "Talk", "commons": "Paris"})
        await ana.call("dialogue.new", {"title": "Talk", "commons": "madrid"})
        await ana.call("dialogue.new", {"title": "Fado", "commons": str(second["commons"])[:8]})
        rows = (await ana.call("dialogue.list"))["dialogues"]
        assert {(row["title"], row["commons"]) for row in rows} == {("Talk", "Madrid"), ("Fado", "Lisboa")}
        listed = (await ana.call("commons.list"))["commons"]
        assert [row["address"] for row in listed] == [first["address"], second["address"]]
        with pytest.raises(LocalError, match="needs a name"):
            await ana.call("commons.new", {"name": " ", "listen": LOOPBACK})
        with pytest.raises(LocalError, match="wildcard"):
            await ana.call("commons.new", {"name": "X", "listen": LOOPBACK, "announce": ["/ip4/0.0.0.0/tcp/1"]})
        told = await ana.call("commons.new", {"name": "X", "listen": LOOPBACK, "announce": ["/ip4/192.0.2.9/tcp/7"]})
        assert told["address"] == "/ip4/192.0.2.9/tcp/7"


async def test_unknown_requests_and_waits(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        with pytest.raises(LocalError, match="does not know the request"):
            await ana.call("dance", {})
        with pytest.raises(LocalError, match="came without"):
            await ana.call("init", {"nick": "Ana"})
        await found(ana, "Ana")
        with pytest.raises(LocalError, match="nothing like that"):
            await ana.call("wait", {"for": "godot", "seconds": 1})
        with pytest.raises(LocalError, match="nothing like that"):
            await ana.call("wait", {"for": "join", "join": "00", "seconds": 1})
        with pytest.raises(LocalError, match="not an invite"):
            await ana.call("join", {"invite": "hello"})
        invite = (await ana.call("invite", {"dialogue": "Talk"}))["invite"]
        assert (await ana.call("wait", {"for": "outbox", "seconds": 0}))["state"] == "stored"
        with pytest.raises(LocalError, match="your own"):
            await ana.call("join", {"invite": invite})


async def test_a_wait_does_not_call_sent_what_nobody_else_was_there_for(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        said = await ana.call("say", {"dialogue": talk, "text": "anybody?"})
        alone = {"state": "stored", "dialogue": None, "alone": True}
        assert await ana.call("wait", {"for": "outbox", "seconds": 30, "message": said["id"]}) == alone
        assert await ana.call("wait", {"for": "outbox", "seconds": 30, "dialogue": talk}) == alone
        assert await ana.call("wait", {"for": "outbox", "seconds": 30}) == {**alone, "state": "sent", "alone": False}
        with pytest.raises(LocalError, match="no message"):
            await ana.call("wait", {"for": "outbox", "seconds": 30, "message": "00" * 32})
        told = await ana.call("delivery", {"message": said["id"]})
        assert (told["state"], told["alone"], told["members"]) == ("stored", True, 0)


async def test_a_batch_the_core_breaks_on_as_a_whole_costs_one_input(tmp_path, monkeypatch) -> None:
    settle = Core.settle

    def broken(core: Core, now: int):
        if any(commons.generation == 66 for commons in core.commons.values()):
            raise ZeroDivisionError
        return settle(core, now)

    async with open_citizen(tmp_path / "ana", Config()) as ana:
        talk = await found(ana, "Ana")
        (known,) = ana.service.core.commons.values()
        monkeypatch.setattr(Core, "settle", broken)
        poison = from_value([known.key, 66, "Poison", 30, [], b""])
        driver = ana.service.driver
        await driver.feed(CommonsAdded(poison))
        await driver.feed(Reachable(known.id, 3))
        await driver.until(lambda core: core.reachable.get(known.id) == 3)
        await ana.call("say", {"dialogue": talk, "text": "still here"})
        assert messages(ana, talk) == ["still here"]
        assert poison.id not in ana.service.core.commons


async def test_a_view_the_node_breaks_on_stays_as_it_was(tmp_path, monkeypatch) -> None:
    told: list[object] = []

    def broken(_core: Core) -> tuple[()]:
        raise ZeroDivisionError

    async with open_citizen(tmp_path / "ana", Config()) as ana, trio.open_nursery() as nursery:
        talk = await found(ana, "Ana")
        views = Views(ana.methods)
        nursery.start_soon(views.run)
        views.watch(1, "dialogues", {}, None, told.append)
        views.watch(2, "messages", {"dialogue": talk}, None, told.append)
        monkeypatch.setattr("tertulia.protocol.views.dialogues", broken)
        await ana.call("say", {"dialogue": talk, "text": "hola"})
        with trio.fail_after(20):
            while len(told) < 3:
                await trio.testing.wait_all_tasks_blocked(0.05)
        assert isinstance(told[2], Delta)
        assert told[2].id == 2
        nursery.cancel_scope.cancel()


async def test_a_clock_far_from_a_neighbours_is_shown_until_it_is_set(tmp_path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana:
        await found(ana, "Ana")
        (carried,) = ana.service.carrying

        async def said() -> str:
            (row,) = (await ana.call("status"))["commons"]
            return str(row["error"])

        for skews, words in (
            ((0, 80), ""),
            ((125, 0), "that of one connected device, is 2 hours wrong"),
            ((-125, 9 * 24 * 60), "that of 2 connected devices, is 2 hours wrong"),
            ((0, 9 * 24 * 60), "that of one connected device, is 9 days wrong"),
            ((0, 0), ""),
        ):
            for peer, minutes in zip(("near", "far"), skews, strict=True):
                await carried.carrier.compare_clock(peer, Terms(0, 1, minutes * 60_000))
            told = await said()
            assert words in told
            assert bool(told) == bool(words)
