"""Whatever happened, and in whatever order and from whatever checkpoint one hears of it: one state. Spec: events.md."""

import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from quarrel import ACTS, CAST, Quarrel, Step

from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.epoch import roster_hash
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.state import Status

EXAMPLES = int(os.environ.get("TERTULIA_MERGE_EXAMPLES", "200"))

steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(ACTS), st.integers(0, 4), st.integers(0, 10_000)),
    min_size=1,
    max_size=40,
)
quorums = st.integers(1, 3)


@given(steps, st.randoms(use_true_random=False), quorums)
@settings(max_examples=EXAMPLES)
def test_any_order_and_any_batches_give_one_state(
    script: list[Step], chance: random.Random, quorum: int
) -> None:
    events = Quarrel(quorum).play(script).story.events
    whole = fold(None, events)
    names = list(events)
    chance.shuffle(names)
    held = {}
    genesis = False
    for name in names:
        held[name] = events[name]
        if chance.random() < 0.2:
            state = fold(None, held)  # a batch ends here: whatever it leaves behind must not matter
            genesis = state.charter is not None
            assert state.hash == fold(None, dict(reversed(held.items()))).hash
    assert fold(None, held) == whole
    assert genesis or whole.charter is not None


@given(steps, st.integers(0, 4), st.integers(0, 4), st.randoms(use_true_random=False), quorums)
@settings(max_examples=EXAMPLES)
def test_a_newcomer_agrees_with_those_who_were_always_there(
    script: list[Step], teller: int, second: int, chance: random.Random, quorum: int
) -> None:
    quarrel = Quarrel(quorum).play(script)
    events = quarrel.story.events
    whole = fold(None, events)
    known = set(quarrel.held[CAST[teller]])
    told = fold(None, {name: events[name] for name in known})
    checkpoint = told_by(checkpoint_of(told, quarrel.story.id("ruth")))
    rest = [name for name in events if name not in known or name in told.waiting]
    assert_same(fold(checkpoint, {name: events[name] for name in rest}), whole)
    # One who comes later still is told by the newcomer, who holds some of the rest.
    more = {name for name in rest if chance.random() < 0.5}
    later = fold(checkpoint, {name: events[name] for name in more})
    again = told_by(checkpoint_of(later, quarrel.story.id("omar")))
    left = [name for name in rest if name not in more or name in later.waiting]
    assert_same(fold(again, {name: events[name] for name in left}), whole)
    # What a checkpoint covers may turn up again.
    assert_same(fold(again, events), whole)


def told_by(checkpoint: Checkpoint) -> Checkpoint:
    """Through the wire."""
    read = Checkpoint.from_value(checkpoint.to_value())
    assert read == checkpoint
    return read


def assert_same(newcomer, whole) -> None:
    assert newcomer.roster == whole.roster
    assert newcomer.control_heads == whole.control_heads
    assert newcomer.control_hash == whole.control_hash
    assert newcomer.hash == whole.hash


@given(steps, quorums)
@settings(max_examples=EXAMPLES)
def test_nobody_seals_under_an_epoch_that_somebody_removed_can_open(script: list[Step], quorum: int) -> None:
    """Whatever anybody holds: what they may seal under was made for just the people who are in as far as they know."""
    quarrel = Quarrel(quorum).play(script)
    for name in CAST:
        state = quarrel.story.state(quarrel.held[name])
        for fact in state.epochs.values():
            room = state.rooms[fact.epoch.room]
            if fact.voided or fact.epoch.roster_hash != roster_hash(room.members):
                continue  # `keyring.usable` takes no other
            can_open = {*state.room_roster_at(room.id, [fact.event]), fact.epoch.sealer}
            out = {persona for persona, member in state.members.items() if member.status is not Status.IN}
            assert can_open == room.members
            assert can_open.isdisjoint(out)
