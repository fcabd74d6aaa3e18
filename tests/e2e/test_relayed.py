"""Citizens behind relays: real nodes, real relay processes, nobody's machine listening but theirs."""

from __future__ import annotations

import shutil
import signal

import trio
from citizens import PASSPHRASE, admitted, found, invited, join, open_citizen, sees, sent, until
from relays import RelayProcess

from tertulia.protocol.address import peer_text
from tertulia.protocol.invite import decode_invite


class Relays:
    """Relay processes that are ended with the test."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.all: list[RelayProcess] = []

    async def start(self, ticket: str, name: str, *options: str) -> tuple[RelayProcess, str]:
        """A relay for the community of this ticket; and its address. `options` are of `relay init`."""
        one = RelayProcess(self.folder / name)
        await trio.to_thread.run_sync(one.init, *options)
        one.start()
        self.all.append(one)
        await one.answers()
        told = await trio.to_thread.run_sync(one.verb, "allow", ticket)
        return one, told["address"]

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        for one in self.all:
            if one.process is not None and one.process.poll() is None:
                one.process.kill()
                one.process.communicate()


def row(citizen) -> dict:
    (found_row,) = citizen.methods.status()["commons"]
    return found_row


def fed_by(citizen) -> set[str]:
    return {one["name"] for one in row(citizen)["relays"] if one["state"] == "fed"}


async def ended(relay: RelayProcess, how: int = signal.SIGTERM) -> int:
    """End a relay without holding up the citizens of this process; what its process returned."""
    return await trio.to_thread.run_sync(relay.end, how)


async def again(relay: RelayProcess) -> None:
    """Start it anew; until it answers, so that what is waited for after that is the citizens'."""
    relay.start()
    await relay.answers()


async def ticket_of(citizen) -> str:
    return (await citizen.call("commons.ticket"))["ticket"]


async def test_a_community_moves_behind_two_relays_and_outlives_one(tmp_path) -> None:
    with Relays(tmp_path / "relays") as relays:
        async with open_citizen(tmp_path / "ruth") as ruth, open_citizen(tmp_path / "omar") as omar:
            talk = await found(ruth, "Ruth")
            assert row(ruth)["reach"] == "direct"
            ticket = await ticket_of(ruth)
            lisboa, address = await relays.start(ticket, "lisboa")
            answer = await ruth.call("commons.relays.add", {"address": address, "words": "Lisboa"})
            assert answer["state"] == "published"
            await until(ruth, lambda: fed_by(ruth) == {"Lisboa"})
            assert row(ruth)["reach"] == "relayed"
            assert row(ruth)["sees"] == "Lisboa sees this machine's address, and nobody else does."
            assert not row(ruth)["listening"]
            assert ruth.service.carrying.get(next(iter(ruth.service.core.commons))).network.addresses == ()

            _tbilisi, other = await relays.start(ticket, "tbilisi")
            await ruth.call("commons.relays.add", {"address": other, "words": "Tbilisi"})
            await until(ruth, lambda: fed_by(ruth) == {"Lisboa", "Tbilisi"})

            invite = await invited(ruth, talk)
            assert decode_invite(invite).address.port in {int(one.split("/")[4]) for one in (address, other)}
            await admitted(omar, await join(omar, "Omar", invite))
            await until(omar, lambda: fed_by(omar) == {"Lisboa", "Tbilisi"})
            await ruth.call("say", {"dialogue": talk, "text": "one"})
            await sees(omar, talk, "one")
            await sent(ruth)
            (said,) = (one for one in (await ruth.call("read", {"dialogue": talk}))["messages"] if one["text"] == "one")
            assert set(said["relays"]) & {"Lisboa", "Tbilisi"}

            await ended(lisboa, signal.SIGKILL)
            await until(ruth, lambda: fed_by(ruth) == {"Tbilisi"})
            await until(omar, lambda: fed_by(omar) == {"Tbilisi"})
            await omar.call("say", {"dialogue": talk, "text": "two"})
            await sees(ruth, talk, "one", "two")
            await until(ruth, lambda: row(ruth)["error"] == "Lisboa cannot be reached; Tbilisi can.")


async def test_who_was_relayed_stays_so_without_relays_and_locked(tmp_path) -> None:
    with Relays(tmp_path / "relays") as relays:
        async with open_citizen(tmp_path / "ruth") as ruth:
            await found(ruth, "Ruth")
            lisboa, address = await relays.start(await ticket_of(ruth), "lisboa")
            await ruth.call("commons.relays.add", {"address": address, "words": "Lisboa"})
            await until(ruth, lambda: fed_by(ruth) == {"Lisboa"})
            await ended(lisboa)
            await until(ruth, lambda: row(ruth)["peers"] == 0)
            await ruth.call("commons.relays.remove", {"relay": "Lisboa"})
            assert row(ruth)["relays"] == []
            assert row(ruth)["reach"] == "relayed"
        async with open_citizen(tmp_path / "ruth") as ruth:
            assert ruth.service.state.value == "locked"
            await ruth.service.carrying.ready()
            assert row(ruth)["reach"] == "relayed"
            assert not row(ruth)["listening"]
            assert "nobody sees" in row(ruth)["sees"]


