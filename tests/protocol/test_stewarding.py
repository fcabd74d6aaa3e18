"""Stewards change their community's card: alone, by quorum, never against the card that is followed."""

from dataclasses import replace

from stewards import MINUTE, Citizen, stewards
from village import Village

from tertulia.protocol import commons_chain, stewarding
from tertulia.protocol.address import from_multiaddr, peer_text
from tertulia.protocol.commons import Commons
from tertulia.protocol.commons_card import LIMIT_RELAYS, Relay, SignedCard, unsigned
from tertulia.protocol.commons_chain import card_frame_keys, read_chain
from tertulia.protocol.crypto import signing_public
from tertulia.protocol.effects import Put, Refuse, Table
from tertulia.protocol.errors import RejectReason
from tertulia.protocol.inputs import Ask, CardProposed, KeepSteward, MakeInvite, ReviseCard, SignProposal
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.item import ItemType
from tertulia.protocol.outbox import lane_of_keys

ADA, BEN, EVE = (bytes([number]) * 32 for number in (1, 2, 3))
NOW = MINUTE * 60_000
DAY = 24 * 60
FOUNDERS = stewards(1, ADA)
COMMONS = Commons(b"k" * 32, 1, "Harbour", stewards=FOUNDERS.digest, peer=b"\5" * 32)
RELAY = Relay(b"\7" * 32, "Lisboa", (from_multiaddr("/ip4/192.0.2.7/tcp/4001")[0],))


def citizen(seed=b""):
    return Citizen(COMMONS, seed)


def revise(**changes):
    return ReviseCard(COMMONS.id, **changes)


def both(quorum=2):
    return stewards(quorum, ADA, BEN)


def test_a_stewards_key_is_kept_in_the_vault_and_drawn_once():
    ada = citizen()
    effects = ada.core.handle(Ask(1, KeepSteward(COMMONS.id, ADA)), NOW)
    assert Put(Table.STEWARD, COMMONS.id, ADA) in effects
    assert ADA.hex() not in repr(KeepSteward(COMMONS.id, ADA))
    assert ada.ask(KeepSteward(COMMONS.id, BEN)) == {"steward": signing_public(ADA).hex()}
    assert stewarding.load([(COMMONS.id, ADA), (b"x", b"short")]) == {COMMONS.id: stewarding.Stewarding(ADA)}


