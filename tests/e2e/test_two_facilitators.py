"""Two facilitators, three whole nodes: one proposes, the other signs, the third is out."""

from __future__ import annotations

from pathlib import Path

from citizens import LOOPBACK, PATIENCE, Config, admitted, init, invited, join, messages, open_citizen, sees, until
from waiting import eventually

from tertulia.node.citizen import Citizen


async def acts(citizen: Citizen, talk: str) -> list[dict[str, object]]:
    return [dict(row) for row in (await citizen.call("acts", {"dialogue": talk}))["acts"]]


def hashes(key: bytes, *citizens: Citizen) -> set[bytes]:
    return {citizen.service.core.dialogues[key].state.hash for citizen in citizens}


async def test_two_of_them_remove_a_third_together(tmp_path: Path) -> None:
    async with (
        open_citizen(tmp_path / "ana", Config()) as ana,
        open_citizen(tmp_path / "ben", Config()) as ben,
        open_citizen(tmp_path / "eva", Config()) as eva,
    ):
        await init(ana, "Ana")
        await ana.call("commons.new", {"name": "Madrid", "listen": LOOPBACK})
        talk = str((await ana.call("dialogue.new", {"title": "Talk", "quorum": 2}))["dialogue"])
        invite = await invited(ana, talk, uses=2)
        for citizen, nick in ((ben, "Ben"), (eva, "Eva")):
            await admitted(citizen, await join(citizen, nick, invite))
        await eva.call("say", {"dialogue": talk, "text": "I do not agree"})
        for citizen in (ana, ben):
            await sees(citizen, talk, "I do not agree")

        role = await ana.call("role", {"dialogue": talk, "member": "Ben", "facilitator": True})
        assert role["state"] == "pending"
        key = bytes.fromhex(talk)
        await until(ben, lambda: len(ben.service.core.dialogues[key].state.acts) == 1)
        signed = await ben.call("cosign", {"dialogue": talk, "act": str(role["act"])[:8]})
        assert signed == {"act": role["act"], "state": "done"}

        removal = await ben.call("remove", {"dialogue": talk, "member": "Eva"})
        assert removal["state"] == "pending"
        await until(ana, lambda: len(ana.service.core.dialogues[key].state.acts) == 2)
        assert [(row["kind"], row["state"], row["signers"]) for row in await acts(ana, talk)] == [
            ("facilitator", "done", ["Ana", "Ben"]),
            ("remove", "pending", ["Ben"]),
        ]
        assert (await ana.call("cosign", {"dialogue": talk, "act": str(removal["act"])}))["state"] == "done"
        await until(eva, lambda: eva.service.core.dialogues[key].standing.value == "removed")
        await until(ben, lambda: len(ben.service.core.dialogues[key].state.roster) == 2)

        await ben.call("say", {"dialogue": talk, "text": "between us"})
        await sees(ana, talk, "I do not agree", "between us")
        assert "between us" not in messages(eva, talk)
        await eventually(lambda: len(hashes(key, ana, ben)) == 1, PATIENCE)  # either may be the last to hear