async def test_a_relay_put_back_to_an_older_day_is_named_and_brought_up_to_date(tmp_path) -> None:
    with Relays(tmp_path / "relays") as relays:
        async with open_citizen(tmp_path / "ruth") as ruth:
            talk = await found(ruth, "Ruth")
            lisboa, address = await relays.start(await ticket_of(ruth), "lisboa")
            await ruth.call("commons.relays.add", {"address": address, "words": "Lisboa"})
            await until(ruth, lambda: fed_by(ruth) == {"Lisboa"})
            await sent(ruth)
            assert await ended(lisboa) == 0
            await until(ruth, lambda: fed_by(ruth) == set())
            shutil.copytree(lisboa.folder, tmp_path / "backup")
            await again(lisboa)
            await until(ruth, lambda: fed_by(ruth) == {"Lisboa"})
            await invited(ruth, talk)
            await sent(ruth)
            assert row(ruth)["error"] == ""
            await ended(lisboa, signal.SIGKILL)
            shutil.rmtree(lisboa.folder)
            shutil.copytree(tmp_path / "backup", lisboa.folder)
            await again(lisboa)
            named = "Lisboa no longer has 1 of the messages it said it keeps."
            await until(ruth, lambda: row(ruth)["error"] == named)
            # Named while the session still runs; that it is whole again is the relay's to say.
            with trio.fail_after(30):
                while (held := (await lisboa.answers())["communities"][0]["frames"]) < 2:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert held == 2  # the card and the invite


async def test_a_pasted_address_leads_back_when_every_listed_relay_is_lost(tmp_path) -> None:
    with Relays(tmp_path / "relays") as relays:
        async with open_citizen(tmp_path / "ruth") as ruth:
            await found(ruth, "Ruth")
            ticket = await ticket_of(ruth)
            nowhere = f"/ip4/127.0.0.1/tcp/9/p2p/{peer_text(bytes(32))}"
            await ruth.call("commons.relays.add", {"address": nowhere, "words": "Lost"})
            await until(ruth, lambda: row(ruth)["reach"] == "relayed")
            assert "nobody sees" in row(ruth)["sees"]
            _one, address = await relays.start(ticket, "new", "--name", "Casa Nova", "--country", "Chile")
            await ruth.call("commons.relays.try", {"address": address, "words": "New"})
            await until(ruth, lambda: fed_by(ruth) == {"New"})
            await until(ruth, lambda: row(ruth)["error"] == "Lost cannot be reached; New can.")
            # What its operator says of it came with the feed, signed by the relay.
            await until(ruth, lambda: any(one["says"] for one in row(ruth)["relays"]))
            said = {one["name"]: (one["says"].get("country"), one["card"]) for one in row(ruth)["relays"]}
            assert said["Lost"] == (None, "")
            assert said["New"][0] == "Chile"
            assert said["New"][1].startswith("Its operator says: run by “Casa Nova”; in Chile; keeps messages for as")


async def test_two_stewards_on_two_machines_decide_together(tmp_path) -> None:
    async with open_citizen(tmp_path / "ruth") as ruth:
        talk = await found(ruth, "Ruth")
        async with open_citizen(tmp_path / "omar") as omar:
            await admitted(omar, await join(omar, "Omar", await invited(ruth, talk)))
            key = (await omar.call("commons.stewards.key"))["steward"]
            waiting = await ruth.call("commons.stewards.add", {"steward": key, "quorum": 2})
            assert (waiting["state"], waiting["lacking"]) == ("waiting", 1)
            keeper = omar.service.carrying.get(next(iter(omar.service.core.commons))).keeper
            await until(omar, lambda: bool(keeper.proposals))
        # Met while he was there or not, a proposal waits for his unlocking.
        async with open_citizen(tmp_path / "omar") as omar:
            await omar.call("unlock", {"passphrase": PASSPHRASE})
            shown: list = []
            while not shown:
                shown = (await omar.call("commons.card"))["proposals"]
                await trio.sleep(0.02)
            assert shown[0]["stewards"] == sorted([key, (await ruth.call("commons.stewards.key"))["steward"]])
            assert (await omar.call("commons.sign", {"card": shown[0]["card"]}))["state"] == "published"
            keeper = ruth.service.carrying.get(next(iter(ruth.service.core.commons))).keeper
            await until(ruth, lambda: keeper.chain[-1].card.stewards.quorum == 2)
            assert (await ruth.call("commons.renew"))["state"] == "waiting"
