"""The method on the screen and line by line: rules before the first word, matters, rounds, edits and folds."""

import re

import pytest
from fake_method import MATTER, ROUND
from fake_node import NodeThread, populated
from on_asyncio import on_asyncio
from test_app import SIZES, sitting
from test_plain import Sitting

from tertulia.protocol.control import LocalError
from tertulia.tui.block import Block
from tertulia.tui.cli.command import run
from tertulia.tui.matter_words import matter_lines
from tertulia.tui.method_commands import METHOD_COMMANDS, asking
from tertulia.tui.phrases import instead, said_how
from tertulia.tui.proceeding_words import open_round, proceeding_lines
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.matters import MattersScreen
from tertulia.tui.screens.rules import RulesScreen
from tertulia.tui.screens.talk import TalkScreen
from tertulia.tui.widgets.composer import Composer
from tertulia.tui.widgets.messages import MessageList

HOUR = 3_600_000


@SIZES
@on_asyncio
async def test_the_rules_come_before_the_first_word(tmp_path, size):
    node = populated(tmp_path / "main")
    node.asks_for_rules = True
    async with sitting(tmp_path, node, size=size) as at:
        await at.on(RulesScreen)
        await at.sees("Members see names.", "Speak for yourself.", "until then you read, and do not speak")
        await at.press("enter")
        await at.on(TalkScreen)
        await at.sees("You read along: nobody speaks here before accepting")
        await at.type("/rules", "enter")
        await at.on(RulesScreen)
        await at.press("down", "enter")
        await at.on(TalkScreen)
        await at.sees("Off the record")
        assert node.accepted


@SIZES
@on_asyncio
async def test_a_proposal_is_stood_to_with_one_key_and_a_reason_where_it_is_owed(tmp_path, size):
    node = populated(tmp_path / "main")
    node.matters = [dict(MATTER), {**MATTER, "id": "ba" * 32, "what": "statement", "title": "", "hidden": False}]
    async with sitting(tmp_path, node, size=size) as at:
        await at.on(TalkScreen)
        await at.type("/matters", "enter")
        await at.on(MattersScreen)
        await at.sees("proposal · Ruth: A pilot", "others' stances show after yours")
        await at.press("d")
        await at.press("enter")  # nothing is sent without a reason
        await at.type("June is too soon", "enter")
        await at.sees("You disagree; 1 disagree", "strongest objection, by Ana: June is too soon")
        assert ("stance", "disagree", "June is too soon") in [
            (name, params.get("value"), params.get("reason")) for name, params in node.calls
        ]
        await at.press("down", "a")
        await at.sees("You agree; 1 agree")
        await at.press("up", "b", "escape")  # the reason is dropped, the page stays
        await at.on(MattersScreen)
        await at.press("m")
        await at.on(TalkScreen)
        assert at.app.screen.query_one(Composer).text == "/amend abababab "


@SIZES
@on_asyncio
async def test_an_open_round_stands_above_the_messages(tmp_path, size):
    node = populated(tmp_path / "main")
    node.rounds = [dict(ROUND)]
    async with sitting(tmp_path, node, size=size) as at:
        await at.on(TalkScreen)
        await at.sees("Round “Check-in”: your turn; awaited: Ana and Omar")
        await at.type("/proceedings", "enter")
        await at.on(Choice)
        await at.sees("It is your turn.", "Spoken: Ruth.")
        await at.press("down", "enter")  # ask for the floor
        await at.on(TalkScreen)
        await at.sees("The facilitators have muted you here.")


@on_asyncio
async def test_what_was_refused_comes_back_into_the_composer(tmp_path):
    async with sitting(tmp_path) as at:
        await at.on(TalkScreen)
        await at.type("/floor on visas", "enter")
        await at.sees("The facilitators have muted you here.")
        assert at.app.screen.query_one(Composer).text == "/floor on visas"
        at.app.screen.query_one(Composer).text = ""
        await at.type("/propose A pilot", "enter")
        await at.sees("Something is missing after /propose.", "Write: /propose TITLE: TEXT")
        assert at.app.screen.query_one(Composer).text == "/propose A pilot"
        at.app.screen.query_one(Composer).text = ""
        await at.type("/propose A pilot: Fifty visits", "enter")
        await at.sees("Proposed.")
        assert ("propose", "Fifty visits") in [(name, params.get("text")) for name, params in at.node.calls]


