"""The card of a commons: one encoding, signed by stewards; and which card of several is followed."""

import json
import random
from contextlib import suppress
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from stewards import MINUTE, reason_of, stewards

from tertulia.protocol import commons_chain
from tertulia.protocol.address import Address, AddressKind, from_multiaddr
from tertulia.protocol.commons import Commons
from tertulia.protocol.commons_card import (
    LIMIT_RELAYS,
    CommonsCard,
    Limits,
    Relay,
    SignedCard,
    unsigned,
)
from tertulia.protocol.commons_chain import (
    LIMIT_CHAIN,
    LIMIT_CHAIN_BYTES,
    card_frame_keys,
    chain_item,
    follow,
    is_rightful,
    proposal_item,
    read_chain,
)
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.item import Item, ItemType

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/commons.json").read_text("utf-8"))
KEY = bytes.fromhex(VECTORS["key"])
SEEDS = {name: bytes.fromhex(seed) for name, seed in VECTORS["seeds"].items()}
ADA, BEN, EVE = (SEEDS[name] for name in ("ada", "ben", "eve"))
NOW = MINUTE
DAY = 24 * 60


JUST_ADA, BOTH = stewards(1, ADA), stewards(2, ADA, BEN)
COMMONS = Commons(KEY, 1, "", stewards=JUST_ADA.digest)
RELAY = Relay(b"\7" * 32, "Lisboa", (from_multiaddr("/ip4/192.0.2.7/tcp/4001")[0],))
CARD = CommonsCard(COMMONS.id, 1, 1, "Harbour", 30, JUST_ADA, NOW - 10, NOW + 90 * DAY)


def made(version, who=JUST_ADA, *seeds, **changes):
    card = unsigned(replace(CARD, version=version, stewards=who, **changes))
    for seed in seeds:
        card = card.with_signature(seed)
    return card


FIRST = made(1, JUST_ADA, ADA)
SECOND = made(2, BOTH, ADA, BEN, relays=(RELAY,))
THIRD = made(3, BOTH, ADA, BEN)


# Known answers --------------------------------------------------------------------------------------------------------


def test_the_known_cards():
    assert VECTORS["commons"] == COMMONS.id.hex()
    for vector, here in zip(VECTORS["stewards"], (JUST_ADA, BOTH), strict=True):
        assert [key.hex() for key in here.keys] == vector["keys"]
        assert here.digest.hex() == vector["digest"]
    chain = commons_chain.from_bytes(bytes.fromhex(VECTORS["chain"]))
    assert commons_chain.to_bytes(chain).hex() == VECTORS["chain"]
    assert [signed.id.hex() for signed in chain] == [vector["id"] for vector in VECTORS["cards"]]
    assert [signed.card.encoded() for signed in chain] == [signed.body for signed in chain]
    newest = chain[-1].card
    assert (newest.name, newest.retention_days, newest.limits) == ("Harbour", 30, Limits(400_000, 524_288))
    assert chain[1].card.relays[0].name in {"Lisboa", "Tbilisi"}
    keys = card_frame_keys(KEY)
    assert {"tag": keys.tag.hex(), "aead": keys.aead.hex()} == VECTORS["frame_keys"]


def test_the_known_chain_is_followed_and_the_known_forgery_is_not():
    chain = commons_chain.from_bytes(bytes.fromhex(VECTORS["chain"]))
    assert follow(COMMONS, (), chain, NOW)[-1] == chain[-1]
    body, pairs = VECTORS["forged"]
    forged = SignedCard.from_value([bytes.fromhex(body), [[bytes.fromhex(one) for one in pair] for pair in pairs]])
    assert reason_of(follow, COMMONS, chain, (forged,), NOW) is RejectReason.PROOF


def test_signing_gives_the_known_signatures():
    for vector in VECTORS["cards"]:
        body, pairs = vector["signed"]
        fresh = unsigned(CommonsCard.from_bytes(bytes.fromhex(body)))
        signed_by = [name for name in ("ada", "ben") if signing_public(SEEDS[name]).hex() in [key for key, _ in pairs]]
        for name in signed_by:
            fresh = fresh.with_signature(SEEDS[name])
        assert [[key.hex(), proof.hex()] for key, proof in fresh.signatures] == pairs


# Reading --------------------------------------------------------------------------------------------------------------


