"""Who is in and who is out: admission, leaving, removal, coming back. Spec: docs/spec/events.md."""

from dataclasses import replace

import pytest
from story import Person, Story, drawn, prekey

from tertulia.protocol.charter import LIMIT_MEMBERS
from tertulia.protocol.event import CONTROL, Kind
from tertulia.protocol.ids import EventId
from tertulia.protocol.state import NoOp, Status


def trio() -> Story:
    story = Story("ruth")
    story.seat("omar", "selam")
    return story


# -- the founder -------------------------------------------------------------------------------------------------------


def test_a_dialogue_begins_with_its_founder():
    story = Story("ruth")
    state = story.state()
    ruth = state.members[story.id("ruth")]
    assert story.roster() == {"ruth"}
    assert (ruth.facilitator, ruth.accepted, ruth.status) == (True, True, Status.IN)
    assert ruth.admitted_by == story.genesis.id
    assert (state.title, state.retention_days, state.frame_class) == ("Visas and family visits", 30, 1)
    assert not state.noops
    story.say("ruth", "Welcome.")
    assert story.shown() == ["ruth: Welcome."]


def test_without_its_charter_everything_waits():
    story = trio()
    story.say("omar", "Hello")
    later = {name: event for name, event in story.events.items() if name != story.genesis.id}
    state = story.state(later)
    assert state.waiting == set(later)
    assert (state.charter, state.dialogue, state.title) == (None, None, "")
    assert (state.retention_days, state.frame_class) == (0, 1)
    assert state.cite(CONTROL) == ((), (), 1)
    assert state.next_seq(drawn("actor"), CONTROL) == 1
    assert state.lamports == {CONTROL: 0}


def test_only_the_founder_founds_and_only_by_the_dialogues_own_charter():
    story = Story("ruth")
    del story.events[story.genesis.id]
    other = replace(story.charter, title="Mine")
    story.forge(story.person("omar"), kind=Kind.CHARTER, body=story.body, seq=1, parents=(), lamport=1)
    story.forge(story.person("ruth"), kind=Kind.CHARTER, body=other.encode(), seq=1, parents=(), lamport=1)
    assert story.state().waiting == set(story.events)


def test_the_charter_cannot_be_replaced():
    story = trio()
    second = story.act("ruth", Kind.CHARTER, replace(story.charter, title="Mine now").encode())
    signed_twice = story.forge(
        story.person("ruth"), kind=Kind.CHARTER, body=story.body, seq=1, parents=(), lamport=1
    )
    thief = story.forge(story.person("omar"), kind=Kind.CHARTER, body=story.body, seq=1, parents=(), lamport=1)
    first, twice = sorted((story.genesis, signed_twice), key=lambda event: event.id)
    assert story.reason(first) is None
    assert story.reason(second) == story.reason(twice) == NoOp.SECOND_CHARTER
    assert story.reason(thief) is NoOp.NOT_A_MEMBER
    assert story.state().title == "Visas and family visits"
    assert story.roster() == {"ruth", "omar", "selam"}


def test_a_founder_who_signs_the_charter_twice_splits_nobody():
    story = Story("ruth")
    before = story.now()
    other = story.forge(story.person("ruth"), kind=Kind.CHARTER, body=story.body, seq=1, parents=(), lamport=1)
    story.admit("omar", seen=before)
    assert {story.name(persona) for persona in story.state((*before, *story.now())).roster} == {"ruth", "omar"}
    assert other.id in story.state().equivocations[story.id("ruth")]


# -- admission ---------------------------------------------------------------------------------------------------------


def test_the_facilitator_admits():
    story = Story("ruth")
    admission = story.admit("omar", "selam")
    omar = story.state().members[story.id("omar")]
    assert story.roster() == {"ruth", "omar", "selam"}
    assert (omar.nickname, omar.facilitator, omar.accepted, omar.admitted_by) == ("omar", False, False, admission.id)
    assert (omar.joined, omar.session, omar.sessions) == (
        admission.header.tick,
        story.person("omar").session.actor,
        (story.person("omar").session.actor,),
    )
    assert omar.prekeys == (prekey("omar"),)
    assert (omar.card_hash, omar.knock_id, omar.told_by) == (drawn("card"), drawn("knock", "omar"), None)


def test_nobody_else_admits_removes_or_opens():
    story = trio()
    for event in (story.admit("daniel", by="omar"), story.remove("selam", by="omar"), story.open("omar", "Mine")):
        assert story.reason(event) is NoOp.NOT_A_FACILITATOR
    assert story.roster() == {"ruth", "omar", "selam"}
    assert len(story.state().rooms) == 1


def test_who_is_in_is_not_displaced_by_a_later_knock():
    story = trio()
    omar = story.person("omar")
    again = replace(omar.newcomer, nickname="impostor", session=drawn("another key"))
    alone = story.admit(newcomers=[again])
    along = story.admit("daniel", newcomers=[again])
    assert story.reason(alone) is NoOp.ALREADY_IN
    assert story.reason(along) is None
    assert story.state().members[story.id("omar")].nickname == "omar"
    assert story.state().members[story.id("omar")].session == omar.session.actor


