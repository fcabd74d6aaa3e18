"""Rounds: everybody once, nobody skipped, and the floor beside them. Spec: docs/spec/events.md, section Rounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import Story, drawn

from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.event import Event, Kind
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.fold import checkpoint_of, fold, fold_whole
from tertulia.protocol.folding import advance
from tertulia.protocol.propose import Floor, Proposal
from tertulia.protocol.rounds import read_turns, turns_value
from tertulia.protocol.state import NoOp

WINDOW = (100, 4420)
NAMES = ("ruth", "omar", "selam", "daniel")


def circle() -> Story:
    """Ruth and Omar facilitate; Selam and Daniel are members."""
    story = Story(quorum=2)
    story.appoint("omar")
    story.seat("selam", "daniel")
    return story


def opens(story: Story, by: str = "ruth", **odd: object) -> Event:
    return story.steer(Deed.ROUND, by=by, text="Check-in", window=WINDOW, **odd)


def spoken(story: Story, opened: Event) -> set[str]:
    """Who has taken their turn."""
    return {story.name(one) for one in story.state().rooms[story.plenary].turns.get(opened.id, {})}


def test_everybody_speaks_once_and_stances_are_free():
    story = circle()
    opened = opens(story)
    first = story.say("selam", "I am well")
    second = story.say("selam", "and another thing")
    assert (story.reason(first), story.reason(second)) == (None, NoOp.SPOKEN)
    assert story.reason(story.act("selam", Kind.PROPOSE, Proposal("Pilot", "x").encode(), room=story.plenary)) is None
    assert story.reason(story.act("omar", Kind.SAY, b"\x00", room=story.plenary)) is NoOp.MALFORMED
    assert spoken(story, opened) == {"selam"}
    assert story.shown()[0] == "selam: I am well"
    assert story.reason(story.say("omar", "So am I")) is None  # what broke the rules was no turn


def test_who_did_not_know_of_it_has_their_turn_still():
    story = circle()
    before = story.now()
    opened = opens(story)
    assert story.reason(story.say("daniel", "Offline", seen=before)) is None
    assert spoken(story, opened) == set()
    assert story.reason(story.say("daniel", "Back")) is None
    assert spoken(story, opened) == {"daniel"}


def test_when_all_have_spoken_it_is_over_and_a_newcomer_has_a_turn():
    story = circle()
    opened = opens(story)
    for name in NAMES:
        assert story.reason(story.say(name, "here")) is None
    assert story.reason(story.say("ruth", "Thank you all")) is None
    story.seat("amina")
    assert story.reason(story.say("ruth", "Welcome")) is NoOp.SPOKEN
    assert story.reason(story.say("amina", "Hello")) is None
    assert story.reason(story.say("ruth", "Welcome")) is None
    assert spoken(story, opened) == {*NAMES, "amina"}


def test_an_end_frees_who_has_spoken_and_takes_nobody_s_turn():
    story = circle()
    opened = opens(story)
    before = story.now()
    story.say("selam", "Once")
    end = story.steer(Deed.END, by="omar", text="The window is over.")
    assert story.reason(end) is None
    assert story.reason(story.say("selam", "Twice")) is None
    assert story.reason(story.say("daniel", "I was offline", seen=before)) is None
    assert story.reason(story.say("ruth", "I was late")) is None
    assert spoken(story, opened) == {"selam", "daniel", "ruth"}
    assert story.reason(story.steer(Deed.END)) is NoOp.NO_CHANGE


def test_the_next_round_ends_the_one_before():
    story = circle()
    first = opens(story)
    story.say("selam", "One")
    second = opens(story, by="omar")
    assert story.reason(story.say("selam", "Two")) is None
    assert story.reason(story.say("selam", "Three")) is NoOp.SPOKEN
    assert (spoken(story, first), spoken(story, second)) == ({"selam"}, {"selam"})
    assert story.reason(story.say("daniel", "One")) is None
    assert (spoken(story, first), spoken(story, second)) == ({"selam"}, {"selam", "daniel"})
    announced = story.state().steering[story.plenary].announced
    assert [event for event, _ in announced] == [second.id]


def test_two_rounds_opened_unaware_of_each_other_take_one_turn_each():
    story = circle()
    before = story.now()
    mine = opens(story, seen=before)
    alone = story.now()
    theirs = opens(story, by="omar", seen=before)
    assert story.reason(story.say("selam", "One", seen=alone)) is None
    assert story.reason(story.say("selam", "Two")) is None
    assert story.reason(story.say("selam", "Three")) is NoOp.SPOKEN
    assert spoken(story, mine) == spoken(story, theirs) == {"selam"}


def test_who_has_the_floor_speaks_in_a_pause_and_beside_a_round():
    story = circle()
    opened = opens(story)
    story.say("selam", "My turn")
    story.steer(Deed.PAUSE)
    asked = story.act("selam", Kind.PROPOSE, Floor("On visas").encode(), room=story.plenary)
    assert story.reason(asked) is None
    assert story.reason(story.say("selam", "May I?")) is NoOp.PAUSED
    story.steer(Deed.GIVE, story.id("selam"), text="On visas.")
    for word in ("Yes", "and"):
        assert story.reason(story.say("selam", word)) is None
    assert story.state().steering[story.plenary].floor == {story.id("selam")}
    assert spoken(story, opened) == {"selam"}
    story.steer(Deed.GIVE, story.id("daniel"))
    assert story.reason(story.say("selam", "but")) is NoOp.PAUSED
    assert story.reason(story.say("daniel", "I listen")) is None
    assert story.reason(story.steer(Deed.GIVE, story.id("daniel"))) is NoOp.NO_CHANGE
    assert story.reason(story.steer(Deed.GIVE, drawn("nobody"))) is NoOp.NO_CHANGE
    story.steer(Deed.RESUME)
    assert story.state().steering[story.plenary].floor == frozenset()
    story.steer(Deed.GIVE, story.id("daniel"))
    story.steer(Deed.PAUSE)
    assert story.reason(story.say("daniel", "Now not")) is NoOp.PAUSED


def test_the_agenda_is_what_facilitators_put_on_it_in_their_order():
    story = circle()
    one, two = (story.say("selam", word) for word in ("One", "Two"))
    for said in (two, one):
        assert story.reason(story.steer(Deed.FIX, said.id)) is None
    assert story.state().steering[story.plenary].agenda == (two.id, one.id)
    assert story.reason(story.steer(Deed.FIX, one.id)) is NoOp.NO_CHANGE
    assert story.reason(story.steer(Deed.DROP, two.id)) is None
    assert story.state().steering[story.plenary].agenda == (one.id,)
    story.cosign("omar", story.steer(Deed.CLOSE))
    assert story.reason(story.steer(Deed.DROP, one.id)) is NoOp.NO_ROOM


def test_a_newcomer_is_told_who_has_spoken_and_who_has_the_floor():
    story = circle()
    opened = opens(story)
    story.say("selam", "Once")
    story.steer(Deed.GIVE, story.id("daniel"))
    known = story.now()
    told = Checkpoint.from_value(checkpoint_of(story.state(), story.id("ruth")).to_value())
    assert told.turns[story.plenary].keys() == {opened.id}
    story.say("selam", "Twice")
    story.say("daniel", "With the floor")
    story.say("omar", "My turn")
    late = {event.id: event for event in story.events.values() if event.id not in known}
    whole, newcomer = story.state(), fold(told, late)
    assert newcomer.hash == whole.hash
    assert {event: newcomer.noops.get(event) for event in late} == {event: whole.noops.get(event) for event in late}
    assert newcomer.rooms[story.plenary].turns == whole.rooms[story.plenary].turns
    assert newcomer.steering == whole.steering


def test_what_was_done_long_ago_is_told_as_it_stands(monkeypatch):
    """Deeds that end each other, concurrent ones among them, all of them in everybody's past."""
    monkeypatch.setattr("tertulia.protocol.cover.LIMIT_COVERED", 3)
    story = circle()
    before = story.now()
    for by, whom in (("ruth", "selam"), ("omar", "daniel")):
        opens(story, by=by, seen=before)
        story.steer(Deed.GIVE, story.id(whom), by=by, seen={*before, *(e for e in story.events if by == "ruth")})
    story.steer(Deed.GIVE, story.id("omar"))
    story.steer(Deed.PAUSE, by="omar")
    story.steer(Deed.GIVE, story.id("selam"))
    for number in range(6):
        story.announce("ruth", number)
    whole = story.state()
    first = fold(Checkpoint.from_value(checkpoint_of(whole, story.id("ruth")).to_value()), {})
    second = fold(checkpoint_of(first, story.id("omar")), {})
    assert first.hash == second.hash == whole.hash
    assert first.steering == second.steering == whole.steering
    assert whole.steering[story.plenary].floor == {story.id("selam")}


