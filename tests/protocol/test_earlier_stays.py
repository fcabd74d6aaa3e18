"""What was read during an earlier stay is there whatever comes later. Spec: docs/spec/core.md §2."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from story import Story, drawn

from tertulia.protocol.dialogue import LIMIT_WAITING, Dialogue, load
from tertulia.protocol.effects import Put, Table
from tertulia.protocol.event import Kind
from tertulia.protocol.fold import checkpoint_of
from tertulia.protocol.turn import Turn


@pytest.mark.parametrize("more", [0, 5])
def test_a_flood_of_what_waits_takes_nothing_of_an_earlier_stay(more):
    """The newest of whoever has most waiting is let go; but not what an earlier stay shows."""
    story = Story("ruth")
    story.seat("omar", "selam")
    said = story.say("selam", "You were here when I said this.")
    told = checkpoint_of(Story("ruth").state(), story.id("ruth"))
    told = replace(told, control=replace(told.control, floor=10_000))  # nothing of then is known now
    turn = Turn(0, random.Random(5).randbytes)
    person = story.person("omar")
    held = Dialogue(story.dialogue, drawn("commons"), person.persona, story.id("omar"), person.session)
    held.checkpoint, held.former = told, (None,)
    for event in story.events.values():
        held.accept(turn, event)
    assert said.id in held.state.waiting
    gone = {"room": story.plenary, "control": (drawn("gone"),), "parents": ()}
    for seq in range(LIMIT_WAITING + more):
        held.accept(turn, story.forge(story.person("selam"), kind=Kind.SAY, body=b"", seq=seq + 9, lamport=1, **gone))
    held.bound_waiting(turn)
    assert len(held.state.waiting) == LIMIT_WAITING + 1
    earlier, now = held.chapters
    (entry,) = earlier.rooms[story.plenary].log
    assert held.events[entry.event] == said
    assert not now.rooms[story.plenary].log


@pytest.mark.parametrize("older", [0, 3])
def test_whoever_comes_back_hundreds_of_times_has_every_stay_in_its_order(older):
    """Rows that an older program wrote for the first stays have a name of one byte at their end."""
    story = Story("ruth")
    person, turn = story.person("ruth"), Turn(0, random.Random(5).randbytes)
    held = Dialogue(story.dialogue, drawn("commons"), person.persona, story.id("ruth"), person.session)
    held.hold_self(turn)
    held.hold_persona(turn)
    held.hold_session(turn, person.session)
    told = checkpoint_of(story.state(), story.id("ruth"))
    stays = [replace(told, told_by=drawn(f"who told it {stay}")) for stay in range(300)]
    for stay in stays:
        held.former = (*held.former, held.checkpoint)
        held.hold_checkpoint(turn, stay)
    rows = {table: written(turn, table) for table in Table}
    rows[Table.CHECKPOINT] = {
        key[:32] + key[-1:] if key[32:-1] == bytes(3) and key[-1] <= older else key: value
        for key, value in rows[Table.CHECKPOINT].items()
    }
    again = load({table: named.items() for table, named in rows.items()})[story.dialogue]
    assert (*again.former, again.checkpoint) == (None, *stays)


def written(turn: Turn, table: Table) -> dict[bytes, bytes]:
    puts: Iterable[Put] = (effect for effect in turn.effects if isinstance(effect, Put))
    return {put.key: put.value for put in puts if put.table is table}
