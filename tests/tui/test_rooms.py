"""Rooms on the screen, in the plain client and in words."""

import pytest
from fake_node import NodeThread, populated
from on_asyncio import on_asyncio
from test_app import SIZES, sitting
from test_plain import Sitting, follows_messages

from tertulia.tui.room_words import corridor_line, room_line
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.talk import TalkScreen

ROW = {
    "room": "ab" * 32, "form": "breakout", "title": "Quotas", "members": ["Selam", "Ada"], "mine": True,
    "rapporteur": "Ada", "closes": 0, "state": "open", "reports": [],
}  # fmt: skip


def test_a_room_in_a_line():
    assert room_line({**ROW, "form": "plenary"}) == "abababab  Plenary: everybody"
    assert room_line(ROW) == "abababab  Quotas: Selam, Ada; Ada reports back"
    gone = room_line({**ROW, "mine": False, "state": "over", "reports": ["aa"], "members": []})
    assert gone == "abababab  Quotas: nobody; Ada reports back  (you are not in it, over, 1 report)"
    assert "(until " in room_line({**ROW, "closes": 1_900_000_000_000})
    assert "\x1b" not in room_line({**ROW, "title": "a\x1b[2J", "members": ["\x1b]0;x"]})


def test_a_corridor_in_a_line():
    row = {"corridor": "cd" * 32, "members": ["Ana", "Selam"], "opener": "Selam", "closes": 1_900_000_000_000}
    for state, words in (("asked", "Selam asks you aside"), ("waiting", "not all have agreed"), ("open", "open")):
        assert corridor_line({**row, "state": state}).startswith(f"cdcdcdcd  Corridor of Ana, Selam: {words}, until ")


@SIZES
@on_asyncio
async def test_a_room_is_chosen_and_written_in(tmp_path, size):
    async with sitting(tmp_path, size=size) as at:
        await at.on(TalkScreen)
        talk = next(iter(at.node.talks.values()))
        at.node.add_room(talk, "Quotas", "Ana", "Selam")
        at.node.add_room(talk, "Others", "Omar", "Bo", mine=False)
        at.node.hear(talk, "Selam", "Just the two of us", room=talk.rooms[0]["room"])
        await at.press(*"/room", "enter")
        await at.on(Choice)
        if size[1] > 12:  # there one scrolls up to them
            await at.sees("Others: Omar, Bo; Omar reports back", "Selam asks you aside")
        await at.press("down", "enter")
        await at.on(TalkScreen)
        await at.sees("Just the two of us", "only the 2 people in it")
        await at.press(*"Yes", "enter")
        await at.sees("Yes")
        assert talk.messages[-1]["room"] == talk.rooms[0]["room"]
        await at.press(*"/room", "enter")
        await at.on(Choice)
        await at.press("enter")
        await at.on(TalkScreen)
        await at.press(*"All", "enter")
        await at.sees("All")
        assert talk.messages[-1]["room"] == ""
        assert "Just the two of us" not in at.flat()


@pytest.fixture
def node(tmp_path):
    with NodeThread(lambda: populated(tmp_path / "main")) as node:
        yield node


def test_rooms_in_the_plain_client(tmp_path, node):
    talk = next(iter(node.talks.values()))
    node.add_room(talk, "Quotas", "Ana", "Selam")
    node.add_room(talk, "Others", "Omar", "Bo", mine=False)
    with Sitting(tmp_path) as at:
        at.hears("/help lists the commands")
        follows_messages(node)
        at.types("/room")
        at.hears("Plenary: everybody")
        at.hears("Others: Omar, Bo; Omar reports back  (you are not in it)")
        at.hears("Corridor of Ana, Selam: Selam asks you aside")
        at.types("/room others")
        at.hears("No rooms that you are in are called that")
        at.types("/room quotas")
        at.hears("only the 2 people in it can read this")
        at.types("Between us")
        assert at.hears("Between us") == "[Water treaty / Quotas] You: Between us\n"
        at.types("/read")
        at.hears("Between us")
        at.types("/room plenary")
        at.hears("You are in the plenary again.")
        at.types("For all")
        assert at.hears("For all") == "[Water treaty] You: For all\n"
    assert [message["room"] for message in talk.messages[-2:]] == [talk.rooms[0]["room"], ""]
