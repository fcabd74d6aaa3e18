"""Rooms for some: who opens them, who speaks there, whose epochs count, what all agree on. Spec: events.md."""

import pytest
from story import Story, drawn

from tertulia.protocol.act import Need, Part
from tertulia.protocol.body import Opaque, read_body
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.encoding import encode
from tertulia.protocol.errors import RemoteError
from tertulia.protocol.event import Kind
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.folding import advance, fold_whole
from tertulia.protocol.ids import RoomId
from tertulia.protocol.proposing import LIMIT_BREAKOUTS
from tertulia.protocol.room import Breakout, OpenRoom
from tertulia.protocol.state import NoOp, Outcome

ONE, TWO = sorted((drawn("one"), drawn("two")))


def circle(quorum: int = 1) -> Story:
    """Ruth and Omar facilitate; Selam, Daniel and Amina are members."""
    story = Story(quorum=quorum)
    story.appoint("omar")
    story.seat("selam", "daniel", "amina")
    return story


def told(story: Story) -> Checkpoint:
    checkpoint = checkpoint_of(story.state(), story.id("ruth"))
    assert Checkpoint.from_value(checkpoint.to_value()) == checkpoint
    return checkpoint


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_a_breakout_is_written_and_read_back():
    body = Breakout("Quotas", (ONE, TWO), TWO, 60)
    assert read_body(1, Kind.ROOM, body.encode()) == body
    assert body.form == "breakout"
    assert "Quotas" not in repr(body)
    assert read_body(1, Kind.ROOM, OpenRoom("plenary", "All").encode()) == OpenRoom("plenary", "All")
    for later in ([2, "anything"], [1, "garden", "x"]):
        assert read_body(1, Kind.ROOM, encode(later)) is Opaque.UNREAD


@pytest.mark.parametrize(
    "value",
    [
        [], [1], [1, 5], [1, "plenary"], [1, "breakout", "x", [ONE, TWO], TWO], [1, "breakout", "x", [ONE], ONE, 0],
        [1, "breakout", "x", [TWO, ONE], ONE, 0], [1, "breakout", "x", [ONE, TWO], drawn("three"), 0],
        [1, "breakout", "x" * 81, [ONE, TWO], ONE, 0], [1, "breakout", "x", [ONE, TWO], ONE, -1],
        [1, "breakout", "x", sorted(drawn(n) for n in range(31)), ONE, 0], [1, "breakout", "x", [ONE, TWO], b"", 0],
    ],
)  # fmt: skip
def test_what_breaks_the_rules_is_malformed(value):
    assert read_body(1, Kind.ROOM, encode(value)) is Opaque.MALFORMED


# -- who opens ---------------------------------------------------------------------------------------------------------


def test_a_breakout_opens_when_enough_facilitators_have_signed():
    story = circle(2)
    room = story.split("selam", "daniel")
    assert story.outcome(room) is Outcome.PENDING
    assert RoomId(room.id) not in story.state().rooms
    early = story.say("selam", "anybody?", room=RoomId(room.id))
    assert story.reason(early) is NoOp.NO_ROOM
    story.cosign("omar", room)
    found = story.state().rooms[RoomId(room.id)]
    assert found.members == {story.id("selam"), story.id("daniel")}
    assert found.breakout == room.content
    assert (found.title, list(story.state().rooms)) == ("Corner", [story.plenary, room.id])
    assert story.reason(early) is NoOp.NO_ROOM  # it was none when that was said
    assert story.state().steering[RoomId(room.id)].closed is False


def test_who_may_not_open_one():
    story = circle()
    assert story.reason(story.split("selam", "daniel", by="selam")) is NoOp.NOT_A_FACILITATOR
    assert story.reason(story.split("selam", "stranger")) is NoOp.NO_CHANGE
    story.remove("amina")
    assert story.reason(story.split("selam", "amina")) is NoOp.NO_CHANGE


