"""Cuts: everybody counts the same stances, whatever came when. Spec: docs/spec/method.md, section Cuts."""

import pytest
from story import Story, drawn
from village import Refused, house

from tertulia.protocol import lacking, views_matters
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.cover import Cover
from tertulia.protocol.cut import LIMIT_CUT_HEADS
from tertulia.protocol.event import Kind
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import Facilitate, NewDialogue, SignAct, Utter
from tertulia.protocol.method.cutting import draw, lines
from tertulia.protocol.method.gathering import gather
from tertulia.protocol.method.rules import MethodNoOp, Rules
from tertulia.protocol.method.weighing import is_shown, tally
from tertulia.protocol.propose import Amendment, Proposal, Take
from tertulia.protocol.revise import Withdraw
from tertulia.protocol.say import Say
from tertulia.protocol.stance import Stance, Value
from tertulia.protocol.state import NoOp, Outcome


class Counting(Story):
    """Ruth and Omar facilitate, both must sign; Selam and Daniel are members."""

    def __init__(self, quorum=2):
        super().__init__(quorum=quorum)
        self.appoint("omar")
        self.seat("selam", "daniel")
        self.pilot = self.put("ruth", Proposal("Pilot", "Fifty"))

    def put(self, name, body, **odd):
        kind = {Say: Kind.SAY, Stance: Kind.STANCE, Withdraw: Kind.REVISE}.get(type(body), Kind.PROPOSE)
        return self.act(name, kind, body.encode(), room=self.plenary, **odd)

    def stand(self, name, value="agree", target=None, **odd):
        return self.put(name, Stance((target or self.pilot).id, Value(value), "why"), **odd)

    def agree(self, act):
        self.cosign("omar", act)
        return act

    def matters(self, seen=None, checkpoint=None):
        held = self.of(seen)
        state = fold(checkpoint, held)
        covers = {} if checkpoint is None else {opened.id: cover for opened, cover, _ in checkpoint.rooms}
        return gather(Rules(block=True), state.rooms.values(), held, lines(state.steering, held, covers))

    def tally(self, target=None, **odd):
        return tally(self.matters(**odd).matters[(target or self.pilot).id])

    def why(self, event):
        return self.matters().noops.get(event.id)


@pytest.fixture
def room():
    return Counting()


def test_what_was_in_the_past_of_a_cut_counts_and_nothing_else(room):
    room.stand("selam")
    before = room.now()
    cut = room.steer(Deed.CUT)
    assert room.outcome(cut) is Outcome.PENDING
    assert room.matters().matters[room.pilot.id].is_provisional
    room.agree(cut)
    unaware = room.stand("daniel", "disagree", seen=before)
    aware = room.stand("selam", "block")
    assert room.why(unaware) is room.why(aware) is MethodNoOp.AFTER_CUT
    matter = room.matters().matters[room.pilot.id]
    assert (tally(matter).agree, tally(matter).disagree, tally(matter).block) == (1, 0, 0)
    assert (matter.cut, matter.is_provisional) == (cut.id, False)
    # Words about it are words all the same, and what is newer is open.
    assert room.why(room.put("selam", Say("reply", "And June?", "", room.pilot.id))) is None
    newer = room.put("selam", Proposal("Fund", "A little"))
    assert room.why(room.stand("daniel", target=newer)) is None
    assert room.matters().matters[newer.id].is_provisional
    assert room.matters().matters[newer.id].cut is None


def test_what_arrives_late_but_was_in_the_past_counts_and_until_then_it_is_provisional(room):
    voted = room.stand("selam")
    room.agree(room.steer(Deed.CUT))
    without = room.now() - {voted.id}
    assert room.tally(seen=without).agree == 0
    assert room.matters(seen=without).matters[room.pilot.id].is_provisional
    assert room.tally().agree == 1
    assert not room.matters().matters[room.pilot.id].is_provisional


def test_versions_are_closed_as_well(room):
    sixty = room.put("selam", Amendment(room.pilot.id, "Sixty"))
    room.agree(room.steer(Deed.CUT))
    for late in (
        room.put("ruth", Take(sixty.id)),
        room.put("ruth", Amendment(room.pilot.id, "Seventy")),
        room.stand("daniel", target=sixty),
    ):
        assert room.why(late) is MethodNoOp.AFTER_CUT
    assert room.matters().matters[room.pilot.id].versions == (room.pilot.id,)
    assert room.why(room.put("ruth", Withdraw(room.pilot.id, 1))) is None
    assert room.matters().matters[room.pilot.id].is_withdrawn


