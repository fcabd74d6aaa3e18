"""Whatever people say, propose and object to, among all who admit and remove each other: everybody reads the same."""

import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from quarrel import ACTS, Quarrel, Step

from tertulia.protocol.event import Event
from tertulia.protocol.fold import fold, fold_whole
from tertulia.protocol.folding import advance
from tertulia.protocol.ids import EventId
from tertulia.protocol.method.cutting import lines
from tertulia.protocol.method.gathering import gather
from tertulia.protocol.method.matters import Matters
from tertulia.protocol.method.rules import Rules, What
from tertulia.protocol.method.sealing import Sealing, read_seal
from tertulia.protocol.method.weighing import strongest_objection, tally, unheard_first
from tertulia.protocol.state import State

EXAMPLES = int(os.environ.get("TERTULIA_MERGE_EXAMPLES", "200"))
SPEECH = (
    *("conclude", "conclude", "cut", "seal", "cosign", "cosign", "state", "state", "stand", "stand", "stand"),
    *("revise", "propose", "amend", "amend", "meet", "meet"),
)

steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(ACTS + SPEECH * 4), st.integers(0, 4), st.integers(0, 10_000)),
    min_size=1,
    max_size=40,
)


def _read(rules: Rules, state: State, held: dict[EventId, Event]) -> Matters:
    return gather(rules, state.rooms.values(), held, lines(state.steering, held, {}))


def _seals(state: State, held: dict[EventId, Event]) -> list[Sealing]:
    return [
        read_seal(state, room, agreed, held, {}) for room, stands in state.steering.items() for agreed in stands.seals
    ]


@given(steps, st.randoms(use_true_random=False), st.integers(1, 3), st.booleans())
@settings(max_examples=EXAMPLES)
def test_any_order_gives_one_reading(script: list[Step], chance: random.Random, quorum: int, block: bool) -> None:
    events = Quarrel(quorum).play(script).story.events
    rules = Rules(block=block)
    state = fold(None, events)
    whole = _read(rules, state, events)
    names = list(events)
    chance.shuffle(names)
    held = {names[0]: events[names[0]]}
    folded = fold_whole(None, held)
    for name in names[1:]:
        held[name] = events[name]
        folded = advance(folded, None, held, (events[name],))
        if chance.random() < 0.1:
            _read(rules, folded.state, held)  # whatever is missing: a reading, never a crash
            _seals(folded.state, held) if folded.bench else None
    read = _read(rules, folded.state, held)
    assert _seals(folded.state, held) == _seals(state, events)
    assert read == whole
    assert list(read.matters) == list(whole.matters)
    for matter in read.matters.values():
        found = tally(matter)
        votes = found.agree + found.disagree + found.passed + found.block
        assert votes + found.heard + found.endorse + found.reserve == len(matter.votes)
        objection = strongest_objection(read, matter)
        assert objection == strongest_objection(whole, whole.matters[matter.event])
        assert matter.what is not What.STORY or found.heard == len(matter.votes)
    assert unheard_first(read) == unheard_first(whole)
