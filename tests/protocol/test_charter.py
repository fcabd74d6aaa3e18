"""Charters: presets, their terms in full, the card in words. Spec: docs/spec/events.md, section Charter."""

from dataclasses import replace
from pathlib import Path

import pytest
from story import Person, drawn
from village import Refused, Village

from tertulia.protocol import views
from tertulia.protocol.charter import LIMIT_CHARTER, Charter
from tertulia.protocol.charter_words import card, shown_title
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import AcceptRules, MakeInvite, NewDialogue, SayText
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.presets import CONVERSATION, GUIDELINES, PRESETS
from tertulia.protocol.terms import LIMIT_GUIDELINES, LIMIT_LANGUAGE, LIMIT_LANGUAGES

RUTH = Person.named("ruth").newcomer
EVENTS = Path(__file__, "../../../docs/spec/events.md").resolve().read_text("utf-8")
HARSH = "2 of them must sign to remove somebody, mute, fold or close; fewer than that, two thirds of all."
DAY = 24 * 60 * 60 * 1000


def charter(preset: str, **changes: object) -> Charter:
    known = PRESETS[preset]
    terms = replace(known.terms, **changes)
    noise = drawn("noise")
    return Charter(preset, "Visas", RUTH, 30, FrameClass.SMALL, "since", known.grade, noise, known.quorum, terms)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_written_in_full_and_read_back(preset):
    rules = charter(preset)
    assert Charter.decode(rules.encode()) == rules
    assert rules.is_read_first == (preset != CONVERSATION)


def test_a_conversation_is_written_as_it_always_was():
    assert len(decode(charter(CONVERSATION).encode(), LIMIT_CHARTER)) == 8


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != CONVERSATION])
def test_what_a_preset_leaves_open_is_the_founders(preset):
    rules = replace(charter(preset, languages=("en", "ti", "zh-hant"), simulation=True), quorum=3, retention_days=7)
    assert Charter.decode(rules.encode()) == rules


