"""What a newcomer starts from, and that it leads to the same state. Spec: docs/spec/events.md, Checkpoint."""

import pytest
from story import Story, drawn, prekey

from tertulia.protocol.checkpoint import LIMIT_CHECKPOINT, Checkpoint
from tertulia.protocol.cover import LIMIT_COVERED, Cover
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, Kind
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.item import Item, ItemType, split
from tertulia.protocol.room_hash import Tally, element_of
from tertulia.protocol.state import NoOp, State, Status


def quartet() -> Story:
    story = Story("ruth")
    story.seat("omar", "selam", "daniel")
    story.announce("ruth", 1)
    story.say("omar", "before")
    story.introduce("omar")
    story.prekeys("selam", prekey("selam", 2))
    story.remove("daniel")
    story.announce("ruth", 2)
    return story


def told(state: State, by: bytes = bytes(32)) -> Checkpoint:
    checkpoint = checkpoint_of(state, by)
    read = Checkpoint.from_value(checkpoint.to_value())
    assert read == checkpoint
    return read


def since(story: Story, then) -> dict:
    return {name: event for name, event in story.events.items() if name not in then}


# -- what is told ------------------------------------------------------------------------------------------------------


def test_a_newcomer_knows_who_is_there_and_by_whom_they_were_told():
    story = quartet()
    whole = story.state()
    state = fold(told(whole, story.id("ruth")), {})
    assert (state.roster, state.roster_hash, state.hash) == (whole.roster, whole.roster_hash, whole.hash)
    for persona in whole.roster:
        mine, theirs = state.members[persona], whole.members[persona]
        assert (mine.keys, mine.nickname, mine.session) == (theirs.keys, theirs.nickname, theirs.session)
        assert (mine.prekeys, mine.accepted, mine.facilitator) == (theirs.prekeys, theirs.accepted, theirs.facilitator)
        assert (mine.joined, mine.admitted_by) == (theirs.joined, theirs.admitted_by)
        assert mine.told_by == story.id("ruth")
    assert state.members[story.id("daniel")].status is Status.REMOVED
    assert list(state.epochs) == [announced.epoch.id for announced in whole.ground.live]
    assert (state.charter, state.charter_hash, state.title) == (whole.charter, whole.charter_hash, whole.title)
    assert [room.title for room in state.rooms.values()] == ["Plenary"]
    assert (story.shown(state), state.noops) == ([], {})


def test_what_comes_after_folds_to_the_same_state():
    story = quartet()
    then = story.now()
    checkpoint = told(story.state())
    story.seat("amina")
    story.say("amina", "after")
    story.introduce("selam")
    story.say("omar", "also after")
    newcomer = fold(checkpoint, since(story, then))
    assert newcomer.hash == story.state().hash
    assert story.shown(newcomer) == ["amina: after", "omar: also after"]
    assert story.shown() == ["omar: before", "amina: after", "omar: also after"]
    assert not any(entry.gap for entry in newcomer.rooms[story.plenary].log)
    assert newcomer.members[story.id("amina")].told_by is None


def test_several_newcomers_one_after_another_all_agree():
    story = Story("ruth")
    story.say("ruth", "Welcome.")
    views: list[tuple[Checkpoint, frozenset]] = []
    for n in range(8):
        story.admit(f"guest {n}")
        story.announce("ruth", n)
        views.append((told(story.state()), story.now()))
        story.accept(f"guest {n}")
        story.say(f"guest {n}", "I am here.")
        story.introduce("ruth")
        story.prekeys("ruth", prekey("ruth", n))
    for checkpoint, then in views:
        mine = fold(checkpoint, since(story, then))
        assert mine.hash == story.state().hash
        assert mine.control_hash == story.state().control_hash
        assert told(mine).control == told(story.state()).control


def test_what_was_concurrent_with_the_checkpoint_is_judged_as_it_was():
    story = quartet()
    before = story.now()
    story.leave("selam")
    checkpoint, then = told(story.state()), story.now()
    late = [
        story.say("selam", "said before I left", seen=before),
        story.introduce("omar", seen=before),
        story.prekeys("omar", prekey("omar", 9), seen=before),
        story.say("selam", "said after", seen=then),
        story.announce("omar", 3, seen=before),
    ]
    newcomer = fold(checkpoint, since(story, then))
    assert newcomer.hash == story.state().hash
    assert [newcomer.noops.get(event.id) for event in late] == [story.reason(event) for event in late]
    assert story.shown(newcomer) == ["selam: said before I left"]


