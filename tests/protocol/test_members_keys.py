"""Members' keys in the state: sessions, prekeys, epochs, alarms. Spec: docs/spec/events.md."""

import pytest
from story import Story, drawn, prekey

from tertulia.protocol.epoch import roster_hash
from tertulia.protocol.state import AlarmFact, NoOp


def trio() -> Story:
    story = Story("ruth")
    story.seat("omar", "selam")
    return story


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_each_session_key_signs_the_next():
    story = trio()
    first = story.person("omar").session
    introduction = story.introduce("omar")
    second = story.person("omar").session
    state = story.state()
    omar = state.members[story.id("omar")]
    assert (omar.sessions, omar.session) == ((first.actor, second.actor), second.actor)
    assert state.actors[first.actor] == state.actors[second.actor] == story.id("omar")
    assert [fact.event for fact in state.introductions] == [introduction.id]
    story.say("omar", "A new day.")
    assert story.shown() == ["omar: A new day."]


def test_who_has_gone_on_does_not_come_back():
    story = trio()
    first, before = story.person("omar").session, story.now()
    story.introduce("omar")
    back = story.say("omar", "with the old key", session=first)
    again = story.introduce("omar", key=drawn("another heir"), session=first)
    crossed = story.say("omar", "said before midnight", session=first, seen=before)
    assert [story.reason(event) for event in (back, again, crossed)] == [NoOp.SESSION_ENDED, NoOp.SESSION_ENDED, None]


def test_a_key_that_named_two_heirs_goes_by_the_earlier():
    story = trio()
    before = story.now()
    introductions = [story.introduce("omar", key=drawn("heir", n), seen=before) for n in range(2)]
    first = min(introductions, key=lambda event: event.order)
    state = story.state()
    assert state.members[story.id("omar")].session == first.content.key
    assert state.equivocations == {story.id("omar"): frozenset(event.id for event in introductions)}


def test_one_heir_named_by_two_keys_is_one_heir():
    story = trio()
    before = story.now()
    story.introduce("omar", key=drawn("b"), seen=before)
    fork = story.introduce("omar", seen=before)
    heir = story.person("omar").next_session()
    there = story.now()
    assert {fork.id} < there
    story.introduce("omar", key=heir.actor, seen={*before, fork.id})
    one, other = story.person("omar").session, story.person("omar").first
    assert one != other
    twin = story.introduce("omar", key=heir.actor, session=other, seen=before)
    assert story.reason(twin) is None
    story.person("omar").session = heir
    story.say("omar", "It is I.")
    assert story.shown() == ["omar: It is I."]


def test_a_key_that_is_somebodys_cannot_be_introduced():
    story = trio()
    for key in (story.person("ruth").session.actor, story.person("omar").session.actor):
        assert story.reason(story.introduce("omar", key=key)) is NoOp.KEY_TAKEN
    assert story.state().members[story.id("omar")].session == story.person("omar").session.actor


def test_a_session_stolen_before_its_holder_is_heard_does_not_stay_stolen():
    story = trio()
    before = story.now()
    introduction = story.introduce("selam")  # and at once signs something with the new key
    first_use = story.accept("selam")
    theft = story.introduce("omar", key=story.person("selam").session.actor, seen=before)
    assert story.reason(theft) is None
    story.say("selam", "This is Selam.")
    assert story.shown() == ["selam: This is Selam."]
    assert story.state().actors[story.person("selam").session.actor] == story.id("selam")
    assert story.state().members[story.id("selam")].session == story.person("selam").session.actor
    # Whatever the order of the two introductions was:
    assert {introduction.id, first_use.id} <= set(story.state().ground.authority.ancestry.parents)


@pytest.mark.parametrize("attempt", range(6))
def test_nor_does_it_depend_on_whose_introduction_comes_first(attempt):
    story = Story("ruth", title=f"Attempt {attempt}")
    story.seat("omar", "selam")
    before = story.now()
    story.say("ruth", "noise", lamport=9)
    story.introduce("selam", seen=before)
    story.accept("selam", seen=story.now())
    story.introduce("omar", key=story.person("selam").session.actor, seen=before)
    story.say("selam", "This is Selam.")
    assert story.shown() == ["selam: This is Selam."]


@pytest.mark.parametrize("attempt", range(6))
def test_only_what_knew_of_no_other_claim_bears_one_out(attempt):
    story = Story("ruth", title=f"Fork {attempt}")
    story.seat("omar", "selam")
    before = story.now()
    mine = {*before, story.introduce("selam", seen=before).id}
    theft = story.introduce("omar", key=story.person("selam").session.actor, seen=before)
    undecided = story.accept("selam", seen={*mine, theft.id})
    story.accept("selam", seen=mine)
    story.say("selam", "This is Selam.")
    assert undecided.id not in story.state().noops
    assert story.shown() == ["selam: This is Selam."]


