"""Showing who one is among real cores, and what changed keys and hostile members come to. docs/spec/identity.md."""

from __future__ import annotations

import pytest
from acquaintances import another, forged, gathered, later, persona, seen, send, show, verify
from village import DAY, MINUTE, Refused

from tertulia.protocol.contact import Told
from tertulia.protocol.effects import Table
from tertulia.protocol.errors import RejectReason
from tertulia.protocol.event import Kind
from tertulia.protocol.ids import PersonaId
from tertulia.protocol.inputs import (
    HpkeSealed,
    KeepContact,
    LeaveDialogue,
    RevealMe,
    SayText,
    Utter,
    Verify,
)
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.reveal import Reveal
from tertulia.protocol.say import Say


def test_only_whom_i_show_it_to_knows_and_the_number_takes_both() -> None:
    village, key, (ruth, omar, ada) = gathered("Ruth", "Omar", "Ada")
    assert ruth.core.knowing.mine is None  # nothing is drawn before it is shown
    show(village, key, ruth, omar)
    assert seen(omar, key, ruth)["identity"] == "shown"
    assert seen(omar, key, ruth)["number"] == seen(ada, key, ruth)["identity"] == ""
    assert seen(ruth, key, omar)["shown"] is True
    assert seen(ruth, key, ada)["shown"] is False
    with pytest.raises(Refused, match="cannot compare yet"):
        verify(omar, key, ruth)
    show(village, key, omar)  # to all
    assert seen(ada, key, omar)["identity"] == "shown"
    number = seen(omar, key, ruth)["number"]
    assert len(str(number)) == 71
    assert seen(ruth, key, omar)["number"] == number
    assert verify(ruth, key, omar) == {
        "member": persona(omar, key).hex(), "number": number, "verified": False, "changed": "",
    }  # fmt: skip
    assert verify(ruth, key, omar, same=True)["verified"] is True
    for one in (ruth, omar):
        one.restart()
    assert seen(ruth, key, omar)["identity"] == "verified"
    assert seen(omar, key, ruth)["number"] == number


def test_what_cannot_be_shown_or_compared_says_why() -> None:
    village, key, (ruth, omar, ada) = gathered("Ruth", "Omar", "Ada")
    alone = village.found(ruth, "Alone")
    for command, why in (
        (RevealMe(alone), "Nobody else"),
        (RevealMe(key, frozenset({PersonaId(bytes(32))})), "not in the dialogue"),
        (RevealMe(key, frozenset({persona(ruth, key)})), "not in the dialogue"),
        (Verify(key, persona(ruth, key)), "This is you"),
        (Verify(key, persona(omar, key)), "have not shown"),
    ):
        with pytest.raises(Refused, match=why):
            ruth.ask(command)
    show(village, key, ruth)
    with pytest.raises(Refused, match="already"):
        show(village, key, ruth, omar)
    ada.ask(LeaveDialogue(key))
    village.settle()
    with pytest.raises(Refused, match="no longer"):
        show(village, key, ada)


def test_it_is_owed_until_it_can_be_sealed_and_survives_a_crash() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    ruth.ask(RevealMe(key))
    village.later.clear()  # the worker's answer is lost with the process
    ruth.restart()
    village.settle()
    assert seen(omar, key, ruth)["identity"] == "shown"
    ruth.run(HpkeSealed(99, ()))  # of nobody


def test_who_has_no_live_prekey_is_shown_it_when_they_have_one() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    omar.locked = True
    village.offline(omar)
    village.wait(40 * DAY)
    ruth.ask(RevealMe(key))
    village.settle()
    assert ruth.core.knowing.between(key, persona(omar, key)).told is Told.OWED
    omar.locked = False
    omar.restart()
    village.online(omar)
    village.wait(2 * 60 * MINUTE)
    assert ruth.core.knowing.between(key, persona(omar, key)).told is Told.YES
    assert seen(omar, key, ruth)["identity"] == "shown"


