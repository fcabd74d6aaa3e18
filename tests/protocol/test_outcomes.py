"""Outcomes: what may be said of them, and what stands against a seal. Spec: docs/spec/method.md, outcome.md."""

import pytest
from story import Story, drawn
from village import Refused, house

from tertulia.protocol import concluding, views_acts, views_matters, views_outcomes
from tertulia.protocol.errors import LocalError
from tertulia.protocol.event import Kind
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.ids import EventId, RoomId
from tertulia.protocol.inputs import Endorse, Facilitate, OpenBreakout, SignAct, Utter
from tertulia.protocol.method.gathering import People, gather
from tertulia.protocol.method.rules import MethodNoOp, Rules
from tertulia.protocol.method.weighing import tally
from tertulia.protocol.on_record import OnRecord, put_on_record
from tertulia.protocol.outcome import Answer, Attach, Conclusion, Minority
from tertulia.protocol.propose import Action, AgendaItem, Amendment, Proposal
from tertulia.protocol.revise import Withdraw
from tertulia.protocol.say import Form, Say
from tertulia.protocol.stance import Stance, Value

ACT = bytes(range(16))
KINDS = {Say: Kind.SAY, Stance: Kind.STANCE, Withdraw: Kind.REVISE, Proposal: Kind.PROPOSE, AgendaItem: Kind.PROPOSE}


class Ending(Story):
    """Ruth, Omar and Selam, and a proposal that Omar objects to."""

    def __init__(self):
        super().__init__()
        self.seat("omar", "selam")
        self.pilot = self.put("ruth", Proposal("Pilot", "Fifty"))
        self.objection = self.stand("omar", self.pilot, "disagree", "June is too soon")

    def put(self, name, body):
        return self.act(name, KINDS.get(type(body), Kind.OUTCOME), body.encode(), room=self.plenary)

    def stand(self, name, target, value, reason="", signed=None):
        return self.put(name, Stance(target.id, Value(value), reason, signed))

    def conclude(self, *cited, joint=True, by="ruth"):
        body = Conclusion(joint, "What we agreed", "Fifty visits.", "en", tuple(sorted(one.id for one in cited)))
        return self.put(by, body)

    def sign(self, name, outcome, value, reason="", counter=1, by=""):
        place = People.of(self.state()).place(self.plenary, outcome.content)
        seed = self.person(by or name).persona.sign_seed
        return put_on_record(seed, place, ACT, counter, value, reason, f"{name} of Aldea")

    def matters(self):
        state = self.state()
        return gather(Rules(), state.rooms.values(), self.events, people=People.of(state))

    def why(self, event):
        return self.matters().noops.get(event.id)


@pytest.fixture
def ending():
    return Ending()


# -- what may be said --------------------------------------------------------------------------------------------------


def test_an_outcome_cites_what_there_is_and_can_be_rested_on(ending):
    assert ending.why(ending.conclude(ending.pilot)) is None
    unsaid = Conclusion(False, "Nothing", "Rests on nothing.", "", (EventId(drawn("nothing")),))
    assert ending.why(ending.put("ruth", unsaid)) is MethodNoOp.NO_TARGET
    story = ending.put("ruth", Say("story", "My grandmother waited."))
    item = ending.put("ruth", AgendaItem("Visits", ""))
    assert ending.why(ending.conclude(story)) is MethodNoOp.STORY
    assert ending.why(ending.conclude(item)) is MethodNoOp.NOT_ABOUT


def test_endorsing_and_reserving_count_the_latest(ending):
    outcome = ending.conclude(ending.pilot)
    ending.stand("selam", outcome, "endorse")
    ending.stand("omar", outcome, "endorse")
    ending.stand("omar", outcome, "reserve", "not June")
    assert ending.why(ending.stand("selam", outcome, "reserve", " ")) is MethodNoOp.REASON_REQUIRED
    assert ending.why(ending.stand("selam", outcome, "agree")) is MethodNoOp.NOT_FOR_THIS
    count = tally(ending.matters().matters[outcome.id])
    assert (count.endorse, count.reserve) == (1, 1)