def test_no_more_than_can_be_told():
    story = circle()
    act = Breakout("x", tuple(sorted((story.id("selam"), story.id("daniel")))), story.id("selam")).encode()
    state = story.state()
    (head,), _, lamport = state.cite(bytes(32), story.person("ruth").session.actor)
    seq = state.next_seq(story.person("ruth").session.actor, bytes(32))
    for number in range(LIMIT_BREAKOUTS + 1):
        event = story.forge(
            story.person("ruth"), kind=Kind.ROOM, body=act, seq=seq + number, parents=(head,), lamport=lamport + number
        )
        head = event.id
    assert story.reason(event) is NoOp.TOO_MANY_ROOMS
    assert len(story.state().rooms) == 1 + LIMIT_BREAKOUTS
    assert fold(told(story), {}).hash == story.state().hash


# -- who speaks --------------------------------------------------------------------------------------------------------


def test_only_those_in_it_speak_there():
    story = circle()
    room = RoomId(story.split("selam", "daniel").id)
    assert story.reason(story.say("selam", "between us", room=room)) is None
    assert story.reason(story.say("ruth", "I opened it", room=room)) is NoOp.NOT_IN_ROOM
    stranger = story.say("amina", "and I?", room=room)
    assert story.reason(stranger) is NoOp.NOT_IN_ROOM
    assert story.reason(story.say("selam", "back in the plenary")) is None
    story.steer(Deed.PAUSE, room=room)
    assert story.reason(story.say("daniel", "go on", room=room)) is NoOp.PAUSED


def test_a_closed_breakout_is_closed_and_all_stay_in_the_plenary():
    story = circle(2)
    room = story.split("selam", "daniel")
    story.cosign("omar", room)
    close = story.steer(Deed.CLOSE, room=room.id)
    assert story.reason(story.say("selam", "still open", room=RoomId(room.id))) is None
    story.cosign("omar", close)
    assert story.reason(story.say("selam", "too late", room=RoomId(room.id))) is NoOp.NO_ROOM
    assert story.reason(story.say("selam", "we found this")) is None
    assert story.state().steering[RoomId(room.id)].closed


def test_whoever_is_removed_is_in_no_room_and_what_others_heard_stays():
    story = circle()
    room = RoomId(story.split("selam", "daniel", "amina").id)
    before = story.now()
    story.remove("selam")
    late = story.say("selam", "I had not heard", room=room, seen=before)
    assert story.state().rooms[room].members == {story.id("daniel"), story.id("amina")}
    assert story.reason(late) is NoOp.REMOVED_AUTHOR
    heard = {*before, late.id}
    story.say("daniel", "But I did", room=room, seen=heard)
    assert story.reason(late) is None
    assert story.reason(story.say("selam", "and now?", room=room)) is NoOp.NOT_A_MEMBER


def test_who_comes_later_is_in_none_that_there_is():
    story = circle()
    room = RoomId(story.split("selam", "daniel").id)
    story.seat("mira")
    assert story.state().rooms[room].members == {story.id("selam"), story.id("daniel")}
    assert story.reason(story.say("mira", "hello", room=room)) is NoOp.NOT_IN_ROOM


def test_a_room_stays_open_whatever_becomes_of_who_opened_it():
    story = circle()
    before = story.now()
    story.remove("omar")
    room = story.split("selam", "daniel", by="omar", seen=before)
    assert story.outcome(room) is Outcome.VOID
    assert story.reason(story.say("selam", "here", room=RoomId(room.id))) is None


# -- epochs ------------------------------------------------------------------------------------------------------------


def epoch(story: Story, event):
    return next(fact for fact in story.state().epochs.values() if fact.event == event.id)


def test_a_breakout_has_epochs_of_its_own():
    story = circle()
    room = RoomId(story.split("selam", "daniel").id)
    theirs = story.announce("selam", 1, room=room)
    assert not epoch(story, theirs).voided
    assert epoch(story, story.announce("ruth", 2, room=room)).voided  # who is not in it would know its secret
    assert epoch(story, story.announce("daniel", 3, room=room, roster=story.state().roster_hash)).voided
    assert story.reason(story.announce("selam", 4, room=drawn("nowhere"))) is NoOp.NO_ROOM
    assert [announced.event for announced in told(story).epochs] == []