def test_the_founder_lists_a_relay_alone():
    ada = citizen(ADA)
    answer = ada.ask(revise(relays=(RELAY,)))
    assert (answer["state"], answer["version"], answer["lacking"]) == ("published", 2, 0)
    (item,) = ada.sent
    assert item.type == ItemType.COMMONS_CARD
    (entry,) = ada.core.outbox.entries.values()
    assert entry.lane == lane_of_keys(card_frame_keys(COMMONS.key))
    chain = commons_chain.follow(COMMONS, (), read_chain(item), NOW // 60_000)
    assert chain[-1].card.relays == (RELAY,)
    assert chain[-1].card.name == "Harbour"
    holders = frozenset({peer_text(RELAY.peer), "somebody else"})
    assert stewarding.relay_names(ada.core, COMMONS.id, holders) == ["Lisboa"]
    assert stewarding.relay_names(ada.core, COMMONS.id, frozenset({"somebody else"})) == []
    assert stewarding.relay_names(ada.core, COMMONS.id, frozenset()) == []
    nameless = replace(RELAY, name="")
    ada.ask(revise(relays=(nameless,)))
    assert stewarding.relay_names(ada.core, COMMONS.id, holders)[0].startswith("…")
    assert stewarding.relay_names(citizen().core, COMMONS.id, holders) == []
    assert ada.ask(revise(seeds=(RELAY,)))["version"] == 4
    assert ada.known.card.relays == (nameless,)


def test_nobody_else_can():
    for who in (citizen(), citizen(BEN)):
        assert "Only a steward" in who.ask(revise(relays=())).error
        assert not who.sent
    ada = citizen(ADA)
    ada.ask(revise(relays=(RELAY,)))
    for who in (citizen(), citizen(EVE)):
        who.follow(ada.known.chain)
        assert "Only a steward" in who.ask(revise(relays=())).error
        assert "Only a steward" in who.ask(SignProposal(COMMONS.id, bytes(32))).error


def test_a_card_has_room_for_so_much():
    ada = citizen(ADA)
    many = tuple(replace(RELAY, peer=bytes([number]) * 32) for number in range(LIMIT_RELAYS + 1))
    assert "room for 16" in ada.ask(revise(relays=many)).error
    wide = tuple(Relay(bytes([number]) * 32, "😀" * 150, RELAY.addresses) for number in range(16))
    assert "more than" in ada.ask(revise(relays=wide)).error
    assert ada.known.chain == ()


def test_two_stewards_decide_together():
    ada, ben = citizen(ADA), citizen(BEN)
    waiting = ada.ask(revise(stewards=both()))
    assert (waiting["state"], waiting["lacking"]) == ("waiting", 1)
    item, first = ada.sent
    assert item.type == ItemType.COMMONS_PROPOSAL
    assert commons_chain.follow(COMMONS, (), read_chain(first), NOW // 60_000) == ada.known.chain
    ben.follow(ada.known.chain)
    proposal = SignedCard.from_value(item.body)
    ben.hear(CardProposed(COMMONS.id, proposal), CardProposed(COMMONS.id, proposal))
    (known,) = ben.known.proposals
    assert known == proposal
    assert "no such proposal" in ben.ask(SignProposal(COMMONS.id, bytes(32))).error
    assert ben.ask(SignProposal(COMMONS.id, known.id))["state"] == "published"
    assert ben.known.proposals == ()
    assert ben.known.card.stewards == both()
    ada.follow(ben.known.chain)
    assert ada.known.proposals == ()
    assert ada.known.card == ben.known.card


def test_signatures_that_come_apart_are_put_together():
    ada, ben = citizen(ADA), citizen(BEN)
    ada.ask(revise(stewards=both()))
    proposal = ada.known.proposals[-1]
    ben.follow(ada.known.chain)
    ada.hear(CardProposed(COMMONS.id, replace(proposal, signatures=()).with_signature(ADA).with_signature(EVE)))
    assert len(ada.known.proposals[0].signatures) == 1
    ada.hear(CardProposed(COMMONS.id, proposal.with_signature(BEN)))
    assert ada.known.card.stewards == both()
    assert ada.sent[-1].type == ItemType.COMMONS_CARD


def test_what_no_steward_proposed_is_not_shown():
    ada, ben = citizen(ADA), citizen(BEN)
    ada.ask(revise(relays=(RELAY,)))
    ben.follow(ada.known.chain)
    forged = unsigned(replace(ada.known.card, version=9)).with_signature(EVE)
    ben.hear(CardProposed(COMMONS.id, forged))
    assert ben.known.proposals == ()
    nobody = citizen()
    nobody.follow(ada.known.chain)
    nobody.hear(CardProposed(COMMONS.id, unsigned(replace(ada.known.card, version=9)).with_signature(ADA)))
    assert nobody.known.proposals == ()


def test_a_complete_proposal_whose_time_has_passed_is_let_go():
    ada, ben = citizen(ADA), citizen(BEN)
    ada.ask(revise(relays=(RELAY,)))
    late = unsigned(replace(ada.known.card, version=9, expires=ada.known.card.issued + 1)).with_signature(ADA)
    ben.follow(ada.known.chain)
    ben.now += 2 * 60_000
    ben.hear(CardProposed(COMMONS.id, late))
    assert ben.known.card.version == 2
    assert ben.core.rejects[RejectReason.EXPIRED] == 1


def test_who_decides_alone_renews_the_card_before_it_ends():
    ada, ben = citizen(ADA), citizen(BEN)
    ada.ask(revise(relays=(RELAY,)))
    chain = ada.known.chain
    ada.follow(chain)
    assert ada.known.card.version == 2
    ada.now += 130 * DAY * 60_000
    ben.now = ada.now
    ben.follow(chain)
    ada.follow(chain)
    assert ada.known.card.version == 3
    assert ada.known.card.relays == (RELAY,)
    assert ben.known.card.version == 2
    ada.follow(())
    assert ada.known.card.version == 3
    ada.ask(revise(stewards=both(1)))
    assert ada.known.card.stewards == both(1)


def test_an_invite_leads_to_a_relay_and_vouches_for_the_stewards():
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    commons = next(iter(ruth.core.commons.values()))
    founded = replace(commons, stewards=FOUNDERS.digest)
    ruth.core.commons[commons.id] = founded
    ruth.ask(KeepSteward(commons.id, ADA))
    assert decode_invite(village.invite(ruth, dialogue)).peer == commons.peer
    assert ruth.ask(ReviseCard(commons.id, relays=(RELAY,)))["state"] == "published"
    invite = village.invite(ruth, dialogue)
    assert decode_invite(invite).peer == RELAY.peer
    assert decode_invite(invite).address == RELAY.addresses[0]
    village.join(omar, invite)
    village.settle()
    assert omar.core.commons[commons.id].stewards == FOUNDERS.digest
    later = ruth.core.handle(Ask(9, MakeInvite(dialogue, 1, 1 << 31)), village.now + 181 * DAY * 60_000)
    assert [effect.problem.error for effect in later if isinstance(effect, Refuse)] == [
        "This community's list of relays is out of date, so an invite could lead nowhere."
    ]
