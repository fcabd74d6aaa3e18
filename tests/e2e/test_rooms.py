"""Rooms between real nodes: what is said in a breakout is on nobody's disk but theirs who are in it."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from citizens import Config, admitted, found, invited, join, messages, open_citizen, sent, until

from tertulia.node.citizen import Citizen
from tertulia.protocol import views
from tertulia.protocol.effects import Table
from tertulia.protocol.errors import LocalError
from tertulia.protocol.frame import Frame, read
from tertulia.protocol.ids import CommonsId, DialogueId, RoomId

SECRET = "between the three of us alone"


def said(citizen: Citizen, talk: str, room: str) -> list[str]:
    core = citizen.service.core
    key = DialogueId(bytes.fromhex(talk))
    apart = next((one for one in core.dialogues[key].state.rooms if one.hex() == room), None)
    return [str(row["text"]) for _, row in views.messages(core, key, apart=apart)]


async def frames_of(citizen: Citizen, commons: CommonsId) -> list[Frame]:
    """Everything in a citizen's archive."""
    raws = await citizen.service._shelf.run(lambda archive: list(archive.between(commons, 0, 2**32 - 1)))
    return [read(raw) for raw in raws]


def opens(citizen: Citizen, commons: CommonsId, frame: Frame) -> RoomId | bool:
    """The breakout under whose keys a citizen opens a frame; or whether they open it at all."""
    trial = citizen.service.core.recogniser.recognise(commons, frame)
    return getattr(trial.target, "room", None) or True if trial is not None else False


def vault_of(citizen: Citizen) -> bytes:
    """Everything in a citizen's vault, decrypted."""
    vault = citizen.service._vault
    assert vault is not None
    return b"".join(key + value for table in Table for key, value in vault.rows(table))


async def test_a_breakout_is_for_those_in_it(tmp_path: Path) -> None:
    names = ("ruth", "omar", "ada", "bo")
    async with AsyncExitStack() as stack:
        ruth, omar, ada, bo = [
            await stack.enter_async_context(open_citizen(tmp_path / name, Config())) for name in names
        ]
        talk = await found(ruth, "Ruth")
        invite = await invited(ruth, talk, uses=3)
        for guest, nick in ((omar, "Omar"), (ada, "Ada"), (bo, "Bo")):
            await admitted(guest, await join(guest, nick, invite))
        answer = await ruth.call(
            "room.open", {"dialogue": talk, "title": "Quotas", "members": ["Omar", "Ada"], "rapporteur": "Ada"}
        )
        assert answer["state"] == "done"
        room = str(answer["room"])
        key = DialogueId(bytes.fromhex(talk))
        for one in (omar, ada, bo):
            await until(one, lambda one=one: len(one.service.core.dialogues[key].state.rooms) == 2)  # type: ignore[misc]
        await omar.call("say", {"dialogue": talk, "text": SECRET, "room": "Quotas"})
        await until(ada, lambda: said(ada, talk, room) == [SECRET])
        await ada.call("say", {"dialogue": talk, "text": "We ask for fifty.", "form": "report", "target": "Quotas"})
        await sent(ada)
        await until(bo, lambda: messages(bo, talk) == ["We ask for fifty."])
        for outside in (ruth, bo):
            with pytest.raises(LocalError, match="not in this room"):
                await outside.call("say", {"dialogue": talk, "text": "and I?", "room": "Quotas"})
            assert said(outside, talk, room) == []
        epochs = {
            name
            for name, fact in bo.service.core.dialogues[key].state.epochs.items()
            if fact.epoch.room.hex() == room
        }
        assert epochs
        assert bo.service.core.dialogues[key].secrets.keys().isdisjoint(epochs)
        commons = bo.service.core.dialogues[key].commons
        carried = await frames_of(bo, commons)
        theirs = [frame for frame in carried if opens(ada, commons, frame) == RoomId(bytes.fromhex(room))]
        assert theirs  # Bo carries what was said there, and none of his keys opens it
        assert not any(opens(bo, commons, frame) for frame in theirs)
        assert SECRET.encode() not in vault_of(bo) + vault_of(ruth)
        assert SECRET.encode() in vault_of(ada)


async def test_nothing_is_left_of_a_corridor(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ruth, omar, ada = [
            await stack.enter_async_context(open_citizen(tmp_path / name, Config())) for name in ("ruth", "omar", "ada")
        ]
        talk = await found(ruth, "Ruth")
        invite = await invited(ruth, talk, uses=2)
        for guest, nick in ((omar, "Omar"), (ada, "Ada")):
            await admitted(guest, await join(guest, nick, invite))
        key = DialogueId(bytes.fromhex(talk))
        for one in (omar, ada):
            await until(one, lambda one=one: len(one.service.core.dialogues[key].state.roster) == 3)  # type: ignore[misc]
        asked = await omar.call("corridor.open", {"dialogue": talk, "members": ["Ada"]})
        name = bytes.fromhex(str(asked["corridor"]))
        await until(ada, lambda: name in ada.service.core.corridors)
        await ada.call("corridor.answer", {"corridor": "", "agree": True})
        await until(omar, lambda: bool(omar.service.core.corridors[name].secret))
        await omar.call("corridor.say", {"corridor": "", "text": SECRET})
        await until(ada, lambda: bool(ada.service.core.corridors[name].said))
        held = ada.service.core.corridors[name]
        assert held.key is not None
        looked_for = (name, SECRET.encode(), held.secret, held.key.hpke_seed, held.key.box_secret)
        assert all(one in vault_of(ada) for one in looked_for)
        await ada.call("corridor.close", {"corridor": name.hex()[:8]})
        await until(omar, lambda: not omar.service.core.corridors)
        for one in (omar, ada, ruth):
            assert not any(found in vault_of(one) for found in looked_for)
            assert (await one.call("corridor.list"))["corridors"] == []
        for one, folder in ((omar, "omar"), (ada, "ada")):  # nor in what the database keeps beside the vault
            for log in (tmp_path / folder).rglob("vault*-wal"):
                assert log.stat().st_size == 0, one