def test_a_card_reads_as_it_was_written():
    full = replace(CARD, relays=(RELAY,), seeds=(Relay(b"\1" * 32, ""),), limits=Limits(5, 6), shards=3, stewards=BOTH)
    assert CommonsCard.from_bytes(full.encoded()) == full
    assert RELAY.multiaddrs == ("/ip4/192.0.2.7/tcp/4001",)
    assert "192" not in repr(full)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (1, bytes(31)),
        (2, 0),
        (2, 2**32),
        (3, 256),
        (4, "x" * 81),
        (5, 0),
        (6, [1]),
        (6, [1, -1]),
        (7, 0),
        (8, [[bytes(32), "x", []], [bytes(32), "y", []]]),
        (8, [[number.to_bytes(32, "big"), "", []] for number in range(LIMIT_RELAYS + 1)]),
        (8, [[bytes(32), "x" * 41, []]]),
        (8, [[bytes(32), "x", [[1, bytes(6)]] * 5]]),
        (8, [[bytes(32), "x", [[1, bytes(6)]]]]),
        (8, [[bytes(32), "x", [[0, b""]]]]),
        (8, [[bytes(32), "x", [[9, bytes(6)]]]]),
        (9, [[bytes(31), "", []]]),
        (10, [1, []]),
        (10, [2, [bytes(32)]]),
        (10, [0, [bytes(32)]]),
        (10, [1, [b"\1" * 32, bytes(32)]]),
        (10, [1]),
        (12, NOW - 10),
        (12, NOW + 400 * DAY),
        (11, -1),
    ],
)
def test_another_shape_is_refused(at, value):
    fields = decode(CARD.encoded(), 10_000)
    fields[at] = value
    assert reason_of(CommonsCard.from_bytes, encode(fields)) is RejectReason.SHAPE


def test_size_and_version_come_first():
    assert reason_of(CommonsCard.from_bytes, bytes(9_000)) is RejectReason.SIZE
    assert reason_of(CommonsCard.from_bytes, encode([])) is RejectReason.VERSION
    assert reason_of(CommonsCard.from_bytes, encode([2, "anything"])) is RejectReason.VERSION
    assert reason_of(CommonsCard.from_bytes, encode([1, "short"])) is RejectReason.SHAPE
    with pytest.raises(ValueError, match="too large"):
        unsigned(replace(CARD, relays=tuple(Relay(bytes([n]) * 32, "😀" * 400) for n in range(16))))


def test_signatures_of_another_shape_are_refused():
    good = FIRST.signatures[0]
    for value in [
        [FIRST.body],
        [FIRST.body, [[*good, b""]]],
        [FIRST.body, [list(good), list(good)]],
        [FIRST.body, [[good[0], bytes(63)]]],
        [FIRST.body, [[bytes(31), bytes(64)]]],
        [list(FIRST.body), []],
    ]:
        assert reason_of(SignedCard.from_value, value) is RejectReason.SHAPE


# Signing --------------------------------------------------------------------------------------------------------------


def test_a_steward_counts_once_and_a_stranger_never():
    card = made(1, BOTH, ADA, ADA, EVE)
    assert card.signed_by(BOTH) == 1
    assert not card.is_decided_by(BOTH)
    assert card.with_signature(BEN).is_decided_by(BOTH)
    assert len(card.without_strangers(BOTH).signatures) == 1
    forged = card.with_signatures(((signing_public(BEN), bytes(64)),))
    assert forged.signed_by(BOTH) == 1
    assert len(forged.without_strangers(BOTH).signatures) == 1


# Following ------------------------------------------------------------------------------------------------------------


def test_the_first_card_is_the_one_whose_stewards_were_vouched_for():
    assert follow(COMMONS, (), (FIRST,), NOW) == (FIRST,)
    eves = made(1, stewards(1, EVE), EVE)
    assert reason_of(follow, COMMONS, (), (eves,), NOW) is RejectReason.PROOF
    named = made(1, JUST_ADA, EVE)
    assert reason_of(follow, COMMONS, (), (named,), NOW) is RejectReason.PROOF
    assert reason_of(follow, replace(COMMONS, stewards=b""), (), (FIRST,), NOW) is RejectReason.PROOF
    assert reason_of(follow, COMMONS, (), (), NOW) is RejectReason.PROOF


def test_versions_succeed_one_another_under_both_quorums():
    known = follow(COMMONS, (FIRST,), (SECOND,), NOW)
    assert known == (FIRST, SECOND)
    assert follow(COMMONS, known, (THIRD,), NOW) == (FIRST, SECOND, THIRD)
    assert reason_of(follow, COMMONS, (FIRST,), (made(2, BOTH, ADA),), NOW) is RejectReason.PROOF
    assert reason_of(follow, COMMONS, (FIRST,), (made(2, BOTH, BEN),), NOW) is RejectReason.PROOF
    back = made(4, JUST_ADA, ADA)
    assert reason_of(follow, COMMONS, known, (back,), NOW) is RejectReason.FORK
    assert follow(COMMONS, known, (back.with_signature(BEN),), NOW)[-1].card.version == 4


def test_a_whole_chain_leads_from_the_first_stewards_to_the_newest_card():
    chain = (FIRST, SECOND, THIRD)
    fourth = made(4, BOTH, ADA, BEN)
    grown = follow(COMMONS, chain, (fourth,), NOW)
    assert grown == (FIRST, SECOND, fourth)
    assert follow(COMMONS, (), grown, NOW) == grown
    assert follow(replace(COMMONS, stewards=BOTH.digest), (), grown, NOW)[-1] == fourth


