"""The people page: what is proposed and signed there, and who facilitates."""

import pytest
from fake_node import populated
from on_asyncio import on_asyncio
from test_app import SIZES, sitting

from tertulia.tui.act_words import lacking, only_proposed, pending, proposal
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.people import PeopleScreen
from tertulia.tui.screens.talk import TalkScreen

ACT = {"act": "ac", "kind": "remove", "nick": "Omar", "state": "pending", "need": 3, "signers": ["Ruth"],
       "signed": False}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "below"),
    [
        ({}, "by Ruth · 2 signatures are missing · you have not signed"),
        ({"signers": ["Ruth", "Ana"], "signed": True}, "by Ruth · 1 signature is missing · you signed"),
        ({"signers": [], "need": 0}, "by somebody · 0 signatures are missing · you have not signed"),
        ({"signers": ["Ru\x1bth\n"]}, "by Ruth  · 2 signatures are missing · you have not signed"),
    ],
)
def test_a_proposal_says_who_and_how_many_are_missing(change, below):
    assert proposal({**ACT, **change}) == ("Proposed: remove Omar", below)


def test_what_waits_for_me_comes_first_and_what_is_decided_not_at_all():
    mine, done = {**ACT, "act": "01", "signed": True}, {**ACT, "act": "02", "state": "done"}
    assert [row["act"] for row in pending([mine, done, ACT])] == ["ac", "01"]
    assert lacking({**ACT, "signers": ["a", "b", "c", "d"]}) == "0 signatures are missing"
    assert only_proposed({"act": "ac"}, [mine, ACT]) == (
        "Only proposed: remove Omar. Nothing changes until others sign: 2 signatures are missing."
    )
    assert only_proposed({"act": "??"}, []) == "Only proposed: others must sign it too."


@SIZES
@on_asyncio
async def test_what_another_proposed_is_seen_and_signed_with_one_key(tmp_path, size):
    async with sitting(tmp_path, size=size) as at:
        await at.on(TalkScreen)
        await at.press("ctrl+t")
        await at.on(PeopleScreen)
        at.node.propose("remove", "aa", "Omar", by="Ruth")  # while the page is open
        await at.sees("Proposed: remove Omar", "by Ruth · 1 signature is missing")
        await at.press("s")
        await at.sees("Proposed by Ruth; nobody else", "1 signature")
        await at.press("escape")
        await at.on(PeopleScreen)
        assert not any(name == "cosign" for name, _ in at.node.calls)
        await at.press("s")
        await at.on(Choice)
        await at.press("down", "enter")
        await at.sees("Done.")
        assert at.node.acts[0]["signers"] == ["Ana", "Ruth"]
        assert "Proposed" not in at.flat()
        await at.press("s")
        await at.sees("Nothing waits for your signature.")


@on_asyncio
async def test_a_removal_that_others_must_sign_is_only_proposed(tmp_path):
    node = populated(tmp_path / "main")
    node.quorum = 2
    async with sitting(tmp_path, node) as at:
        await at.on(TalkScreen)
        await at.press("ctrl+t")
        await at.on(PeopleScreen)
        await at.press("down", "enter")
        await at.on(Choice)
        await at.press("down", "down", "enter")
        await at.sees("Remove Ruth?")
        await at.press("down", "enter")
        await at.sees("Only proposed: remove Ruth. Nothing changes until others sign", "you signed")
        assert len(next(iter(node.talks.values())).members) == 2
        await at.press("s")  # mine: it can be looked at, and offers nothing to sign
        await at.on(PeopleScreen)
        await at.sees("Nothing waits for your signature.")


@on_asyncio
async def test_a_facilitator_is_made_and_unmade_and_steps_down(tmp_path):
    node = populated(tmp_path / "main")
    node.add_member(next(iter(node.talks.values())), "Zoe")

    def asked() -> list[bool]:
        return [bool(params["facilitator"]) for name, params in node.calls if name == "role"]

    async with sitting(tmp_path, node) as at:
        await at.on(TalkScreen)
        await at.press("ctrl+t")
        await at.on(PeopleScreen)
        await at.press("end", "enter")
        await at.sees("Make Zoe a facilitator")
        await at.press("end", "enter")
        await at.sees("Only proposed: make Zoe a facilitator", "Proposed: make Zoe a facilitator by Ana")
        await at.press("end", "up", "enter")
        await at.sees("Let Ruth facilitate no more")
        await at.press("end", "enter")
        await at.sees("Only proposed: let Ruth facilitate no more")
        assert asked() == [True, False]
        await at.press("end", "up", "up", "enter")
        await at.sees("You facilitate here")
        await at.press("end", "enter")
        await at.sees("Facilitate no more?", "No, I go on")
        await at.press("enter")
        await at.on(PeopleScreen)
        assert asked() == [True, False]
        await at.press("enter")
        await at.sees("You facilitate here")
        await at.press("end", "enter")
        await at.sees("No, I go on")
        await at.press("end", "enter")
        await at.sees("Only proposed: let Ana facilitate no more")
        assert asked() == [True, False, False]
