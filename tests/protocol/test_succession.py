"""A steward's key is lost or stolen: the others hand over, everybody follows, and no thief undoes it."""

import json
from contextlib import suppress
from dataclasses import replace
from itertools import permutations
from pathlib import Path

from stewards import MINUTE, Citizen, reason_of, stewards

from tertulia.protocol import commons_chain
from tertulia.protocol.commons import Commons
from tertulia.protocol.commons_card import CommonsCard, SignedCard, unsigned
from tertulia.protocol.commons_chain import LIMIT_CHAIN_BYTES, LIMIT_PROPOSALS, follow, proposal_item, waiting
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.inputs import CardProposed, ReviseCard, SignProposal

PAGE = json.loads((Path(__file__).parents[1] / "vectors/commons.json").read_text("utf-8"))
KEY, VECTORS = PAGE["key"], PAGE["succession"]
ADA, BEN, CY, DAN, EVE = (bytes([number]) * 32 for number in range(1, 6))
THREE, HEIRS, OTHERS = stewards(2, ADA, BEN, CY), stewards(2, BEN, CY, DAN), stewards(2, ADA, BEN, EVE)
HERE = Commons(b"k" * 32, 1, "Harbour", stewards=THREE.digest)
NOW = MINUTE
CARD = CommonsCard(HERE.id, 1, 1, "Harbour", 30, THREE, NOW - 10, NOW + 90 * 24 * 60)


def made(version, who, *seeds, **changes):
    card = unsigned(replace(CARD, version=version, stewards=who, **changes))
    for seed in seeds:
        card = card.with_signature(seed)
    return card


FIRST = made(1, THREE, ADA, BEN)
HANDED = made(2, HEIRS, BEN, CY)


def refused(known, *coming):
    return reason_of(follow, HERE, known, coming, NOW)


def card_of(value):
    body, pairs = value
    return SignedCard.from_value([bytes.fromhex(body), [[bytes.fromhex(one) for one in pair] for pair in pairs]])


def test_the_known_succession_is_followed_and_each_known_forgery_is_refused_for_its_reason():
    here = Commons(bytes.fromhex(KEY), 1, "", stewards=bytes.fromhex(VECTORS["stewards"]))
    chain = commons_chain.from_bytes(bytes.fromhex(VECTORS["chain"]))
    known = follow(here, (), chain, NOW)
    assert known == chain
    assert known[-1].id.hex() == VECTORS["newest"]
    for one in VECTORS["refused"]:
        assert reason_of(follow, here, known, (card_of(one["card"]),), NOW) == one["why"]


def test_the_others_hand_over_without_the_one_who_goes():
    known = follow(HERE, (FIRST,), (HANDED,), NOW)
    assert known == (FIRST, HANDED)
    assert refused((FIRST,), made(2, HEIRS, BEN)) is RejectReason.PROOF
    assert refused(known, made(3, HEIRS, ADA, BEN)) is RejectReason.PROOF
    assert follow(HERE, known, (made(3, HEIRS, CY, DAN),), NOW)[-1].card.version == 3


def test_stewards_who_handed_over_undo_nothing():
    newest = made(5, HEIRS, CY, DAN)
    known = follow(HERE, (FIRST,), (HANDED, newest), NOW)
    for fork in [
        made(2, OTHERS, ADA, BEN),
        made(3, OTHERS, ADA, BEN),
        made(9, OTHERS, ADA, BEN),
        made(9, THREE, ADA, BEN),
    ]:
        assert refused(known, fork) is RejectReason.FORK
        assert refused(known, FIRST, fork) is RejectReason.FORK
    # What they decided before is old: among themselves, or as the chain says.
    assert refused(known, FIRST) is RejectReason.OLD
    assert refused(known, made(2, THREE, ADA, CY)) is RejectReason.OLD
    assert refused(known, made(4, HEIRS, BEN, DAN)) is RejectReason.OLD
    assert refused(known, FIRST, HANDED) is RejectReason.OLD
    assert refused(known, made(5, stewards(1, EVE), EVE)) is RejectReason.PROOF


def test_who_was_handed_back_the_card_forks_nothing():
    back, again = made(3, THREE, ADA, BEN, CY), made(7, THREE, ADA, BEN)
    known = follow(HERE, (), (FIRST, HANDED, back, again), NOW)
    assert known == (FIRST, HANDED, back, again)
    assert refused(known, made(5, THREE, ADA, BEN)) is RejectReason.OLD


def test_of_each_set_of_stewards_the_chain_keeps_the_first_card():
    handed = made(3, HEIRS, BEN, CY)
    chain = (FIRST,)
    for card in (made(2, THREE, ADA, CY), handed, made(4, HEIRS, BEN, CY)):
        chain = follow(HERE, chain, (card,), NOW)
    assert chain == (made(2, THREE, ADA, CY), handed, made(4, HEIRS, BEN, CY))
    last = made(5, OTHERS, BEN, CY, ADA)
    chain = follow(HERE, chain, (last,), NOW)
    assert [(signed.card.version, signed.card.stewards) for signed in chain] == [(2, THREE), (3, HEIRS), (5, OTHERS)]
    for root in (THREE, HEIRS, OTHERS):
        assert follow(replace(HERE, stewards=root.digest), (), chain, NOW)[-1] == last
    # Who has followed cards that the chain left out goes on from there all the same.
    assert follow(HERE, (made(4, HEIRS, BEN, CY),), chain, NOW)[-1] == last