def test_what_brings_nothing_new_changes_nothing():
    known = (FIRST, SECOND)
    assert follow(COMMONS, known, known, NOW) is known
    assert follow(COMMONS, known, (SECOND,), NOW) is known
    assert reason_of(follow, COMMONS, known, (FIRST,), NOW) is RejectReason.OLD
    assert reason_of(follow, COMMONS, known, (), NOW) is RejectReason.PROOF


def test_an_expired_card_is_not_begun_with_but_stays_while_nothing_newer_comes():
    later = NOW + 91 * DAY
    assert reason_of(follow, COMMONS, (), (FIRST,), later) is RejectReason.EXPIRED
    assert follow(COMMONS, (FIRST,), (FIRST,), later) == (FIRST,)
    assert reason_of(follow, COMMONS, (FIRST,), (made(2, JUST_ADA, ADA),), later) is RejectReason.EXPIRED


def test_a_card_of_the_future_or_of_another_commons_is_refused():
    ahead = made(2, JUST_ADA, ADA, issued=NOW + 91)
    assert reason_of(follow, COMMONS, (FIRST,), (ahead,), NOW) is RejectReason.WINDOW
    assert follow(COMMONS, (FIRST,), (ahead,), NOW + 1)[-1] == ahead
    other = replace(COMMONS, key=bytes(32))
    assert reason_of(follow, other, (), (FIRST,), NOW) is RejectReason.ID
    assert reason_of(follow, COMMONS, (), (made(1, JUST_ADA, ADA, generation=2),), NOW) is RejectReason.ID


def test_of_two_cards_with_one_version_all_follow_the_same():
    rivals = [made(2, JUST_ADA, ADA, name=name) for name in ("one", "two", "three")]
    ends = set()
    for order in permutations(rivals):
        known = (FIRST,)
        for rival in order:
            with suppress(RemoteError):
                known = follow(COMMONS, known, (rival,), NOW)
        ends.add(known[-1].id)
    assert ends == {min(rival.id for rival in rivals)}


# Frames ---------------------------------------------------------------------------------------------------------------


def test_a_chain_travels_as_one_item_and_loses_its_oldest_links_first():
    crew = [bytes([number]) * 32 for number in range(1, 13)]
    chain = (FIRST,)
    for version, (one, other) in enumerate(zip([ADA, *crew], crew, strict=False), start=2):
        chain = follow(COMMONS, chain, (made(version, stewards(1, other), one, other),), NOW)
    assert len(chain) == LIMIT_CHAIN
    item = chain_item(chain)
    assert item.type == ItemType.COMMONS_CARD
    assert read_chain(item) == chain
    assert len(chain_item((FIRST, *chain)).body) == LIMIT_CHAIN
    places = tuple(Address(AddressKind.IP6, f"2001:db8::{number}", 4001) for number in range(1, 5))
    relays = tuple(Relay(bytes([number]) * 32, "x" * 40, places) for number in range(1, 17))
    heavy = tuple(made(version, JUST_ADA, ADA, relays=relays) for version in range(1, 9))
    fit = chain_item(heavy)
    assert 1 <= len(fit.body) < 8
    assert len(encode(fit.body)) <= LIMIT_CHAIN_BYTES
    assert read_chain(fit)[-1] == heavy[-1]
    assert reason_of(read_chain, Item(ItemType.COMMONS_CARD, [FIRST.to_value()] * 9)) is RejectReason.SHAPE


def test_a_proposal_is_the_stewards_own():
    half = made(2, BOTH, ADA)
    item = proposal_item(half)
    assert item.type == ItemType.COMMONS_PROPOSAL
    assert SignedCard.from_value(item.body) == half
    assert is_rightful((FIRST,), half)
    assert not is_rightful((), half)
    assert not is_rightful((FIRST,), made(2, BOTH, BEN))
    assert not is_rightful((FIRST, SECOND), half)
    assert not is_rightful((FIRST,), unsigned(replace(half.card, commons=bytes(32))).with_signature(ADA))


@pytest.mark.fuzz
def test_no_bytes_do_more_than_be_refused(fuzz_cases):
    dice = random.Random(None if fuzz_cases > 2_000 else 8)
    honest = commons_chain.to_bytes((FIRST, SECOND))
    for _ in range(fuzz_cases):
        data = bytearray(honest)
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(data))
            data[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        try:
            chain = commons_chain.from_bytes(bytes(data))
            followed = follow(COMMONS, (), chain, NOW)
        except RemoteError:
            continue
        assert commons_chain.to_bytes(chain) == data
        assert all(signed.body in (FIRST.body, SECOND.body) for signed in followed)
