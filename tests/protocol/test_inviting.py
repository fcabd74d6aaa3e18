"""Knocks and their answers, wanted and unwanted. Spec: docs/spec/invite.md."""

import pytest
from village import DAY, MINUTE, Refused, Village

from tertulia.protocol import views
from tertulia.protocol.inputs import AdmitKnock, Join, LeaveDialogue, MakeInvite, RefuseKnock
from tertulia.protocol.invite import decode_invite


def test_an_invite_that_asks_holds_the_knock_for_the_person() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    village.join(omar, village.invite(ruth, dialogue, ask=True))
    village.wait(10_000)
    (row,) = views.knocks(ruth.core)
    (mine,) = views.joins(omar.core)
    assert (row["nick"], row["state"], mine["state"]) == ("Omar", "waiting", "knocked")
    assert row["code"] == mine["code"]

    ruth.ask(AdmitKnock(bytes.fromhex(str(row["knock"]))))
    village.wait(5_000)
    assert [found["state"] for found in views.joins(omar.core)] == ["admitted"]
    with pytest.raises(Refused, match="answered already"):
        ruth.ask(RefuseKnock(bytes.fromhex(str(row["knock"]))))


def test_a_held_knock_is_not_admitted_beyond_what_the_invite_and_the_dialogue_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue, ask=True)
    for guest in (omar, ada):
        village.join(guest, invite)
    first, second = (bytes.fromhex(str(row["knock"])) for row in views.knocks(ruth.core))
    ruth.ask(AdmitKnock(first))
    with pytest.raises(Refused, match="as many as it may"):
        ruth.ask(AdmitKnock(second))
    village.wait(5_000)
    ben = village.citizen("Ben")
    village.join(ben, village.invite(ruth, dialogue, ask=True))
    monkeypatch.setattr("tertulia.protocol.inviting.LIMIT_MEMBERS", 2)
    (third,) = (bytes.fromhex(str(row["knock"])) for row in views.knocks(ruth.core) if row["nick"] == "Ben")
    with pytest.raises(Refused, match="dialogue is full"):
        ruth.ask(AdmitKnock(third))
    monkeypatch.undo()
    ruth.ask(AdmitKnock(third))
    village.wait(5_000)
    assert [row["state"] for row in views.joins(ben.core)] == ["admitted"]


def test_a_refused_guest_is_told() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    village.join(omar, village.invite(ruth, dialogue, ask=True))
    (row,) = views.knocks(ruth.core)
    ruth.ask(RefuseKnock(bytes.fromhex(str(row["knock"]))))
    village.settle()
    (mine,) = views.joins(omar.core)
    assert mine["state"] == "refused"
    assert "refused your knock" in str(mine["problem"])


def test_a_used_invite_says_so() -> None:
    village = Village()
    ruth, omar, late = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Late")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue, uses=1)
    village.join(omar, invite)
    village.wait(5_000)
    village.join(late, invite)
    village.wait(5_000)
    (mine,) = views.joins(late.core)
    assert mine["state"] == "refused"
    assert "used as often" in str(mine["problem"])
    assert len(ruth.core.dialogues[dialogue].state.roster) == 2


def test_an_expired_invite_says_so_and_sends_nothing() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    village.wait(8 * DAY)
    village.join(omar, invite)
    (mine,) = views.joins(omar.core)
    assert mine["state"] == "refused"
    assert "expired" in str(mine["problem"])
    assert not omar.published


def test_a_knock_that_comes_after_the_expiry_is_refused_by_the_inviter() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    village.offline(ruth)
    village.wait(6 * DAY)
    village.join(omar, invite)
    village.citizen("Carrier")
    village.wait(2 * DAY)
    village.online(ruth)
    village.settle()
    (mine,) = views.joins(omar.core)
    assert (mine["state"], "expired" in str(mine["problem"])) == ("refused", True)