def test_a_readmission_must_follow_a_removal_before_the_checkpoint():
    story = quartet()
    checkpoint, then = told(story.state()), story.now()
    before_removal = [name for name in then if story.events[name].header.lamport < 6]
    story.anew("daniel")
    story.admit("daniel", seen=before_removal)
    assert fold(checkpoint, since(story, then)).roster == story.state().roster
    assert "daniel" not in story.roster()
    story.anew("daniel")
    story.admit("daniel")
    assert fold(checkpoint, since(story, then)).roster == story.state().roster
    assert "daniel" in story.roster()


def test_what_is_covered_may_turn_up_again():
    story = quartet()
    story.say("omar", "nowhere", room=drawn("nowhere"))
    story.leave("omar", lamport=99)
    checkpoint = told(story.state())
    again = fold(checkpoint, story.events)
    assert again.hash == story.state().hash
    assert (again.noops, story.shown(again)) == ({}, [])
    assert all(again.knows(name) for name in story.events)


def test_who_builds_on_a_refused_event_before_the_checkpoint_is_refused_after_it():
    story = quartet()
    wrong = story.leave("selam", lamport=99)
    loud = story.say("omar", "!", lamport=77)
    checkpoint, then = told(story.state()), story.now()
    child = story.leave("selam", parents=[wrong.id], lamport=100)
    sly = story.leave("selam", parents=[wrong.id], lamport=1)
    echo = story.say("omar", "!!", parents=[loud.id], lamport=78)
    newcomer = fold(checkpoint, since(story, then))
    assert newcomer.noops == dict.fromkeys((child.id, sly.id, echo.id), NoOp.LAMPORT)
    assert newcomer.hash == story.state().hash


@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("told_of", ["mine", "theft"])
@pytest.mark.parametrize("attempt", range(4))
def test_whose_a_contested_key_is_does_not_depend_on_who_was_heard_first(attempt, told_of, used):
    story = Story("ruth", title=f"Contest {attempt}")
    story.seat("omar", "selam")
    before = story.now()
    mine = {*before, story.introduce("selam", seen=before).id}
    if used:
        mine.add(story.accept("selam", seen=mine).id)
    theft = story.introduce("omar", key=story.person("selam").session.actor, seen=before)
    contested = story.person("selam").session
    known = mine if told_of == "mine" else {*before, theft.id}
    checkpoint = told(story.state(known))
    story.introduce("selam", seen=story.now())
    assert fold(checkpoint, since(story, known)).hash == story.state().hash
    again, then = told(fold(checkpoint, since(story, known))), story.now()
    story.introduce("selam")
    assert story.reason(story.introduce("selam", key=drawn("late"), session=contested)) is NoOp.SESSION_ENDED
    assert fold(again, since(story, then)).hash == story.state().hash


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_heirs_the_earlier_counts_whoever_was_told_of_first(first):
    story = Story("ruth")
    story.seat("omar")
    before = story.now()
    introductions = [story.introduce("omar", key=drawn("heir", n), seen=before) for n in range(2)]
    known = {*before, introductions[first].id}
    newcomer = fold(told(story.state(known)), since(story, known))
    assert newcomer.members[story.id("omar")].session == story.state().members[story.id("omar")].session
    assert newcomer.hash == story.state().hash


def test_each_of_two_acceptances_at_once_is_one():
    story = Story("ruth")
    story.admit("omar")
    before = story.now()
    accepted = [story.accept("omar", seen=before, seq=n) for n in (1, 2)]
    checkpoint, then = told(story.state()), story.now()
    for event in accepted:
        story.say("omar", "I have accepted", control=[event.id], lamport=event.header.lamport + 1, parents=())
    assert len(story.shown(fold(checkpoint, since(story, then)))) == len(story.shown()) == 2