def test_on_the_record_is_signed_by_the_persona_for_just_these_words(ending):
    outcome, other = ending.conclude(ending.pilot), ending.conclude()
    good = ending.stand("selam", outcome, "endorse", "", ending.sign("selam", outcome, "endorse"))
    assert ending.why(good) is None
    assert ending.matters().matters[outcome.id].votes[ending.id("selam")].open.name == "selam of Aldea"
    for target, value, signed in (
        (outcome, "endorse", ending.sign("selam", outcome, "endorse", by="omar")),
        (outcome, "endorse", ending.sign("selam", other, "endorse")),
        (outcome, "endorse", ending.sign("selam", outcome, "reserve")),
        (ending.pilot, "agree", ending.sign("selam", outcome, "agree")),
    ):
        assert ending.why(ending.stand("selam", target, value, "", signed)) is MethodNoOp.NOT_SIGNED
    # Without anybody's keys, nobody is on the record.
    plain = gather(Rules(), ending.state().rooms.values(), ending.events)
    assert plain.noops[good.id] is MethodNoOp.NOT_SIGNED


def test_objections_are_answered_or_attached_and_nothing_else_is(ending):
    outcome = ending.conclude(ending.pilot)
    answer = ending.put("ruth", Answer(ending.objection.id, "July, then."))
    for _ in range(2):
        assert ending.why(ending.put("selam", Attach(outcome.id, ending.objection.id))) is None
    minority = ending.put("omar", Minority(outcome.id, "We would have waited.", "en"))
    matters = ending.matters()
    assert matters.answers == {ending.objection.id: (answer.id,)}
    assert matters.attached == {outcome.id: (ending.objection.id,)}
    assert matters.matters[outcome.id].beside == (minority.id,)
    assert answer.id in matters.matters[ending.pilot.id].beside
    for body, reason in (
        (Answer(ending.pilot.id, "?"), MethodNoOp.NO_TARGET),
        (Attach(outcome.id, ending.pilot.id), MethodNoOp.NO_TARGET),
        (Attach(ending.pilot.id, ending.objection.id), MethodNoOp.NOT_ABOUT),
        (Minority(ending.pilot.id, "No"), MethodNoOp.NOT_ABOUT),
        (Minority(EventId(drawn("nothing")), "No"), MethodNoOp.NO_TARGET),
    ):
        assert ending.why(ending.put("selam", body)) is reason


# -- as people do it ---------------------------------------------------------------------------------------------------


class Meeting:
    """Ruth and Omar facilitate, both must sign; Ada is a member."""

    def __init__(self, quorum=2):
        self.village, self.key, self.ruth, self.omar, self.ada = house(quorum)
        self.all = (self.ruth, self.omar, self.ada)

    def ask(self, who, command):
        answer = who.ask(command)
        self.village.settle()
        return answer

    def utter(self, who, words):
        return EventId(bytes.fromhex(str(self.ask(who, Utter(self.key, words))["id"])))

    def draft(self, *cited, joint=True):
        return self.utter(self.ruth, Conclusion(joint, "What we agreed", "Fifty visits.", "en", tuple(sorted(cited))))

    def agree(self, deed, subject=b"", reason="We agree."):
        answer = self.ask(self.ruth, Facilitate(self.key, deed, reason, subject))
        return self.ask(self.omar, SignAct(self.key, EventId(bytes.fromhex(str(answer["act"])))))

    def row(self, who, outcome):
        return next(row for row in views_outcomes.outcomes(who.core, self.key) if row["id"] == outcome.hex())


@pytest.fixture
def meeting():
    return Meeting()


def test_an_outcome_is_not_sealed_while_an_objection_stands_against_it(meeting):
    pilot = meeting.utter(meeting.ruth, Proposal("Pilot", "Fifty"))
    against = meeting.utter(meeting.ada, Stance(pilot, Value.DISAGREE, "June is too soon"))
    meeting.agree(Deed.CUT)
    outcome = meeting.draft(pilot)
    reserved = meeting.utter(meeting.ada, Stance(outcome, Value.RESERVE, "Not without Selam"))
    for objection, words, cure in (
        (against, "June is too soon", Answer(against, "July, then.")),
        (reserved, "Not without Selam", Attach(outcome, reserved)),
    ):
        with pytest.raises(Refused, match=words) as refused:
            meeting.ask(meeting.ruth, Facilitate(meeting.key, Deed.SEAL, "Done.", outcome))
        assert objection.hex()[:8] in refused.value.problem.next
        meeting.utter(meeting.omar, cure)
    assert meeting.row(meeting.ada, outcome)["state"] == "draft"
    answer = meeting.ask(meeting.ruth, Facilitate(meeting.key, Deed.SEAL, "Done.", outcome))
    assert meeting.row(meeting.ada, outcome)["state"] == "proposed"
    meeting.ask(meeting.omar, SignAct(meeting.key, EventId(bytes.fromhex(str(answer["act"])))))
    for who in meeting.all:
        found = meeting.row(who, outcome)
        assert (found["state"], found["provisional"], found["act"]) == ("sealed", False, answer["act"])
        assert [one["reason"] for one in found["attached"]] == ["Not without Selam"]
        assert found["against"] == []
    assert len({who.state_hash(meeting.key) for who in meeting.all}) == 1
    assert views_acts.acts(meeting.ada.core, meeting.key)[-1]["kind"] == "seal"
    # What comes later changes nothing of what was sealed.
    meeting.utter(meeting.ada, Stance(outcome, Value.RESERVE, "I think better of it"))
    assert [one["reason"] for one in meeting.row(meeting.ruth, outcome)["attached"]] == ["Not without Selam"]


