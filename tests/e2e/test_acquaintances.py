"""Two citizens who know each other talk again with no line of text handed over: whole nodes, real libp2p and disks."""

from __future__ import annotations

from pathlib import Path

from citizens import PASSPHRASE, Config, admitted, found, invited, join, messages, open_citizen, sees, until

from tertulia.node.citizen import Citizen


async def named(citizen: Citizen, dialogue: str, nick: str) -> dict[str, object]:
    rows = (await citizen.call("members", {"dialogue": dialogue}))["members"]
    return next(row for row in rows if row["nick"] == nick)


def shown(citizen: Citizen) -> bool:
    return any(one.root for one in citizen.service.core.knowing.shown.values())


async def test_a_contact_is_talked_to_again_without_a_qr_and_survives_a_restart(tmp_path: Path) -> None:
    async with open_citizen(tmp_path / "ruth", Config()) as ruth:
        first = await found(ruth, "Ruth", "First")
        async with open_citizen(tmp_path / "omar", Config()) as omar:
            await admitted(omar, await join(omar, "Omar", await invited(ruth, first, uses=2)))
            await ruth.call("reveal", {"dialogue": first})
            await omar.call("reveal", {"dialogue": first})
            await until(ruth, lambda: shown(ruth))
            await until(omar, lambda: shown(omar))
            number = (await ruth.call("verify", {"dialogue": first, "member": "Omar", "same": True}))["number"]
            assert (await named(omar, first, "Ruth"))["number"] == number
            assert (await named(ruth, first, "Omar"))["identity"] == "verified"
            await ruth.call("contacts.add", {"dialogue": first, "member": "Omar", "name": "Cousin in Lyon"})
            await omar.call("contacts.add", {"dialogue": first, "member": "Ruth", "name": "Ruth"})
            async with open_citizen(tmp_path / "ada", Config()) as ada:  # so that the two are not alone any more
                await admitted(ada, await join(ada, "Ada", await invited(ruth, first)))
                await until(omar, lambda: len(omar.service.core.dialogues[bytes.fromhex(first)].state.roster) == 3)
        begun = await ruth.call("contacts.talk", {"contact": "cousin in lyon"})  # while Omar is away
        assert (begun["state"], begun["title"]) == ("new", "Ruth & Omar")
        async with open_citizen(tmp_path / "omar", Config()) as omar:
            await omar.call("unlock", {"passphrase": PASSPHRASE})
            await until(omar, lambda: bool(omar.service.core.offers))
            (row,) = (await omar.call("contacts.list"))["contacts"]
            assert row["offers"][0]["title"] == "Ruth & Omar"
            joining = await omar.call("join", {"invite": row["offers"][0]["invite"]})
            await admitted(omar, str(joining["join"]))
            await omar.call("say", {"dialogue": str(begun["dialogue"]), "text": "Here I am"})
            await sees(ruth, str(begun["dialogue"]), "Here I am")
            assert messages(omar, first) == messages(ruth, first) == []