def test_a_charter_signed_twice_splits_no_newcomer():
    story = Story("ruth")
    checkpoint, then = told(story.state()), story.now()
    twin = story.forge(story.person("ruth"), kind=Kind.CHARTER, body=story.body, seq=1, parents=(), lamport=1)
    story.admit("omar", parents=[twin.id], lamport=2)
    newcomer = fold(checkpoint, since(story, then))
    assert newcomer.hash == story.state().hash
    assert newcomer.roster == {story.id("ruth"), story.id("omar")}


def test_all_parents_of_what_is_covered_are_remembered():
    story = quartet()
    before = story.now()
    leaving = [story.leave(name, seen=before).id for name in ("omar", "selam")]
    merge = story.open("ruth", "Agenda")
    assert set(merge.header.parents) == set(leaving)
    checkpoint, then = told(story.state()), story.now()
    late = [story.say(name, "?", control=[merge.id]) for name in ("omar", "selam")]
    newcomer = fold(checkpoint, since(story, then))
    assert {newcomer.noops[event.id] for event in late} == {NoOp.NOT_A_MEMBER}


def test_a_newcomer_authors_what_everybody_takes():
    story = quartet()
    story.admit("amina")
    checkpoint, then = told(story.state()), story.now()
    amina = story.person("amina").session.actor
    state = fold(checkpoint, {})
    whole = story.state(then)
    assert state.cite(CONTROL, amina) == whole.cite(CONTROL, amina)
    assert state.cite(story.plenary, amina) == whole.cite(story.plenary, amina)
    assert state.next_seq(amina, story.plenary) == 1
    assert state.lamports == whole.lamports


def test_who_goes_on_from_a_checkpoint_can_make_the_next_one():
    story = quartet()
    checkpoint, then = told(story.state()), story.now()
    story.seat("amina")
    story.say("amina", "one")
    second = told(fold(checkpoint, since(story, then)))
    later = story.now()
    story.say("omar", "two")
    assert fold(second, since(story, later)).hash == story.state().hash


def test_without_a_charter_there_is_nothing_to_tell():
    with pytest.raises(ValueError, match="without its charter"):
        checkpoint_of(fold(None, {}), bytes(32))


# -- its bounds --------------------------------------------------------------------------------------------------------


def test_beyond_the_window_everything_is_in_everybodys_past():
    story = Story("ruth")
    story.seat("omar")
    story.leave("omar")
    story.seat("selam")
    for n in range(3):
        story.introduce("selam")
        story.say("selam", f"day {n}")
    first = story.events[story.genesis.id]
    state = long_history(story, LIMIT_COVERED + 20)
    checkpoint = told(state)
    assert len(checkpoint.control.named) == LIMIT_COVERED
    assert checkpoint.control.floor >= 20
    # Who left long ago, and keys long given up, are no longer told of.
    assert [len(seat.keys) for seat in checkpoint.seats] == [1, 1]
    assert [seat.newcomer.nickname for seat in checkpoint.seats] == ["ruth", "selam"]
    newcomer = fold(checkpoint, {first.id: first})
    assert newcomer.hash == state.hash
    then = story.now()
    story.say("selam", "still here")
    story.introduce("selam")
    story.admit("amina")
    story.accept("amina")
    story.say("amina", "hello")
    assert fold(checkpoint, since(story, then)).hash == story.state().hash
    assert len(split(Item(ItemType.CHECKPOINT, checkpoint.to_value()), FrameClass.LARGE)) <= 8


def long_history(story: Story, events: int) -> State:
    """Ruth marks time in the control room."""
    state = story.state()
    parents, _, lamport = state.cite(CONTROL)
    ruth = story.person("ruth")
    seq = state.next_seq(ruth.session.actor, CONTROL)
    for n in range(events):
        event = story.forge(ruth, kind=10, body=b"", parents=parents, seq=seq + n, lamport=lamport + n)
        parents = (event.id,)
    return story.state()


def test_a_cover_names_the_newest_and_keeps_the_sum():
    names = [drawn(n) for n in range(LIMIT_COVERED + 10)]
    tally = Tally().plus(map(element_of, names))
    cover = Cover(tally, {name: n for n, name in enumerate(names)}, (names[3], names[-1]), 0)
    trimmed = cover.trimmed()
    assert (trimmed.tally, len(trimmed.named), trimmed.heads, trimmed.floor) == (tally, LIMIT_COVERED, (names[-1],), 9)
    assert trimmed.trimmed() == trimmed
    assert Cover.from_value(trimmed.to_value()) == trimmed
    assert trimmed.covers(names[-1], 5000)
    assert trimmed.covers(names[0], 1)
    assert not trimmed.covers(drawn("new"), 10)


