"""What facilitators do to a room, and what that does to speech. Spec: docs/spec/events.md, sections Act and Acts."""

from dataclasses import replace
from pathlib import Path

import pytest
from story import Story, drawn

from tertulia.protocol.body import Opaque, read_body
from tertulia.protocol.cut import Cut
from tertulia.protocol.encoding import encode
from tertulia.protocol.event import Kind
from tertulia.protocol.facilitation import BOUNDED, DEEDS, LIMIT_REASON, About, Deed, Steer
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.room_hash import Tally
from tertulia.protocol.state import NoOp, Outcome

EVENTS = Path(__file__, "../../../docs/spec/events.md").resolve().read_text("utf-8")
ROOM, WHOM = drawn("room"), drawn("whom")


def circle(quorum: int = 2) -> Story:
    """Ruth and Omar facilitate; Selam and Daniel are members."""
    story = Story(quorum=quorum)
    story.appoint("omar")
    story.seat("selam", "daniel")
    return story


def stands(story: Story):
    return story.state().steering[story.plenary]


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_every_deed_is_written_and_read_back():
    for deed, rule in DEEDS.items():
        window = (5, 65) if deed is Deed.ROUND else (0, 0)
        upto = Cut((ROOM, WHOM) if ROOM < WHOM else (WHOM, ROOM), Tally(7, 9)) if deed in BOUNDED else None
        body = Steer(deed, ROOM, b"" if rule.about is About.ROOM else WHOM, "Quietly now", *window, upto)
        if deed is Deed.SEAL:
            body = replace(body, proof=bytes(range(64)))
        assert read_body(1, Kind.ACT, body.encode()) == body
        assert "Quietly" not in repr(body)
    assert read_body(1, Kind.ACT, encode([99, "something new"])) is Opaque.UNREAD


@pytest.mark.parametrize(
    "value",
    [
        [], 5, [0], [1], ["pause", ROOM, b"", "why", 0, 0], [1, ROOM, WHOM, "why", 0, 0], [3, ROOM, b"", "why", 0, 0],
        [1, b"short", b"", "why", 0, 0], [1, ROOM, b"", " ", 0, 0], [1, ROOM, b"", "x" * (LIMIT_REASON + 1), 0, 0],
        [1, ROOM, b"", "why", 0, 9], [1, ROOM, b"", "why", 1, 0], [9, ROOM, b"", "Check-in", 9, 9],
        [9, ROOM, b"", "Check-in", 9, 8], [1, ROOM, b"", "why", 0],
    ],
)  # fmt: skip
def test_what_breaks_the_rules_is_malformed(value):
    assert read_body(1, Kind.ACT, encode(value)) is Opaque.MALFORMED


def test_the_spec_prints_the_deeds():
    for deed, rule in DEEDS.items():
        signed = "the quorum" if rule.harsh else "one"
        row = f"| {int(deed)} | {deed.name.lower()} | {rule.about} | {signed} | {rule.what} |\n"
        assert row in EVENTS
    assert all(rule.harsh == DEEDS[lifted].harsh for rule in DEEDS.values() for lifted in rule.lifts)
    assert all(rule.stands or rule.lifts for rule in DEEDS.values())


# -- pause -------------------------------------------------------------------------------------------------------------


def test_a_pause_binds_who_knows_of_it_and_nobody_else():
    story = circle()
    before = story.now()
    pause = story.steer(Deed.PAUSE)
    assert story.outcome(pause) is Outcome.DONE
    unaware = story.say("selam", "I had not heard", seen=before)
    aware = story.say("daniel", "I go on")
    assert (story.reason(unaware), story.reason(aware)) == (None, NoOp.PAUSED)
    assert story.reason(story.say("ruth", "so do I")) is NoOp.PAUSED
    assert stands(story).paused
    story.steer(Deed.RESUME, by="omar")
    assert not stands(story).paused
    assert story.reason(story.say("daniel", "Now then")) is None
    assert story.reason(aware) is NoOp.PAUSED
    assert story.shown() == ["selam: I had not heard", "daniel: Now then"]


