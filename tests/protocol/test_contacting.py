"""Contacts under names of one's own, and invites that reach one without a QR. docs/spec/identity.md."""

from __future__ import annotations

from dataclasses import replace

import pytest
from acquaintances import another, forged, gathered, later, persona, show, verify
from village import MINUTE, Citizen, Refused, Village

from tertulia.protocol import contacting, hpke, offer, views_contacts
from tertulia.protocol.contact import LIMIT_CONTACT_COMMONS, LIMIT_CONTACTS
from tertulia.protocol.contacting import LIMIT_OFFERS
from tertulia.protocol.effects import Table
from tertulia.protocol.errors import LocalError, RejectReason
from tertulia.protocol.ids import CommonsId, DialogueId
from tertulia.protocol.inputs import (
    DismissOffer,
    ForgetContact,
    HpkeSealed,
    KeepContact,
    LeaveDialogue,
    NameContact,
    OfferInvite,
    RevealMe,
)
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.offer import Offer
from tertulia.protocol.outbox import Entry, lane_of_keys
from tertulia.protocol.revealing import _with
from tertulia.protocol.turn import Turn


def acquainted() -> tuple[Village, DialogueId, Citizen, Citizen]:
    """Two who know who the other is, and keep each other."""
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    show(village, key, ruth)
    show(village, key, omar)
    ruth.ask(KeepContact(key, persona(omar, key), "Cousin in Lyon"))
    omar.ask(KeepContact(key, persona(ruth, key), "Boss"))
    village.settle()
    return village, key, ruth, omar


def root(citizen: Citizen) -> bytes:
    assert citizen.core.knowing.mine is not None
    return citizen.core.knowing.mine.devices.root


def offers(citizen: Citizen) -> list[dict[str, object]]:
    return [one for row in views_contacts.contacts(citizen.core) for one in row["offers"]]


def send(village: Village, by: Citizen, to: Citizen, title: str) -> str:
    invite = village.invite(by, village.found(by, title))
    by.ask(OfferInvite(root(to), invite, title))
    village.settle()
    return invite


def test_an_invite_reaches_a_contact_who_joins_with_it() -> None:
    village, _key, ruth, omar = acquainted()
    stranger = village.citizen("Mallory")
    invite = send(village, ruth, omar, "Water")
    (found,) = offers(omar)
    assert (found["title"], found["invite"]) == ("Water", invite)
    assert not stranger.core.rejects
    assert not ruth.core.offers  # sealed and sent
    ruth.restart()
    omar.restart()
    assert offers(omar) == [found]
    village.join(omar, invite)
    village.wait(5 * MINUTE)
    assert not offers(omar)
    assert not omar.rows[Table.OFFER]
    assert len(omar.core.dialogues) == 2


def test_what_was_sent_before_they_kept_me_arrives_when_they_do() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    show(village, key, ruth)
    show(village, key, omar)
    ruth.ask(KeepContact(key, persona(omar, key), "Omar"))
    send(village, ruth, omar, "Water")
    assert not omar.core.offers
    omar.ask(KeepContact(key, persona(ruth, key), "Ruth"))
    village.settle()
    assert [one["title"] for one in offers(omar)] == ["Water"]


def test_names_are_mine_alone() -> None:
    village, _key, ruth, omar = acquainted()
    ruth.ask(NameContact(root(omar), "Secret name"))
    send(village, ruth, omar, "Water")
    row = views_contacts.contacts(ruth.core)[0]
    assert (row["name"], row["called"]) == ("Secret name", "Omar")
    for citizen, where in ((omar, []), (ruth, [Table.CONTACT])):
        held = [table for table, rows in citizen.rows.items() if b"Secret name" in b"".join(rows.values())]
        assert held == where