def test_one_admission_names_each_person_once():
    story = Story("ruth")
    story.admit("omar", "omar")
    assert len(story.state().ground.authority.seats) == 2


def test_of_two_concurrent_admissions_the_earlier_counts():
    story = Story("ruth")
    before = story.now()
    omar = story.person("omar").newcomer
    events = [story.admit(newcomers=[replace(omar, nickname=name)], seen=before) for name in ("a", "b")]
    first = min(events, key=lambda event: event.order)
    member = story.state().members[story.id("omar")]
    assert member.admitted_by == first.id
    assert story.roster() == {"ruth", "omar"}


def test_a_newcomers_session_key_must_be_their_own():
    story = trio()
    thief = replace(Person.named("thief").newcomer, session=story.person("omar").session.actor)
    assert story.reason(story.admit(newcomers=[thief])) is NoOp.KEY_TAKEN
    assert story.reason(story.admit("daniel", newcomers=[thief])) is None
    assert story.roster() == {"ruth", "omar", "selam", "daniel"}


def test_a_conversation_holds_thirty():
    story = Story("ruth")
    names = [f"guest {n}" for n in range(LIMIT_MEMBERS)]
    story.admit(*names[:20])
    admission = story.admit(*names[20:])
    assert story.reason(admission) is None
    assert len(story.roster()) == LIMIT_MEMBERS
    full = story.admit(names[-1])
    assert story.reason(full) is NoOp.ROSTER_FULL
    story.leave(names[0])
    story.admit(names[-1])
    assert len(story.roster()) == LIMIT_MEMBERS


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_who_leaves_is_out_and_what_they_said_stays():
    story = trio()
    story.say("omar", "I must go.")
    before = story.now()
    story.leave("omar")
    after = story.say("omar", "One more thing")
    crossed = story.say("omar", "Said before", seen=before)
    assert story.roster() == {"ruth", "selam"}
    assert story.state().members[story.id("omar")].status is Status.LEFT
    assert story.reason(after) is NoOp.NOT_A_MEMBER
    assert story.reason(crossed) is None
    assert story.reason(story.leave("omar")) is NoOp.NOT_A_MEMBER


def test_who_left_comes_back_by_another_admission_and_accepts_again():
    story = trio()
    story.leave("omar")
    story.anew("omar")
    story.admit("omar")
    unaccepted = story.say("omar", "Hello again")
    assert story.roster() == {"ruth", "omar", "selam"}
    assert story.reason(unaccepted) is NoOp.NOT_ACCEPTED
    story.accept("omar")
    story.say("omar", "Hello again")
    assert story.shown() == ["omar: Hello again"]


def test_a_session_key_of_an_earlier_stay_is_worth_nothing():
    story = trio()
    old = story.person("omar").session
    story.leave("omar")
    story.anew("omar")
    story.admit("omar")
    story.accept("omar")
    assert story.reason(story.say("omar", "by a thief", session=old)) is NoOp.NOT_A_MEMBER


def test_when_the_founder_leaves_nobody_facilitates():
    story = trio()
    story.leave("ruth")
    assert story.roster() == {"omar", "selam"}
    assert story.reason(story.admit("daniel")) is NoOp.NOT_A_MEMBER
    assert not any(member.facilitator for member in story.state().members.values())
    story.say("omar", "We go on.")
    assert story.shown() == ["omar: We go on."]


# -- removal -----------------------------------------------------------------------------------------------------------


def test_removal_is_strong_on_power():
    story = trio()
    story.remove("omar")
    assert story.roster() == {"ruth", "selam"}
    assert story.state().members[story.id("omar")].status is Status.REMOVED
    late = [story.say("omar", "still here"), story.accept("omar"), story.introduce("omar"), story.announce("omar", 1)]
    assert {story.reason(event) for event in late} == {NoOp.NOT_A_MEMBER}


def test_removal_is_gentle_on_speech():
    story = trio()
    story.say("omar", "known to ruth")
    before = story.now()
    named = story.say("omar", "read by selam", seen=before)
    story.say("selam", "I heard omar", seen={*before, named.id})
    unheard = story.say("omar", "read by nobody", seen={*before, named.id}, parents=[named.id])
    story.remove("omar", seen=before)
    assert sorted(story.shown()) == ["omar: known to ruth", "omar: read by selam", "selam: I heard omar"]
    assert story.reason(unheard) is NoOp.REMOVED_AUTHOR
    # Naming it after the removal keeps it just as well.
    story.say("selam", "omar also said something")
    assert "omar: read by nobody" in story.shown()


