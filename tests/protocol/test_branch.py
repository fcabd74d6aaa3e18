"""A branch of what is established is equal to it in every part, and shares nothing that changes. Spec: core.md §2."""

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum

import pytest
from quarrel import ACTS, Quarrel

from tertulia.protocol.branch import branch
from tertulia.protocol.fold import checkpoint_of, fold

LEFT_BEHIND = {"_rulings"}


def fields_of(value: object) -> dict[str, object]:
    slots = (name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()))
    return {name: getattr(value, name) for name in (*slots, *getattr(value, "__dict__", ())) if name not in LEFT_BEHIND}


def plain(value: object, seen: dict[int, int], containers: dict[int, object]) -> object:
    """The whole graph as nested tuples; what was met before is told by its number."""
    if value is None or isinstance(value, int | str | bytes | Enum):
        return value
    if id(value) in seen:
        return ("again", seen[id(value)])
    seen[id(value)] = len(seen)
    if isinstance(value, list | dict | set):
        containers[id(value)] = value
    if isinstance(value, Mapping):
        return [(plain(key, seen, containers), plain(entry, seen, containers)) for key, entry in value.items()]
    if isinstance(value, AbstractSet):
        return sorted(map(repr, value))
    if isinstance(value, Sequence):
        return [plain(entry, seen, containers) for entry in value]
    return type(value).__name__, [(name, plain(part, seen, containers)) for name, part in fields_of(value).items()]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_branch_is_equal_in_every_part_and_shares_nothing_that_may_change(seed, told):
    chance = random.Random(seed)
    script = [(chance.randrange(5), act, chance.randrange(5), chance.randrange(10_000)) for act in ACTS * 3]
    chance.shuffle(script)
    quarrel = Quarrel(1 + seed % 3).play(script)
    state = quarrel.story.state()
    if told:
        state = fold(checkpoint_of(state, quarrel.story.id("ruth")), {})
    mine: dict[int, object] = {}
    theirs: dict[int, object] = {}
    other = branch(state.ground)
    assert plain(other.authority, {}, mine) == plain(state.ground.authority, {}, theirs)
    shared = [theirs[key] for key in mine.keys() & theirs.keys()]
    assert all(isinstance(one, Mapping) for one in shared), "what signers knew is never changed"
