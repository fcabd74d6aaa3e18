"""A node follows its community's card by what it archives; forgeries are counted by reason, and change nothing."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import replace

import trio
from carriers import carrier, commons, now_minute
from waiting import eventually

from tertulia.node.card_keeper import CardKeeper
from tertulia.protocol import frame as frames
from tertulia.protocol.address import from_multiaddr
from tertulia.protocol.commons_card import CommonsCard, Relay, Stewards, unsigned
from tertulia.protocol.commons_chain import card_frame_keys, chain_item, proposal_item
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.errors import RejectReason
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.item import Item, ItemType

ADA, EVE = b"a" * 32, b"e" * 32
FOUNDERS = Stewards((signing_public(ADA),), 1)
HERE = replace(commons(), stewards=FOUNDERS.digest)
NOW = now_minute()
DAY = 24 * 60
RELAY = Relay(b"\7" * 32, "Lisboa", (from_multiaddr("/ip4/192.0.2.7/tcp/4001")[0],))
CARD = CommonsCard(HERE.id, 1, 1, "Test", 30, FOUNDERS, NOW - 10, NOW + 90 * DAY, relays=(RELAY,))


def signed(version: int, *seeds: bytes, **changes):
    card = unsigned(replace(CARD, version=version, **changes))
    for seed in seeds or (ADA,):
        card = card.with_signature(seed)
    return card


def carrying(item: Item, minute: int = NOW):
    return frames.seal(HERE.key, card_frame_keys(HERE.key), FrameClass.LARGE, minute, os.urandom(24), [item])


class Clock:
    def __init__(self) -> None:
        self.minute = NOW

    def __call__(self) -> int:
        return self.minute * 60_000


@asynccontextmanager
async def kept(folder, where=HERE, clock=None):
    """A carrier, and a keeper that heeds what it archives."""
    async with carrier(folder, where) as one:
        keeper = CardKeeper(where, one.shelf, clock or Clock())
        one.heeds = keeper.look
        await keeper.load()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run, one.publish)
            yield one, keeper
            nursery.cancel_scope.cancel()


async def follows(keeper: CardKeeper, version: int) -> None:
    await eventually(lambda: keeper.chain and keeper.chain[-1].card.version == version)


async def refuses(keeper: CardKeeper, reason: RejectReason, count: int = 1) -> None:
    await eventually(lambda: keeper.refused[reason] >= count)


async def test_a_card_is_followed_by_whoever_archives_it_and_stays_through_a_restart(tmp_path) -> None:
    heard = []

    async def note(chain) -> None:
        heard.append(chain[-1].card.version)

    async with kept(tmp_path) as (one, keeper):
        keeper.on_followed = note
        await one.keep([carrying(chain_item((signed(1),)))], "somebody")
        await follows(keeper, 1)
        await one.keep([carrying(chain_item((signed(2, relays=()),)))], "somebody")
        await follows(keeper, 2)
        assert heard == [1, 2]
    async with kept(tmp_path) as (_one, keeper):
        assert keeper.chain[-1].card.version == 2


async def test_a_card_archived_before_is_found_at_the_start(tmp_path) -> None:
    async with carrier(tmp_path, HERE) as one:
        await one.keep([carrying(chain_item((signed(1),)))], "somebody")
    async with kept(tmp_path) as (_one, keeper):
        await follows(keeper, 1)


async def test_forged_expired_and_rolled_back_cards_are_refused_each_for_its_reason(tmp_path) -> None:
    async with kept(tmp_path) as (one, keeper):
        await one.keep([carrying(chain_item((signed(3),)))], "somebody")
        await follows(keeper, 3)
        wrong = [
            (RejectReason.PROOF, chain_item((signed(4, EVE),))),
            (RejectReason.PROOF, chain_item((signed(4, EVE, stewards=Stewards((signing_public(EVE),), 1)),))),
            (RejectReason.OLD, chain_item((signed(2),))),
            (RejectReason.EXPIRED, chain_item((signed(4, issued=NOW - 100, expires=NOW - 1),))),
            (RejectReason.WINDOW, chain_item((signed(4, issued=NOW + 1_000),))),
            (RejectReason.SHAPE, Item(ItemType.COMMONS_CARD, [b"junk"])),
            (RejectReason.SHAPE, Item(ItemType.COMMONS_PROPOSAL, b"junk")),
        ]
        expected: dict[RejectReason, int] = {}
        for reason, item in wrong:
            expected[reason] = expected.get(reason, 0) + 1
            await one.keep([carrying(item)], "somebody")
            await refuses(keeper, reason, expected[reason])
        assert keeper.chain[-1].card.version == 3
        assert dict(keeper.refused) == expected


async def test_a_guest_meets_the_card_before_they_know_whom_to_trust(tmp_path) -> None:
    async with kept(tmp_path, replace(HERE, stewards=b"")) as (one, keeper):
        await one.keep([carrying(chain_item((signed(1, EVE, stewards=Stewards((signing_public(EVE),), 1)),)))], "eve")
        await one.keep([carrying(chain_item((signed(1),)))], "somebody")
        await refuses(keeper, RejectReason.PROOF, 2)
        assert keeper.chain == ()
        keeper.learn(HERE)
        await follows(keeper, 1)
        assert keeper.chain[-1].card.stewards == FOUNDERS


async def test_a_proposal_is_handed_on_only_if_a_steward_made_it(tmp_path) -> None:
    seen = []

    async def note(card) -> None:
        seen.append(card.card.version)

    async with kept(tmp_path) as (one, keeper):
        keeper.on_proposed = note
        await one.keep([carrying(chain_item((signed(1),)))], "somebody")
        await follows(keeper, 1)
        await one.keep([carrying(proposal_item(signed(7, EVE))), carrying(proposal_item(signed(8)))], "somebody")
        await eventually(lambda: seen)
        assert seen == [8]
    async with kept(tmp_path) as (_one, keeper):
        assert [proposal.card.version for proposal in keeper.proposals] == [8]
        spoilt = replace(signed(8), signatures=((signing_public(EVE), bytes(64)),)).with_signature(ADA)
        await keeper._propose(spoilt)
        assert [len(proposal.signatures) for proposal in keeper.proposals] == [1]


async def test_the_card_is_published_again_before_it_leaves_the_archives(tmp_path) -> None:
    clock = Clock()
    published = []

    async def publish(batch) -> None:
        published.extend(batch)

    async with carrier(tmp_path, HERE) as one:
        keeper = CardKeeper(HERE, one.shelf, clock)
        await keeper.follow((signed(1),))
        for days in (1, 9, 11, 12):
            clock.minute = NOW + days * DAY
            await keeper._publish_again(publish)
        assert len(published) == 1
        again = CardKeeper(HERE, one.shelf, clock)
        again.look(published)
        await again._settle()
        assert again.chain[-1].id == keeper.chain[-1].id
        clock.minute = NOW + 100 * DAY
        assert keeper.is_expired
        await keeper._publish_again(publish)
        assert len(published) == 1


async def test_a_damaged_record_is_no_card(tmp_path) -> None:
    async with carrier(tmp_path, HERE) as one:
        key = f"card {HERE.id.hex()}"
        await one.shelf.run(lambda archive: archive.put_setting(key, b"\xff"))
        keeper = CardKeeper(HERE, one.shelf, Clock())
        await keeper.load()
        assert keeper.chain == ()
        assert keeper.refused[RejectReason.ENCODING] == 1