def test_the_harsher_wins_until_lifted():
    story = circle()
    story.steer(Deed.PAUSE)
    before = story.now()
    story.steer(Deed.RESUME, by="omar", seen=before)
    story.steer(Deed.RESUME, by="ruth", seen=before)
    assert not stands(story).paused
    between = story.now()
    story.steer(Deed.PAUSE, by="omar")
    late = story.steer(Deed.PAUSE, by="ruth", seen=between)
    resume = story.steer(Deed.RESUME, by="omar", seen=story.now() - {late.id})
    assert story.reason(resume) is None
    assert stands(story).paused  # Ruth's, which the resume had not heard of
    story.steer(Deed.RESUME)
    assert not stands(story).paused


# -- mute, fold, close: harsh ------------------------------------------------------------------------------------------


def test_two_facilitators_mute_somebody_in_a_room():
    story = circle()
    mute = story.steer(Deed.MUTE, story.id("selam"))
    assert story.outcome(mute) is Outcome.PENDING
    assert story.reason(story.say("selam", "still here")) is None
    story.cosign("omar", mute)
    assert stands(story).muted == {story.id("selam")}
    assert story.reason(story.say("selam", "and now?")) is NoOp.MUTED
    assert story.reason(story.say("daniel", "I may")) is None
    other = story.open("ruth", "Corner")
    assert story.reason(story.say("selam", "here I may", room=other.id)) is None
    assert story.reason(story.steer(Deed.UNMUTE, story.id("daniel"))) is NoOp.NO_CHANGE
    story.cosign("omar", story.steer(Deed.UNMUTE, story.id("selam")))
    assert story.reason(story.say("selam", "Thank you")) is None


def test_a_fold_hides_nothing_and_needs_two():
    story = circle()
    said = story.say("selam", "You are all fools")
    fold_ = story.steer(Deed.FOLD, said.id, text="An insult.")
    assert stands(story).folded == frozenset()
    story.cosign("omar", fold_)
    assert stands(story).folded == {said.id}
    assert story.shown() == ["selam: You are all fools"]
    assert story.reason(story.steer(Deed.FOLD, said.id, by="omar")) is NoOp.NO_CHANGE
    story.cosign("omar", story.steer(Deed.UNFOLD, said.id))
    assert stands(story).folded == frozenset()


def test_a_closed_room_stays_closed_and_can_be_folded_in():
    story = circle()
    before = story.now()
    said = story.say("selam", "A last word")
    story.cosign("omar", story.steer(Deed.CLOSE))
    assert stands(story).closed
    assert story.reason(story.say("daniel", "One more")) is NoOp.NO_ROOM
    assert story.reason(story.say("daniel", "Unaware", seen=before)) is None
    for deed in (Deed.CLOSE, Deed.PAUSE, Deed.RESUME, Deed.ITEM):
        assert story.reason(story.steer(deed)) is NoOp.NO_ROOM
    assert story.reason(story.steer(Deed.FOLD, said.id)) is None


def test_who_may_not_and_what_changes_nothing():
    story = circle()
    assert story.reason(story.steer(Deed.PAUSE, by="selam")) is NoOp.NOT_A_FACILITATOR
    assert story.reason(story.steer(Deed.RESUME)) is NoOp.NO_CHANGE
    assert story.reason(story.steer(Deed.MUTE, drawn("nobody"))) is NoOp.NO_CHANGE
    assert story.reason(story.act("ruth", Kind.ACT, b"\x00")) is NoOp.MALFORMED
    body = Steer(Deed.PAUSE, story.plenary, b"", "Because.").encode()
    assert story.reason(story.act("ruth", Kind.ACT, body, room=story.plenary)) is NoOp.WRONG_ROOM
    story.steer(Deed.PAUSE)
    assert story.reason(story.steer(Deed.PAUSE)) is NoOp.NO_CHANGE