def test_all_up_to_the_last_that_the_remover_knew_stays():
    story = trio()
    first = story.say("omar", "first")
    second = story.say("omar", "second")
    before = story.now()
    story.remove("omar", seen=before)
    third = story.say("omar", "third", seen=before)
    assert [story.reason(event) for event in (first, second, third)] == [None, None, NoOp.REMOVED_AUTHOR]
    (last,) = story.state().last_of(story.id("omar"))
    assert last == (story.plenary, story.person("omar").session.actor, 3, third.id)


def test_a_removed_member_cannot_write_into_the_past():
    story = trio()
    before = story.now()
    honest = story.say("omar", "first")
    story.say("omar", "second")
    story.remove("omar")
    backdated = story.say("omar", "what I really said first", seen=before)
    assert backdated.header.seq == honest.header.seq
    assert story.reason(backdated) is NoOp.REMOVED_AUTHOR
    assert story.shown() == ["omar: first", "omar: second"]
    instead_of_the_last = story.say("omar", "what I said last", seen={*before, honest.id})
    assert instead_of_the_last.header.seq == 2
    assert story.reason(instead_of_the_last) is NoOp.REMOVED_AUTHOR
    assert story.shown() == ["omar: first", "omar: second"]


def test_two_who_were_removed_cannot_keep_each_others_words():
    story = trio()
    before = story.now()
    story.remove("omar", seen=before)
    story.remove("selam")
    one = story.say("omar", "psst", seen=before)
    two = story.say("selam", "yes?", seen={*before, one.id})
    assert [story.reason(event) for event in (one, two)] == [NoOp.REMOVED_AUTHOR] * 2


def test_nobody_removes_themselves():
    story = trio()
    assert story.reason(story.remove("ruth")) is NoOp.ONESELF
    assert "ruth" in story.roster()


def test_removal_wins_over_a_concurrent_admission():
    story = trio()
    story.appoint("daniel")
    story.leave("omar")
    before = story.now()
    story.remove("omar", seen=before)
    story.anew("omar")
    admission = story.admit("omar", by="daniel", seen=before)
    assert story.reason(admission) is None
    assert story.roster() == {"ruth", "selam", "daniel"}
    story.anew("omar")
    story.admit("omar")
    assert story.roster() == {"ruth", "omar", "selam", "daniel"}


def test_one_may_be_removed_before_they_are_heard_of():
    story = Story("ruth")
    story.appoint("selam")
    before = story.now()
    removal = story.remove("omar")
    story.admit("omar", by="selam", seen=before)
    assert story.reason(removal) is None
    assert story.roster() == {"ruth", "selam"}
    assert story.state().members[story.id("omar")].status is Status.REMOVED


def test_removed_readmitted_and_removed_again():
    story = trio()
    for turn in range(3):
        story.say("omar", f"turn {turn}")
        before = story.now()
        story.remove("omar")
        late = story.say("omar", "late", seen=before)
        assert story.reason(late) is NoOp.REMOVED_AUTHOR
        story.anew("omar")
        story.seat("omar")
        del story.events[late.id]
    assert story.shown() == [f"omar: turn {turn}" for turn in range(3)]
    assert story.state().members[story.id("omar")].status is Status.IN


def test_a_removal_that_names_nothing_keeps_what_was_named():
    story = trio()
    story.say("omar", "first")
    story.say("ruth", "answer")
    unnamed = story.say("omar", "second")
    story.remove("omar", last=())
    assert story.shown() == ["omar: first", "ruth: answer"]
    assert story.reason(unnamed) is NoOp.REMOVED_AUTHOR


# -- acceptance --------------------------------------------------------------------------------------------------------


def test_no_word_before_the_rules_are_accepted():
    story = Story("ruth")
    story.admit("omar")
    early = story.say("omar", "Hello")
    before = story.now()
    story.accept("omar")
    crossed = story.say("omar", "Hello?", seen=before)
    story.say("omar", "Hello!")
    assert [story.reason(event) for event in (early, crossed)] == [NoOp.NOT_ACCEPTED] * 2
    assert story.shown() == ["omar: Hello!"]


def test_only_these_rules_can_be_accepted():
    story = Story("ruth")
    story.admit("omar")
    assert story.reason(story.accept("omar", charter=drawn("other rules"))) is NoOp.OTHER_CHARTER
    assert not story.state().members[story.id("omar")].accepted


def test_accepting_twice_is_nothing_new():
    story = trio()
    assert story.reason(story.accept("omar")) is None
    (seat,) = (seat for seat in story.state().ground.authority.seats if seat.newcomer.nickname == "omar")
    assert len(seat.accepted) == 1


# -- strangers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["say", "accept", "leave"])
def test_a_stranger_changes_nothing_and_is_kept(act):
    story = trio()
    event = story.say("nobody", "hello") if act == "say" else getattr(story, act)("nobody")
    assert story.reason(event) is NoOp.NOT_A_MEMBER
    assert story.shown() == []
    assert story.state().knows(event.id)
    assert not story.state().knows(EventId(drawn("never seen")))