def test_several_knocks_become_one_admission() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    guests = [village.citizen(f"Guest {n}") for n in range(5)]
    dialogue = village.gather(ruth, *guests)
    state = ruth.core.dialogues[dialogue].state
    assert len({member.admitted_by for member in state.members.values()}) == 2
    assert len(state.roster) == 6
    assert len({citizen.state_hash(dialogue) for citizen in (ruth, *guests)}) == 1


def test_a_full_dialogue_refuses_and_says_so() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue, uses=40)
    for n in range(30):
        village.join(village.citizen(f"Guest {n}"), invite)
        village.wait(3_000)
    assert len(ruth.core.dialogues[dialogue].state.roster) == 30
    last = views.joins(village.citizens["Guest 29"].core)[0]
    assert (last["state"], "full" in str(last["problem"])) == ("refused", True)


def test_a_crash_between_admission_and_welcome_is_mended() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    village.join(omar, village.invite(ruth, dialogue))
    village.now += 3_000
    from tertulia.protocol.inputs import TimerFired

    ruth.run(TimerFired(f"admit:{dialogue.hex()}"))
    village.later.clear()
    ruth.restart()
    village.settle()
    assert [row["state"] for row in views.joins(omar.core)] == ["admitted"]
    omar.say(dialogue, "Made it.")
    village.settle()
    assert ruth.reads(dialogue) == ["Omar: Made it."]


def test_a_crash_while_the_knock_is_sealed_is_mended() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    omar.ask(Join(decode_invite(invite), "Omar"))
    for _ in range(2):
        later, village.later = village.later, []
        for citizen, inputs in later:
            citizen.run(*(one for one in inputs if type(one).__name__ == "FrameArrived"))
    assert [row["state"] for row in views.joins(omar.core)] == ["looking"]
    omar.restart()
    village.settle()
    assert [row["state"] for row in views.joins(omar.core)] == ["knocked"]
    village.wait(5_000)
    assert [row["state"] for row in views.joins(omar.core)] == ["admitted"]


def test_only_the_facilitator_invites_and_only_sensibly() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    with pytest.raises(Refused, match="Only the facilitator"):
        village.invite(omar, dialogue)
    with pytest.raises(Refused, match="1 to"):
        village.invite(ruth, dialogue, uses=0)
    with pytest.raises(Refused, match="past"):
        ruth.ask(MakeInvite(dialogue, 1, village.now // MINUTE))
    with pytest.raises(Refused, match="your own"):
        village.join(ruth, village.invite(ruth, dialogue))


def test_joining_twice_with_one_invite_is_joining_once() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    first = village.join(omar, invite)
    village.wait(5_000)
    again = village.join(omar, invite)
    assert first["join"] == again["join"]
    assert again["state"] == "admitted"
    assert again["dialogue"] == dialogue.hex()


def test_knocks_on_a_dialogue_i_have_left_are_refused() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.found(ruth)
    invite = village.invite(ruth, dialogue)
    ruth.ask(LeaveDialogue(dialogue))
    village.join(omar, invite)
    village.settle()
    assert [row["state"] for row in views.joins(omar.core)] == ["refused"]


def test_who_left_can_come_back_and_still_has_what_they_read() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    ruth.say(dialogue, "Before.")
    village.settle()
    omar.ask(LeaveDialogue(dialogue))
    village.settle()
    ruth.say(dialogue, "While away.")
    village.join(omar, village.invite(ruth, dialogue))
    village.wait(5_000)
    omar.say(dialogue, "Back.")
    village.settle()
    assert "Omar: Back." in [line.replace(line.split(":")[0], "Omar") for line in ruth.reads(dialogue)]
    assert any("Before." in line for line in omar.reads(dialogue))
    assert not any("While away." in line for line in omar.reads(dialogue))
    before = omar.state_hash(dialogue)
    assert before == ruth.state_hash(dialogue)
    omar.restart()
    assert omar.state_hash(dialogue) == before


def test_a_second_invite_to_where_one_is_already_is_no_second_seat() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    village.join(omar, village.invite(ruth, dialogue))
    village.wait(5_000)
    assert [row["state"] for row in views.joins(omar.core)] == ["admitted", "admitted"]
    assert len(ruth.core.dialogues[dialogue].state.members) == 2
