"""What speech comes to: each rule of docs/spec/method.md, told as a story."""

import pytest
from story import Story, drawn

from tertulia.protocol.event import Kind
from tertulia.protocol.method.gathering import foresee, gather
from tertulia.protocol.method.rules import ABOUT, STANCES, MethodNoOp, Rules, What
from tertulia.protocol.method.weighing import Tally, is_shown, objections, strongest_objection, tally, unheard_first
from tertulia.protocol.outcome import Answer, Conclusion, Minority
from tertulia.protocol.propose import Action, AgendaItem, Amendment, Floor, Proposal, Take
from tertulia.protocol.revise import Edit, Withdraw
from tertulia.protocol.say import Say
from tertulia.protocol.stance import Stance, Value
from tertulia.protocol.survey import Question, Release, Survey

KINDS = {
    Say: Kind.SAY, Stance: Kind.STANCE, Edit: Kind.REVISE, Withdraw: Kind.REVISE,
    Conclusion: Kind.OUTCOME, Minority: Kind.OUTCOME, Answer: Kind.OUTCOME,
}  # fmt: skip


class Talk(Story):
    """A story whose people use the method."""

    def put(self, name, body, **odd):
        return self.act(
            name, KINDS.get(type(body), Kind.PROPOSE), body.encode(), room=odd.pop("room", self.plenary), **odd
        )

    def stand(self, name, target, value, reason="", **odd):
        return self.put(name, Stance(target.id, Value(value), reason), **odd)

    def state_it(self, name, text="Visas take too long."):
        return self.put(name, Say("statement", text))

    def matters(self, **rules):
        return gather(Rules(**rules), self.state().rooms.values(), self.events)

    def matter(self, event, **rules):
        return self.matters(**rules).matters[event.id]

    def why(self, event, **rules):
        return self.matters(**rules).noops.get(event.id)

    def one(self, what):
        """Something of this sort, said by Ruth."""
        match what:
            case What.PROPOSAL:
                return self.put("ruth", Proposal("Pilot", "Fifty"))
            case What.AMENDMENT:
                return self.put("ruth", Amendment(self.one(What.PROPOSAL).id, "Sixty"))
            case What.ACTION:
                return self.put("ruth", Action("Write", "", "", drawn("owner"), 1))
            case What.AGENDA:
                return self.put("ruth", AgendaItem("Visits", ""))
            case What.FLOOR:
                return self.put("ruth", Floor("On visits"))
            case What.SURVEY:
                return self.put("ruth", Survey("After", "", "", (Question("Heard?", ("yes", "no")),)))
            case What.RELEASE:
                return self.put("ruth", Release(self.one(What.SURVEY).id, drawn("pack"), ""))
            case What.REPORT:
                return self.put("ruth", Say(what, "words", "fr", self.split("ruth", "omar").id))
            case What.NOTE | What.JOINT:
                return self.put("ruth", Conclusion(what is What.JOINT, "Agreed", "Fifty"))
            case What.MINORITY:
                return self.put("ruth", Minority(self.one(What.NOTE).id, "Sixty"))
            case What.ANSWER:
                against = self.stand("omar", self.one(What.PROPOSAL), "disagree", "too soon")
                return self.put("ruth", Answer(against.id, "July, then"))
            case _:
                plain = ABOUT.get(what, frozenset()) - {what, What.AMENDMENT, What.CORRECTION, What.SOURCE, What.ANSWER}
                target = self.one(min(plain)).id if plain else None
                voice = "Daniel" if what is What.SCRIBE else ""
                return self.put("ruth", Say(what, "words", "fr", target, voice))


@pytest.fixture
def talk():
    talk = Talk()
    talk.seat("omar", "selam", "daniel")
    return talk


@pytest.mark.parametrize("what", What)
def test_which_stances_can_be_taken_on_what(talk, what):
    target = talk.one(what)
    taken = {value: talk.stand("omar", target, value, "because") for value in Value}
    refused = MethodNoOp.STORY if what is What.STORY else MethodNoOp.NOT_FOR_THIS
    for value, event in taken.items():
        assert talk.why(event, block=True) == (None if value in STANCES[what] else refused)


@pytest.mark.parametrize("target", What)
def test_what_may_be_about_what(talk, target):
    about = talk.one(target)
    for form, allowed in ABOUT.items():
        bodies = {
            What.AMENDMENT: Amendment(about.id, "Sixty"),
            What.MINORITY: Minority(about.id, "Sixty"),
            What.NOTE: Conclusion(False, "Agreed", "Fifty", "", (about.id,)),
            What.JOINT: Conclusion(True, "Agreed", "Fifty", "", (about.id,)),
            What.RELEASE: Release(about.id, drawn("pack"), ""),
        }
        said = Say(form, "words", "fr", about.id, "Daniel" if form is What.SCRIBE else "")
        event = talk.put("ruth", bodies.get(form, said))
        reason = talk.why(event)
        if target not in allowed:
            assert reason == (MethodNoOp.STORY if target is What.STORY else MethodNoOp.NOT_ABOUT)
            assert form in bodies or talk.matter(event).target is None
        elif form not in bodies:
            assert reason is None
            assert talk.matter(event).target == about.id
            assert event.id in talk.matter(about).beside


