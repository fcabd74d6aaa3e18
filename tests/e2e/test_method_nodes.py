"""The method over whole nodes: rules first, a proposal and its versions, hidden stances, a round with one offline."""

from __future__ import annotations

from pathlib import Path

import pytest
from citizens import LOOPBACK, PASSPHRASE, Config, admitted, init, invited, join, open_citizen, sees, sent, until

from tertulia.node.citizen import Citizen
from tertulia.protocol.errors import LocalError
from tertulia.protocol.views_proceedings import proceedings


async def matter(citizen: Citizen, talk: str, named: str) -> dict[str, object]:
    rows = (await citizen.call("matters", {"dialogue": talk}))["matters"]
    return next(dict(row) for row in rows if row["id"] == named)


async def holds(citizen: Citizen, talk: str, named: object) -> None:
    """Wait until a citizen holds an event."""
    key = bytes.fromhex(talk)
    await until(citizen, lambda: bytes.fromhex(str(named)) in citizen.service.core.dialogues[key].events)


async def opened(citizen: Citizen, talk: str, *, is_open: bool = True) -> dict[str, object]:
    """The round, as soon as the citizen has heard of it, or of its end."""
    core, key = citizen.service.core, bytes.fromhex(talk)
    await until(citizen, lambda: [row["open"] for row in proceedings(core, key)["rounds"]] == [is_open])
    return dict(proceedings(core, key)["rounds"][0])


async def test_a_round_waits_for_who_is_offline_and_a_proposal_goes_through_its_versions(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ana", Config()) as ana, open_citizen(tmp_path / "eva", Config()) as eva:
        await init(ana, "Ana")
        await ana.call("commons.new", {"name": "Madrid", "listen": LOOPBACK})
        talk = str((await ana.call("dialogue.new", {"title": "Visas", "track": "3"}))["dialogue"])
        invite = await invited(ana, talk, uses=2)
        await admitted(eva, await join(eva, "Eva", invite))
        async with open_citizen(tmp_path / "ben", Config()) as ben:
            await admitted(ben, await join(ben, "Ben", invite))
            with pytest.raises(LocalError, match="not accepted the rules"):
                await ben.call("say", {"dialogue": talk, "text": "Too early"})
            for citizen in (ben, eva):
                await citizen.call("accept", {"dialogue": talk})
                await sent(citizen)
            key = bytes.fromhex(talk)
            await until(
                ana, lambda: all(one.accepted for one in ana.service.core.dialogues[key].state.members.values())
            )
        # Ben is offline from here on.
        act = (await ana.call("act", {"dialogue": talk, "deed": "round", "reason": "Check-in", "minutes": 60}))["act"]
        await holds(eva, talk, act)
        assert (await opened(eva, talk))["turn"] is True
        await eva.call("say", {"dialogue": talk, "text": "I am well"})
        with pytest.raises(LocalError, match="had your turn in this round"):
            await eva.call("say", {"dialogue": talk, "text": "and"})
        await sees(ana, talk, "I am well")
        await ana.call("say", {"dialogue": talk, "text": "So am I"})
        await sees(eva, talk, "I am well", "So am I")
        assert (await opened(ana, talk))["awaited"] == ["Ben"]
        with pytest.raises(LocalError, match="Ben may still be offline"):
            await ana.call("act", {"dialogue": talk, "deed": "end", "reason": "On"})

        pilot = str((await eva.call("propose", {"dialogue": talk, "title": "Pilot", "text": "Fifty"}))["id"])
        await holds(ana, talk, pilot)
        better = str((await ana.call("amend", {"dialogue": talk, "id": pilot, "text": "Sixty"}))["id"])
        await holds(eva, talk, better)
        taken = (await eva.call("take", {"dialogue": talk, "id": better}))["id"]
        await holds(ana, talk, taken)
        assert (await matter(ana, talk, pilot))["versions"] == [pilot, better]
        with pytest.raises(LocalError, match="says why"):
            await ana.call("stance", {"dialogue": talk, "id": better, "value": "disagree"})
        stance = {"dialogue": talk, "id": better, "value": "disagree", "reason": "Too many"}
        await holds(eva, talk, (await ana.call("stance", stance))["id"])
        row = await matter(eva, talk, better)
        assert (row["hidden"], row["disagree"], row["objection"]) == (True, 0, "")
        await eva.call("stance", {"dialogue": talk, "id": better, "value": "agree"})
        row = await matter(eva, talk, better)
        assert (row["hidden"], row["agree"], row["disagree"], row["objection"]) == (False, 1, 1, "Too many")

        async with open_citizen(tmp_path / "ben", Config()) as ben:
            await ben.call("unlock", {"passphrase": PASSPHRASE})
            await sees(ben, talk, "I am well", "So am I")
            found = await opened(ben, talk)
            assert (found["turn"], found["spoken"], found["awaited"]) == (True, ["Eva", "Ana"], ["Ben"])
            await ben.call("say", {"dialogue": talk, "text": "Back again"})
            await sees(eva, talk, "I am well", "So am I", "Back again")
            assert (await opened(eva, talk, is_open=False))["spoken"] == ["Eva", "Ana", "Ben"]
            await eva.call("say", {"dialogue": talk, "text": "Now freely"})
            await sees(ben, talk, "I am well", "So am I", "Back again", "Now freely")
