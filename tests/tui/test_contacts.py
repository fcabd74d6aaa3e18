"""Who people are, on the screen, in the plain client and in the verbs: show, compare, keep, talk, answer an invite."""

import json

import pytest
from fake_node import NUMBER, NodeThread, hexed, populated
from on_asyncio import on_asyncio
from test_app import SIZES, sitting
from textual.widgets import OptionList

from tertulia.tui.cli.command import run
from tertulia.tui.contact_words import contact_words, identity_answers, identity_lines, identity_words, offered
from tertulia.tui.phrases import member_words
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.contacts import ContactsScreen, NameScreen
from tertulia.tui.screens.people import PeopleScreen
from tertulia.tui.screens.talk import TalkScreen

OFFER = {"offer": hexed("0f", 1), "title": "Visas", "invite": "AEAQABC", "time": 1}


def asked(node, method):
    return [params for name, params in node.calls if name == method]


async def choose(at, words):
    """Go down to the answer that begins so, and press Enter."""
    await at.on(Choice)
    options = at.app.screen.query_one(OptionList)
    prompts = [str(options.get_option_at_index(place).prompt) for place in range(options.option_count)]
    place = next(place for place, prompt in enumerate(prompts) if prompt.startswith(words))
    await at.press("home", *["down"] * place, "enter")


@pytest.mark.parametrize(
    ("row", "words", "line"),
    [
        ({}, "", None),
        ({"shown": True}, "", "They know who you are; they have not"),
        ({"identity": "shown"}, "has shown who they are", "Show it too, and a number"),
        ({"identity": "shown", "contact": "Cou\x1bsin"}, "your contact Cousin", "Show it too"),
        ({"identity": "shown", "number": NUMBER}, "has shown who they are", "Compare it where nobody"),
        ({"identity": "verified", "number": NUMBER}, "has shown who they are, verified", f"Safety number: {NUMBER}"),
        ({"identity": "changed", "number": NUMBER, "changed": "Another key."}, "key changed: look", "Another key."),
    ],
)
def test_what_a_member_has_shown_is_said(row, words, line):
    assert identity_words(row).startswith(words)
    assert bool(words) == bool(identity_words(row))
    assert line is None or any(line in one for one in identity_lines(row))
    assert member_words({"nick": "Omar", **row})[1].endswith(identity_words(row))


def test_what_can_be_done_about_it():
    assert [key for key, _ in identity_answers({}, "Omar")] == ["reveal"]
    shown = {"shown": True, "identity": "shown", "number": NUMBER}
    assert [key for key, _ in identity_answers(shown, "Omar")] == ["same", "keep"]
    assert identity_answers({**shown, "identity": "verified", "contact": "Cousin"}, "Omar") == []


def test_how_a_contact_stands():
    row = {"name": "Cousin", "called": "Omar", "met": False, "verified": True, "offers": [OFFER]}
    assert contact_words(row) == "calls themselves Omar, verified, does not know who you are, invites you to “Visas”"
    assert contact_words({**row, "called": "Cousin", "met": True, "changed": True, "offers": []}) == "key changed"
    assert offered([]) == ""


@SIZES
@on_asyncio
async def test_i_show_who_i_am_compare_and_keep_them_under_my_own_name(tmp_path, size):
    async with sitting(tmp_path, size=size) as at:
        ruth = next(iter(at.node.talks.values())).members[1]
        await at.on(TalkScreen)
        await at.press("ctrl+t")
        await at.on(PeopleScreen)
        await at.press("down", "enter")
        await choose(at, "Show Ruth who I am")
        await at.sees("It cannot be taken back.", "No, not now")
        await at.press("enter")
        await at.on(PeopleScreen)
        assert not asked(at.node, "reveal")
        await at.press("enter")
        await choose(at, "Show Ruth who I am")
        await at.sees("No, not now")
        await choose(at, "Show Ruth")
        await at.sees("Shown.")
        assert asked(at.node, "reveal")[0]["members"] == [ruth["member"]]
        ruth.update(identity="shown", number=NUMBER)
        at.node.changed()
        await at.sees("has shown who they are")
        await at.press("enter")
        await choose(at, "We compared safety numbers")
        await at.until(lambda: ruth["identity"] == "verified")
        await at.sees("verified")
        await at.press("enter")
        await choose(at, "Keep Ruth as a contact")
        await at.on(NameScreen)
        await at.press("end")
        await at.type("-at-work", "enter")
        await at.on(PeopleScreen)
        await at.sees("your contact Ruth-at-work")


@on_asyncio
async def test_a_changed_key_is_looked_at_by_opening_them(tmp_path):
    async with sitting(tmp_path) as at:
        ruth = next(iter(at.node.talks.values())).members[1]
        ruth.update(identity="changed", number=NUMBER, changed="They use another device.", shown=True)
        await at.on(TalkScreen)
        await at.press("ctrl+t")
        await at.sees("key changed: look before you write")
        await at.press("down", "enter")
        await at.sees("They use another device.", NUMBER[:11])
        await at.press("escape")
        await at.until(lambda: ruth["identity"] == "shown")
        assert "same" not in asked(at.node, "verify")[0]


