"""Known answers for the bodies of speech: tests/vectors/make_method.py made them without this code."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import Story

from tertulia.protocol.body import Kind, Opaque, Words, read_body
from tertulia.protocol.encoding import encode
from tertulia.protocol.facilitation import Steer
from tertulia.protocol.on_record import OnRecord
from tertulia.protocol.outcome import OUTCOMES, Answer, Attach, Conclusion, Minority
from tertulia.protocol.propose import MOTIONS, Action, AgendaItem, Amendment, Proposal, Take
from tertulia.protocol.revise import Edit, Withdraw
from tertulia.protocol.say import Form, Say
from tertulia.protocol.stance import Stance, Value
from tertulia.protocol.state import NoOp

BODIES = json.loads((Path(__file__).parents[1] / "vectors" / "method.json").read_text("utf-8"))["bodies"]
ID = bytes(range(32))

WRITTEN = [
    (Kind.SAY, Say(Form.MESSAGE, "hi")),
    (Kind.SAY, Say(Form.SCRIBE, "hi", "en", ID, "Daniel")),
    (Kind.REVISE, Edit(ID, 3, "better")),
    (Kind.REVISE, Withdraw(ID, 1)),
    (Kind.PROPOSE, Proposal("A pilot", "Fifty", "en", 5)),
    (Kind.PROPOSE, Amendment(ID, "Sixty")),
    (Kind.PROPOSE, Take(ID)),
    (Kind.PROPOSE, Action("Write", "", "", ID, 7, 9)),
    (Kind.PROPOSE, AgendaItem("Visits", "", "", 20)),
    (Kind.STANCE, Stance(ID, Value.BLOCK, "it harms")),
    (Kind.STANCE, Stance(ID, Value.ENDORSE, "yes", OnRecord(bytes(16), 1, "Selam", bytes(64)))),
    (Kind.OUTCOME, Conclusion(True, "Agreed", "Fifty", "en", (ID,))),
    (Kind.OUTCOME, Conclusion(False, "Agreed", "Fifty")),
    (Kind.OUTCOME, Minority(ID, "Sixty")),
    (Kind.OUTCOME, Answer(ID, "July, then")),
    (Kind.OUTCOME, Attach(ID, ID)),
]

kinds = st.sampled_from([Kind.SAY, Kind.REVISE, Kind.PROPOSE, Kind.STANCE, Kind.OUTCOME])
words = st.sampled_from([*Form, *Value, *MOTIONS, *OUTCOMES, "poem"]).map(str)
plain = st.none() | st.booleans() | st.integers(-1, 2**33) | st.binary(max_size=40) | st.text(max_size=9) | words
fields = st.recursive(plain | st.just(ID), lambda inner: st.lists(inner, max_size=8), max_leaves=12)


@pytest.mark.parametrize("told", BODIES, ids=lambda told: told["name"])
def test_body(told):
    body = bytes.fromhex(told["body"])
    found = read_body(1, told["kind"], body)
    match told["is"]:
        case "read":
            assert isinstance(found, Words | Steer)
            assert found.encode() == body
        case "unread":
            assert found is Opaque.UNREAD
        case _:
            assert found is Opaque.MALFORMED


@pytest.mark.parametrize(("kind", "body"), WRITTEN, ids=lambda thing: type(thing).__name__)
def test_what_is_written_is_read_back_and_is_in_no_repr(kind, body):
    data = body.encode()
    assert read_body(1, kind, data) == body
    assert read_body(1, kind, None) is Opaque.ERASED
    assert read_body(1, kind, data + b"\x00") is Opaque.MALFORMED
    for word in ("hi", "Daniel", "better", "pilot", "Fifty", "Sixty", "Write", "Visits", "it harms"):
        assert f"'{word}'" not in repr(body)


@given(kinds, st.lists(fields, max_size=8))
def test_whatever_comes_is_read_or_is_nothing_and_never_breaks(kind, value):
    found = read_body(1, kind, encode(value))
    if isinstance(found, Words):
        assert found.encode() == encode(value)
    else:
        assert found in (Opaque.UNREAD, Opaque.MALFORMED)


def test_who_may_speak_may_ask_propose_and_take_a_stance_and_nobody_else():
    story = Story()
    story.seat("omar")
    story.admit("selam")
    for kind, body in WRITTEN:
        said = [story.act(name, kind, body.encode(), room=story.plenary) for name in ("omar", "selam")]
        misplaced = story.act("omar", kind, body.encode())
        assert [story.reason(event) for event in (*said, misplaced)] == [None, NoOp.NOT_ACCEPTED, NoOp.WRONG_ROOM]


def test_what_was_erased_of_them_keeps_its_place():
    story = Story()
    for kind, body in WRITTEN:
        event = story.act("ruth", kind, body.encode(), room=story.plenary)
        story.events[event.id] = event.erased()
    assert [entry.reason for entry in story.state().rooms[story.plenary].log] == [None] * len(WRITTEN)
