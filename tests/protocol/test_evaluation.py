"""Questionnaires: counts about nobody, the same for everybody, that leave the room by consent. Spec: method.md."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import Story
from village import Refused, house

from tertulia.protocol import views_surveys
from tertulia.protocol.encoding import decode
from tertulia.protocol.event import Kind
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.fold import fold
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import Facilitate, Utter
from tertulia.protocol.method.cutting import lines
from tertulia.protocol.method.evaluating import LEAST_CELL, evaluate, is_released, withheld
from tertulia.protocol.method.gathering import gather
from tertulia.protocol.method.rules import MethodNoOp, Rules
from tertulia.protocol.propose import Proposal
from tertulia.protocol.revise import Withdraw
from tertulia.protocol.stance import Stance, Value
from tertulia.protocol.survey import Answers, Question, Release, Survey

GUESTS = [f"guest{number}" for number in range(12)]
HEARD = Question("Were you heard?", ("yes", "partly", "no"))
AGAIN = Question("Would you come again?", ("yes", "no"))
SURVEY = Survey("After the day", "For ourselves.", "en", (HEARD, AGAIN))


class Asking(Story):
    """Ruth facilitates alone; twelve guests."""

    def __init__(self):
        super().__init__()
        self.seat(*GUESTS)
        self.survey = self.put("ruth", Kind.PROPOSE, SURVEY)

    def put(self, name, kind, body, **odd):
        return self.act(name, kind, body.encode(), room=self.plenary, **odd)

    def answer(self, name, *choices, **odd):
        return self.put(name, Kind.STANCE, Answers(self.survey.id, choices), **odd)

    def matters(self):
        state = fold(None, self.of())
        return gather(Rules(), state.rooms.values(), self.of(), lines(state.steering, self.of(), {}))

    def pack(self):
        return evaluate(self.dialogue, self.matters().matters[self.survey.id], simulation=False)

    def why(self, event):
        return self.matters().noops.get(event.id)


@pytest.fixture
def room():
    return Asking()


def test_the_latest_answers_up_to_the_cut_are_counted(room):
    for name in GUESTS[:6]:
        room.answer(name, 3, 1)
    for name in GUESTS[:5]:
        room.answer(name, 1, 1)
    for name in GUESTS[6:]:
        room.answer(name, 2, 2)
    room.steer(Deed.CUT)
    late = room.answer(GUESTS[11], 1, 1)
    assert room.why(late) is MethodNoOp.AFTER_CUT
    pack = room.pack()
    assert pack.answered == 12
    # Five, six, one, none; and six, six, none: what is gone must be five together, else it could be taken off twelve.
    assert pack.counts == ((None, 6, None, None), (None, 6, None))


def test_answers_that_do_not_fit_are_nothing(room):
    proposal = room.put("ruth", Kind.PROPOSE, Proposal("Pilot", "Fifty"))
    for choices in ((1,), (1, 1, 1), (4, 1), (1, 3)):
        assert room.why(room.answer(GUESTS[0], *choices)) is MethodNoOp.NO_CHOICE
    away = EventId(bytes(32))
    said = [Answers(away, (1, 1)), Answers(proposal.id, (1, 1)), Stance(room.survey.id, Value.AGREE)]
    assert [room.why(room.put(GUESTS[0], Kind.STANCE, body)) for body in said] == [
        MethodNoOp.NO_TARGET, MethodNoOp.NOT_FOR_THIS, MethodNoOp.NOT_FOR_THIS,
    ]  # fmt: skip
    assert room.why(room.put(GUESTS[0], Kind.PROPOSE, Release(proposal.id, away, ""))) is MethodNoOp.NOT_ABOUT
    assert room.why(room.put(GUESTS[0], Kind.PROPOSE, Release(away, away, ""))) is MethodNoOp.NO_TARGET
    assert room.matters().matters[room.survey.id].answers == {}


def test_a_release_is_of_these_very_counts_by_more_than_half_and_blocked_by_one(room):
    for name in GUESTS:
        room.answer(name, 1, 2)
    room.steer(Deed.CUT)
    pack, people = room.pack(), 13
    other = room.put("ruth", Kind.PROPOSE, Release(room.survey.id, bytes(32), "To the city."))
    for name in GUESTS:
        room.put(name, Kind.STANCE, Stance(other.id, Value.AGREE))
    assert not is_released(room.matters(), pack, people), "the counts are others"
    release = room.put("ruth", Kind.PROPOSE, Release(room.survey.id, pack.hash, "To the city."))
    for name in GUESTS[:6]:
        room.put(name, Kind.STANCE, Stance(release.id, Value.AGREE))
    assert not is_released(room.matters(), pack, people), "six of thirteen"
    room.put(GUESTS[6], Kind.STANCE, Stance(release.id, Value.AGREE))
    assert is_released(room.matters(), pack, people)
    assert room.why(room.put(GUESTS[7], Kind.STANCE, Stance(release.id, Value.BLOCK))) is MethodNoOp.REASON_REQUIRED
    room.put(GUESTS[7], Kind.STANCE, Stance(release.id, Value.BLOCK, "We are too few."))
    assert not is_released(room.matters(), pack, people)
    room.put(GUESTS[7], Kind.STANCE, Stance(release.id, Value.PASS))
    assert is_released(room.matters(), pack, people)
    room.put("ruth", Kind.REVISE, Withdraw(release.id, 1))
    assert not is_released(room.matters(), pack, people)


def test_the_pack_is_the_same_whatever_came_when(room):
    for number, name in enumerate(GUESTS):
        room.answer(name, number % 2 + 1, 1)
    room.steer(Deed.CUT)
    packs = set()
    for seed in range(5):
        events = list(room.events.items())
        random.Random(seed).shuffle(events)
        room.events = dict(events)
        packs.add(room.pack().encode())
    (pack,) = packs
    version, dialogue, survey, _cut, simulation, answered, counts = decode(pack, 4096)
    assert (version, dialogue, survey, simulation, answered) == (1, room.dialogue, room.survey.id, False, 12)
    assert counts == [[None, 6, None, None], [None, None, None]], "where all say the same nothing is shown"


@given(st.lists(st.integers(0, 30), min_size=1, max_size=9))
def test_nothing_small_is_shown_or_can_be_reckoned(counts):
    shown = withheld(counts)
    assert all(told in {None, count} for told, count in zip(shown, counts, strict=True))
    assert all(count is None or count >= LEAST_CELL for count in shown)
    gone = [count for told, count in zip(shown, counts, strict=True) if told is None]
    assert not gone or sum(gone) >= LEAST_CELL or len(gone) == len(counts)


def named(answer, name="id"):
    return EventId(bytes.fromhex(str(answer[name])))


def test_as_people_see_it():
    village, key, ruth, omar, ada = house()
    survey = named(ruth.ask(Utter(key, SURVEY)))
    village.settle()
    before = views_surveys.surveys(ada.core, key)
    omar.ask(Utter(key, Answers(survey, (1, 2))))
    village.settle()
    assert views_surveys.surveys(ada.core, key) == before, "an answer changes nothing that others see"
    (row,) = views_surveys.surveys(omar.core, key)
    assert (row["mine"], row["counted"], row["title"]) == ([1, 2], False, "After the day")
    with pytest.raises(Refused, match="one of its options"):
        omar.ask(Utter(key, Answers(survey, (3, 3))))
    for judged in (views_surveys.counted, views_surveys.evaluation):
        with pytest.raises(Exception, match="not counted yet"):
            judged(ruth.core, key, survey.hex())
    ruth.ask(Facilitate(key, Deed.CUT, "We count."))
    village.settle()
    (row,) = views_surveys.surveys(ada.core, key)
    assert (row["counted"], row["answered"], row["released"]) == (True, None, False)
    assert [question["counts"] for question in row["questions"]] == [[None] * 4, [None] * 3]
    with pytest.raises(Exception, match="has not agreed"):
        views_surveys.evaluation(ruth.core, key, survey.hex())
    pack = views_surveys.counted(ruth.core, key, survey.hex())
    release = named(ruth.ask(Utter(key, Release(survey, pack.hash, "To the city."))))
    village.settle()
    for one in (omar, ada):
        one.ask(Utter(key, Stance(release, Value.AGREE)))
    village.settle()
    (given_out,) = {str(views_surveys.evaluation(one.core, key, survey.hex())) for one in (ruth, omar, ada)}
    assert not any(persona.hex() in given_out for persona in ruth.core.dialogues[key].state.members)
    with pytest.raises(Exception, match="not a survey"):
        views_surveys.survey_named(ruth.core, key, release.hex())
