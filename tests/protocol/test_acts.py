"""What several must sign: removals, roles, settlements; who wins when they meet. Spec: docs/spec/events.md, Acts."""

from pathlib import Path

import pytest
from story import Story, drawn

from tertulia.protocol.act import Part, two_thirds
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.event import CONTROL, Event, Kind
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.mark import Accept
from tertulia.protocol.precedence import FATES, Did, End, Fate
from tertulia.protocol.proposing import FAULTS
from tertulia.protocol.roster import Cosign
from tertulia.protocol.session import Session
from tertulia.protocol.state import NoOp, Outcome, State, Status

SPEC = (Path(__file__).parents[2] / "docs" / "spec" / "events.md").read_text()


def council(quorum: int = 1, *, others: tuple[str, ...] = ("selam",)) -> Story:
    """Ruth, Omar and Amina facilitate; others are members."""
    story = Story("ruth", quorum=quorum)
    story.appoint("omar")
    story.appoint("amina")
    if others:
        story.seat(*others)
    assert story.facilitators() == {"ruth", "omar", "amina"}
    return story


def told(state: State) -> Checkpoint:
    return Checkpoint.from_value(checkpoint_of(state, bytes(32)).to_value())


def agreed(story: Story) -> State:
    """The state, after seeing that whoever starts from any part of the history comes to the same."""
    whole = story.state()
    order = sorted(story.events.values(), key=lambda event: event.order)
    for much in range(len(order) // 2, len(order), 3):
        known = {event.id: event for event in order[:much]}
        part = fold(None, known)
        rest = {event.id: event for event in order if event.id not in known or event.id in part.waiting}
        later = fold(told(part), rest)
        assert (later.hash, later.roster) == (whole.hash, whole.roster)
    return whole


# -- signing -----------------------------------------------------------------------------------------------------------


def test_one_facilitator_proposes_and_another_signs():
    story = council(2)
    removal = story.remove("selam")
    assert (story.outcome(removal), "selam" in story.roster()) == (Outcome.PENDING, True)
    (act,) = [act for act in story.state().acts if act.event == removal.id]
    assert (act.need.part, act.need.count, act.signers) == (Part.FACILITATOR, 2, (story.id("ruth"),))
    story.cosign("omar", removal)
    assert (story.outcome(removal), "selam" in story.roster()) == (Outcome.DONE, False)
    assert agreed(story).acts[-1].signers == (story.id("ruth"), story.id("omar"))
    assert story.state().members[story.id("selam")].status is Status.REMOVED


def test_a_newcomer_who_was_told_of_a_proposal_can_see_it_decided():
    story = council(3)
    removal = story.remove("selam")
    checkpoint, then = told(story.state()), story.now()
    for name in ("omar", "amina"):
        story.cosign(name, removal)
    later = {name: event for name, event in story.events.items() if name not in then}
    assert fold(checkpoint, later).hash == story.state().hash
    assert "selam" not in fold(checkpoint, later).roster


def test_signatures_that_know_nothing_of_each_other_count_together():
    story = council(3)
    removal = story.remove("selam")
    before = story.now()
    story.cosign("omar", removal, seen=before)
    assert "selam" in story.roster()
    story.cosign("amina", removal, seen=before)
    assert "selam" not in story.roster()
    agreed(story)


def test_every_fault_has_its_reason():
    story = council(2)
    assert story.reason(story.remove("ruth")) is NoOp.ONESELF
    assert story.reason(story.remove("omar", by="selam")) is NoOp.NOT_A_FACILITATOR
    assert story.reason(story.role("omar")) is NoOp.NO_CHANGE
    assert story.reason(story.role("stranger")) is NoOp.NO_CHANGE
    assert story.reason(story.role("selam", False)) is NoOp.NO_CHANGE
    assert story.reason(story.cosign("omar", drawn("nothing"))) is NoOp.NO_ACT
    before = story.now()
    removal = story.remove("selam")
    sight_unseen = story.act("omar", Kind.ROSTER, Cosign(removal.id).encode(), seen=before)
    assert story.reason(sight_unseen) is NoOp.NO_ACT
    assert story.reason(story.cosign("selam", removal)) is NoOp.NOT_A_FACILITATOR
    assert story.reason(story.cosign("ruth", removal)) is NoOp.SIGNED
    assert story.reason(story.cosign("omar", removal)) is None
    assert story.reason(story.cosign("amina", removal)) is NoOp.DECIDED
    assert story.reason(story.remove("selam", by="omar")) is NoOp.NO_CHANGE
    assert story.reason(story.settle("ruth", seq=90)) is NoOp.NOT_LATEST
    assert story.reason(story.steer(Deed.PAUSE, room=drawn("nowhere"))) is NoOp.NO_ROOM
    elsewhere = {NoOp.TOO_MANY_ROOMS}  # test_breakouts.py
    assert {fault.reason for fault in FAULTS} - elsewhere == set(story.state().noops.values())
    agreed(story)


def test_who_steps_down_needs_nobody():
    story = council(2)
    story.role("ruth", False, by="ruth")
    assert story.facilitators() == {"omar", "amina"}
    assert story.reason(story.admit("daniel")) is NoOp.NOT_A_FACILITATOR
    story.admit("daniel", by="omar")
    agreed(story)


# -- two thirds --------------------------------------------------------------------------------------------------------


def test_two_thirds_of_so_many():
    assert [two_thirds(n) for n in range(1, 8)] == [1, 2, 2, 3, 4, 4, 5]


def test_a_founder_of_a_dialogue_that_asks_for_two_appoints_a_second_with_two_thirds():
    story = Story("ruth", quorum=2)
    story.seat("omar", "selam")
    act = story.role("omar")
    assert story.outcome(act) is Outcome.PENDING
    story.cosign("selam", act)
    assert story.facilitators() == {"ruth", "omar"}


def test_when_nobody_facilitates_two_thirds_choose():
    story = Story("ruth")
    story.seat("omar", "selam", "amina", "daniel")
    story.leave("ruth")
    act = story.role("selam", by="omar")
    story.cosign("daniel", act)
    assert (story.outcome(act), story.facilitators()) == (Outcome.PENDING, set())
    story.cosign("selam", act)
    assert (story.outcome(act), story.facilitators()) == (Outcome.DONE, {"selam"})
    story.admit("ruben", by="selam")
    assert "ruben" in story.roster()
    agreed(story)


# -- removals that meet ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quorum", [1, 2])
def test_of_two_who_remove_each_other_both_fall(quorum):
    story = council(quorum)
    if quorum == 2:
        story.cosign("amina", story.role("selam"))
    before = story.now()
    one, two = (story.remove(other, by=name, seen=before) for name, other in (("ruth", "omar"), ("omar", "ruth")))
    if quorum == 2:
        story.cosign("amina", one, seen={*before, one.id})
        story.cosign("selam", two, seen={*before, two.id})
    assert story.roster() == {"amina", "selam"}
    assert story.outcome(one) is story.outcome(two) is Outcome.DONE
    agreed(story)


def test_then_two_thirds_decide():
    story = Story("ruth")
    story.appoint("omar")
    story.seat("selam", "daniel", "amina")
    before = story.now()
    story.remove("omar", by="ruth", seen=before)
    story.remove("ruth", by="omar", seen=before)
    assert (story.facilitators(), story.roster()) == (set(), {"selam", "daniel", "amina"})
    assert story.reason(story.admit("ruben", by="selam")) is NoOp.NOT_A_FACILITATOR
    act = story.role("daniel", by="selam")
    story.cosign("amina", act)
    assert story.facilitators() == {"daniel"}
    agreed(story)


def test_in_a_circle_all_fall_and_what_they_did_to_others_is_void():
    story = council()
    before = story.now()
    ring = [story.remove(other, by=name, seen=before) for name, other in
            (("ruth", "omar"), ("omar", "amina"), ("amina", "ruth"))]  # fmt: skip
    after = {*before, ring[0].id}
    rescue = story.remove("selam", by="ruth", seen=after)
    assert story.roster() == {"selam"}
    assert (story.outcome(rescue), story.reason(rescue)) == (Outcome.VOID, NoOp.VOID)
    agreed(story)


def test_whoever_is_removed_cannot_remove_in_turn_whom_nobody_wanted_out():
    story = council()
    before = story.now()
    story.remove("omar", by="ruth", seen=before)
    revenge = story.remove("selam", by="omar", seen=before)
    puppet = story.admit("puppet", by="omar", seen={*before, revenge.id})
    assert story.reason(revenge) is story.reason(puppet) is NoOp.VOID
    assert story.roster() == {"ruth", "amina", "selam"}
    agreed(story)


def test_what_struck_in_vain_strikes_nobody():
    """Omar, long removed, reaches back and removes Amina; what she did since stands all the same."""
    story = council()
    before = story.now()
    story.remove("omar", by="ruth", seen=before)
    story.admit("daniel", by="amina")
    late = story.remove("amina", by="omar", seen=before)
    assert story.reason(late) is NoOp.VOID
    assert story.roster() == {"ruth", "amina", "selam", "daniel"}
    agreed(story)


def test_with_a_quorum_nobody_who_is_removed_drags_others_along():
    story = council(2)
    before = story.now()
    removal = story.remove("omar", by="ruth", seen=before)
    story.cosign("amina", removal)
    story.remove("ruth", by="omar", seen=before)
    assert story.roster() == {"ruth", "amina", "selam"}
    agreed(story)


def test_what_enough_others_signed_as_well_stands_without_the_removed():
    story = council(2)
    before = story.now()
    act = story.role("selam", by="omar", seen=before)
    known = {*before, act.id}
    first, second = (story.cosign(name, act, seen=known) for name in ("ruth", "amina"))
    removal = story.remove("omar", by="ruth", seen={*known, first.id})
    story.cosign("amina", removal)
    assert (story.outcome(act), "selam" in story.facilitators()) == (Outcome.DONE, True)
    assert second.id in story.events
    agreed(story)


def test_a_co_signed_act_falls_with_a_signer_it_cannot_do_without():
    story = council(2)
    before = story.now()
    removal = story.remove("omar", by="ruth", seen=before)
    story.cosign("amina", removal)
    act = story.role("selam", by="omar", seen=before)
    story.cosign("amina", act, seen={*before, act.id}, seq=story.state(before).next_seq(actor(story, "amina"), CONTROL))
    assert "selam" not in story.facilitators()
    assert story.outcome(act) is Outcome.VOID
    agreed(story)


def actor(story: Story, name: str) -> bytes:
    return story.person(name).session.actor


def test_power_that_came_of_a_void_act_is_void():
    story = council()
    before = story.now()
    story.remove("omar", by="ruth", seen=before)
    made = story.role("selam", by="omar", seen=before)
    puppet = story.admit("puppet", by="selam", seen={*before, made.id})
    assert story.reason(made) is story.reason(puppet) is NoOp.VOID
    assert story.facilitators() == {"ruth", "amina"}
    assert story.state().members[story.id("puppet")].status is Status.REMOVED
    agreed(story)


def test_who_is_let_in_by_somebody_who_was_let_in_in_vain_is_not_in():
    story = council()
    before = story.now()
    story.remove("omar", by="ruth", seen=before)
    first = story.admit("one", by="omar", seen=before)
    made = story.role("one", by="omar", seen={*before, first.id})
    second = story.admit("two", by="one", seen={*before, first.id, made.id})
    assert {"one", "two"}.isdisjoint(story.roster())
    assert story.reason(second) is NoOp.VOID
    said = story.say("two", "psst", seen={*before, first.id, made.id, second.id})
    assert story.reason(said) is NoOp.NOT_ACCEPTED
    agreed(story)


def test_what_somebody_let_in_in_vain_says_is_heard_if_somebody_who_remains_heard_it():
    story = council()
    before = story.now()
    admission = story.admit("one", by="omar", seen=before)
    accepted = story.accept("one", seen={*before, admission.id})
    known = {*before, admission.id, accepted.id}
    heard = story.say("one", "a question", seen=known)
    story.say("selam", "good question", seen={*known, heard.id})
    unheard = story.say("one", "psst", seen={*known, heard.id})
    story.remove("omar", by="ruth", seen=before)
    assert story.shown() == ["one: a question", "selam: good question"]
    assert story.reason(unheard) is NoOp.REMOVED_AUTHOR


# -- dissent -----------------------------------------------------------------------------------------------------------


def test_two_hostile_facilitators_cannot_unsay_what_a_dissenter_said():
    story = council(2)
    story.say("selam", "I do not agree.")
    before = story.now()
    unknown = story.say("selam", "And here is why.", seen=before)
    story.say("daniel", "?", seen=before)  # a stranger: heard by nobody
    story.say("ruth", "Selam has a point.", seen={*before, unknown.id})
    removal = story.remove("selam", by="omar", seen=before, last=())
    story.cosign("amina", removal, seen={*before, removal.id}, last=())
    assert "selam" not in story.roster()
    assert story.shown()[-2:] == ["selam: And here is why.", "ruth: Selam has a point."]


def test_all_that_any_signer_knew_stays():
    story = council(2)
    before = story.now()
    removal = story.remove("selam", by="omar", seen=before)
    said = story.say("selam", "Known to Amina alone.", seen={*before, removal.id})
    story.cosign("amina", removal, seen={*before, removal.id, said.id})
    assert story.shown() == ["selam: Known to Amina alone."]


# -- old parents, cut off, coming back ---------------------------------------------------------------------------------


def test_a_facilitator_cut_off_for_a_day_who_is_still_wanted_finds_their_admissions_kept():
    story = council()
    before = story.now()
    story.admit("daniel", by="omar", seen=before)
    story.remove("selam", by="ruth", seen=before)
    story.admit("ruben", by="ruth")
    assert story.roster() == {"ruth", "omar", "amina", "daniel", "ruben"}
    agreed(story)


def test_who_comes_back_has_no_power_but_what_they_are_given_anew():
    story = council()
    story.remove("omar")
    story.anew("omar")
    story.seat("omar")
    assert "omar" in story.roster()
    assert story.reason(story.admit("daniel", by="omar")) is NoOp.NOT_A_FACILITATOR
    story.role("omar")
    assert story.reason(story.admit("daniel", by="omar")) is None
    agreed(story)


def test_nor_has_who_left_and_comes_back():
    story = council()
    story.leave("omar")
    story.anew("omar")
    story.seat("omar")
    assert "omar" not in story.facilitators()
    agreed(story)


def test_nobody_reaches_back_behind_their_own_words():
    """Omar would void what Amina did since, by a removal that has not seen what he himself did since."""
    story = council()
    before = story.now()
    story.admit("daniel", by="amina", seen=before)
    story.prekeys("omar")
    honest = story.state().next_seq(actor(story, "omar"), CONTROL)
    behind = story.remove("amina", by="omar", seen=before, seq=honest)
    assert story.reason(behind) is NoOp.NOT_LATEST
    forked = story.remove("amina", by="omar", seen=before)
    assert story.reason(forked) is NoOp.VOID
    assert story.roster() == {"ruth", "omar", "amina", "selam", "daniel"}
    agreed(story)


def test_a_number_used_again_by_who_knew_is_no_fork():
    story = council()
    removal = story.remove("selam")
    story.act("ruth", Kind.MARK, Accept(bytes(32)).encode(), seq=removal.header.seq)
    assert story.outcome(removal) is Outcome.DONE
    agreed(story)


def test_a_room_stays_but_takes_nobodys_place():
    story = council()
    before = story.now()
    known = set(before)
    for n in range(31):
        known.add(story.open("omar", f"Room {n}", seen=known).id)
    full = story.open("omar", "One too many", seen=known)
    assert story.reason(full) is NoOp.TOO_MANY_ROOMS
    story.remove("omar", by="ruth", seen=before)
    checkpoint = told(story.state())
    assert story.reason(story.open("ruth", "Agenda")) is None
    assert len(story.state().rooms) == 33
    more = [event for event in story.events.values() if event.content.__class__.__name__ == "OpenRoom"][-1]
    assert fold(checkpoint, {more.id: more}).hash == story.state().hash


# -- settled -----------------------------------------------------------------------------------------------------------


def test_no_removal_voids_what_two_have_settled():
    story = council(2)
    before = story.now()
    admission = story.admit("daniel", by="omar", seen=before)
    settled = story.settle("ruth", seen={*before, admission.id})
    story.cosign("amina", settled, seen={*before, admission.id, settled.id})
    removal = story.remove("omar", by="selam", seen=before)  # no facilitator
    assert story.reason(removal) is NoOp.NOT_A_FACILITATOR
    story.seat("ruben")
    act = story.role("selam", by="ruth")
    story.cosign("amina", act)
    late = story.remove("omar", by="selam", last=())
    story.cosign("amina", late)
    assert "daniel" in story.roster()
    agreed(story)


@pytest.mark.parametrize("settle", [True, False])
def test_what_is_settled_stands_against_a_removal_that_had_not_seen_it(settle):
    story = council(2, others=("selam", "ruben"))
    act = story.role("ruben")
    story.cosign("omar", act)
    before = story.now()
    admission = story.admit("daniel", by="omar", seen=before)
    if settle:
        # Ruth and Amina settle it; Selam and Ruben, cut off, remove Omar without having heard of either.
        proposed = story.settle("ruth", seen={*before, admission.id})
        story.cosign("amina", proposed, seen={*before, admission.id, proposed.id})
    removal = story.remove("omar", by="ruben", seen=before)
    story.cosign("amina" if not settle else "ruth", removal, seen=story.now() if settle else {*before, removal.id})
    assert "omar" not in story.roster()
    assert ("daniel" in story.roster()) is settle
    agreed(story)


def test_one_alone_settles_nothing():
    story = council()
    before = story.now()
    admission = story.admit("daniel", by="omar", seen=before)
    settled = story.settle("omar", seen={*before, admission.id})
    story.remove("omar", by="ruth", seen=before)
    assert "daniel" not in story.roster()
    assert story.outcome(settled) is Outcome.VOID
    agreed(story)


# -- beyond the window -------------------------------------------------------------------------------------------------


def test_what_lies_long_back_is_told_in_short_and_holds():
    story = council(2, others=("selam", "daniel"))
    pending = story.remove("daniel", by="omar")
    done = story.remove("selam", by="ruth")
    story.cosign("amina", done)
    story.leave("omar")
    state = story.state()
    parents, _, lamport = state.cite(CONTROL)
    ruth = story.person("ruth")
    seq = state.next_seq(ruth.session.actor, CONTROL)
    for n in range(1100):
        event = story.forge(ruth, kind=10, body=b"", parents=parents, seq=seq + n, lamport=lamport + n)
        parents = (event.id,)
    checkpoint, then = told(story.state()), story.now()
    assert [act.body.member for act in checkpoint.acts] == [story.id("daniel")]
    assert [seat.newcomer.nickname for seat in checkpoint.seats] == ["ruth", "omar", "amina", "daniel"]
    assert [seat.appointed for seat in checkpoint.seats] == [True, False, True, False]
    story.cosign("amina", pending)
    story.admit("ruben")
    later = {name: event for name, event in story.events.items() if name not in then}
    state = fold(checkpoint, later)
    assert (state.hash, state.roster) == (story.state().hash, story.state().roster)
    assert story.roster() == {"ruth", "amina", "ruben"}


# -- the tables --------------------------------------------------------------------------------------------------------


def play(did: Did, end: End) -> Fate:
    """Omar did something unaware that Ruth (and Amina) had ended his power: what becomes of it?"""
    story = council(1, others=("selam",))
    if did is Did.SIGNED:
        story = Story("ruth", quorum=3)
        for name in ("omar", "amina"):
            story.appoint(name)
        story.seat("selam")
        story.leave("amina")  # two are left of three: two thirds of all decide
    before = story.now()
    done: Event
    match did:
        case Did.SAT:
            done = story.prekeys("omar", seen=before)
        case Did.FACILITATED:
            done = story.admit("daniel", by="omar", seen=before)
        case Did.SIGNED:
            done = story.role("selam", by="omar", seen=before)
        case Did.SEALED:
            done = story.announce("omar", 1, seen=before)
        case Did.SAID:
            done = story.say("omar", "Hear me", seen=before)
    ended = story.remove("omar", seen=before) if end is End.REMOVED else story.role("omar", False, seen=before)
    if did is Did.SIGNED:
        story.cosign("selam", ended, seen={*before, ended.id})
    state = story.state()
    match did:
        case Did.SAT:
            return Fate.STANDS if story.id("omar") in state.roster else Fate.VOID
        case Did.SEALED:
            (fact,) = state.epochs.values()
            return Fate.VOID if fact.voided else Fate.STANDS
        case Did.SAID if story.reason(done) is NoOp.REMOVED_AUTHOR:
            story.say("selam", "I heard you", seen={*before, done.id})
            return Fate.IF_HEARD if story.reason(done) is None else Fate.VOID
        case _:
            return Fate.VOID if story.reason(done) is NoOp.VOID else Fate.STANDS


@pytest.mark.parametrize(("did", "end"), FATES, ids=lambda word: word.name.lower())
def test_the_fold_does_what_the_table_says(did, end):
    assert play(did, end) is FATES[did, end].fate


def test_the_spec_prints_the_table_of_fates():
    for (did, end), rule in FATES.items():
        assert f"| {did} | {end} | {rule.fate} | {rule.why} |" in SPEC


def test_the_spec_prints_the_table_of_faults():
    rows = [f"| `{fault.reason}` | {fault.when} | {fault.why} |" for fault in FAULTS]
    assert "\n".join(rows) in SPEC


def test_a_stranger_signs_nothing():
    story = council()
    removal = story.act("ruth", Kind.ROSTER, Cosign(drawn("x")).encode(), session=Session(drawn("stranger"), 0, 1))
    assert story.reason(removal) is NoOp.NOT_A_MEMBER
