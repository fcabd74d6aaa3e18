"""The verbs of the method, in words: one form at a time, counts with their doubt, objections beside them."""

import pytest

from tertulia.protocol.control import LocalError
from tertulia.tui.cli.method_verbs import form_of
from tertulia.tui.matter_words import matter_lines

ROW = {
    "id": "ab" * 32, "what": "statement", "author": "Ruth", "title": "", "text": "Visas take\ntoo long.",
    "edited": False, "withdrawn": False, "provisional": True, "hidden": False,
    "agree": 2, "disagree": 1, "pass": 0, "block": 0, "heard": 0,
    "objector": "Omar", "objection": "They do not",
}  # fmt: skip


def test_what_is_said_has_one_form() -> None:
    assert form_of({"statement": None, "reply": None}, None) == {}
    assert form_of({"statement": "", "reply": None}, "ti") == {"form": "statement", "lang": "ti"}
    assert form_of({"scribe": ""}, None, "Daniel") == {"form": "scribe", "voice": "Daniel"}
    assert form_of({"statement": None, "reply": "ab12"}, None) == {"form": "reply", "target": "ab12"}
    with pytest.raises(LocalError, match="one form"):
        form_of({"statement": "", "reply": "ab12"}, None)


def test_a_matter_in_words() -> None:
    assert matter_lines(dict(ROW)) == [
        "abababab  statement · Ruth",
        "    Visas take",
        "    too long.",
        "    2 agree, 1 disagree",
        "    strongest objection, by Omar: They do not",
    ]
    assert matter_lines({**ROW, "withdrawn": True}) == ["abababab  statement · Ruth (withdrawn)"]
    hidden = matter_lines({**ROW, "title": "Pilot", "edited": True, "hidden": True, "objector": ""})
    assert hidden[0] == "abababab  statement · Ruth: Pilot (edited)"
    assert hidden[-1] == "    others' stances show after yours"
    assert matter_lines({**ROW, "agree": 0, "disagree": 0, "objector": ""})[-1] == "    no stance yet"
    assert "    counted: 2 agree, 1 disagree" in matter_lines({**ROW, "provisional": False})
    none = {**ROW, "provisional": False, "agree": 0, "disagree": 0, "objector": ""}
    assert matter_lines(none)[-1] == "    counted: no stance"