def test_a_later_cut_closes_what_is_newer_and_changes_nothing_that_was_agreed(room):
    room.stand("selam")
    first = room.agree(room.steer(Deed.CUT))
    before = room.now()
    newer = room.put("ruth", Proposal("Fund", "A little"))
    room.stand("selam", target=newer)
    again = room.stand("daniel")
    # Somebody colludes to cut again, further back: what stands is what was agreed on first.
    back = room.agree(room.steer(Deed.CUT, upto=draw(room.plenary, [room.pilot.id], room.events, Cover())))
    assert room.outcome(back) is Outcome.DONE
    second = room.agree(room.steer(Deed.CUT))
    assert room.state().noops.get(second.id) is None
    matters = room.matters().matters
    assert (matters[room.pilot.id].cut, matters[newer.id].cut) == (first.id, second.id)
    assert (tally(matters[room.pilot.id]).agree, tally(matters[newer.id]).agree) == (1, 1)
    assert room.why(again) is MethodNoOp.AFTER_CUT
    assert room.reason(room.steer(Deed.CUT)) is NoOp.NO_CHANGE
    assert room.why(room.stand("selam", target=newer, seen=before | {newer.id})) is MethodNoOp.AFTER_CUT


def test_of_two_cuts_unaware_of_each_other_both_govern(room):
    voted = room.stand("selam")
    before = room.now()
    more = room.stand("daniel")
    wide = room.steer(Deed.CUT)
    narrow = room.steer(Deed.CUT, by="omar", seen=before)
    room.cosign("omar", wide)
    room.cosign("ruth", narrow)
    matter = room.matters().matters[room.pilot.id]
    assert len(matter.cuts) == 2
    assert matter.votes.keys() == {room.id("selam")}
    assert (room.why(voted), room.why(more)) == (None, MethodNoOp.AFTER_CUT)


def test_a_void_cut_has_no_effect():
    room = Counting(quorum=1)
    before = room.now()
    room.remove("omar")
    cut = room.steer(Deed.CUT, by="omar", seen=before)
    assert room.reason(cut) is NoOp.VOID
    assert room.why(room.stand("selam")) is None


def test_a_closed_room_can_still_be_counted(room):
    room.stand("selam")
    room.agree(room.steer(Deed.CLOSE))
    cut = room.agree(room.steer(Deed.CUT))
    assert (room.reason(cut), room.outcome(cut)) == (None, Outcome.DONE)
    assert not room.matters().matters[room.pilot.id].is_provisional


def test_a_cut_with_a_wrong_sum_stays_provisional(room):
    room.stand("selam")
    wrong = room.cut(room.plenary)
    room.agree(room.steer(Deed.CUT, upto=type(wrong)(wrong.heads, type(wrong.tally)(1, wrong.tally.count))))
    assert room.matters().matters[room.pilot.id].is_provisional


def test_of_too_many_heads_everybody_has_one():
    room = Counting(quorum=1)
    before = room.now()
    flood = [room.say("daniel", str(number), seen=before, seq=number + 1) for number in range(2 * LIMIT_CUT_HEADS)]
    quiet = room.stand("selam", seen=before)
    cut = room.cut(room.plenary)
    assert len(cut.heads) == LIMIT_CUT_HEADS
    assert quiet.id in cut.heads
    assert len(set(cut.heads) & {event.id for event in flood}) == LIMIT_CUT_HEADS - 1
    room.steer(Deed.CUT)
    assert room.tally().agree == 1
    assert draw(room.plenary, [EventId(drawn("covered"))], {}, Cover()).heads == (drawn("covered"),)


# -- newcomers ---------------------------------------------------------------------------------------------------------


def through_the_wire(state, story):
    told = checkpoint_of(state, story.id("ruth"))
    assert Checkpoint.from_value(told.to_value()) == told
    return told


def test_a_newcomer_is_told_of_cuts_and_has_the_same_hash(room, monkeypatch):
    plain = room.state().control_hash
    room.stand("selam")
    room.agree(room.steer(Deed.CUT))
    assert room.state().control_hash != plain
    for window in (1024, 3):
        monkeypatch.setattr("tertulia.protocol.cover.LIMIT_COVERED", window)
        for number in range(5):
            room.announce("ruth", window + number)
        whole = room.state()
        newcomer = fold(through_the_wire(whole, room), {})
        assert (newcomer.hash, newcomer.steering) == (whole.hash, whole.steering)


