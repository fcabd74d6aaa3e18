"""Facilitating as people do it: commands and rows. Spec: docs/spec/core.md §5, events.md (Act)."""

import pytest
from village import Refused, house

from tertulia.protocol import views, views_acts
from tertulia.protocol.errors import LocalError
from tertulia.protocol.facilitation import LIMIT_REASON, Deed
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import Facilitate, SayText, SignAct


def test_a_pause_is_heard_by_everybody_and_says_so_to_who_tries():
    village, key, ruth, omar, ada = house()
    assert ruth.ask(Facilitate(key, Deed.PAUSE, "Lunch.\x1b[2J"))["state"] == "done"
    village.settle()
    for one in (ruth, ada):
        with pytest.raises(Refused, match="paused"):
            one.ask(SayText(key, "but"))
    row = views_acts.acts(ada.core, key)[-1]
    assert (row["kind"], row["reason"], row["signers"], row["state"]) == ("pause", "Lunch.[2J", ["Ruth"], "done")
    assert omar.ask(Facilitate(key, Deed.RESUME, "Back."))["state"] == "done"
    village.settle()
    ada.say(key, "Thank you.")
    village.settle()
    assert ruth.reads(key) == omar.reads(key) == ["Ada: Thank you."]
    assert len({one.state_hash(key) for one in (ruth, omar, ada)}) == 1


def test_what_is_harsh_waits_for_a_second_facilitator():
    village, key, ruth, omar, ada = house(2)
    ada.say(key, "Fools, all of you.")
    village.settle()
    said = next(event for event in ada.core.dialogues[key].state.rooms[ada.core.dialogues[key].plenary].log)
    found = views_acts.resolve_said(ruth.core, key, said.event.hex()[:12])
    fold = ruth.ask(Facilitate(key, Deed.FOLD, "An insult.", found))
    mute = ruth.ask(Facilitate(key, Deed.MUTE, "For a day.", ada.core.dialogues[key].me))
    village.settle()
    assert (fold["state"], mute["state"]) == ("pending", "pending")
    assert views.message(omar.core, found.hex())["folded"] == ""
    for act in (fold, mute):
        assert omar.ask(SignAct(key, EventId(bytes.fromhex(str(act["act"])))))["state"] == "done"
    village.settle()
    for one in (ruth, omar, ada):
        row = views.message(one.core, found.hex())
        assert (row["folded"], row["text"]) == ("An insult.", "Fools, all of you.")
    with pytest.raises(Refused, match="muted you"):
        ada.ask(SayText(key, "!"))
    rows = {row["kind"]: row for row in views_acts.acts(ada.core, key)}
    assert (rows["mute"]["nick"], rows["fold"]["message"]) == ("Ada", found.hex())


def test_a_round_and_a_closed_room():
    village, key, ruth, _omar, ada = house()
    ruth.ask(Facilitate(key, Deed.ROUND, "Check-in", minutes=72 * 60))
    row = views_acts.acts(ruth.core, key)[-1]
    assert (row["kind"], row["closes"]) == ("round", (village.now // 60_000 + 72 * 60) * 60_000)
    ruth.ask(Facilitate(key, Deed.CLOSE, "We are done."))
    village.settle()
    with pytest.raises(Refused, match="closed"):
        ada.ask(SayText(key, "One more"))
    with pytest.raises(Refused, match="closed"):
        ruth.ask(Facilitate(key, Deed.PAUSE, "why not"))


def test_refusals():
    _village, key, ruth, _omar, ada = house()
    nobody = bytes(32)
    for citizen, command, words in (
        (ada, Facilitate(key, Deed.PAUSE, "I want to"), "Only those who facilitate"),
        (ruth, Facilitate(key, Deed.PAUSE, "  "), "needs a reason"),
        (ruth, Facilitate(key, Deed.PAUSE, "x" * (LIMIT_REASON + 1)), "at most"),
        (ruth, Facilitate(key, Deed.ROUND, "Check-in"), "A round"),
        (ruth, Facilitate(key, Deed.MUTE, "why", nobody), "not in the dialogue"),
        (ruth, Facilitate(key, Deed.UNMUTE, "why", nobody), "so already"),
        (ruth, Facilitate(key, Deed.RESUME, "why"), "so already"),
        (ruth, Facilitate(key, Deed.UNFOLD, "why", nobody), "so already"),
    ):
        with pytest.raises(Refused, match=words):
            citizen.ask(command)
    with pytest.raises(LocalError, match="no message"):
        views_acts.resolve_said(ruth.core, key, "ffffffff")