def test_an_epoch_of_who_was_removed_is_voided_in_every_room():
    story = circle()
    room = RoomId(story.split("selam", "daniel", "amina").id)
    before = story.now()
    story.remove("selam")
    unaware = story.announce("selam", 1, room=room, seen=before)
    assert epoch(story, unaware).voided


def test_of_who_took_part_as_far_as_somebody_knew():
    story = circle()
    room = RoomId(story.split("selam", "daniel").id)
    before = story.state().control_heads
    story.leave("daniel")
    state = story.state()
    assert state.room_roster_at(room, before) == {story.id("selam"), story.id("daniel")}
    assert state.room_roster_at(room, state.control_heads) == {story.id("selam")}
    assert state.room_roster_at(story.plenary, before) == state.roster_at(before)


# -- the same for everybody --------------------------------------------------------------------------------------------


def test_inside_and_outside_come_to_the_same_hash():
    story = circle()
    plain = story.state()
    room = RoomId(story.split("selam", "daniel").id)
    opened = story.state()
    assert (plain.control_hash, plain.hash) != (opened.control_hash, opened.hash)
    words = {story.say(name, "between us", room=room).id for name in ("selam", "daniel", "amina")}
    inside, outside = story.state(), fold(None, story.of(story.now() - words))
    assert inside.hash == outside.hash == opened.hash
    assert inside.rooms[room].tally != outside.rooms[room].tally


def test_a_newcomer_is_told_of_the_room_and_nothing_of_what_was_said():
    story = circle(2)
    open_one, proposed = story.split("selam", "daniel"), story.split("selam", "amina")
    story.cosign("omar", open_one)
    said = story.say("selam", "between us", room=RoomId(open_one.id))
    checkpoint = told(story)
    assert said.id not in encode(checkpoint.to_value())
    newcomer = fold(checkpoint, {})
    assert newcomer.hash == story.state().hash
    assert newcomer.rooms[RoomId(open_one.id)].members == {story.id("selam"), story.id("daniel")}
    sign = story.cosign("omar", proposed)
    assert fold(checkpoint, {sign.id: sign}).hash == story.state().hash


def test_what_was_opened_long_ago_is_told_too(monkeypatch):
    monkeypatch.setattr("tertulia.protocol.cover.LIMIT_COVERED", 3)
    story = circle(2)
    room = story.split("selam", "daniel")
    story.cosign("omar", room)
    pending = story.split("selam", "amina")
    for number in range(6):
        story.announce("ruth", number)
    first = fold(told(story), {})
    second = fold(checkpoint_of(first, story.id("omar")), {})
    assert first.hash == second.hash == story.state().hash
    assert {act.body.title: act.need for act in told(story).acts} == {"Corner": Need(Part.FACILITATOR, 0)} or len(
        told(story).acts
    ) == 2
    assert list(second.rooms) == [story.plenary, room.id]
    sign = story.cosign("omar", pending)
    assert fold(checkpoint_of(second, story.id("ruth")), {sign.id: sign}).hash == story.state().hash


def test_a_checkpoint_with_another_kind_in_its_place_is_refused():
    story = circle()
    story.split("selam", "daniel")
    checkpoint = told(story)
    value = [act.to_value() for act in checkpoint.acts]
    (breakout,) = [one for one in value if isinstance(one[0], list)]
    assert breakout[0][0] == Kind.ROOM
    for said in ([10, breakout[0][1]], [], [3, OpenRoom("plenary", "All").encode()], [3, 3, b""]):
        with pytest.raises(RemoteError):
            type(checkpoint.acts[0]).from_value([said, *breakout[1:]], len(checkpoint.seats))


def test_speech_in_a_proposed_room_is_held_and_shown_to_nobody():
    story = circle(2)
    room = story.split("selam", "daniel")
    before = fold_whole(None, dict(story.events))
    early = story.say("selam", "anybody?", room=RoomId(room.id))
    after = advance(before, None, story.events, (early,))
    assert after.state == fold(None, story.events)
    assert (after.state.noops[early.id], after.state.hash) == (NoOp.NO_ROOM, before.state.hash)
    assert RoomId(room.id) not in after.state.rooms