# -- hostile -----------------------------------------------------------------------------------------------------------


def fields() -> list:
    return list(decode(quartet_checkpoint(), LIMIT_CHECKPOINT))


def quartet_checkpoint() -> bytes:
    return checkpoint_of(quartet().state(), bytes(32)).to_value()


def refused(value) -> RejectReason:
    with pytest.raises(RemoteError) as caught:
        fold(Checkpoint.from_value(value), {})
    return caught.value.reason


def test_what_is_no_checkpoint_is_refused():
    good = fields()
    assert refused(None) is RejectReason.SHAPE
    assert refused(b"") is RejectReason.ENCODING
    assert refused(encode([])) is RejectReason.VERSION
    assert refused(encode([4, *good[1:]])) is RejectReason.VERSION
    assert refused(encode(good[:-1])) is RejectReason.SHAPE
    assert refused(bytes(LIMIT_CHECKPOINT + 1)) is RejectReason.SIZE
    for place in range(1, len(good)):
        for wrong in (None, 5, b"x", [5], [[5]], [[]]):
            value = [*good]
            value[place] = wrong
            assert refused(encode(value))


def test_a_checkpoint_cannot_put_an_event_into_its_own_past():
    value = fields()
    links = [list(row) for row in value[8]]
    for wrong in (5, len(links)):
        value[8] = [*links[:5], [wrong], *links[6:]]
        assert refused(encode(value)) is RejectReason.SHAPE
    value[8] = links[:-1]
    assert refused(encode(value)) is RejectReason.SHAPE


@pytest.mark.parametrize("lamport", [0, 2**40])
def test_a_checkpoint_names_no_parent_that_is_refused_or_younger(lamport):
    value = fields()
    parent = next(row for row in value[8] if row)[0]
    control = list(value[7])
    named = [list(row) for row in control[3]]
    named[parent][1] = lamport
    control[3] = named
    value[7] = control
    assert refused(encode(value)) is RejectReason.SHAPE


def test_a_checkpoint_names_no_event_twice():
    value = fields()
    control = list(value[7])
    named = list(control[3])
    control[3] = [*named[:-1], named[0]]
    value[7] = control
    assert refused(encode(value)) is RejectReason.SHAPE


def test_a_checkpoint_gives_no_key_from_nowhere():
    value = fields()
    seat = list(value[3][0])
    seat[4] = [[seat[4][0][0], [], [], [], []]]
    value[3] = [seat]
    assert refused(encode(value)) is RejectReason.SHAPE


def test_keys_that_introduce_one_another_in_a_circle_end_somewhere():
    value = fields()
    seat = list(value[3][0])
    key, since_, _, _, _ = seat[4][0]
    other = drawn("other")
    order = list(since_[0])
    seat[4] = [[key, since_, [[*order, other]], [], []], [other, since_, [[*order, key]], [], []]]
    value[3] = [seat]
    state = fold(Checkpoint.from_value(encode(value)), {})
    assert [member.sessions for member in state.members.values()] == [(key, other)]


def test_what_is_no_act_is_refused():
    value = fields()
    body, part, count, signatures = value[4][0]
    for wrong in (
        [encode([2]), part, count, signatures],  # to leave is no act
        [body, part, count, []],  # by nobody
        [body, 3, count, signatures],
        [body, part, 0, signatures],
        [body, part, count, [[*signatures[0][:2], 99, True]]],
    ):
        value[4] = [wrong]
        assert refused(encode(value)) is RejectReason.SHAPE


def test_no_seat_is_given_from_one_that_comes_later():
    value = fields()
    seats = [list(seat) for seat in value[3]]
    seats[1][8] = 1
    value[3] = seats
    assert refused(encode(value)) is RejectReason.SHAPE
    seats[1][8] = 0
    seats[0][1] = seats[1][1] + 1
    assert refused(encode(value)) is RejectReason.SHAPE