@SIZES
@on_asyncio
async def test_edited_withdrawn_and_folded_words_say_so_and_open_on_request(tmp_path, size):
    node = populated(tmp_path / "main")
    talk = next(iter(node.talks.values()))
    node.add_message(talk, "Ruth", "Sixty", edited=True)
    node.add_message(talk, "Ruth", "", withdrawn=True)
    node.add_message(talk, "Omar", "You fool", folded="An insult.")
    node.versions = [
        {"text": "Fifty", "time": 0, "withdrawn": False}, {"text": "Sixty", "time": HOUR, "withdrawn": False},
    ]  # fmt: skip
    async with sitting(tmp_path, node, size=size) as at:
        await at.on(TalkScreen)
        await at.sees("(withdrawn by its author", "(folded by the facilitators: An insult.)")
        assert "You fool" not in at.flat()
        at.app.screen.query_one(MessageList).choose_last()
        await at.press("o")
        await at.sees("You fool")
        await at.press("o", "up", "up")
        await at.sees("edited")
        await at.press("enter")
        await at.on(Choice)
        await at.sees("What it was before")
        answers = at.app.screen.query_one("OptionList")
        answers.highlighted = next(
            place for place in range(answers.option_count) if answers.get_option_at_index(place).id == "history"
        )
        await at.press("enter")
        await at.sees("What it said, and when", "Fifty", "Sixty")


def test_what_stands_in_place_of_words():
    assert instead({"withdrawn": True}).startswith("withdrawn by its author")
    assert instead({"folded": "Insult"}, opened=True) == ""
    assert instead({"expired": 1, "folded": "Insult"}) == "its text was kept for 1 day"
    assert said_how({"form": "message", "edited": True}) == ["edited"]
    assert said_how({"form": "translation", "lang": "en", "folded": "x"}) == ["translation", "en", "folded"]
    assert said_how({"form": "scribe", "voice": "Daniel"}) == ["for Daniel"]
    row = {"member": "aa", "author": "Ruth", "text": "words", "time": 0, "folded": "Insult"}
    for opened in (False, True):
        block = Block(row, None, first_unread=False, opened=opened)
        assert len(block.lines(80)) == block.height(80)


def test_matters_and_rounds_in_words():
    action = {**MATTER, "what": "action", "owner": "Omar", "deadline": 86_400_000, "review": 172_800_000,
              "hidden": False, "needs_source": 1, "disputed": 2}  # fmt: skip
    lines = matter_lines(action)
    assert re.fullmatch(r"    Omar does it until 1970-01-0\d [\d:]{5}, looked at again 1970-01-0\d [\d:]{5}", lines[2])
    assert lines[3:] == ["    no stance yet", "    1 ask for a source", "    disputed by 2"]
    assert matter_lines({**MATTER, "versions": ["1", "2"]})[0].endswith("A pilot (version 2)")
    nothing = {"rounds": [], "queue": [], "agenda": []}
    assert proceeding_lines(nothing) == ["No round is open, nobody asks for the floor, and nothing is on the agenda."]
    assert open_round(nothing) == ""
    busy = {
        "closed": True, "paused": True, "muted": ["Omar"], "floor": ["Ruth", "Ana", "Ben"], "item": "Visas",
        "rounds": [{**ROUND, "open": False}, {**ROUND, "turn": False}],
        "queue": [{"id": "12" * 32, "author": "Omar", "about": "Aid"}],
        "agenda": [{"id": "34" * 32, "title": "Visas", "author": "Ana", "minutes": 20, "fixed": True},
                   {"id": "56" * 32, "title": "Aid", "author": "Ben", "minutes": 0, "fixed": False}],
    }  # fmt: skip
    lines = proceeding_lines(busy)
    assert lines[:5] == [
        "The room is closed.", "The room is paused: who has the floor speaks.", "Muted: Omar.",
        "The floor: Ruth, Ana and Ben.", "The round “Check-in” is over; spoken have Ruth.",
    ]  # fmt: skip
    assert lines[6:] == [
        "  You have had your turn.", "  Spoken: Ruth.", "  Awaited: Ana and Omar.", "Now: Visas", "Agenda:",
        "  34343434  Visas (Ana, 20 minutes)", "Proposed for the agenda:", "  56565656  Aid (Ben)",
        "Asking for the floor:", "  12121212  Omar: Aid",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "method", "params"),
    [
        ("statement Visas take long", "say", {"text": "Visas take long", "form": "statement"}),
        ("reply ab12 They do", "say", {"text": "They do", "form": "reply", "target": "ab12"}),
        ("translate ab12 fr Oui", "say", {"text": "Oui", "form": "translation", "target": "ab12", "lang": "fr"}),
        ("scribe Daniel: I agree", "say", {"text": "I agree", "form": "scribe", "voice": "Daniel"}),
        ("propose Pilot: Fifty", "propose", {"title": "Pilot", "text": "Fifty", "form": "proposal"}),
        ("disagree ab12 Too soon", "stance", {"id": "ab12", "value": "disagree", "reason": "Too soon"}),
        ("heard ab12", "stance", {"id": "ab12", "value": "heard"}),
        ("edit ab12 Sixty", "edit", {"id": "ab12", "text": "Sixty"}),
        ("take ab12", "take", {"id": "ab12"}),
        ("floor", "floor", {"text": ""}),
        ("round 72h Check-in", "act", {"deed": "round", "reason": "Check-in", "minutes": 4320}),
        ("give Ana Please", "act", {"deed": "give", "reason": "Please", "member": "Ana"}),
        ("fold ab12 An insult", "act", {"deed": "fold", "reason": "An insult", "message": "ab12"}),
        ("pause Lunch", "act", {"deed": "pause", "reason": "Lunch"}),
    ],
)
def test_a_command_asks_the_node_for_just_that(line, method, params):
    name, _, rest = line.partition(" ")
    asked = asking(name, rest)
    assert asked is not None
    assert (asked.method, asked.params) == (method, params)