@SIZES
@on_asyncio
async def test_two_keys_open_a_conversation_with_a_contact(tmp_path, size):
    node = populated(tmp_path / "main")
    node.befriend("Cousin", "Omar")
    async with sitting(tmp_path, node, size=size) as at:
        await at.on(TalkScreen)
        await at.press("ctrl+k")
        await at.on(ContactsScreen)
        await at.press("enter")
        await at.on(TalkScreen)
        await at.sees("Ana & Omar")
        assert len(node.talks) == 2


@on_asyncio
async def test_an_invite_of_a_contact_is_seen_and_answered(tmp_path):
    node = populated(tmp_path / "main")
    contact = node.befriend("Cousin", "Omar", offers=[OFFER, {**OFFER, "offer": hexed("0f", 2), "title": "Water"}])
    async with sitting(tmp_path, node) as at:
        await at.sees("Cousin invites you to “Visas” (and 1 more)", "Ctrl+K")
        await at.press("ctrl+k", "enter")
        await at.sees("Cousin invites you to “Visas”", "No, thanks")
        await at.press("end", "up", "enter")
        await at.until(lambda: len(contact["offers"]) == 1)
        await at.on(ContactsScreen)
        await at.press("enter")
        await at.sees("Cousin invites you to “Water”")
        await at.press("enter")
        await at.on(TalkScreen)
        assert asked(node, "join")[0]["invite"] == "AEAQABC"


@on_asyncio
async def test_a_contact_is_invited_here_renamed_and_forgotten(tmp_path):
    node = populated(tmp_path / "main")
    node.befriend("Cousin", "Omar")
    async with sitting(tmp_path, node) as at:
        await at.on(TalkScreen)
        await at.press("ctrl+k")
        await at.on(ContactsScreen)
        await at.press("i")
        await at.sees("Cousin is invited to “Water treaty”.")
        await at.press("r")
        await at.on(NameScreen)
        await at.type("s", "enter")
        await at.on(ContactsScreen)
        await at.sees("Cousins")
        node.contacts[0]["met"] = False
        await at.press("i")
        await at.sees("They do not know who you are.")
        await at.press("f")
        await at.sees("No, keep them")
        await at.press("down", "enter")
        await at.sees("You keep nobody yet.")
        await at.press("i", "r", "f", "escape")
        await at.on(TalkScreen)


def spoken(capsys, *arguments, code=0):
    assert run([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_verbs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TERTULIA_HOME", str(tmp_path))
    with NodeThread(lambda: populated(tmp_path / "main")) as node:
        ruth = next(iter(node.talks.values())).members[1]
        assert spoken(capsys, "reveal", "Water treaty", "Ruth", "--yes")["shown"] == 1
        assert "could not find them again" in spoken(capsys, "contacts", "add", "Water treaty", "Ruth", code=1)["error"]
        ruth.update(identity="changed", number=NUMBER, changed="Another device.")
        assert run(["members", "Water treaty"]) == 0
        assert "key changed" in capsys.readouterr().out
        assert run(["verify", "Water treaty", "Ruth"]) == 0
        assert capsys.readouterr().out.splitlines()[:2] == ["Another device.", f"Safety number: {NUMBER}"]
        assert spoken(capsys, "verify", "Water treaty", "Ruth", "--same")["verified"] is True
        assert run(["contacts", "list"]) == 0
        assert "You keep nobody yet" in capsys.readouterr().out
        assert spoken(capsys, "contacts", "add", "Water treaty", "Ruth", "--name", "Boss")["name"] == "Boss"
        assert spoken(capsys, "contacts", "rename", "boss", "Ruth (work)")["name"] == "Ruth (work)"
        assert spoken(capsys, "contacts", "talk", "ruth (work)")["conversation"] == "new"
        assert spoken(capsys, "contacts", "talk", "ruth (work)")["conversation"] == "open"
        assert spoken(capsys, "contacts", "invite", "ruth (work)", "Water treaty")["title"] == "Water treaty"
        node.contacts[0]["offers"] = [OFFER, {**OFFER, "offer": hexed("0f", 2), "title": "Water"}]
        assert run(["contacts", "list"]) == 0
        assert "invites you to “Visas”" in capsys.readouterr().out
        assert spoken(capsys, "contacts", "join", "Ruth (work)", code=1)["error"] == "2 invites of theirs wait."
        assert spoken(capsys, "contacts", "decline", "Ruth (work)", "visas")["offer"] == OFFER["offer"]
        joined = spoken(capsys, "contacts", "join", "Ruth (work)", "--wait", "0")
        assert joined["join"]
        assert "No invite of “Nobody” waits" in spoken(capsys, "contacts", "join", "Nobody", code=1)["error"]
        assert spoken(capsys, "contacts", "forget", "Ruth (work)")["contact"]
        assert node.contacts == []