def test_a_seal_by_those_who_do_not_look_has_no_effect_and_says_what_stands_against_it(meeting, monkeypatch):
    pilot = meeting.utter(meeting.ruth, Proposal("Pilot", "Fifty"))
    outcome = meeting.draft(pilot)
    meeting.utter(meeting.ada, Stance(pilot, Value.DISAGREE, "June is too soon"))
    monkeypatch.setattr(concluding, "to_seal", lambda *_: bytes(64))
    monkeypatch.setattr(concluding, "to_cosign", lambda *_: bytes(64))
    meeting.agree(Deed.SEAL, outcome)
    for who in meeting.all:
        found = meeting.row(who, outcome)
        assert (found["state"], found["act"]) == ("unanswered", "")
        assert [(one["author"], one["reason"], one["answers"]) for one in found["against"]] == [
            ("Ada", "June is too soon", [])
        ]
        dialogue = who.core.dialogues[meeting.key]
        assert concluding.sealed(dialogue, outcome) is None


def test_what_is_no_outcome_is_not_sealed_or_endorsed(meeting):
    pilot = meeting.utter(meeting.ruth, Proposal("Pilot", "Fifty"))
    gone = meeting.draft(pilot)
    meeting.utter(meeting.ruth, Withdraw(gone, 1))
    for subject in (pilot, gone, bytes(32)):
        with pytest.raises(Refused, match="no outcome"):
            meeting.ask(meeting.ruth, Facilitate(meeting.key, Deed.SEAL, "Done.", subject))
    with pytest.raises(Refused, match="no outcome"):
        meeting.ask(meeting.ada, Endorse(meeting.key, pilot, Value.ENDORSE, "", "Ada of Aldea"))
    with pytest.raises(Refused, match="sign with a name"):
        meeting.ask(meeting.ada, Endorse(meeting.key, gone, Value.ENDORSE, "", " "))
    assert views_outcomes.outcomes(meeting.ada.core, meeting.key) == ()
    with pytest.raises(Refused, match="about nothing"):
        meeting.draft(EventId(bytes(32)))


def test_a_row_says_all_there_is_to_an_outcome(meeting):
    pilot = meeting.utter(meeting.ruth, Proposal("Pilot", "Fifty"))
    sixty = meeting.utter(meeting.ruth, Amendment(pilot, "Sixty"))
    against = meeting.utter(meeting.ada, Stance(sixty, Value.DISAGREE, "June is too soon"))
    outcome = meeting.draft(pilot, joint=False)
    meeting.utter(meeting.omar, Answer(against, "July, then."))
    meeting.utter(meeting.omar, Attach(outcome, against))
    meeting.utter(meeting.ada, Minority(outcome, "We would have waited."))
    meeting.utter(meeting.ada, Say(Form.TRANSLATION, "Cinquante.", "fr", outcome))
    meeting.utter(meeting.omar, Stance(outcome, Value.ENDORSE))
    meeting.ask(meeting.ada, Endorse(meeting.key, outcome, Value.RESERVE, "Later", "Ada of Aldea"))
    meeting.ask(meeting.ada, Endorse(meeting.key, outcome, Value.ENDORSE, "", "Ada of Aldea"))
    found = meeting.row(meeting.ada, outcome)
    assert (found["form"], found["endorse"], found["reserve"], found["mine"]) == ("note", 2, 0, "endorse")
    assert found["cited"] == [sixty.hex()]
    assert found["on_record"] == [{"name": "Ada of Aldea", "value": "endorse", "reason": ""}]
    assert found["minority"] == [{"lang": "", "text": "We would have waited."}]
    assert found["translations"] == [{"lang": "fr", "text": "Cinquante."}]
    assert [(one["author"], one["answers"]) for one in found["attached"]] == [("Ada", ["July, then."])]
    vote = meeting.ada.core.dialogues[meeting.key].matters.matters[outcome].votes[
        meeting.ada.core.dialogues[meeting.key].me
    ]
    assert isinstance(vote.open, OnRecord)
    assert vote.open.counter == 2
    # Who objected has changed their mind: what they said is attached all the same, and nobody's any more.
    meeting.utter(meeting.ada, Stance(sixty, Value.AGREE))
    assert [one["author"] for one in meeting.row(meeting.omar, outcome)["attached"]] == [""]
    with pytest.raises(LocalError):
        views_outcomes.resolve_objection(meeting.ada.core, meeting.key, "00")