@pytest.mark.parametrize(
    ("place", "wrong"),
    [(0, 1), (0, 3), (1, 2), (2, 3), (2, 0), (3, ["EN"]), (3, ["en", "en"]), (3, ["e" * (LIMIT_LANGUAGE + 1)]),
     (3, ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii"]), (4, False), (4, 1), (5, True), (6, 0), (7, False),
     (8, False), (9, "be nice"), (9, "x" * (LIMIT_GUIDELINES + 1))],
)  # fmt: skip
def test_a_name_never_says_what_the_rules_do_not(place, wrong):
    fields = list(decode(charter("track-1.5").encode(), LIMIT_CHARTER))
    terms = list(fields[9])
    terms[place] = wrong
    with pytest.raises(RemoteError) as caught:
        Charter.decode(encode([*fields[:9], terms]))
    assert caught.value.reason is RejectReason.SHAPE
    assert LIMIT_LANGUAGES < 9


@pytest.mark.parametrize(("place", "wrong"), [(0, "track-9"), (0, "track-2"), (6, "open"), (8, 0), (8, 31)])
def test_rules_of_another_name_are_no_charter(place, wrong):
    fields = list(decode(charter("track-1.5").encode(), LIMIT_CHARTER))
    fields[place] = wrong
    with pytest.raises(RemoteError) as caught:
        Charter.decode(encode(fields))
    assert caught.value.reason is RejectReason.SHAPE


def test_the_spec_prints_the_presets():
    def said(yes: bool) -> str:
        return "yes" if yes else "no"

    for name, preset in PRESETS.items():
        terms = preset.terms
        flags = (said(flag) for flag in (terms.personal, terms.binding, terms.block, terms.hidden))
        row = (f"`{name}`", preset.whom, preset.grade, preset.quorum, int(terms.join), terms.facilitators, *flags)
        assert f"| {' | '.join(map(str, row))} |\n" in EVENTS
    assert f"> {GUIDELINES}\n" in EVENTS


# -- in words ----------------------------------------------------------------------------------------------------------


def test_the_card_says_every_rule_in_words():
    lines = card(charter("track-1.5", languages=("en", "ti"), simulation=True))
    assert lines == (
        "Track 1.5: officials and citizens together, each in a personal capacity.",
        "Members see names. A leaked copy proves nothing.",
        "Everything said is off the record.",
        "Whoever has an invite may knock; a facilitator lets them in.",
        "Everybody who has accepted these rules may speak.",
        f"At least 2 people facilitate. {HARSH}",
        "What is said is kept for 30 days at most, by everybody who is honest.",
        "Languages: en, ti.",
        "Everybody speaks in a personal capacity, for no institution.",
        "An outcome binds nobody.",
        "A member may block a proposal, with a reason.",
        "You see the stances of others after you have taken your own.",
        "SIMULATION: this is an exercise; nothing of it leaves as if it were real.",
    )


def test_the_card_of_a_conversation_is_short():
    lines = card(replace(charter(CONVERSATION), retention_days=1))
    assert lines[0] == "A conversation: people who know each other."
    assert "One person facilitates. One of them can remove somebody, mute, fold or close." in lines
    assert "What is said is kept for a day at most, by everybody who is honest." in lines
    assert not any("exercise" in line for line in lines)


def test_the_tracks_differ_where_they_should():
    assert "An outcome binds those who endorse it." in card(charter("track-1"))
    assert "What is said may also be put on the record: then a copy proves who said it." in card(charter("track-3"))
    assert "Whoever has an invite may join." in card(charter("track-3"))


# -- among people ------------------------------------------------------------------------------------------------------


def track(preset: str, **rules: object) -> tuple[Village, DialogueId]:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    answer = ruth.ask(NewDialogue("Visas", village.commons.id, "Ruth", preset=preset, **rules))
    village.settle()
    key = DialogueId(bytes.fromhex(str(answer["dialogue"])))
    village.join(omar, village.invite(ruth, key))
    village.wait(5_000)
    return village, key


def test_nobody_speaks_before_they_have_accepted_the_rules():
    village, key = track("track-3")
    ruth, omar = village.citizens["Ruth"], village.citizens["Omar"]
    with pytest.raises(Refused, match="have not accepted the rules"):
        omar.ask(SayText(key, "Already here!"))
    village.wait(2 * DAY)  # a session goes by: its next key accepts nothing either
    assert views.charter(omar.core, key)["accepted"] is False
    assert omar.ask(AcceptRules(key))["accepted"] is True
    village.settle()
    omar.say(key, "Now.")
    village.settle()
    assert ruth.reads(key) == omar.reads(key) == ["Omar: Now."]
    assert ruth.state_hash(key) == omar.state_hash(key)
    with pytest.raises(Refused, match="accepted these rules already"):
        omar.ask(AcceptRules(key))
    (row,) = views.dialogues(omar.core)
    assert (row["charter"], row["accepted"], row["simulation"], row["title"]) == ("track-3", True, False, "Visas")


def test_the_rules_of_a_conversation_come_with_the_invite():
    village, key = track(CONVERSATION)
    omar = village.citizens["Omar"]
    rules = views.charter(omar.core, key)
    assert (rules["accepted"], rules["guidelines"], rules["charter"]) == (True, "", CONVERSATION)
    omar.say(key, "Here.")


def test_where_a_facilitator_lets_people_in_every_invite_asks():
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    answer = ruth.ask(NewDialogue("Visas", village.commons.id, "Ruth", preset="track-2"))
    key = DialogueId(bytes.fromhex(str(answer["dialogue"])))
    invite = ruth.ask(MakeInvite(key, 1, village.now // 60_000 + 60))
    village.settle()
    assert decode_invite(str(invite["invite"])).secret
    village.join(omar, str(invite["invite"]))
    village.wait(5_000)
    assert [row["state"] for row in views.knocks(ruth.core)] == ["waiting"]


def test_without_a_charter_there_is_no_title():
    assert shown_title(None) == ""
    assert shown_title(charter(CONVERSATION)) == "Visas"


def test_an_exercise_says_so_wherever_it_is_shown():
    village, key = track("track-3", simulation=True, languages=("en", "ti"), keep=3, quorum=1)
    ruth = village.citizens["Ruth"]
    ruth.say(key, "As the minister I refuse.")
    (row,) = views.dialogues(ruth.core)
    assert (row["title"], row["simulation"]) == ("SIMULATION: Visas", True)
    assert views.charter(ruth.core, key)["title"] == "SIMULATION: Visas"
    ((_, message),) = views.messages(ruth.core, key)
    assert message["grade"] == "simulation, off the record"
    assert [join["title"] for join in views.joins(village.citizens["Omar"].core)] == ["SIMULATION: Visas"]
    assert [knock["title"] for knock in views.knocks(ruth.core)] == ["SIMULATION: Visas"]
    assert views.resolve_dialogue(ruth.core, "simulation: visas") == views.resolve_dialogue(ruth.core, "Visas") == key
    assert ruth.core.dialogues[key].state.retention_days == 3


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"preset": "track-4"}, "no such track"),
        ({"preset": "track-2", "quorum": 0}, "quorum"),
        ({"keep": 10_000}, "keeps what is said for"),
        ({"simulation": True}, "A conversation"),
        ({"languages": ("en",)}, "A conversation"),
        ({"preset": "track-2", "languages": ("en", "en")}, "different languages"),
        ({"preset": "track-2", "languages": ("English",)}, "name of a language"),
    ],
)
def test_choices_that_are_none(rules, words):
    village = Village()
    ruth = village.citizen("Ruth")
    with pytest.raises(Refused, match=words):
        ruth.ask(NewDialogue("Visas", village.commons.id, "Ruth", **rules))