def test_a_handing_over_and_another_change_at_once_end_alike_for_everybody():
    change = made(2, THREE, ADA, CY, name="changed")
    for cards in ([HANDED, change], [HANDED, change, made(2, THREE, BEN, CY), made(2, HEIRS, BEN, CY, name="twin")]):
        ends = set()
        for order in permutations(cards):
            known = (FIRST,)
            for card in order:
                with suppress(RemoteError):
                    known = follow(HERE, known, (card,), NOW)
            ends.add(known[-1].id)
            assert follow(HERE, (), known, NOW)[-1] == known[-1]
        assert len(ends) == 1
    known = follow(HERE, (FIRST,), (change, HANDED), NOW)
    assert known[-1] == HANDED
    assert refused(known, change) is RejectReason.OLD


def test_a_split_is_healed_by_a_quorum_of_both():
    here, there = (FIRST, HANDED), (FIRST, made(2, OTHERS, ADA, BEN))
    assert refused(here, there[-1]) is RejectReason.FORK
    assert refused(there, HANDED) is RejectReason.FORK
    healed = made(3, stewards(2, BEN, CY, EVE), BEN, CY, EVE)
    assert follow(HERE, here, (healed,), NOW)[-1] == healed
    assert follow(HERE, there, (healed,), NOW)[-1] == healed


def test_a_long_chain_of_large_cards_is_kept_as_it_travels():
    heavy = tuple(made(version, THREE, ADA, BEN, name="😀" * 80) for version in range(1, 9))
    assert commons_chain.from_bytes(commons_chain.to_bytes(heavy)) == heavy
    assert len(commons_chain.to_bytes((*heavy, HANDED) * 20)) <= LIMIT_CHAIN_BYTES


# Proposals ------------------------------------------------------------------------------------------------------------


def begun(*seeds):
    people = []
    for seed in seeds:
        one = Citizen(HERE, seed)
        one.follow((FIRST,))
        people.append(one)
    return people


def hand_over(who, to=HEIRS):
    return who.ask(ReviseCard(HERE.id, stewards=to))


def test_two_of_three_hand_over_on_their_machines():
    ada, ben, cy = begun(ADA, BEN, CY)
    assert hand_over(ben)["lacking"] == 1
    (proposal,) = ben.known.proposals
    assert [item.type for item in ben.sent] == [proposal_item(proposal).type]
    cy.hear(CardProposed(HERE.id, proposal))
    assert cy.ask(SignProposal(HERE.id, proposal.id))["state"] == "published"
    for one in (ada, ben):
        one.follow(cy.known.chain)
        assert one.known.card.stewards == HEIRS
        assert one.known.proposals == ()
    assert "Only a steward" in ada.ask(ReviseCard(HERE.id, relays=())).error


def test_nobody_agrees_to_two_successions_at_once():
    (ben,) = begun(BEN)
    hand_over(ben)
    (waits,) = ben.known.proposals
    said = hand_over(ben, OTHERS)
    assert waits.id.hex()[:12] in said.error
    other = made(2, OTHERS, ADA)
    ben.hear(CardProposed(HERE.id, other))
    assert "already" in ben.ask(SignProposal(HERE.id, other.id)).error
    assert [one.signed_by(stewards(1, BEN)) for one in ben.known.proposals] == [1, 0]
    # The same people once more, another change, and the one already signed are nothing else.
    ben.now += 60_000
    assert hand_over(ben)["state"] == "waiting"
    assert ben.ask(ReviseCard(HERE.id, relays=()))["state"] == "waiting"
    assert ben.ask(SignProposal(HERE.id, waits.id))["lacking"] == 1
    # A change that is decided makes it void.
    ben.follow((FIRST, made(2, THREE, ADA, CY)))
    assert hand_over(ben, OTHERS)["state"] == "waiting"


def test_a_thief_cannot_crowd_out_the_succession():
    ben, cy = begun(BEN, CY)
    hand_over(ben)
    (proposal,) = ben.known.proposals
    cy.hear(CardProposed(HERE.id, proposal))
    thief = [made(version, THREE, ADA) for version in range(2, 60)]
    cy.hear(*(CardProposed(HERE.id, one) for one in thief))
    assert len(cy.known.proposals) == LIMIT_PROPOSALS
    assert cy.known.proposals == (proposal, *thief[-LIMIT_PROPOSALS + 1 :])
    # Nor by signing it too, nor with two keys.
    cy.hear(CardProposed(HERE.id, proposal.with_signature(ADA)))
    assert cy.known.card == FIRST.card
    assert proposal.id in {one.id for one in cy.known.proposals}


def test_two_stolen_keys_crowd_out_nobody_either():
    four = stewards(3, ADA, BEN, CY, DAN)
    known = (made(1, four, ADA, BEN, CY),)
    honest = made(2, stewards(3, BEN, CY, DAN), BEN)
    crowd = [made(version, four, ADA, CY) for version in range(2, 40)]
    assert honest in waiting(known, (honest, *crowd))
    assert honest.with_signature(ADA) in waiting(known, (honest.with_signature(ADA), *crowd))


def test_a_successor_need_not_be_known_to_be_named():
    (ben,) = begun(BEN)
    assert hand_over(ben)["state"] == "waiting"
    assert signing_public(DAN) in ben.known.proposals[0].card.stewards.keys
