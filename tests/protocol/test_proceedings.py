"""How a dialogue is run, as people see it: sentences to who may not speak; rounds, queue, agenda. Spec: control.md."""

import pytest
from village import Refused, house

from tertulia.protocol.facilitation import Deed
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import Facilitate, LeaveDialogue, SayText, Utter
from tertulia.protocol.propose import AgendaItem, Floor, Proposal
from tertulia.protocol.revise import Withdraw
from tertulia.protocol.say import Say
from tertulia.protocol.stance import Stance, Value
from tertulia.protocol.views_proceedings import proceedings

HOUR = 60 * 60_000


def event_of(answer) -> EventId:
    return EventId(bytes.fromhex(str(answer["id"])))


def test_who_may_not_speak_hears_who_has_stopped_them_and_why():
    village, key, ruth, omar, ada = house()
    proposed = event_of(omar.ask(Utter(key, Proposal("Pilot", "Fifty visits"))))
    village.settle()
    ruth.ask(Facilitate(key, Deed.PAUSE, "Lunch until two."))
    village.settle()
    for words in (Say("statement", "So"), Stance(proposed, Value.AGREE, ""), Proposal("Two", "x")):
        with pytest.raises(Refused, match=r"Ruth has paused this room: Lunch until two\."):
            ada.ask(Utter(key, words))
    ada.ask(Utter(key, Floor("On visas")))
    ruth.ask(Facilitate(key, Deed.RESUME, "Back."))
    omar.ask(Facilitate(key, Deed.MUTE, "Insults", ada.core.dialogues[key].me))
    village.settle()
    with pytest.raises(Refused, match=r"Omar has muted you here: Insults\."):
        ada.ask(Utter(key, Floor("")))
    ruth.ask(Facilitate(key, Deed.CLOSE, "Done"))
    village.settle()
    with pytest.raises(Refused, match=r"Ruth has closed this room: Done\."):
        omar.ask(SayText(key, "One more"))


def test_a_round_says_who_has_spoken_who_is_awaited_and_until_when():
    village, key, ruth, omar, ada = house()
    assert proceedings(ada.core, key)["rounds"] == []
    ruth.ask(Facilitate(key, Deed.ROUND, "Check-in", minutes=120))
    village.settle()
    opened = village.now // 60_000 * 60_000
    row = proceedings(ada.core, key)["rounds"][0]
    assert (row["about"], row["closes"] - row["opens"]) == ("Check-in", 2 * HOUR)
    assert opened - 60_000 <= row["opens"] <= opened
    assert (row["open"], row["spoken"], row["awaited"], row["turn"]) == (True, [], ["Ada", "Omar", "Ruth"], True)
    ada.ask(SayText(key, "I am well"))
    village.settle()
    with pytest.raises(Refused, match=r"had your turn in this round .“Check-in”."):
        ada.ask(SayText(key, "and"))
    ada.ask(Utter(key, Proposal("Pilot", "Fifty")))
    row = proceedings(ada.core, key)["rounds"][0]
    assert (row["spoken"], row["awaited"], row["turn"]) == (["Ada"], ["Omar", "Ruth"], False)
    for deed, minutes in ((Deed.END, 0), (Deed.ROUND, 60)):
        with pytest.raises(Refused, match="Omar, Ruth may still be offline"):
            ruth.ask(Facilitate(key, deed, "On", minutes=minutes))
    village.wait(3 * HOUR)
    omar.ask(Facilitate(key, Deed.END, "The window is over."))
    village.settle()
    row = proceedings(ada.core, key)["rounds"][0]
    assert (row["open"], row["spoken"], row["awaited"], row["turn"]) == (False, ["Ada"], [], False)
    ada.ask(SayText(key, "and"))
    ruth.ask(SayText(key, "Late, sorry"))
    village.settle()
    assert proceedings(ada.core, key)["rounds"][0]["spoken"] == ["Ada", "Ruth"]
    with pytest.raises(Refused, match="so already"):
        ruth.ask(Facilitate(key, Deed.END, "again"))


def test_the_queue_is_in_the_order_of_asking_until_the_floor_is_given():
    village, key, ruth, omar, ada = house()
    ruth.ask(Facilitate(key, Deed.PAUSE, "One by one."))
    village.settle()
    for citizen, on in ((ada, "Visas"), (omar, "")):
        citizen.ask(Utter(key, Floor(on)))
        village.settle()
    rows = proceedings(ruth.core, key)["queue"]
    assert [(row["author"], row["about"]) for row in rows] == [("Ada", "Visas"), ("Omar", "")]
    assert not any(row["mine"] for row in rows)
    assert [row["mine"] for row in proceedings(ada.core, key)["queue"]] == [True, False]
    ruth.ask(Facilitate(key, Deed.GIVE, "Please.", omar.core.dialogues[key].me))
    village.settle()
    found = proceedings(ada.core, key)
    assert (found["floor"], [row["author"] for row in found["queue"]]) == (["Omar"], ["Ada"])
    omar.ask(SayText(key, "Thank you"))
    with pytest.raises(Refused, match="paused this room"):
        ada.ask(SayText(key, "And me?"))
    with pytest.raises(Refused, match="so already"):
        ruth.ask(Facilitate(key, Deed.GIVE, "Please.", omar.core.dialogues[key].me))
    with pytest.raises(Refused, match="not in the dialogue"):
        ruth.ask(Facilitate(key, Deed.GIVE, "Please.", bytes(32)))
    omar.ask(Utter(key, Floor("Again")))
    ruth.ask(Facilitate(key, Deed.RESUME, "Back."))
    village.settle()
    mine = EventId(bytes.fromhex(proceedings(ada.core, key)["queue"][0]["id"]))
    ada.ask(Utter(key, Withdraw(mine, 1)))
    village.settle()
    assert [row["about"] for row in proceedings(ruth.core, key)["queue"]] == ["Again"]
    omar.ask(LeaveDialogue(key))
    village.settle()
    assert proceedings(ruth.core, key)["queue"] == []


def test_anybody_proposes_to_the_agenda_and_facilitators_fix_it():
    village, key, ruth, omar, ada = house()
    proposed = ((ada, "Visas"), (omar, "Aid"))
    made = [event_of(one.ask(Utter(key, AgendaItem(title, "", "", 20)))) for one, title in proposed]
    village.settle()
    ruth.ask(Facilitate(key, Deed.FIX, "First", made[1]))
    village.settle()
    rows = proceedings(ada.core, key)["agenda"]
    assert [(row["title"], row["minutes"], row["fixed"]) for row in rows] == [("Aid", 20, True), ("Visas", 20, False)]
    with pytest.raises(Refused, match="so already"):
        ruth.ask(Facilitate(key, Deed.FIX, "First", made[1]))
    with pytest.raises(Refused, match="so already"):
        ruth.ask(Facilitate(key, Deed.DROP, "Not now", made[0]))
    said = event_of(ada.ask(SayText(key, "I propose visas")))
    village.settle()
    for subject in (said, bytes(32)):
        with pytest.raises(Refused, match="not proposed for the agenda"):
            ruth.ask(Facilitate(key, Deed.FIX, "First", subject))
    ruth.ask(Facilitate(key, Deed.ITEM, "Aid"))
    with pytest.raises(Refused, match="so already"):  # an item is no round
        ruth.ask(Facilitate(key, Deed.END, "On"))
    omar.ask(Utter(key, Withdraw(made[1], 1)))
    village.settle()
    found = proceedings(ada.core, key)
    assert (found["item"], [row["title"] for row in found["agenda"]]) == ("Aid", ["Visas"])
