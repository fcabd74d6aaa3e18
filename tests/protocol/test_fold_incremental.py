"""Going on from a fold gives what folding everything gives, after every event, in any order. Spec: core.md §2."""

import os
import random
from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st
from quarrel import ACTS, CAST, Quarrel, Step
from story import Story, drawn

from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.dialogue import LIMIT_NEWS, Dialogue
from tertulia.protocol.event import Event, Kind
from tertulia.protocol.fold import Folded, checkpoint_of, fold_whole
from tertulia.protocol.fold_control import Step as Judged
from tertulia.protocol.fold_control import judge_more
from tertulia.protocol.folding import LIMIT_STEPS, advance, forget
from tertulia.protocol.state import NoOp, State
from tertulia.protocol.turn import Turn

EXAMPLES = int(os.environ.get("TERTULIA_MERGE_EXAMPLES", "100"))

steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(ACTS), st.integers(0, 4), st.integers(0, 10_000)),
    min_size=1,
    max_size=40,
)
quorums = st.integers(1, 3)


def assert_same(mine: Folded, whole: Folded) -> None:
    """Every field, also those that a comparison of states leaves out."""
    for one in fields(State):
        if one.name not in {"ground", "citing"}:
            assert getattr(mine.state, one.name) == getattr(whole.state, one.name), one.name
    for one in fields(type(whole.state.citing)):
        if one.name != "named":
            assert getattr(mine.state.citing, one.name) == getattr(whole.state.citing, one.name), one.name
    assert list(mine.state.rooms) == list(whole.state.rooms)
    assert (mine.control, mine.speech) == (whole.control, whole.speech)
    if whole.state.ground is not None:
        for name in ("charter_body", "genesis", "control", "covers", "strays", "live"):
            assert getattr(mine.state.ground, name) == getattr(whole.state.ground, name), name
        teller = drawn("teller")
        assert checkpoint_of(mine.state, teller) == checkpoint_of(whole.state, teller)


def grow(checkpoint: Checkpoint | None, events: dict, names: list, batch: random.Random | None = None) -> Folded:
    """Go on event by event, or in batches, and compare each time."""
    held: dict = {}
    mine = fold_whole(checkpoint, held)
    news: list = []
    for name in names:
        held[name] = events[name]
        news.append(events[name])
        if batch is None or batch.random() < 0.3:
            before = (mine, mine.state.hash, len(mine.speech.waiting))
            mine, news = advance(mine, checkpoint, held, news), []
            assert_same(mine, fold_whole(checkpoint, held))
            assert (before[0].state.hash, len(before[0].speech.waiting)) == before[1:]
            assert all(mine.state.knows(name) for name in held)
            if batch is not None and mine.state.waiting and batch.random() < 0.1:
                dropped = set(batch.sample(sorted(mine.state.waiting), batch.randint(1, len(mine.state.waiting))))
                held = {name: event for name, event in held.items() if name not in dropped}
                mine = forget(mine, checkpoint, held, dropped)
                assert_same(mine, fold_whole(checkpoint, held))
    return mine


