"""What is said in rooms: order, gaps, lamports, equivocation, what is unknown. Spec: docs/spec/events.md, Rooms."""

import pytest
from story import Story, drawn

from tertulia.protocol.authority import LIMIT_ROOMS
from tertulia.protocol.crypto import digest, sign
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.event import CONTROL, Kind, from_value
from tertulia.protocol.ids import EventId, RoomId
from tertulia.protocol.labels import Label
from tertulia.protocol.mark import Accept
from tertulia.protocol.room_log import LIMIT_LAMPORT_LEAP
from tertulia.protocol.say import Say
from tertulia.protocol.shape import as_list
from tertulia.protocol.state import NoOp


def trio() -> Story:
    story = Story("ruth")
    story.seat("omar", "selam")
    return story


def entry(story: Story, event):
    return next(found for found in story.state().rooms[story.plenary].log if found.event == event.id)


# -- order -------------------------------------------------------------------------------------------------------------


def test_what_answers_comes_after_what_it_answers():
    story = trio()
    for n in range(6):
        story.say(("ruth", "omar", "selam")[n % 3], f"{n}")
    assert [line[-1] for line in story.shown()] == list("012345")
    room = story.state().rooms[story.plenary]
    assert (room.title, len(room.heads), room.missing) == ("Plenary", 1, frozenset())


def test_rooms_are_apart():
    story = trio()
    second = RoomId(story.open("ruth", "Agenda").id)
    story.say("omar", "in the plenary")
    said = story.say("omar", "on the agenda", room=second)
    state = story.state()
    assert list(state.rooms) == [story.plenary, second]
    assert [found.event for found in state.rooms[second].log] == [said.id]
    assert said.header.seq == 1
    assert state.next_seq(said.header.actor, second) == 2
    assert state.rooms[second].sum != state.rooms[story.plenary].sum


def test_rooms_are_limited():
    story = Story("ruth")
    for n in range(LIMIT_ROOMS - 1):
        story.open("ruth", f"{n}")
    assert story.reason(story.open("ruth", "one more")) is NoOp.TOO_MANY_ROOMS
    assert len(story.state().rooms) == LIMIT_ROOMS


# -- gaps --------------------------------------------------------------------------------------------------------------


def test_a_missing_message_shows_as_a_gap_and_hides_nothing():
    story = trio()
    lost = story.say("omar", "lost")
    answer = story.say("selam", "answer")
    story.say("ruth", "more")
    del story.events[lost.id]
    assert story.shown() == ["selam: answer", "ruth: more"]
    assert entry(story, answer).gap
    assert story.state().rooms[story.plenary].missing == {lost.id}
    story.events[lost.id] = lost
    assert story.shown() == ["omar: lost", "selam: answer", "ruth: more"]
    assert not entry(story, answer).gap
    assert story.state().rooms[story.plenary].missing == frozenset()


def test_what_names_a_control_event_not_yet_known_waits():
    story = trio()
    admission = story.admit("daniel")
    accepted = story.accept("daniel")
    said = story.say("daniel", "Hello")
    del story.events[admission.id]
    state = story.state()
    assert state.waiting == {accepted.id, said.id}
    # The acceptance is held, only waiting: what is missing is the admission.
    assert state.missing == {admission.id}
    assert (said.id in state.noops, state.knows(said.id)) == (False, True)
    story.events[admission.id] = admission
    assert story.state().waiting == frozenset()
    assert story.shown() == ["daniel: Hello"]


def test_what_waits_counts_nowhere():
    story = trio()
    before = story.state().hash
    story.say("omar", "?", control=[EventId(drawn("unknown"))])
    assert story.state().hash == before
    story.leave("omar", parents=[EventId(drawn("unknown"))])
    assert story.state().hash == before
    assert story.roster() == {"ruth", "omar", "selam"}


# -- lamport -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [-1, 1, 1000])
def test_a_lamport_is_one_more_than_all_it_follows(off):
    story = trio()
    honest = story.say("omar", "first")
    lamport = honest.header.lamport + 1
    wrong = story.say("selam", "wrong", lamport=lamport + off)
    assert story.reason(wrong) is NoOp.LAMPORT
    # Nobody names it; who does is wrong as well.
    assert story.say("ruth", "next").header.lamport == lamport
    accomplice = story.say("selam", "me too", parents=[wrong.id], lamport=wrong.header.lamport + 1)
    before_it = story.say("selam", "me first", parents=[wrong.id], lamport=lamport - 1)
    assert [story.reason(event) for event in (accomplice, before_it)] == [NoOp.LAMPORT] * 2
    assert story.shown() == ["omar: first", "ruth: next"]


def test_a_wrong_lamport_in_the_control_room_is_no_ones_parent():
    story = trio()
    before = story.now()
    high = story.leave("omar", lamport=2**53 - 1)
    low = story.leave("selam", lamport=1)
    child = story.leave("selam", parents=[low.id], lamport=2)
    early = story.leave("omar", parents=[high.id], lamport=3)
    assert {story.reason(event) for event in (high, low, child, early)} == {NoOp.LAMPORT}
    assert story.roster() == {"ruth", "omar", "selam"}
    assert story.state().control_heads == story.state(before).control_heads
    said = story.say("omar", "on shaky ground", control=[low.id], lamport=2)
    assert story.reason(said) is NoOp.LAMPORT


