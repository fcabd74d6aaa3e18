"""The community page, relays by name in the status, and where a message has got to."""

import pytest
from fake_node import NodeThread, populated
from on_asyncio import on_asyncio
from test_app import SIZES, sitting
from test_plain import Sitting as PlainSitting

from tertulia.tui.card_words import is_steward
from tertulia.tui.phrases import status_lines
from tertulia.tui.relay_words import community_lines, relay_lines
from tertulia.tui.screens.card import CardScreen, RelayForm
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.talk import TalkScreen

ADDRESS = "/dns4/relay.example.org/tcp/4001/p2p/12D3KooWExample"


@pytest.mark.parametrize(
    ("relay", "lines"),
    [
        ({"state": "fed"}, ["Relay Puerto: reachable, it feeds this machine."]),
        ({"state": "away"}, ["Relay Puerto: not reached just now."]),
        ({"state": "draining"}, ["Relay Puerto: reachable, but about to close."]),
        ({"state": "refused: full"}, ["Relay Puerto: it does not serve this machine (full)."]),
        (
            {"state": "connected", "problem": "Puerto was put back to an older day."},
            ["Relay Puerto: reachable.", "Puerto was put back to an older day."],
        ),
    ],
)
def test_a_relay_is_named_with_how_it_stands_and_what_is_wrong(relay, lines):
    assert relay_lines({"name": "Puerto", **relay}) == lines


def test_the_status_says_reach_relays_and_who_sees_the_address_and_nothing_twice():
    wrong = "Puerto cannot be reached; Norte can."
    relays = [{"name": "Puerto", "state": "away", "problem": wrong}, {"name": "Norte", "state": "fed"}]
    row = {"name": "Aldea", "peers": 1, "reach": "relayed", "relays": relays, "sees": "Norte sees it.", "error": wrong}
    assert status_lines({"sentence": "So.", "commons": [row]}) == [
        "So.", "Community “Aldea”: 1 device connected.", "Reached through relays alone.",
        "Relay Puerto: not reached just now.", wrong, "Relay Norte: reachable, it feeds this machine.",
        "Norte sees it.", "Nothing of yours waits to be sent.",
    ]  # fmt: skip
    assert community_lines({"reach": "direct"}) == ["Devices connect directly: they see each other's network address."]


def test_who_may_change_a_card():
    assert is_steward({"state": "none"})
    assert is_steward({"state": "followed", "steward": "a1", "stewards": ["a0", "a1"]})
    assert not is_steward({"state": "followed", "steward": "a2", "stewards": ["a0", "a1"]})


@SIZES
@on_asyncio
async def test_a_pasted_address_becomes_a_relay_on_the_card(tmp_path, size):
    async with sitting(tmp_path, size=size) as at:
        await at.on(TalkScreen)
        await at.type("/community", "enter")
        await at.on(CardScreen)
        await at.sees("Add a relay …", "Back")
        await at.press("enter")
        await at.on(RelayForm)
        await at.type(f" {ADDRESS[:20]}\n{ADDRESS[20:]} ", "enter")  # broken by a mail program
        await at.press("enter")
        await at.sees("Both are needed.")
        await at.type("Puerto", "enter")
        await at.on(CardScreen)
        await at.sees("Published: the community follows it")
        assert [relay["addresses"] for relay in at.node.relays] == [[ADDRESS]]
        await at.until(lambda: "Take Puerto off the list" in " ".join(
            str(option.prompt) for option in at.app.screen.query_one("OptionList").options
        ))  # fmt: skip
        said = " ".join(str(at.app.screen.query_one("#lines").content).split())
        for words in ("Relay Puerto: reachable, it feeds", "version 2 of its card", "(you)", "lacking 1 signature"):
            assert words in said, said


@on_asyncio
async def test_a_relay_is_taken_off_and_a_card_signed_after_one_question(tmp_path):
    node = populated(tmp_path / "main")
    node.do_commons_relays_add(ADDRESS, "Puerto")
    async with sitting(tmp_path, node) as at:
        await at.on(TalkScreen)
        await at.type("/community", "enter")
        await at.sees("Sign ca02", "it lacks 1 signature", "version 2 of its card")
        await at.press("down", "enter")
        await at.sees("Take Puerto off the list?")
        await at.press("enter")
        await at.on(CardScreen)
        assert node.relays
        await at.press("down", "enter")
        await at.sees("Sign this card?")
        await at.press("down", "enter")
        await at.until(lambda: any(name == "commons.sign" for name, _ in node.calls))
        await at.on(CardScreen)
        await at.sees("Published")
        await at.press("up", "enter")
        await at.on(Choice)
        await at.press("down", "enter")
        await at.until(lambda: not node.relays)


@on_asyncio
async def test_a_chosen_message_says_which_relays_keep_it(tmp_path):
    node = populated(tmp_path / "main")
    talk = next(iter(node.talks.values()))
    node.add_message(talk, "Ana", "one", mine=True)
    node.delivered = {"state": "sent", "relays": ["Puerto", "Norte"], "members": 1, "received": [], "waiting": ["Ruth"]}
    async with sitting(tmp_path, node) as at:
        await at.sees("one")
        await at.press("up", "d")
        await at.sees("Sent, and kept by Puerto and Norte.", "Received by 0 of 1", "Nothing heard from Ruth.")


def test_the_plain_client_says_relays_proposals_and_signs(tmp_path):
    def made():
        node = populated(tmp_path / "main")
        node.do_commons_relays_add(ADDRESS, "Puerto")
        node.propose("remove", "aa", "Omar", by="Ruth")
        return node

    with NodeThread(made) as node, PlainSitting(tmp_path) as at:
        at.hears("Off the record")
        at.types("/community")
        at.hears("Relay Puerto: reachable, it feeds this machine.")
        at.hears("version 2 of its card")
        at.types("/proposals")
        assert at.hears("remove Omar") == (
            "Proposed: remove Omar. by Ruth · 1 signature is missing · you have not signed\n"
        )
        at.types("/sign")
        at.hears("Signed, and done: remove Omar.")
        assert node.acts[0]["state"] == "done"
        at.types("/sign")
        at.hears("Nothing waits for your signature.")