def test_an_outcome_of_a_breakout_is_sealed_there(meeting):
    me = [who.core.dialogues[meeting.key].me for who in meeting.all]
    answer = meeting.ask(meeting.ruth, OpenBreakout(meeting.key, "Visas", tuple(me), me[2]))
    act = EventId(bytes.fromhex(str(answer["act"])))
    meeting.ask(meeting.omar, SignAct(meeting.key, act))
    meeting.village.wait(5_000)
    room = RoomId(act)
    said = meeting.ask(meeting.ada, Utter(meeting.key, Say(Form.STATEMENT, "Visas take too long."), room))
    statement = EventId(bytes.fromhex(str(said["id"])))
    against = meeting.utter(meeting.omar, Stance(statement, Value.DISAGREE, "They do not"))
    outcome = meeting.draft(statement)
    meeting.utter(meeting.ada, Answer(against, "Ask those who wait."))
    meeting.utter(meeting.ada, Minority(outcome, "Not all of us wait."))
    meeting.ask(meeting.ada, Endorse(meeting.key, outcome, Value.ENDORSE, "", "Ada of Aldea"))
    meeting.agree(Deed.SEAL, outcome)
    for who in meeting.all:
        assert meeting.row(who, outcome)["state"] == "sealed"
        found = who.core.dialogues[meeting.key].matters.matters[outcome]
        assert found.room == room
    assert len({concluding.export(who.core, meeting.key, outcome, rules=False) for who in meeting.all}) == 1
    with pytest.raises(Refused, match="about nothing"):
        meeting.utter(meeting.ada, Answer(EventId(bytes(32)), "To what?"))


def test_objections_are_named_by_the_start_of_their_id(meeting):
    pilot = meeting.utter(meeting.ruth, Proposal("Pilot", "Fifty"))
    against = meeting.utter(meeting.ada, Stance(pilot, Value.DISAGREE, "June is too soon"))
    assert views_outcomes.resolve_objection(meeting.omar.core, meeting.key, against.hex()[:6]) == against


def test_actions_say_when_it_is_time(meeting):
    me = meeting.ada.core.dialogues[meeting.key].me
    for title, deadline, review in (("Write", 100, 0), ("Call", 0, 50), ("Meet", 900, 0)):
        meeting.utter(meeting.ruth, Action(title, "", "", me, deadline, review))
    meeting.utter(meeting.ruth, Withdraw(meeting.utter(meeting.ruth, Action("No", "", "", me, 1)), 1))
    meeting.utter(meeting.ruth, Action("Whose?", "", "", bytes(32), 0))
    rows = views_outcomes.actions(meeting.ada.core, meeting.key, 200)
    assert {(row["title"], row["due"], row["owner"], row["mine"]) for row in rows} == {
        ("Call", "review", "Ada", True), ("Write", "overdue", "Ada", True), ("Meet", "", "Ada", True),
        ("Whose?", "", "00000000", False),
    }  # fmt: skip
    assert [row["deadline"] for row in rows] == [0, 0, 6_000_000, 54_000_000]


def test_a_newcomer_is_told_of_seals(meeting):
    outcome = meeting.draft()
    before = meeting.ruth.core.dialogues[meeting.key].state.control_hash
    meeting.agree(Deed.SEAL, outcome)
    state = meeting.ruth.core.dialogues[meeting.key].state
    assert state.control_hash != before
    told = checkpoint_of(state, meeting.ruth.core.dialogues[meeting.key].me)
    newcomer = fold(type(told).from_value(told.to_value()), {})
    assert (newcomer.hash, newcomer.steering) == (state.hash, state.steering)
    assert all(row["what"] != "note" for row in views_matters.matters(meeting.ada.core, meeting.key))
