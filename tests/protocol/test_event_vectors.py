"""Known answers of docs/spec/events.md, made by tests/vectors/make_events.py without this code."""

import json
from pathlib import Path

import pytest

from tertulia.protocol.charter import charter_hash, dialogue_id
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.event import CONTROL, from_value, to_item
from tertulia.protocol.fold import checkpoint_of, fold
from tertulia.protocol.room_hash import Tally, element_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "events.json").read_text("utf-8"))
TOLD, STATE = VECTORS["events"], VECTORS["state"]


def read(told):
    return from_value([bytes.fromhex(told[part]) for part in ("header", "salt", "body", "proof")])


EVENTS = {event.id: event for event in map(read, TOLD)}


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told["name"])
def test_event(told):
    event = read(told)
    assert event.id.hex() == told["id"]
    assert event.header.encode() == event.raw
    assert event.header.lamport == told["lamport"]
    assert [part.hex() for part in to_item(event).body] == [told[part] for part in ("header", "salt", "body", "proof")]
    encoded = getattr(event.content, "encode", None)
    if told["name"] != "unknown kind":
        assert encoded().hex() == told["body"]


def test_names():
    charter = bytes.fromhex(TOLD[0]["body"])
    assert dialogue_id(charter).hex() == VECTORS["dialogue"]
    assert charter_hash(charter).hex() == VECTORS["charter_hash"]


def test_sums():
    for room, which in ((CONTROL.hex(), "control"), (STATE["room"], "room")):
        ids = [bytes.fromhex(told["id"]) for told in TOLD if told["room"] == room]
        tally = Tally().plus(map(element_of, ids))
        assert (tally.sum.hex(), tally.count) == (STATE[f"{which}_sum"], STATE[f"{which}_count"])


def test_what_the_story_comes_to():
    state = fold(None, EVENTS)
    assert {told["id"]: told["outcome"] for told in TOLD if told["outcome"]} == {
        event.hex(): str(reason) for event, reason in state.noops.items()
    }
    assert sorted(persona.hex() for persona in state.roster) == STATE["roster"]
    assert {member.nickname: persona.hex() for persona, member in state.members.items()} == VECTORS["personas"]
    assert [epoch.hex() for epoch in state.epochs] == [STATE["epoch"]]
    assert state.rooms[bytes.fromhex(STATE["room"])].sum.hex() == STATE["room_sum"]
    assert state.control_hash.hex() == STATE["control_hash"]
    assert state.hash.hex() == STATE["hash"]


@pytest.mark.parametrize("count", range(1, len(TOLD)))
def test_and_for_whoever_comes_in_the_middle_of_it(count):
    early = dict(list(EVENTS.items())[:count])
    checkpoint = Checkpoint.from_value(checkpoint_of(fold(None, early), bytes(32)).to_value())
    late = {name: event for name, event in EVENTS.items() if name not in early}
    assert fold(checkpoint, late).hash.hex() == STATE["hash"]