def test_what_cannot_be_done_with_contacts_says_why() -> None:
    village, key, (ruth, omar, ada) = gathered("Ruth", "Omar", "Ada")
    with pytest.raises(Refused, match="not shown you"):
        ruth.ask(KeepContact(key, persona(omar, key), "Omar"))
    show(village, key, omar)
    show(village, key, ada)
    ruth.ask(KeepContact(key, persona(omar, key), "Omar"))
    for name, why in (("", "needs a name"), ("oMAR", "another contact")):
        with pytest.raises(Refused, match=why):
            ruth.ask(KeepContact(key, persona(ada, key), name))
    ruth.ask(KeepContact(key, persona(omar, key), "OMAR"))  # the same one, otherwise
    invite = village.invite(ruth, village.found(ruth, "Water"))
    with pytest.raises(Refused, match="does not know who you are"):
        ruth.ask(OfferInvite(root(omar), invite, "Water"))
    show(village, key, ruth)
    ruth.ask(OfferInvite(root(omar), invite, "Water"))


def test_to_changed_devices_nothing_is_sent_before_one_has_looked() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    show(village, key, ruth)
    mine = another("omar")
    forged(village, key, omar, ruth, mine)
    ruth.ask(KeepContact(key, persona(omar, key), "Omar"))
    invite = village.invite(ruth, village.found(ruth, "Water"))
    forged(village, key, omar, ruth, later(mine, another("new"), 2))
    with pytest.raises(Refused, match="devices of “Omar” have changed"):
        ruth.ask(OfferInvite(mine.devices.root, invite, "Water"))
    verify(ruth, key, omar)
    ruth.ask(OfferInvite(mine.devices.root, invite, "Water"))
    village.later.clear()  # being sealed when the devices change again
    job = max(ruth.core.jobs)
    forged(village, key, omar, ruth, later(mine, another("newer"), 3))
    ruth.run(HpkeSealed(job, (b"",)))
    assert ruth.core.offers  # still owed, to the devices of now
    village.settle()
    assert not ruth.core.offers


def test_no_more_than_so_many_are_kept() -> None:
    village, key, ruth, omar = acquainted()
    known = ruth.core.knowing.contacts[root(omar)]
    core = ruth.core.stage()
    for number in range(LIMIT_CONTACTS - 1):
        one = another(f"{number}").devices
        core.knowing.contacts[one.root] = replace(known, devices=one, name=f"n{number}")
    ruth.core = core
    ruth.ask(KeepContact(key, persona(omar, key), "Still he"))
    extra = village.citizen("Eve")
    other = village.gather(extra, ruth, title="Other")
    show(village, other, extra)
    with pytest.raises(Refused, match="no more fit"):
        ruth.ask(KeepContact(other, persona(extra, other), "Eve"))


def test_forgetting_closes_the_lane_and_leaves_nothing() -> None:
    village, key, ruth, omar = acquainted()
    send(village, ruth, omar, "Water")
    omar.ask(ForgetContact(root(ruth)))
    assert not offers(omar)
    send(village, ruth, omar, "Again")
    assert not omar.core.offers
    assert root(ruth) in omar.core.knowing.contacts  # they still show who they are in a dialogue of ours
    omar.ask(KeepContact(key, persona(ruth, key), "Ruth"))
    village.settle()
    assert {one["title"] for one in offers(omar)} >= {"Again"}


def test_an_invite_is_forgotten_with_the_contact_it_was_for() -> None:
    village, _key, ruth, omar = acquainted()
    invite = village.invite(ruth, village.found(ruth, "Water"))
    ruth.ask(OfferInvite(root(omar), invite, "Water"))
    ruth.ask(ForgetContact(root(omar)))
    village.settle()  # the worker's answer is about nothing any more
    assert not ruth.core.offers
    assert not omar.core.offers


def test_an_offer_is_sealed_anew_after_a_crash() -> None:
    village, _key, ruth, omar = acquainted()
    invite = village.invite(ruth, village.found(ruth, "Water"))
    ruth.ask(OfferInvite(root(omar), invite, "Water"))
    village.later.clear()
    ruth.restart()
    village.settle()
    assert [one["title"] for one in offers(omar)] == ["Water"]