# -- prekeys -----------------------------------------------------------------------------------------------------------


def test_the_newest_prekey_of_a_class_counts():
    story = trio()
    newer, newest = prekey("omar", 1), prekey("omar", 2)
    week = prekey("omar", 3, days=7)
    story.prekeys("omar", newer)
    story.prekeys("omar", week)
    story.prekeys("omar", newest)
    assert story.state().members[story.id("omar")].prekeys == (newest, week)
    assert story.state().members[story.id("selam")].prekeys == (prekey("selam"),)


def test_classes_are_limited_to_the_newest_four():
    story = trio()
    for days in range(1, 7):
        story.prekeys("omar", prekey("omar", days=days))
    prekeys = story.state().members[story.id("omar")].prekeys
    assert [key.retention_days for key in prekeys] == [6, 5, 4, 3]


# -- epochs ------------------------------------------------------------------------------------------------------------


def test_an_epoch_is_recorded_as_its_sealer_says():
    story = trio()
    event = story.announce("omar", 1)
    ((key, fact),) = story.state().epochs.items()
    assert (fact.event, fact.epoch.id, fact.epoch.sealer, fact.voided) == (event.id, key, story.id("omar"), False)
    assert fact.epoch.roster_hash == story.state().roster_hash == roster_hash(map(story.id, ("ruth", "omar", "selam")))
    assert (fact.epoch.room, fact.epoch.dialogue, fact.epoch.created) == (story.plenary, story.dialogue, 5)


def test_an_epoch_needs_a_room():
    story = trio()
    assert story.reason(story.announce("omar", 1, room=drawn("nowhere"))) is NoOp.NO_ROOM
    assert story.state().epochs == {}


def test_a_removal_voids_what_its_subject_announced_unheard():
    story = trio()
    known = story.announce("omar", 1)
    before = story.now()
    story.remove("omar")
    unheard = story.announce("omar", 2, seen=before)
    voided = {fact.event: fact.voided for fact in story.state().epochs.values()}
    assert voided == {known.id: False, unheard.id: True}


def test_nobody_announces_an_epoch_for_those_who_outlast_them():
    """Its sealer knows the secret: it must not become usable by their going."""
    story = trio()
    without_omar = roster_hash(map(story.id, ("ruth", "selam")))
    story.announce("omar", 1, roster=without_omar)
    (fact,) = story.state().epochs.values()
    assert fact.voided
    story.remove("omar")
    (fact,) = story.state().epochs.values()
    assert story.state().roster_hash == without_omar
    assert fact.voided


def test_an_epoch_announced_twice_is_one():
    story = trio()
    first = story.announce("omar", 1)
    story.announce("omar", 1)
    assert [fact.event for fact in story.state().epochs.values()] == [first.id]
    assert len(story.state().ground.live) == 1


def test_epochs_of_an_earlier_roster_are_no_longer_live():
    story = trio()
    story.announce("omar", 1)
    story.admit("daniel")
    assert story.state().ground.live == ()
    story.announce("omar", 2)
    assert len(story.state().ground.live) == 1
    before = story.now()
    story.leave("daniel")
    # The roster is as it was, yet an epoch of then stays past: what a newcomer is told must not come back to life.
    assert story.state().ground.live == ()
    story.announce("omar", 3, seen=before)
    assert story.state().ground.live == ()
    story.announce("omar", 4)
    assert len(story.state().ground.live) == 1


def test_an_epoch_made_in_advance_is_not_live():
    story = trio()
    story.announce("ruth", 1, roster=roster_hash(map(story.id, ("ruth", "selam"))))
    story.leave("omar")
    assert story.state().ground.live == ()


def test_only_the_newest_live_epochs_are_told():
    story = Story("ruth")
    for n in range(70):
        story.announce("ruth", n)
    live = story.state().ground.live
    assert len(live) == 64
    assert live[-1].order > live[0].order
    assert len(story.state().epochs) == 70


# -- alarms ------------------------------------------------------------------------------------------------------------


def test_an_alarm_is_seen_by_all_and_changes_nothing_else():
    story = trio()
    introduction = story.introduce("omar")
    before = story.state()
    alarm = story.alarm("selam", introduction.id, "omar")
    state = story.state()
    assert state.alarms == (AlarmFact(alarm.id, story.id("selam"), introduction.id, story.id("omar")),)
    assert state.alarmed == {(introduction.id, story.id("selam"))}
    assert state.members == before.members