def test_where_too_few_facilitate_two_thirds_decide():
    story = circle(quorum=3)
    mute = story.steer(Deed.MUTE, story.id("selam"))
    for name in ("omar", "daniel"):
        assert story.outcome(mute) is Outcome.PENDING
        story.cosign(name, mute)
    assert story.outcome(mute) is Outcome.DONE


def test_a_pause_by_who_was_removed_unaware_is_void():
    story = circle(quorum=1)
    before = story.now()
    story.remove("omar")
    pause = story.steer(Deed.PAUSE, by="omar", seen=before)
    assert story.reason(pause) is NoOp.VOID
    assert not stands(story).paused


# -- agenda and rounds -------------------------------------------------------------------------------------------------


def test_items_and_rounds_are_announced_in_order():
    story = circle()
    story.steer(Deed.ITEM, text="Visas")
    story.steer(Deed.ROUND, by="omar", text="Check-in", window=(100, 4420))
    story.steer(Deed.ITEM, text="Visas")
    said = [(steer.deed, steer.text, steer.opens, steer.closes) for _, steer in stands(story).announced]
    assert said == [(Deed.ITEM, "Visas", 0, 0), (Deed.ROUND, "Check-in", 100, 4420), (Deed.ITEM, "Visas", 0, 0)]


# -- the same for everybody --------------------------------------------------------------------------------------------


def test_the_hash_covers_what_was_done_and_a_newcomer_is_told():
    story = circle()
    plain = story.state().control_hash
    said = story.say("selam", "Fools")
    story.cosign("omar", story.steer(Deed.FOLD, said.id))
    story.steer(Deed.ITEM, text="Visas")
    story.cosign("omar", story.steer(Deed.MUTE, story.id("selam")))
    whole = story.state()
    assert whole.control_hash != plain
    told = type(checkpoint_of(whole, story.id("ruth"))).from_value(checkpoint_of(whole, story.id("ruth")).to_value())
    newcomer = fold(told, {})
    assert (newcomer.hash, newcomer.steering) == (whole.hash, whole.steering)
    late = story.say("selam", "Am I heard?")
    assert fold(told, {late.id: late}).noops[late.id] is NoOp.MUTED


def test_what_was_done_long_ago_is_told_too(monkeypatch):
    monkeypatch.setattr("tertulia.protocol.cover.LIMIT_COVERED", 3)
    story = circle()
    story.cosign("omar", story.steer(Deed.MUTE, story.id("selam")))
    story.steer(Deed.PAUSE)
    story.steer(Deed.RESUME)
    for number in range(6):
        story.announce("ruth", number)
    whole = story.state()
    told = checkpoint_of(whole, story.id("ruth"))
    assert [act.need.count for act in told.acts] == [0]
    first = fold(type(told).from_value(told.to_value()), {})
    second = fold(checkpoint_of(first, story.id("omar")), {})
    assert first.hash == second.hash == whole.hash
    assert second.steering == whole.steering


def test_a_late_signature_brings_back_nothing_that_was_lifted_long_ago(monkeypatch):
    story = circle()
    story.appoint("amina")
    mute = story.steer(Deed.MUTE, story.id("selam"))
    before = story.now()
    story.cosign("omar", mute)
    story.cosign("omar", story.steer(Deed.UNMUTE, story.id("selam")))
    alone = set(before)
    for number in range(9):
        alone.add(story.announce("amina", number, seen=alone).id)
    story.cosign("amina", mute, seen=alone)
    monkeypatch.setattr("tertulia.protocol.cover.LIMIT_COVERED", 3)
    whole = story.state()
    told = checkpoint_of(whole, story.id("ruth"))
    assert sorted(act.need.count for act in told.acts) == [0, 2]
    newcomer = fold(type(told).from_value(told.to_value()), {})
    assert (newcomer.hash, stands(story).muted) == (whole.hash, frozenset())
    assert newcomer.steering == whole.steering