def test_a_contact_who_floods_has_so_many_invites_waiting_and_one_can_say_no() -> None:
    village, _key, ruth, omar = acquainted()
    for number in range(LIMIT_OFFERS + 2):
        village.now += MINUTE
        send(village, ruth, omar, f"Number {number}")
    waiting = offers(omar)
    assert [one["title"] for one in waiting] == [f"Number {number}" for number in range(2, LIMIT_OFFERS + 2)]
    chosen = views_contacts.resolve_offer(omar.core, str(waiting[0]["offer"])[:8])
    omar.ask(DismissOffer(chosen))
    assert len(offers(omar)) == LIMIT_OFFERS - 1
    for wrong in ("", "ffff", "zzzz"):
        with pytest.raises(LocalError, match="No such invite"):
            views_contacts.resolve_offer(omar.core, wrong)


def raw(village: Village, by: Citizen, to: Citizen, item: Item) -> None:
    """By's own program sends this in the lane to a contact."""
    core = by.core.stage()
    turn = Turn(village.now, core.entropy)
    (keys,) = core.knowing.lanes(core.knowing.contacts[root(to)])
    core.outbox.queue(turn, Entry(village.commons.id, lane_of_keys(keys), (item,)))
    by.commit(core, [*turn.effects, *core.settle(village.now)])
    village.settle()


def test_what_a_hostile_contact_sends_is_counted_and_nothing_else() -> None:
    village, _key, ruth, omar = acquainted()
    raw(village, ruth, omar, Item(ItemType.SHARE, []))
    raw(village, ruth, omar, Item(ItemType.OFFER, b"junk"))
    raw(village, ruth, omar, Item(ItemType.OFFER, []))
    assert omar.core.rejects == {RejectReason.SHAPE: 2, RejectReason.SEAL: 1}
    mine, theirs = ruth.core.knowing.mine, ruth.core.knowing.contacts[root(omar)].devices
    assert mine is not None
    invite = send(village, ruth, omar, "Water")
    for title in ("Water", "Other words for the same"):
        one = offer.request(Offer(invite, title, 1), mine, theirs.root, theirs.devices[0], bytes(24))
        raw(village, ruth, omar, offer.offer_item(hpke.seal(one.public, one.info, one.plaintext)))
    assert [found["title"] for found in offers(omar)] == ["Water"]
    village.join(omar, invite)
    raw(village, ruth, omar, offer.offer_item(hpke.seal(one.public, one.info, one.plaintext)))
    assert not offers(omar)
    parts = Item(ItemType.OFFER, bytes(20_000))  # too long for one frame, put together and refused
    raw(village, ruth, omar, parts)
    assert omar.core.rejects[RejectReason.SHAPE] == 3


def test_a_conversation_of_two_is_found_again() -> None:
    village, key, ruth, omar = acquainted()
    assert views_contacts.together(ruth.core, root(omar)) == key
    assert views_contacts.together(ruth.core, bytes(32)) is None
    assert views_contacts.resolve_contact(ruth.core, "COUSIN in lyon") == root(omar)
    assert views_contacts.resolve_contact(ruth.core, root(omar).hex()[:6]) == root(omar)
    for wrong in ("", "Omar", "ab"):
        with pytest.raises(LocalError, match="no such contact"):
            views_contacts.resolve_contact(ruth.core, wrong)
    omar.ask(LeaveDialogue(key))
    village.settle()
    assert views_contacts.together(ruth.core, root(omar)) is None


def test_where_a_contact_is_reached_is_bounded() -> None:
    commons = [CommonsId(bytes([number]) * 32) for number in range(LIMIT_CONTACT_COMMONS + 2)]
    known: tuple[CommonsId, ...] = ()
    for one in (*commons, commons[3]):
        known = _with(known, one)
    assert known == (commons[2], *commons[4:], commons[3])


def test_nobody_is_reached_before_i_have_an_identity() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    show(village, key, omar)
    ruth.ask(KeepContact(key, persona(omar, key), "Omar"))
    contact = ruth.core.knowing.contacts[root(omar)]
    assert ruth.core.knowing.lanes(contact) == ()
    assert ruth.core.knowing.number(contact) == ""
    assert list(contacting.trials(ruth.core)) == []
    ruth.ask(RevealMe(key))
    assert len(ruth.core.knowing.lanes(ruth.core.knowing.contacts[root(omar)])) == 1