def test_a_newcomer_counts_what_came_since_and_takes_the_rest_as_told(room):
    refused = room.say("daniel", "from the future", lamport=9_999)
    assert room.reason(refused) is NoOp.LAMPORT
    told = through_the_wire(room.state(), room)
    covered = room.now()
    newer = room.put("ruth", Proposal("Fund", "A little"))
    voted = room.stand("selam", target=newer)
    cut = room.agree(room.steer(Deed.CUT))
    since = room.now() - covered
    matter = room.matters(seen=since, checkpoint=told).matters[newer.id]
    assert (matter.cut, matter.is_provisional, tally(matter).agree) == (cut.id, False, 1)
    lacks = room.matters(seen=since - {voted.id}, checkpoint=told).matters[newer.id]
    assert (lacks.is_provisional, tally(lacks).agree) == (True, 0)


# -- as people do it ---------------------------------------------------------------------------------------------------


def utter(village, key, who, words):
    found = EventId(bytes.fromhex(str(who.ask(Utter(key, words))["id"])))
    village.settle()
    return found


def act_of(answer):
    return EventId(bytes.fromhex(str(answer["act"])))


def row(who, key, event):
    return next(row for row in views_matters.matters(who.core, key) if row["id"] == event.hex())


def test_two_facilitators_agree_on_what_is_counted_and_everybody_is_told():
    village, key, ruth, omar, ada = house(2)
    with pytest.raises(Refused, match="nothing to count"):
        ruth.ask(Facilitate(key, Deed.CUT, "We count."))
    pilot = utter(village, key, ada, Proposal("Pilot", "Fifty"))
    utter(village, key, ada, Stance(pilot, Value.AGREE))
    answer = ruth.ask(Facilitate(key, Deed.CUT, "We count."))
    village.settle()
    assert answer["state"] == "pending"
    assert row(ada, key, pilot)["provisional"]
    assert omar.ask(SignAct(key, act_of(answer)))["state"] == "done"
    village.settle()
    for one in (ruth, omar, ada):
        found = row(one, key, pilot)
        assert (found["agree"], found["provisional"], found["cut"]) == (1, False, answer["act"])
    with pytest.raises(Refused, match="counted already"):
        omar.ask(Utter(key, Stance(pilot, Value.AGREE)))
    with pytest.raises(Refused, match="counted already"):
        ruth.ask(Facilitate(key, Deed.CUT, "Again."))
    assert len({one.state_hash(key) for one in (ruth, omar, ada)}) == 1


def test_nobody_signs_a_cut_of_what_they_do_not_hold(monkeypatch):
    village, key, ruth, omar, ada = house(2)
    pilot = utter(village, key, ada, Proposal("Pilot", "Fifty"))
    village.offline(omar)
    utter(village, key, ada, Stance(pilot, Value.AGREE))
    act = act_of(ruth.ask(Facilitate(key, Deed.CUT, "We count.")))
    village.settle()
    late = {frame: ruth.archive.pop(frame) for frame in list(ruth.archive) if frame in ada.archive}
    dialogue = ruth.core.dialogues[key]
    known = dialogue.events[act]
    held = omar.core.dialogues[key]
    held.events[act] = known  # the act came by other ways than the vote
    held._fold_anew()
    with pytest.raises(Refused, match="do not hold just what this cut counts"):
        omar.ask(SignAct(key, act))
    ruth.archive.update(late)
    village.online(omar)
    assert omar.ask(SignAct(key, act))["state"] == "done"
    monkeypatch.setattr(lacking, "events", lambda dialogue: frozenset({act}))
    utter(village, key, ada, Say("statement", "More"))
    with pytest.raises(Refused, match="not here yet"):
        ruth.ask(Facilitate(key, Deed.CUT, "We count."))


def test_hidden_stances_show_after_the_cut():
    village, _key, ruth, _omar, _ada = house()
    answer = ruth.ask(NewDialogue("Visas", village.commons.id, "Ruth", 1, "track-2"))
    village.settle()
    other = type(_key)(bytes.fromhex(str(answer["dialogue"])))
    pilot = utter(village, other, ruth, Proposal("Pilot", "Fifty"))
    assert row(ruth, other, pilot)["hidden"]
    ruth.ask(Facilitate(other, Deed.CUT, "We count."))
    assert not row(ruth, other, pilot)["hidden"]
    dialogue = ruth.core.dialogues[other]
    assert is_shown(Rules(hidden=True), dialogue.matters.matters[pilot], dialogue.me)