def test_nothing_is_about_what_was_not_said_there_before(talk):
    other = talk.put("ruth", Say("statement", "elsewhere"), room=talk.open("ruth", "Second").id)
    unsaid = talk.state_it("nobody who is in")
    for target in (other.id, unsaid.id, drawn("nothing")):
        for body in (
            *(Say("reply", "so?", "", target), Stance(target, Value.AGREE), Edit(target, 1, "x"), Withdraw(target, 1)),
            *(Amendment(target, "x"), Take(target)),
        ):
            assert talk.why(talk.put("ruth", body)) is MethodNoOp.NO_TARGET


def test_the_latest_stance_counts_votes_and_remarks_apart(talk):
    said = talk.state_it("ruth")
    for name, value in (
        *(("omar", "agree"), ("omar", "needs-source"), ("omar", "disagree"), ("selam", "needs-source")),
        *(("selam", "pass"), ("selam", "satisfied"), ("daniel", "agree")),
    ):
        talk.stand(name, said, value)
    matter = talk.matter(said)
    assert tally(matter) == Tally(agree=1, disagree=1, passed=1, block=0, heard=0)
    assert matter.needing == {talk.id("omar")}
    assert matter.disputing == frozenset()


def test_a_story_is_heard_and_asked_about(talk):
    story = talk.put("ruth", Say("story", "My grandmother waited."))
    assert talk.why(talk.stand("omar", story, "heard")) is None
    assert talk.why(talk.stand("selam", story, "agree")) is MethodNoOp.STORY
    assert talk.why(talk.put("selam", Say("reply", "No", "", story.id))) is MethodNoOp.STORY
    asked = talk.put("selam", Say("question", "How long?", "", story.id))
    assert talk.matter(story).beside == (asked.id,)
    assert tally(talk.matter(story)).heard == 1


def test_a_translation_stands_beside_its_original_and_may_be_disputed(talk):
    said = talk.state_it("ruth")
    rendered = talk.put("omar", Say("translation", "Trop longtemps.", "fr", said.id))
    talk.stand("selam", rendered, "disputed", "not quite")
    assert talk.matter(said).beside == (rendered.id,)
    found = talk.matter(rendered)
    assert (found.author, found.disputing) == (talk.id("omar"), {talk.id("selam")})


def test_edits_keep_what_was_said_first_and_the_highest_counter_counts(talk):
    said = talk.say("omar", "helo")
    assert not talk.matter(said).is_edited
    talk.put("omar", Edit(said.id, 5, "hello"))
    talk.put("omar", Edit(said.id, 2, "hallo"))
    matter = talk.matter(said)
    assert (matter.content.text, matter.text, matter.is_edited) == ("helo", "hello", True)
    assert [revision.text for revision in matter.revisions] == ["hallo", "hello"]
    assert talk.why(talk.put("selam", Edit(said.id, 9, "I am a fool"))) is MethodNoOp.NOT_YOURS
    assert talk.why(talk.put("selam", Withdraw(said.id, 9))) is MethodNoOp.NOT_YOURS
    talk.put("omar", Withdraw(said.id, 6))
    matter = talk.matter(said)
    assert (matter.text, matter.is_withdrawn) == ("", True)


def test_two_revisions_with_one_counter_are_decided_by_id(talk):
    said = talk.say("omar", "helo")
    before = talk.now()
    edits = [talk.put("omar", Edit(said.id, 1, text), seen=before, seq=seq) for text, seq in (("a", 2), ("b", 3))]
    assert talk.matter(said).text == max(edits, key=lambda event: event.id).content.text


def test_what_others_take_a_stance_on_keeps_its_words(talk):
    for what in (What.STATEMENT, What.PROPOSAL, What.AMENDMENT, What.ACTION, What.AGENDA, What.NOTE):
        put = talk.one(what)
        assert talk.why(talk.put("ruth", Edit(put.id, 1, "the opposite"))) is MethodNoOp.FIXED
        assert talk.why(talk.put("ruth", Withdraw(put.id, 1))) is None
        assert talk.matter(put).is_withdrawn


def test_who_objects_to_a_proposal_says_why_and_blocks_only_where_the_charter_allows(talk):
    pilot = talk.one(What.PROPOSAL)
    for value in ("disagree", "block"):
        assert talk.why(talk.stand("omar", pilot, value, "  "), block=True) is MethodNoOp.REASON_REQUIRED
    blocked = talk.stand("omar", pilot, "block", "it harms")
    assert talk.why(blocked) is MethodNoOp.NO_BLOCK
    assert talk.why(blocked, block=True) is None
    assert tally(talk.matter(pilot, block=True)).block == 1
    assert tally(talk.matter(pilot)).block == 0


