"""A steward's key is stolen, and the thief uses it: real nodes, a real relay, an invite from before."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import trio
from citizens import admitted, found, invited, join, open_citizen, sees, sent
from relays import relay as running_relay
from waiting import eventually

from tertulia.node.clock import wall_clock
from tertulia.protocol import frame as frames
from tertulia.protocol.commons_card import Stewards, unsigned
from tertulia.protocol.commons_chain import card_frame_keys, chain_item, proposal_item
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.errors import LocalError, RejectReason
from tertulia.protocol.frame import FrameClass


def commons_of(citizen):
    (commons,) = citizen.service.core.commons
    return commons


def keeper(citizen):
    return citizen.service.carrying.get(commons_of(citizen)).keeper


def card(citizen):
    return keeper(citizen).chain[-1].card


def facilitators(citizen, talk: str) -> list:
    state = citizen.service.core.dialogues[bytes.fromhex(talk)].state
    return [one for one in state.roster if state.members[one].facilitator]


async def proposal(citizen, card_id: str) -> None:
    """Wait until this proposal is on the citizen's screen, beside whatever else is."""
    with trio.fail_after(30):
        while card_id not in {one["card"] for one in (await citizen.call("commons.card"))["proposals"]}:  # noqa: ASYNC110
            await trio.sleep(0.02)


async def decided(first, second, method: str, **params) -> dict:
    """One steward changes the card, another one signs; until both follow it."""
    waiting = await first.call(method, params)
    if waiting["state"] == "waiting":
        await proposal(second, waiting["card"])
        assert (await second.call("commons.sign", {"card": waiting["card"]}))["state"] == "published"
    for one in (first, second):
        await eventually(lambda one=one: card(one).version >= waiting["version"], 30)
    return waiting


class Thief:
    """Whoever has a copy of a steward's seed, and puts what they like into the community through their own node."""

    def __init__(self, citizen) -> None:
        self._citizen, self._here = citizen, citizen.service.core.commons[commons_of(citizen)]
        self.seed = citizen.service.core.stewarding[commons_of(citizen)].seed
        self.before = keeper(citizen).chain[-1]

    async def _put(self, item) -> None:
        keys, minute = card_frame_keys(self._here.key), frames.publication_minute(wall_clock())
        frame = frames.seal(self._here.key, keys, FrameClass.LARGE, minute, os.urandom(24), [item])
        await self._citizen.service.carrying.publish(self._here.id, [frame])

    async def propose(self, version: int) -> None:
        changed = replace(self.before.card, version=version, relays=())
        await self._put(proposal_item(unsigned(changed).with_signature(self.seed)))

    async def publish(self, version: int, *seeds: bytes, stewards: Stewards) -> None:
        """A card that follows the one from before, with these signatures."""
        signed = unsigned(replace(self.before.card, version=version, stewards=stewards))
        for seed in seeds:
            signed = signed.with_signature(seed)
        await self._put(chain_item((self.before, signed)))


async def test_a_stolen_key_is_succeeded_and_everybody_follows(tmp_path) -> None:
    async with AsyncExitStack() as stack:
        names = ("ruth", "omar", "lea", "ada")
        people = [await stack.enter_async_context(open_citizen(tmp_path / name)) for name in names]
        ruth, omar, lea, ada = people
        talk = await found(ruth, "Ruth")
        for one, name in ((omar, "Omar"), (lea, "Lea"), (ada, "Ada")):
            await admitted(one, await join(one, name, await invited(ruth, talk)))
        keys = {one: (await one.call("commons.stewards.key"))["steward"] for one in people}
        await ruth.call("commons.stewards.add", {"steward": keys[omar]})
        await eventually(lambda: bool(keeper(omar).chain), 30)
        await decided(ruth, omar, "commons.stewards.add", steward=keys[lea], quorum=2)
        here = ruth.service.core.commons[commons_of(ruth)]
        async with running_relay(tmp_path / "relay", here) as lisboa:
            (served,) = lisboa.verb("status")["communities"]
            address = served["address"]
            await decided(ruth, omar, "commons.relays.add", address=address, words="Lisboa")
            for one in people:
                await eventually(lambda one=one: bool(card(one).relays), 30)
            await ruth.call("role", {"dialogue": talk, "member": "Omar", "facilitator": True})
            await eventually(lambda: len(facilitators(omar, talk)) == 2, 30)
            old_invite = await invited(omar, talk)

            # Ruth's machine is in other hands from now on: its key crowds the proposals, and signs what it likes.
            thief = Thief(ruth)
            for version in range(50, 62):
                await thief.propose(version)
            handed = await decided(omar, lea, "commons.stewards.succeed", steward=keys[ruth], successor=keys[ada])
            assert handed["lacking"] == 1
            heirs = sorted(bytes.fromhex(keys[one]) for one in (omar, lea, ada))
            for one in people:
                await eventually(lambda one=one: list(card(one).stewards.keys) == heirs, 30)

            # Without a quorum a card is forged; by the key that once decided alone, it is a fork.
            eve = os.urandom(32)
            eves = Stewards((signing_public(eve),), 1)
            theirs = Stewards(tuple(sorted([signing_public(thief.seed), signing_public(eve)])), 1)
            honest = {one: dict(keeper(one).refused) for one in (omar, lea, ada)}
            await thief.publish(90, eve, stewards=eves)
            await thief.publish(91, thief.seed, eve, stewards=theirs)
            for one in (omar, lea, ada):
                for reason in (RejectReason.PROOF, RejectReason.FORK):
                    await until_counted(keeper(one).refused, reason, honest[one].get(reason, 0) + 1)
                assert list(card(one).stewards.keys) == heirs
            assert (await lea.call("commons.card"))["contested"]

            # The successor decides with one of the others; the thief does not.
            await decided(ada, lea, "commons.renew")
            with pytest.raises(LocalError, match="Only a steward"):
                await ruth.call("commons.renew")

            # A newcomer with an invite from before finds the card of today.
            async with open_citizen(tmp_path / "noor") as noor:
                await admitted(noor, await join(noor, "Noor", old_invite))
                await eventually(lambda: bool(keeper(noor).chain) and card(noor) == card(ada), 30)
                await noor.call("say", {"dialogue": talk, "text": "hello"})
                await sent(noor)
                await sees(lea, talk, "hello")


async def until_counted(counts, reason: RejectReason, least: int) -> None:
    with trio.fail_after(30):
        while counts[reason] < least:  # noqa: ASYNC110 - a counter has no event
            await trio.sleep(0.02)
