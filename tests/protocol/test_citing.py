"""What the next event names. Spec: docs/spec/events.md, Citing."""

from story import Story

from tertulia.protocol.event import CONTROL, LIMIT_CONTROL, LIMIT_PARENTS
from tertulia.protocol.roster import LIMIT_LASTS, Remove, decode_roster
from tertulia.protocol.state import NoOp


def crowd(people: int) -> Story:
    """Everybody accepts without having heard of the others: as many heads as people."""
    story = Story("ruth")
    names = [f"guest {n}" for n in range(people)]
    story.admit(*names)
    before = story.now()
    for name in names:
        story.accept(name, seen=before)
    return story


def test_all_heads_are_named_while_they_fit():
    story = crowd(4)
    heads = story.state().control_heads
    parents, control, lamport = story.state().cite(CONTROL)
    assert (list(parents), control) == (sorted(heads), ())
    assert lamport == 1 + max(story.events[head].header.lamport for head in heads)
    assert list(story.state().cite(story.plenary)[1]) == sorted(heads)


def test_in_a_crowd_everybody_can_still_speak():
    """26 acceptances at once are 26 heads; one's own must be among the 8 that one names."""
    story = crowd(26)
    assert len(story.state().control_heads) == 26
    for name in list(story.people):
        said = story.say(name, f"I am {name}")
        assert len(said.header.control) == LIMIT_CONTROL
        assert story.reason(said) is None
    assert len(story.shown()) == 27


def test_in_a_crowd_everybody_can_still_act_and_heads_grow_fewer():
    story = crowd(26)
    for name in list(story.people)[:9]:
        before = len(story.state().control_heads)
        event = story.introduce(name)
        assert len(event.header.parents) == min(LIMIT_PARENTS, before)
        assert story.reason(event) is None
        assert len(story.state().control_heads) < before or before <= LIMIT_PARENTS


def test_changes_of_the_roster_are_named_before_idle_heads():
    story = crowd(12)
    before = story.now()
    leaving = [story.leave(f"guest {n}", seen=before) for n in (3, 7)]
    epoch = story.announce("ruth", 1)
    assert {event.id for event in leaving} <= set(epoch.header.parents)
    assert len(story.state().ground.live) == 1


def test_of_idle_heads_the_oldest_are_named_first():
    story = crowd(12)
    heads = story.state().control_heads
    named = story.state().cite(CONTROL)[0]
    assert set(named) == set(heads[:LIMIT_PARENTS])


def test_of_many_room_heads_the_oldest_are_named_and_the_newest():
    story = crowd(3)
    before = story.now()
    said = [story.say("guest 0", f"{n}", seen=before, seq=n + 1) for n in range(6)]
    ordered = sorted(said, key=lambda event: event.order)
    parents, _, lamport = story.state().cite(story.plenary)
    assert set(parents) == {event.id for event in (*ordered[: LIMIT_PARENTS - 1], ordered[-1])}
    assert lamport == 1 + max(event.header.lamport for event in said)
    story.say("guest 1", "all heard")
    assert story.reason(story.say("guest 2", "and again")) is None


def test_what_is_said_stands_after_all_that_its_author_had_seen():
    story = crowd(3)
    before = story.now()
    for number in range(6):
        story.say("guest 0", f"aside {number}", seen=before, seq=number + 1)
    ends = [story.say("guest 1", "and so", seen=before)]
    for _ in range(5):
        ends.append(story.say("guest 1", "on", seen=before | {end.id for end in ends}))
    answered = max(ends, key=lambda event: event.order)
    reply = story.say("guest 2", "To the last of it.")
    assert reply.order > answered.order


def test_a_removal_names_the_last_of_every_session():
    story = crowd(3)
    story.say("guest 0", "one")
    one = story.say("guest 0", "two")
    story.introduce("guest 0")
    two = story.say("guest 0", "three")
    last = story.state().last_of(story.id("guest 0"))
    expected = [(story.plenary, event.header.actor, event.header.seq, event.id) for event in (one, two)]
    assert last == tuple(sorted(expected))
    assert story.state().last_of(story.id("nobody")) == ()
    body = Remove(story.id("guest 0"), last)
    assert decode_roster(body.encode()) == body


def test_a_removal_names_no_more_sessions_than_fit():
    story = crowd(1)
    heads = story.state().control_heads
    for n in range(LIMIT_LASTS + 3):
        session = story.person("guest 0").next_session()
        story.person("guest 0").sessions += 1
        story.forge(
            story.person("guest 0"),
            kind=4,
            body=b"",
            session=session,
            room=story.plenary,
            control=heads,
            seq=1 + n % 2,
            parents=(),
            lamport=5,
        )
    state = story.state()
    assert set(state.noops.values()) == {NoOp.NOT_A_MEMBER}
    citing = state.citing
    everybody = frozenset(citing.last[story.plenary])
    object.__setattr__(citing, "actors", {story.id("guest 0"): everybody})
    last = state.last_of(story.id("guest 0"))
    assert len(last) == LIMIT_LASTS
    assert sum(seq == 2 for _, _, seq, _ in last) == (LIMIT_LASTS + 3) // 2
    assert list(last) == sorted(last)
