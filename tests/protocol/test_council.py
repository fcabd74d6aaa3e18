"""Proposing and signing as people do it: commands and rows. Spec: docs/spec/core.md §5, events.md (Acts)."""

import pytest
from village import Citizen, Refused, Village

from tertulia.protocol import views_acts
from tertulia.protocol.errors import LocalError
from tertulia.protocol.event import CONTROL, Kind
from tertulia.protocol.ids import DialogueId, EventId, PersonaId
from tertulia.protocol.inputs import NewDialogue, RemoveMember, SayText, SetRole, SignAct
from tertulia.protocol.roster import Settle
from tertulia.protocol.turn import Turn


def council(quorum: int) -> tuple[Village, DialogueId, Citizen, Citizen, Citizen]:
    village = Village()
    ruth, omar, ada = (village.citizen(name) for name in ("Ruth", "Omar", "Ada"))
    answer = ruth.ask(NewDialogue("Tertulia", village.commons.id, "Ruth", quorum))
    village.settle()
    key = DialogueId(bytes.fromhex(str(answer["dialogue"])))
    invite = village.invite(ruth, key, uses=2)
    for guest in (omar, ada):
        village.join(guest, invite)
    village.wait(5_000)
    return village, key, ruth, omar, ada


def me(citizen: Citizen, key: DialogueId) -> PersonaId:
    return citizen.core.dialogues[key].me


def act_of(answer: dict[str, object]) -> EventId:
    return EventId(bytes.fromhex(str(answer["act"])))


def test_two_facilitators_remove_somebody_together() -> None:
    village, key, ruth, omar, ada = council(2)
    proposed = ruth.ask(SetRole(key, me(omar, key), True))
    village.settle()
    assert proposed["state"] == "pending"
    (row,) = views_acts.acts(omar.core, key)
    assert (row["kind"], row["nick"], row["need"], row["signers"], row["signed"]) == (
        "facilitator", "Omar", 2, ["Ruth"], False)  # fmt: skip
    act = views_acts.resolve_act(omar.core, key, str(proposed["act"])[:10])
    assert omar.ask(SignAct(key, act))["state"] == "done"
    village.settle()
    removal = omar.ask(RemoveMember(key, me(ada, key)))
    village.settle()
    assert (removal["state"], len(ada.core.dialogues[key].state.roster)) == ("pending", 3)
    assert ruth.ask(SignAct(key, act_of(removal)))["state"] == "done"
    village.settle()
    assert ada.core.dialogues[key].standing.value == "removed"
    omar.say(key, "Without Ada.")
    village.settle()
    assert ruth.reads(key) == ["Omar: Without Ada."]
    assert ada.reads(key) == []
    assert ruth.state_hash(key) == omar.state_hash(key)
    assert [row["state"] for row in views_acts.acts(ruth.core, key)] == ["done", "done"]


def test_a_second_facilitator_lets_people_in() -> None:
    village, key, ruth, omar, ada = council(1)
    assert ruth.ask(SetRole(key, me(omar, key), True))["state"] == "done"
    village.settle()
    village.offline(ruth)
    selam = village.citizen("Selam")
    village.join(selam, village.invite(omar, key))
    village.wait(5_000)
    selam.say(key, "Omar let me in.")
    village.settle()
    village.online(ruth)
    assert ruth.reads(key) == ada.reads(key) == ["Selam: Omar let me in."]
    assert len({one.state_hash(key) for one in (ruth, omar, ada, selam)}) == 1
    assert omar.ask(SetRole(key, me(omar, key), False))["state"] == "done"
    village.settle()
    assert [row["kind"] for row in views_acts.acts(ruth.core, key)] == ["facilitator", "member"]


def test_refusals() -> None:
    village, key, ruth, omar, ada = council(1)
    nobody = PersonaId(bytes(32))
    for citizen, command, words in (
        (ruth, NewDialogue("Title", village.commons.id, "Ruth", 31), "quorum"),
        (omar, SetRole(key, me(ada, key), True), "Only the facilitator"),
        (omar, SetRole(key, me(omar, key), False), "Only the facilitator"),
        (ruth, SetRole(key, nobody, True), "not in the dialogue"),
        (ruth, SetRole(key, me(ruth, key), True), "already"),
        (ruth, SignAct(key, EventId(bytes(32))), "Nothing by that name"),
    ):
        with pytest.raises(Refused, match=words):
            citizen.ask(command)
    assert omar.ask(SayText(key, "still here"))["state"] == "stored"


def test_what_waits_is_signed_once_and_by_those_whose_part_it_is() -> None:
    village, key, ruth, omar, ada = council(2)
    ruth_s = ruth.ask(SetRole(key, me(omar, key), True))
    with pytest.raises(Refused, match="signed this already"):
        ruth.ask(SignAct(key, act_of(ruth_s)))
    village.settle()
    omar.ask(SignAct(key, act_of(ruth_s)))
    village.settle()
    removal = omar.ask(RemoveMember(key, me(ada, key)))
    village.settle()
    with pytest.raises(Refused, match="Only facilitators"):
        ada.ask(SignAct(key, act_of(removal)))
    with pytest.raises(LocalError, match="no proposal"):
        views_acts.resolve_act(ada.core, key, "zzzz")
    omar.ask(SignAct(key, act_of(settle(ruth, key))))
    village.settle()
    assert [row["kind"] for row in views_acts.acts(ada.core, key)] == ["facilitator", "remove", "settle"]


def settle(citizen: Citizen, key: DialogueId) -> dict[str, object]:
    """No command proposes a settlement yet; another client might."""
    from tertulia.protocol import sending

    overlay = citizen.core.stage()
    turn = Turn(citizen.village.now, overlay.entropy)
    dialogue = overlay.own(key)
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, Settle(dialogue.state.control_hash).encode())
    sending.send_control(overlay, turn, dialogue, event)
    citizen.commit(overlay, [*turn.effects, *overlay.settle(citizen.village.now)])
    citizen.village.settle()
    return {"act": event.id.hex()}
