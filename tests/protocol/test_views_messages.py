"""The messages a client asks for, and the names it sees. Spec: docs/spec/control.md (rows)."""

from story import Story
from village import MINUTE, Citizen, Village

from tertulia.protocol import views
from tertulia.protocol.effects import Table
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.inputs import MarkSeen, RemoveMember


def test_the_last_messages_and_those_from_one_on() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    for number in range(6):
        (ruth if number % 2 else omar).say(key, f"{number}")
        village.settle()
    everything = views.messages(ruth.core, key)
    assert [row["text"] for _order, row in everything] == ["0", "1", "2", "3", "4", "5"]
    since = everything[2][0]
    assert views.messages(ruth.core, key, since=since) == everything[2:]
    assert views.messages(ruth.core, key, 2, since) == everything[-2:]
    assert views.messages(ruth.core, key, 50, since) == everything[2:]
    assert views.messages(ruth.core, key, 0) == ()


def test_what_is_unread_is_counted_right_however_it_comes() -> None:
    village = Village()
    ruth, omar, selam = (village.citizen(name) for name in ("Ruth", "Omar", "Selam"))
    key = village.gather(ruth, omar, selam)

    def unread() -> int:
        (row,) = views.dialogues(ruth.core)
        return int(str(row["unread"]))

    assert unread() == 0
    omar.say(key, "One")
    village.settle()
    assert unread() == 1
    village.offline(selam)
    selam.say(key, "Said before the others heard")
    omar.say(key, "Two")
    ruth.say(key, "My own")
    village.settle()
    assert unread() == 2
    village.online(selam)
    village.settle()
    assert unread() == 3
    ruth.ask(MarkSeen(key))
    assert unread() == 0
    village.wait(MINUTE)
    omar.say(key, "Three")
    village.settle()
    assert unread() == 1


def test_what_is_said_while_nobody_else_is_there_is_never_called_sent() -> None:
    village = Village()
    ruth, omar, ada = (village.citizen(name) for name in ("Ruth", "Omar", "Ada"))
    key = village.gather(ruth)
    ruth.say(key, "Is anybody here?")
    for guest in (omar, ada):
        village.join(guest, village.invite(ruth, key))
        village.wait(5_000)
    omar.say(key, "Two of us now.")
    village.settle()
    ruth.say(key, "Welcome.")
    village.settle()

    def told(citizen: Citizen) -> dict[object, tuple[object, ...]]:
        rows = (row for _order, row in views.messages(citizen.core, key))
        return {row["text"]: (row["state"], row["alone"], row["members"], row["mine"]) for row in rows}

    assert told(omar) == {"Two of us now.": ("sent", False, 2, True), "Welcome.": ("sent", False, 2, False)}
    assert views.unsent(ruth.core) == 0
    before = told(ruth)
    assert before["Is anybody here?"] == ("stored", True, 0, True)
    assert before["Welcome."] == ("sent", False, 2, True)
    ruth.restart()
    assert told(ruth) == before
    for guest in (omar, ada):  # who has left was there when it was said: it was sent, and stays so
        ruth.ask(RemoveMember(key, guest.core.dialogues[key].me))
        village.settle()
    assert told(ruth)["Welcome."] == ("sent", False, 0, True)
    ruth.say(key, "Alone again.")
    assert told(ruth)["Alone again."] == ("stored", True, 0, True)


def test_who_shares_a_name_is_told_apart_and_nobody_else_is_marked() -> None:
    story = Story("Ruth")
    story.seat("Omar", "omar", "Selam", "Sel\u0430m")
    state = story.state()
    names = views.names_of(state)
    marked = {name for name in story.people if names[story.id(name)] != name}
    assert marked == {"Omar", "omar", "Sel\u0430m"}
    assert all(views.name_of(state, persona) == name for persona, name in names.items())
    assert names[story.id("omar")] == f"omar {story.id('omar').hex()[:8]}"


def test_both_sides_see_the_code_of_whom_nobody_was_asked_about() -> None:
    village = Village()
    ruth, omar, ada = (village.citizen(name) for name in ("Ruth", "Omar", "Ada"))
    key = village.gather(ruth, omar, ada)

    def codes(citizen: Citizen) -> dict[object, object]:
        return {row["nick"]: row["code"] for row in views.people(citizen.core, key)}

    seen = codes(ruth)
    assert seen["Ruth"] == ""
    assert len(str(seen["Omar"]).split()) == len(str(seen["Ada"]).split()) == 5
    assert seen["Omar"] != seen["Ada"]
    assert codes(omar) == {"Ruth": seen["Omar"], "Omar": "", "Ada": ""}
    omar.restart()
    assert codes(omar) == {"Ruth": seen["Omar"], "Omar": "", "Ada": ""}
    joined = omar.rows[Table.JOIN]
    for name, row in joined.items():  # as vaults were written before the code was kept
        value = decode(row, 1 << 20)
        assert isinstance(value, list)
        joined[name] = encode(value[:8])
    omar.restart()
    assert codes(omar) == {"Ruth": "", "Omar": "", "Ada": ""}
