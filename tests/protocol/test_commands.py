"""Every command, and every way a person can be told that it cannot be done. Spec: docs/spec/core.md §5."""

import pytest
from village import MINUTE, Citizen, Refused, Village

from tertulia.protocol import views
from tertulia.protocol.errors import LocalError
from tertulia.protocol.ids import PersonaId
from tertulia.protocol.inputs import (
    Join,
    LeaveDialogue,
    MakeInvite,
    MarkChecked,
    MarkSeen,
    NewDialogue,
    RemoveMember,
    SayText,
)
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.say import LIMIT_SAY_TEXT


def member_of(citizen: Citizen, dialogue: object) -> PersonaId:
    return citizen.core.dialogues[dialogue].me  # type: ignore[index]


def test_every_refusal_says_what_is_safe_and_what_to_do() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    attempts = [
        (ruth, NewDialogue("  ", village.commons.id, "Ruth"), "title"),
        (ruth, SayText(dialogue, " \n "), "nothing to send"),
        (ruth, SayText(dialogue, "é" * LIMIT_SAY_TEXT), "too long"),
        (omar, RemoveMember(dialogue, member_of(ruth, dialogue)), "Only the facilitator"),
        (ruth, RemoveMember(dialogue, member_of(ruth, dialogue)), "yourself"),
        (ruth, RemoveMember(dialogue, PersonaId(bytes(32))), "not in the dialogue"),
        (ruth, MarkChecked(dialogue, PersonaId(bytes(32))), "not in the dialogue"),
        (omar, Join(decode_invite(village.invite(ruth, dialogue)), ""), "nickname"),
    ]
    for citizen, command, words in attempts:
        with pytest.raises(Refused, match=words) as caught:
            citizen.ask(command)
        problem = caught.value.problem
        assert problem.error.endswith(".")
        assert problem.safe.endswith(".")
        assert problem.next.endswith(".")


def test_who_has_left_can_do_nothing_more_there() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    village.offline(omar)
    omar.say(dialogue, "Never sent.")
    omar.ask(LeaveDialogue(dialogue))
    for command in (SayText(dialogue, "Hello?"), LeaveDialogue(dialogue)):
        with pytest.raises(Refused, match="left"):
            omar.ask(command)
    village.online(omar)
    village.settle()
    assert views.unsent(omar.core) == 0
    assert views.dialogues(omar.core)[0]["state"] == "left"
    assert len(ruth.core.dialogues[dialogue].state.roster) == 1


def test_a_founder_alone_sends_nothing_anywhere() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    dialogue = village.found(ruth)
    ruth.say(dialogue, "Notes to myself.")
    ruth.ask(LeaveDialogue(dialogue))
    assert not ruth.published
    assert views.unsent(ruth.core) == 0


def test_removing_the_only_other_person_tells_them_and_changes_the_key() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    before = set(ruth.core.dialogues[dialogue].secrets)
    ruth.ask(RemoveMember(dialogue, member_of(omar, dialogue)))
    village.settle()
    assert views.dialogues(omar.core)[0]["state"] == "removed"
    assert len(set(ruth.core.dialogues[dialogue].secrets) - before) == 1
    with pytest.raises(Refused, match="removed"):
        omar.say(dialogue, "Hello?")


def test_seen_and_compared_survive_a_restart() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    village.wait(MINUTE)
    omar.say(dialogue, "Are you there?")
    village.settle()
    assert views.dialogues(ruth.core)[0]["unread"] == 1
    village.wait(MINUTE)
    ruth.ask(MarkSeen(dialogue))
    ruth.ask(MarkChecked(dialogue, member_of(omar, dialogue)))
    ruth.restart()
    assert views.dialogues(ruth.core)[0]["unread"] == 0
    assert [row["checked"] for row in views.people(ruth.core, dialogue)] == [True, True]


def test_an_invite_never_outlives_what_the_community_keeps() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    dialogue = village.found(ruth)
    answer = ruth.ask(MakeInvite(dialogue, 1, village.now // MINUTE + 400 * 24 * 60))
    assert answer["expires"] == village.now // MINUTE + 30 * 24 * 60


def test_an_invite_without_an_address_is_still_an_invite() -> None:
    village = Village()
    from dataclasses import replace

    village.commons = replace(village.commons, addresses=())
    ruth = village.citizen("Ruth")
    invite = decode_invite(village.invite(ruth, village.found(ruth)))
    assert invite.commons_key == village.commons.key


def test_people_name_things_by_title_nickname_or_the_start_of_an_id() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar, title="Water")
    core = ruth.core
    assert views.resolve_dialogue(core, "water") == dialogue
    assert views.resolve_dialogue(core, dialogue.hex()[:6]) == dialogue
    assert views.resolve_member(core, dialogue, "OMAR") == member_of(omar, dialogue)
    assert views.resolve_member(core, dialogue, member_of(omar, dialogue).hex()[:8]) == member_of(omar, dialogue)
    for wrong in (
        lambda: views.resolve_dialogue(core, "Fire"),
        lambda: views.resolve_dialogue(core, dialogue.hex()[:3]),
        lambda: views.resolve_member(core, dialogue, "Nobody"),
        lambda: views.resolve_knock(core, "Nobody"),
    ):
        with pytest.raises(LocalError, match="There is no"):
            wrong()
    village.found(ruth, "Water")
    with pytest.raises(LocalError, match="2 dialogues match"):
        views.resolve_dialogue(ruth.core, "Water")


def test_a_waiting_knock_is_named_by_who_knocks() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    village.join(omar, village.invite(ruth, village.found(ruth), ask=True))
    (knock,) = views.knocks(ruth.core)
    assert views.resolve_knock(ruth.core, "omar").hex() == knock["knock"]
    assert views.resolve_knock(ruth.core, str(knock["knock"])[:5]).hex() == knock["knock"]


def test_two_of_one_name_are_told_apart_and_lookalikes_are_marked() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    guests = [village.citizen("Omar"), village.citizen("Omar2"), village.citizen("\u041emar")]
    guests[1].name = "Omar"
    dialogue = village.gather(ruth, *guests)
    names = [str(row["nick"]) for row in views.people(ruth.core, dialogue)]
    assert names[0] == "Ruth"
    assert all(name != "Omar" for name in names)
    assert len(set(names)) == 4


def test_the_last_messages_are_a_window_on_all() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    for n in range(5):
        ruth.say(dialogue, f"{n}")
    texts = [row["text"] for _order, row in views.messages(ruth.core, dialogue, 2)]
    assert texts == ["3", "4"]
    assert views.messages(ruth.core, dialogue, 0) == ()
    late = {row["late"] for _order, row in views.messages(ruth.core, dialogue)}
    assert late == {False}