def test_with_a_gap_a_lamport_must_be_higher_and_must_not_leap():
    story = trio()
    said = story.say("omar", "here")
    gone = EventId(drawn("gone"))
    low = story.say("selam", "low", parents=[gone, said.id], lamport=said.header.lamport)
    fair = story.say("selam", "fair", parents=[gone, said.id], lamport=said.header.lamport + 50)
    leap = story.say("selam", "leap", parents=[gone, said.id], lamport=said.header.lamport + LIMIT_LAMPORT_LEAP + 100)
    assert [story.reason(event) for event in (low, fair, leap)] == [NoOp.LAMPORT, None, NoOp.LAMPORT]


# -- equivocation ------------------------------------------------------------------------------------------------------


def test_two_events_with_one_number_are_both_kept_and_shown():
    story = trio()
    before = story.now()
    one = story.say("omar", "yes", seen=before)
    two = story.say("omar", "no", seen=before)
    story.say("selam", "honest")
    assert sorted(story.shown()) == ["omar: no", "omar: yes", "selam: honest"]
    assert story.state().equivocations == {story.id("omar"): {one.id, two.id}}


def test_a_strangers_equivocation_is_nobodys():
    story = trio()
    before = story.now()
    story.say("nobody", "yes", seen=before)
    story.say("nobody", "no", seen=before)
    assert story.state().equivocations == {}


# -- what has no effect ------------------------------------------------------------------------------------------------


def test_unknown_kinds_forms_and_bodies_are_kept_and_named_but_not_shown():
    story = trio()
    unknown = story.act("omar", Kind.LIAISE, b"\x00", room=story.plenary)
    form = story.act("omar", Kind.SAY, Say("poem", "Once").encode(), room=story.plenary)
    broken = story.act("omar", Kind.SAY, b"\xff", room=story.plenary)
    lost = story.act("omar", Kind.MARK, Accept(drawn("x")).encode(), room=story.plenary)
    story.say("selam", "after all that")
    reasons = [story.reason(event) for event in (unknown, form, broken, lost)]
    assert reasons == [NoOp.UNKNOWN, NoOp.UNKNOWN, NoOp.MALFORMED, NoOp.WRONG_ROOM]
    assert story.shown() == ["selam: after all that"]
    room = story.state().rooms[story.plenary]
    assert (len(room.log), room.tally.count, len(room.heads)) == (5, 5, 1)


def test_the_same_in_the_control_room():
    story = trio()
    unknown = story.act("omar", Kind.LIAISE, b"\x00")
    broken = story.act("omar", Kind.ROSTER, b"\xff")
    said = story.act("omar", Kind.SAY, Say("message", "psst").encode())
    assert [story.reason(event) for event in (unknown, broken, said)] == [
        NoOp.UNKNOWN,
        NoOp.MALFORMED,
        NoOp.WRONG_ROOM,
    ]
    assert story.state().control_heads == (said.id,)


def test_a_later_version_is_carried_by_all_and_executed_by_none():
    story = trio()
    omar = story.person("omar").session
    for act in (lambda: story.leave("omar"), lambda: story.say("omar", "in new words")):
        now = act()
        del story.events[now.id]
        raw = encode([2, *as_list(decode(now.raw, 2048))[1:], "a field of version 2"])
        name = digest(Label.EVENT_ID, raw)
        proof = sign(omar.seed, Label.EVENT_PROOF, name)
        later = from_value([raw, now.salt, now.body, proof])
        story.events[later.id] = later
        assert story.reason(later) is NoOp.UNKNOWN
        assert later.id in story.state().cite(later.header.room, omar.actor)[0]
    assert story.roster() == {"ruth", "omar", "selam"}


def test_what_was_erased_keeps_its_place():
    story = trio()
    said = story.say("omar", "long ago")
    story.say("selam", "now")
    before = story.state().hash
    story.events[said.id] = said.erased()
    assert story.shown() == ["omar: (erased)", "selam: now"]
    assert story.state().hash == before
    other = story.act("omar", Kind.MARK, Accept(drawn("x")).encode(), room=story.plenary)
    story.events[other.id] = other.erased()
    assert story.reason(other) is NoOp.ERASED
    leaving = story.leave("omar")
    story.events[leaving.id] = leaving.erased()
    assert story.reason(leaving) is NoOp.ERASED


def test_a_room_that_its_author_could_not_know_is_no_room():
    story = trio()
    before = story.now()
    second = RoomId(story.open("ruth", "Agenda").id)
    nowhere = story.say("omar", "nowhere", room=RoomId(drawn("nowhere")))
    foresight = story.say("omar", "foresight", room=second, seen=before)
    assert [story.reason(event) for event in (nowhere, foresight)] == [NoOp.NO_ROOM] * 2
    assert story.state().rooms[second].log == ()
    assert story.state().ground.strays.tally.count == 2


def test_a_message_that_names_a_room_event_as_authority_waits():
    story = trio()
    said = story.say("omar", "hello")
    odd = story.say("selam", "?", control=[said.id])
    assert story.state().waiting == {odd.id}
    assert story.state().missing == frozenset()
    assert story.state().lamports[CONTROL] < story.state().lamports[story.plenary]
