"""What people see of words that were edited or taken back. Spec: docs/spec/control.md (messages, history)."""

from village import MINUTE, house

from tertulia.protocol import views
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import SayText, Utter
from tertulia.protocol.revise import Edit, Withdraw
from tertulia.protocol.say import Say
from tertulia.protocol.views_history import LIMIT_VERSIONS, history


def event_of(answer) -> EventId:
    return EventId(bytes.fromhex(str(answer["id"])))


def test_the_newest_words_are_shown_and_the_others_on_request():
    village, key, ruth, _omar, ada = house()
    said = event_of(ada.ask(SayText(key, "Fifty visits")))
    answer = event_of(ada.ask(Utter(key, Say("reply", "Vraiment?", "fr", said))))
    village.settle()
    assert [row["edited"] for _order, row in views.messages(ruth.core, key)] == [False, False]
    village.wait(MINUTE)
    ada.ask(Utter(key, Edit(said, 1, "Sixty visits\x1b[2J")))
    village.settle()
    rows = [row for _order, row in views.messages(ruth.core, key)]
    assert [(row["text"], row["edited"], row["withdrawn"]) for row in rows] == [
        ("Sixty visits[2J", True, False), ("Vraiment?", False, False),
    ]  # fmt: skip
    assert [(row["form"], row["about"], row["lang"], row["voice"]) for row in rows] == [
        ("message", "", "", ""), ("reply", said.hex(), "fr", ""),
    ]  # fmt: skip
    ada.ask(Utter(key, Withdraw(said, 2)))
    village.settle()
    row = views.message(ruth.core, said.hex())
    assert (row["text"], row["edited"], row["withdrawn"]) == ("", False, True)
    found = history(ruth.core.dialogues[key], said)
    assert [(one["text"], one["withdrawn"]) for one in found] == [
        ("Fifty visits", False), ("Sixty visits[2J", False), ("", True),
    ]  # fmt: skip
    assert found[0]["time"] < found[1]["time"]
    assert [one["text"] for one in history(ruth.core.dialogues[key], answer)] == ["Vraiment?"]
    for number in range(3, LIMIT_VERSIONS + 2):
        ada.ask(Utter(key, Edit(said, number, f"{number}")))
    found = history(ada.core.dialogues[key], said)
    assert len(found) == LIMIT_VERSIONS
    assert (found[0]["text"], found[-1]["text"]) == ("Fifty visits", f"{LIMIT_VERSIONS + 1}")