def test_a_changed_key_stops_sending_until_one_looks() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    show(village, key, ruth)
    mine = another("omar")
    forged(village, key, omar, ruth, mine)
    assert verify(ruth, key, omar, same=True)["verified"] is True
    forged(village, key, omar, ruth, mine)  # once more the same: nothing has changed
    assert seen(ruth, key, omar)["identity"] == "verified"
    forged(village, key, omar, ruth, later(mine, another("new device"), 2))
    row = seen(ruth, key, omar)
    assert (row["identity"], str(row["changed"])[:24]) == ("changed", "They use another device ")
    for command in (SayText(key, "Hello"), Utter(key, Say("statement", "Hello"))):
        with pytest.raises(Refused, match="Omar's key has changed"):
            ruth.ask(command)
    looked = verify(ruth, key, omar)
    assert looked["verified"] is False  # what was compared is another number by now
    assert looked["changed"] == row["changed"]
    ruth.say(key, "Hello")
    assert seen(ruth, key, omar)["identity"] == "shown"
    forged(village, key, omar, ruth, mine)  # back to the list before
    forged(village, key, omar, ruth, later(mine, another("other"), 2))  # two lists with one number
    assert ruth.core.rejects[RejectReason.OLD] == 2
    assert seen(ruth, key, omar)["identity"] == "shown"


def test_another_root_behind_the_same_persona_is_a_changed_key() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    show(village, key, ruth)
    forged(village, key, omar, ruth, another("one"))
    forged(village, key, omar, ruth, another("two"))
    forged(village, key, omar, ruth, another("three"))
    assert len(ruth.core.knowing.contacts) == 2  # the first, to say what it was, and the last
    assert "the one they showed you before" in str(seen(ruth, key, omar)["changed"])
    with pytest.raises(Refused, match="changed"):
        ruth.say(key, "Hello")
    verify(ruth, key, omar)
    ruth.say(key, "Hello")
    assert list(ruth.core.knowing.contacts) == [another("three").devices.root]
    ruth.restart()
    assert list(ruth.core.knowing.contacts) == [another("three").devices.root]


def test_a_stranger_with_a_contact_s_name_is_not_taken_for_them() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    show(village, key, ruth)
    show(village, key, omar)
    ruth.ask(KeepContact(key, persona(omar, key), "Cousin"))
    impostor = village.citizen("OMAR")
    other = village.gather(ruth, impostor, title="Other")
    show(village, other, ruth)
    show(village, other, impostor)
    assert "not the one of your contact “Cousin”" in str(seen(ruth, other, impostor)["changed"])
    with pytest.raises(Refused, match="may be somebody else"):
        ruth.say(other, "Hello")
    verify(ruth, other, impostor, same=True)
    ruth.say(other, "Hello")
    third = village.gather(ruth, omar, title="Third")  # the contact themselves, known again
    show(village, third, omar)
    assert (seen(ruth, third, omar)["contact"], seen(ruth, third, omar)["changed"]) == ("Cousin", "")


def test_what_is_not_for_me_or_from_nobody_is_not_taken() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    (prekey,) = ruth.core.dialogues[key].prekeys
    for letter in (
        Reveal(PersonaId(bytes(32)), prekey, b"x"),
        Reveal(persona(omar, key), type(prekey)(bytes(32)), b"x"),
    ):
        send(village, key, omar, ruth, letter.to_item())
    assert not ruth.core.rejects
    send(village, key, omar, ruth, Reveal(persona(omar, key), prekey, b"x").to_item())
    send(village, key, omar, ruth, Item(ItemType.REVEAL, []))
    assert ruth.core.rejects == {RejectReason.SEAL: 1, RejectReason.SHAPE: 1}
    assert not ruth.core.knowing.shown


def test_nothing_of_it_is_an_event() -> None:
    """Who showed what to whom is in no history: nobody else can see that it happened, and nobody is told it later."""
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    before = ruth.state_hash(key)
    show(village, key, ruth)
    show(village, key, omar)
    assert ruth.state_hash(key) == omar.state_hash(key) == before
    assert all(event.header.kind != Kind.RESOURCE for event in ruth.core.dialogues[key].events.values())


def test_a_vault_from_before_identities_opens_and_draws_one_when_asked() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    for table in (Table.IDENTITY, Table.CONTACT, Table.SHOWN, Table.OFFER):
        assert table not in ruth.rows
    ruth.restart()
    show(village, key, ruth)
    root = ruth.core.knowing.mine
    assert root is not None
    ruth.restart()
    assert ruth.core.knowing.mine == root
    assert seen(omar, key, ruth)["identity"] == "shown"