def test_a_command_without_what_it_needs_says_how_it_is_written():
    needy = {command.name for command in METHOD_COMMANDS} - {"matters", "proceedings", "rules", "history", "floor"}
    assert len(needy) > 30
    for name in needy:
        with pytest.raises(LocalError, match=f"missing after /{name}"):
            asking(name, "")
    asked = asking("action", "Omar 14d Write: the form")
    assert asked is not None
    assert asked.params["deadline"] > 0
    assert asking("shout", "x") is None


def test_the_plain_client_speaks_the_method(tmp_path):
    with NodeThread(lambda: populated(tmp_path / "main")) as node, Sitting(tmp_path) as plain:
        talk = next(iter(node.talks.values()))
        node.matters = [dict(MATTER)]
        node.versions = [
            {"text": "Fifty\nor so", "time": 0, "withdrawn": False}, {"text": "", "time": 0, "withdrawn": True},
        ]  # fmt: skip
        node.add_message(talk, "Ruth", "", withdrawn=True)
        plain.hears("Open: ")
        plain.types("/matters")
        plain.hears("abababab  proposal · Ruth: A pilot")
        plain.types("/agree abab")
        plain.hears("Taken.")
        plain.types("/matters")
        plain.hears("You agree; 1 agree")
        plain.types("/proceedings")
        plain.hears("No round is open")
        plain.types("/rules")
        plain.hears("Members see names.")
        plain.hears("/rules accept does.")
        plain.types("/rules accept")
        plain.hears("You may speak now")
        plain.types("/history abab")
        plain.hears("or so")
        plain.hears("(withdrawn)")
        plain.types("/read 1")
        plain.hears("(withdrawn by its author")
        plain.types("/disagree")
        plain.hears("Write: /disagree ID REASON")
        plain.types("/shout")
        plain.hears("There is no command /shout")


def test_read_shows_what_it_was_and_opens_what_is_folded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TERTULIA_HOME", str(tmp_path))
    with NodeThread(lambda: populated(tmp_path / "main")) as node:
        talk = next(iter(node.talks.values()))
        node.versions = [{"text": "Fifty", "time": 0, "withdrawn": False}]
        node.add_message(talk, "Ruth", "Sixty", edited=True)
        node.add_message(talk, "Ruth", "You fool", folded="An insult.")
        assert run(["read", "Water treaty", "--last", "2", "--history", "--folded"]) == 0
        shown = capsys.readouterr().out
        assert re.search(r"edited\n    Sixty\n      1970-01-0\d \d\d:\d\d: Fifty\n", shown)
        assert "folded\n    You fool" in shown