def test_a_word_that_comes_late_takes_the_turn_it_had():
    story = circle()
    opens(story)
    known = story.now()
    first = story.say("selam", "First")
    second = story.say("selam", "Second")
    state = fold(None, {event: found for event, found in story.events.items() if event != first.id})
    assert second.id not in state.noops
    assert story.reason(second) is NoOp.SPOKEN
    held = {event: story.events[event] for event in known}
    folded = fold_whole(None, held)
    for event in (second, first):
        held[event.id] = event
        folded = advance(folded, None, held, [event])
        assert folded.state.noops == fold(None, held).noops


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(("say", "say", "round", "end", "give", "part", "meet"))),
             max_size=24),
    st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_event_by_event_in_any_order_as_all_at_once(script, chance):
    story = circle()
    start = story.now()
    known = {name: set(start) for name in NAMES}
    for who, what in script:
        name = NAMES[who]
        match what:
            case "say":
                event = story.say(name, "word", seen=known[name])
            case "round":
                event = opens(story, by="ruth" if who % 2 else "omar", seen=known["ruth" if who % 2 else "omar"])
                name = "ruth" if who % 2 else "omar"
            case "end" | "give":
                name = "ruth" if who % 2 else "omar"
                deed, whom = (Deed.END, b"") if what == "end" else (Deed.GIVE, story.id(NAMES[who]))
                event = story.steer(deed, whom, by=name, seen=known[name])
            case _:
                others = known[NAMES[(who + 1) % 4]] if what == "part" else set(story.events)
                known[name] |= others
                continue
        known[name].add(event.id)
    names = [event for event in story.events if event not in start]
    chance.shuffle(names)
    held = {event: story.events[event] for event in start}
    folded = fold_whole(None, held)
    for event in names:
        held[event] = story.events[event]
        folded = advance(folded, None, held, [held[event]])
        whole = fold_whole(None, held)
        assert folded.state == whole.state
        assert folded.speech == whole.speech
    turns = folded.state.rooms[story.plenary].turns
    assert read_turns(turns_value({story.plenary: turns})) == {story.plenary: turns}


def test_turns_that_are_none_are_refused():
    for value in (5, [5], [[b"x", []]], [[bytes(32), [[bytes(32), [[bytes(32), 1]]]]]]):
        with pytest.raises(RemoteError):
            read_turns(value)