def test_a_proposal_moves_by_amendments_that_its_author_takes(talk):
    pilot = talk.one(What.PROPOSAL)
    talk.stand("selam", pilot, "agree")
    before = talk.now()
    sixty = talk.put("omar", Amendment(pilot.id, "Sixty"))
    seventy = talk.put("selam", Amendment(pilot.id, "Seventy"), seen=before)
    assert talk.matters().current(talk.matter(pilot)).text == "Fifty"
    assert talk.why(talk.put("omar", Take(sixty.id))) is MethodNoOp.NOT_YOURS
    assert talk.why(talk.put("ruth", Take(pilot.id))) is MethodNoOp.NOT_ABOUT
    assert talk.why(talk.put("ruth", Take(sixty.id))) is None
    assert talk.why(talk.put("ruth", Take(sixty.id))) is MethodNoOp.MOVED
    assert talk.why(talk.put("ruth", Take(seventy.id))) is MethodNoOp.MOVED
    assert talk.why(talk.put("daniel", Amendment(pilot.id, "Eighty"))) is MethodNoOp.MOVED
    matters = talk.matters()
    present = matters.current(matters.matters[pilot.id])
    assert (present.text, tally(present).agree, tally(matters.matters[pilot.id]).agree) == ("Sixty", 0, 1)
    own = talk.put("ruth", Amendment(sixty.id, "Fifty-five"))
    assert talk.matter(pilot).versions == (pilot.id, sixty.id, own.id)


def test_what_was_erased_is_nobody_s_target(talk):
    said = talk.state_it("ruth")
    voted = talk.stand("omar", said, "agree")
    talk.events[said.id] = said.erased()
    assert talk.why(said) is MethodNoOp.ERASED
    assert talk.why(voted) is MethodNoOp.NO_TARGET


# -- weighing ----------------------------------------------------------------------------------------------------------


def test_stances_are_hidden_until_one_s_own_where_the_charter_says_so(talk):
    said = talk.state_it("ruth")
    talk.stand("omar", said, "agree")
    matter = talk.matter(said)
    assert is_shown(Rules(), matter, talk.id("selam"))
    assert not is_shown(Rules(hidden=True), matter, talk.id("selam"))
    assert is_shown(Rules(hidden=True), matter, talk.id("omar"))


def test_nine_in_ten_move_nothing_up_and_drown_no_objection():
    talk = Talk()
    crowd = [f"citizen {number}" for number in range(9)]
    talk.seat(*crowd, "amina")
    popular = [talk.state_it(name, f"We all say so {place}") for place, name in enumerate(crowd[:3])]
    lonely = talk.state_it("amina", "Has anybody asked the children?")
    for said in popular:
        for name in crowd:
            talk.stand(name, said, "agree")
    talk.stand("amina", popular[0], "disagree", "the children pay")
    talk.stand("ruth", popular[0], "disagree", "I disagree with everything")
    talk.stand("ruth", popular[1], "disagree", "I disagree with everything")
    talk.stand("ruth", popular[2], "disagree")
    fresh = talk.state_it("citizen 0", "One more of mine")
    matters = talk.matters()
    order = unheard_first(matters)
    assert order[:2] == (lonely.id, fresh.id)
    withdrawn = talk.put("amina", Withdraw(lonely.id, 1))
    assert talk.why(withdrawn) is None
    assert lonely.id not in unheard_first(talk.matters())
    found = strongest_objection(matters, matters.matters[popular[0].id])
    assert found is not None
    assert (found[0], found[1].reason) == (talk.id("amina"), "the children pay")
    assert strongest_objection(matters, matters.matters[popular[2].id]) is None


def test_a_block_comes_before_a_disagreement(talk):
    pilot = talk.one(What.PROPOSAL)
    talk.stand("omar", pilot, "disagree", "too soon")
    talk.stand("selam", pilot, "block", "it harms")
    matters = talk.matters(block=True)
    matter = matters.matters[pilot.id]
    assert list(objections(matter)) == [talk.id("selam"), talk.id("omar")]
    found = strongest_objection(matters, matter)
    assert found is not None
    assert found[0] == talk.id("selam")


def test_what_would_come_of_words_is_known_before_they_are_said(talk):
    said = talk.state_it("ruth")
    unsaid = talk.state_it("nobody who is in")
    talk.act("omar", Kind.SAY, b"\xff", room=talk.plenary)
    room = talk.state().rooms[talk.plenary]
    for target, reason in ((said, None), (unsaid, MethodNoOp.NO_TARGET)):
        words = Stance(target.id, Value.AGREE)
        assert foresee(Rules(), room, talk.events, talk.id("omar"), words) is reason
        assert talk.why(talk.put("omar", words)) is reason
    assert talk.matter(said).votes.keys() == {talk.id("omar")}