@given(steps, st.randoms(use_true_random=False), st.booleans(), quorums)
@settings(max_examples=EXAMPLES, deadline=None)
def test_after_every_event_in_any_order_the_state_is_that_of_the_whole(
    script: list[Step], chance: random.Random, batches: bool, quorum: int
) -> None:
    events = Quarrel(quorum).play(script).story.events
    names = list(events)
    late = [names.pop(chance.randrange(len(names))) for _ in range(chance.randrange(1 + len(names) // 4))]
    if chance.random() < 0.3:
        chance.shuffle(names)
    grow(None, events, [*names, *late], chance if batches else None)


@given(steps, st.integers(0, 4), st.randoms(use_true_random=False), quorums)
@settings(max_examples=EXAMPLES, deadline=None)
def test_it_holds_on_top_of_a_checkpoint_also_for_what_it_covers(
    script: list[Step], teller: int, chance: random.Random, quorum: int
) -> None:
    quarrel = Quarrel(quorum).play(script)
    events = quarrel.story.events
    known = quarrel.held[CAST[teller]]
    told = quarrel.story.state(known)
    checkpoint = checkpoint_of(told, quarrel.story.id("ruth"))
    names = list(events)
    if chance.random() < 0.5:
        chance.shuffle(names)
    grow(checkpoint, events, names)


# -- case by case: does it go on, or begin anew? -----------------------------------------------------------------------


def conversation() -> tuple[Story, Folded]:
    story = Story("ruth")
    story.seat("omar", "selam")
    story.say("ruth", "Welcome")
    return story, fold_whole(None, dict(story.events))


def go_on(before: Folded, story: Story, *news: Event) -> Folded:
    """Take in some events that were held back until now."""
    known = {*before.state.citing.waiting, *(name for part in before.state.citing.named for name in part)}
    held = {name: story.events[name] for name in story.events if name in known or story.events[name] in news}
    mine = advance(before, None, held, news)
    assert_same(mine, fold_whole(None, held))
    return mine


def more(before: Folded, *news: Event) -> object:
    """What comes of judging these alone; None where everything is to be judged anew."""
    return judge_more(Judged.of(before.state.ground, before.findings), sorted(news, key=lambda event: event.order))


def test_speech_is_heard_without_reading_its_room_again():
    story, before = conversation()
    after = go_on(before, story, story.say("omar", "One"), story.say("selam", "Two"))
    assert after.bench is before.bench
    assert story.shown(after.state) == story.shown()


def test_a_control_event_that_moves_no_speech_leaves_it_unread():
    story, before = conversation()
    after = go_on(before, story, story.introduce("omar"), story.leave("selam"), story.admit("daniel"))
    assert (after.speech is before.speech, after.bench is before.bench) == (True, False)
    assert len(after.state.roster) == 3


def test_control_events_that_come_after_all_others_are_judged_alone():
    story, before = conversation()
    one, two = story.introduce("omar"), story.prekeys("selam")
    assert more(before, one, two)
    late = story.leave("selam", seen=story.events.keys() - {two.id, one.id})
    orphan = story.leave("selam", parents=(drawn("gone"),), lamport=99)
    for news in ((one, two), (two,), (orphan, one)):
        go_on(before, story, *news)
    assert more(go_on(before, story, one, two), late) is None
    assert not fold_whole(None, dict(story.events)).steps
    assert go_on(go_on(before, story, one, two), story, late).state.roster == story.state().roster


def test_what_comes_late_is_judged_from_the_step_it_comes_after():
    story, before = conversation()
    first = story.introduce("omar")
    late = story.leave("selam")
    after = go_on(before, story, first)
    for _ in range(3):
        after = go_on(after, story, story.prekeys("ruth", seen=story.events.keys() - {late.id}))
    assert len(after.steps) == 5
    whole = go_on(after, story, late)
    assert len(whole.steps) < len(after.steps)
    assert whole.speech is before.speech
    for _ in range(LIMIT_STEPS):
        whole = go_on(whole, story, story.prekeys("ruth"))
    assert len(whole.steps) == LIMIT_STEPS


def test_what_others_wait_for_and_what_is_covered_is_not_judged_alone():
    story, before = conversation()
    first = story.prekeys("omar")
    hasty = story.leave("selam", parents=(first.id,), lamport=1)
    assert more(before, hasty, first) is None
    assert go_on(before, story, hasty, first).state.noops == {hasty.id: NoOp.LAMPORT}
    checkpoint = checkpoint_of(story.state(), story.id("ruth"))
    newcomer = fold_whole(checkpoint, {})
    assert more(newcomer, first) is None
    assert_same(advance(newcomer, checkpoint, {first.id: first}, (first,)), fold_whole(checkpoint, {first.id: first}))


def test_what_leaps_ahead_makes_nothing_else_late():
    story, _ = conversation()
    start = story.now()
    leap = story.leave("selam", seen=start, lamport=2**40)
    before = fold_whole(None, dict(story.events))
    assert before.state.noops == {leap.id: NoOp.LAMPORT}
    without = fold_whole(None, {name: story.events[name] for name in start})
    assert more(without, leap)
    assert go_on(without, story, leap).state.noops == before.state.noops
    after = story.introduce("omar", seen=start)
    assert more(before, after)
    assert go_on(before, story, after).state.control_heads == (after.id,)


def test_a_proposal_that_decides_nothing_leaves_speech_unread():
    story = Story("ruth", quorum=2)
    story.seat("omar", "selam", "daniel")
    story.appoint("omar")
    before = fold_whole(None, dict(story.events))
    proposed = story.remove("selam", by="ruth")
    pending = go_on(before, story, proposed)
    assert pending.speech is before.speech
    done = go_on(pending, story, story.cosign("omar", proposed))
    assert done.speech is not before.speech
    assert len(done.state.roster) == 3


def test_a_removal_reads_everything_again():
    story, before = conversation()
    after = go_on(before, story, story.remove("omar"))
    assert after.speech is not before.speech
    assert len(after.state.roster) == 2


def test_a_room_and_what_waits_for_it():
    story, before = conversation()
    opened = story.open("ruth", "Second")
    said = story.say("omar", "Here", room=opened.id)
    waits = go_on(before, story, said)
    assert waits.bench is before.bench
    assert (waits.state.waiting, waits.state.missing) == ({said.id}, {opened.id})
    assert go_on(waits, story, opened).state.rooms[opened.id].log[0].event == said.id


def test_what_waits_can_be_let_go_of():
    story, before = conversation()
    gone = drawn("gone")
    early = story.say("omar", "Not yet", control=(gone,))
    building = story.leave("selam", parents=(gone,))
    later = story.say("omar", "Nor this", control=(building.id,), seq=9)
    waits = go_on(before, story, early, building, later)
    assert (waits.state.waiting, waits.state.missing) == ({early.id, building.id, later.id}, {gone})
    held = {name: event for name, event in story.events.items() if event != building}
    left = forget(waits, None, held, {building.id})
    assert_same(left, fold_whole(None, held))
    assert left.state.missing == {gone, building.id}
    held = {name: event for name, event in held.items() if event != early}
    assert forget(left, None, held, {early.id}).state.missing == {building.id}


def test_what_is_covered_already_and_turns_up_is_missed_no_more():
    story, _ = conversation()
    said = story.say("omar", "Told already")
    checkpoint = checkpoint_of(story.state(), story.id("ruth"))
    odd = story.say("omar", "On speech as if it were control", control=(said.id,), seq=9)
    waits = fold_whole(checkpoint, {odd.id: odd})
    assert waits.state.missing == {said.id}
    held = {odd.id: odd, said.id: said}
    after = advance(waits, checkpoint, held, (said,))
    assert_same(after, fold_whole(checkpoint, held))
    assert (after.state.missing, after.bench is waits.bench) == (frozenset(), True)


def test_without_a_charter_everything_waits_and_can_be_let_go_of():
    story, _ = conversation()
    held = {name: event for name, event in story.events.items() if event != story.genesis}
    start = fold_whole(None, held)
    name = held.popitem()[0]
    left = forget(start, None, held, {name})
    assert_same(left, fold_whole(None, held))
    assert left.state.waiting == held.keys()


def test_what_is_said_nowhere():
    story, before = conversation()
    after = go_on(before, story, story.say("omar", "Where?", room=drawn("no room")))
    assert after.bench is before.bench
    assert list(after.state.noops.values()) == [NoOp.NO_ROOM]


def test_late_speech_takes_its_place_and_closes_gaps():
    story, before = conversation()
    start = story.now()
    first, other = story.say("omar", "First"), story.say("selam", "Beside", seen=start)
    last = story.say("ruth", "Last")
    late = go_on(before, story, last)
    assert late.state.rooms[story.plenary].missing == {first.id, other.id}
    one = go_on(late, story, other)
    assert one.state.rooms[story.plenary].log[-1].gap
    apart = go_on(one, story, story.say("selam", "Apart", seen=start, seq=9, parents=(drawn("lost"),)))
    both = go_on(apart, story, first)
    assert [entry.gap for entry in both.state.rooms[story.plenary].log].count(True) == 1
    assert both.bench is before.bench
    assert story.shown(both.state)[-1] == "ruth: Last"


def test_a_number_used_twice_reads_everything_again():
    story, before = conversation()
    start = story.now()
    one, two = story.say("omar", "Yes", seen=start), story.say("omar", "No", seen=start)
    first = go_on(before, story, one)
    assert first.bench is before.bench
    assert go_on(first, story, two).state.equivocations == {story.id("omar"): {one.id, two.id}}


def test_a_lamport_that_turns_out_wrong_reads_everything_again():
    story, before = conversation()
    first = story.say("omar", "First")
    high = story.say("selam", "Far", lamport=first.header.lamport + 50)
    gap = go_on(before, story, high)
    assert not gap.state.noops
    assert go_on(gap, story, first).state.noops == {high.id: NoOp.LAMPORT}


def test_what_somebody_removed_said_is_heard_once_it_is_named():
    story, _ = conversation()
    before = story.now()
    story.remove("omar", seen=before)
    start = fold_whole(None, dict(story.events))
    said, unnamed = story.say("omar", "Unheard", seen=before), story.say("omar", "Again", seen=before, seq=7)
    alone = go_on(start, story, said, unnamed)
    assert alone.bench is start.bench
    assert set(alone.state.noops.values()) == {NoOp.REMOVED_AUTHOR}
    quoted = story.say("selam", "I heard that", seen={*before, said.id})
    assert set(go_on(alone, story, quoted).state.noops) == {unnamed.id}
    child_first = go_on(start, story, quoted)
    assert not go_on(child_first, story, said).state.noops


def test_what_the_remover_knew_is_heard():
    story, _ = conversation()
    said = story.say("omar", "Heard")
    story.remove("omar")
    start = fold_whole(None, {name: event for name, event in story.events.items() if event != said})
    after = go_on(start, story, said)
    assert after.bench is start.bench
    assert not after.state.noops


# -- as a dialogue does it ---------------------------------------------------------------------------------------------


def held_by(story: Story, name: str) -> Dialogue:
    person = story.person(name)
    return Dialogue(story.dialogue, drawn("commons"), person.persona, story.id(name), person.session)


def test_what_a_forgotten_batch_heard_leaves_no_trace():
    story, _ = conversation()
    turn = Turn(0, random.Random(5).randbytes)
    old = held_by(story, "omar")
    for event in story.events.values():
        old.accept(turn, event)
    before = old.state.hash
    batch = old.branch()
    said = story.say("selam", "In the batch")
    batch.accept(turn, said)
    assert batch.state == story.state()
    assert old.state.hash == before
    old.accept(turn, said)
    assert old.state == batch.state


def test_a_flood_is_folded_whole():
    story, _ = conversation()
    turn = Turn(0, random.Random(5).randbytes)
    dialogue = held_by(story, "omar")
    for event in story.events.values():
        dialogue.accept(turn, event)
    before = dialogue.state.hash
    person = story.person("selam")
    for seq in range(LIMIT_NEWS + 2):
        where = {"room": story.plenary, "control": (drawn("gone"),), "parents": ()}
        dialogue.accept(turn, story.forge(person, kind=Kind.SAY, body=b"", seq=seq + 1, lamport=9, **where))
    assert len(dialogue.state.waiting) == LIMIT_NEWS + 2
    assert (dialogue.state, dialogue.state.hash) == (story.state(), before)
