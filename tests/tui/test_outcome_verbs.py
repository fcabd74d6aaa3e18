"""The verbs that conclude, in words: what is shown of an outcome, of an action, and of who can prove what."""

from tertulia.tui.cli.outcome_verbs import IN_THE_ROOM, PROVABLE, _state, action_line, lines_of

ROW = {
    "id": "ab" * 32, "form": "joint", "title": "What we agreed", "text": "Fifty\nvisits.", "state": "sealed",
    "provisional": False, "endorse": 3, "reserve": 1,
    "on_record": [
        {"name": "Ada of Aldea", "value": "endorse", "reason": ""},
        {"name": "Omar", "value": "reserve", "reason": "Not in June"},
    ],
    "against": [{"id": "cd" * 32, "author": "Ruth", "reason": "Too soon"}],
    "attached": [{"id": "ef" * 32, "author": "Ada", "reason": "Too late"}],
    "minority": [{"lang": "", "text": "We would have waited."}],
}  # fmt: skip


def test_an_outcome_in_words() -> None:
    assert lines_of(ROW) == [
        "abababab  joint  What we agreed  (sealed)",
        "    Fifty",
        "    visits.",
        "    endorsed by 3 in the room, 1 with a reservation",
        "    on the record: Ada of Aldea endorses it",
        "    on the record: Omar has a reservation: Not in June",
        "    stands against it: cdcdcdcd  Ruth: Too soon",
        "    goes along: efefefef  Ada: Too late",
        "    minority statement: We would have waited.",
    ]


def test_how_far_it_is() -> None:
    told = {
        "draft": "draft",
        "proposed": "waits for signatures",
        "unanswered": "not sealed: an objection stands against it",
        "incomplete": "not all of it is here yet",
    }
    for state, words in told.items():
        assert _state({"state": state, "provisional": True}) == words
    assert _state({"state": "sealed", "provisional": True}) == "sealed, provisional: not all of it is here"


def test_an_action_says_when_it_is_time() -> None:
    row = {"id": "ab" * 32, "title": "Write", "owner": "Ada", "deadline": 0, "due": ""}
    assert action_line(row) == "abababab  Write: Ada"
    late = {**row, "deadline": 1_900_000_000_000, "due": "overdue"}
    assert action_line(late).startswith("abababab  Write: Ada, by 2030")
    assert action_line({**row, "due": "overdue"}).endswith("OVERDUE")
    assert action_line({**row, "due": "review"}).endswith("time to look at it again")


def test_what_an_endorsement_proves_is_said_before_it_is_given() -> None:
    assert "proves nothing" in IN_THE_ROOM
    assert "prove for ever" in PROVABLE
