"""A member who announces epochs in order to cut others off. Spec: docs/spec/events.md (voided), core.md (epochs)."""

from __future__ import annotations

import pytest
from village import Citizen, Village

from tertulia.protocol import keyring
from tertulia.protocol.dialogue import Dialogue
from tertulia.protocol.event import CONTROL, Kind, to_item
from tertulia.protocol.ids import DialogueId, EpochId
from tertulia.protocol.inputs import RemoveMember
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.roster import Announce
from tertulia.protocol.turn import Turn


def three() -> tuple[Village, Citizen, Citizen, Citizen, DialogueId]:
    village = Village()
    ruth, omar, mole = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Mole")
    return village, ruth, omar, mole, village.gather(ruth, omar, mole)


def announce(citizen: Citizen, key: DialogueId, *, parents: tuple[EpochId, ...], roster: bytes, secret: bytes) -> None:
    """Tell of an epoch behind the last door, and share it with nobody."""
    overlay = citizen.core.stage()
    turn = Turn(citizen.village.now, overlay.entropy)
    dialogue = overlay.own(key)
    body = Announce(dialogue.plenary, tuple(sorted(parents)), roster, secret, turn.minute)
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
    lane = Lane(LaneKind.OLD_DOOR, key, list(dialogue.doors)[-1])
    overlay.outbox.queue(turn, Entry(dialogue.commons, lane, (to_item(event),)))
    citizen.commit(overlay, [*turn.effects, *overlay.settle(citizen.village.now)])
    citizen.village.settle()


def join_and_talk(village: Village, ruth: Citizen, omar: Citizen, key: DialogueId) -> None:
    """Selam is let in; everybody hears everybody."""
    selam = village.citizen("Selam")
    village.join(selam, village.invite(ruth, key))
    village.wait(5_000)
    for citizen in (ruth, omar, selam):
        citizen.say(key, f"{citizen.name} speaks.")
        village.settle()
    for citizen in (ruth, omar, selam):
        assert citizen.reads(key)[-3:] == ["Ruth: Ruth speaks.", "Omar: Omar speaks.", "Selam: Selam speaks."]
    assert ruth.state_hash(key) == omar.state_hash(key)


def test_an_epoch_for_people_who_were_never_the_roster_cuts_nobody_off() -> None:
    """It supersedes the one everybody has; behind what door then is the next one to be told?"""
    village, ruth, omar, mole, key = three()
    standing = keyring.frontier(mole.core.dialogues[key])
    announce(mole, key, parents=standing, roster=bytes(32), secret=bytes(32))
    assert any(fact.voided for fact in ruth.core.dialogues[key].state.epochs.values())
    join_and_talk(village, ruth, omar, key)


@pytest.mark.parametrize("number", [1, 40])
def test_epochs_shared_with_nobody_cut_nobody_off(number: int) -> None:
    village, ruth, omar, mole, key = three()
    for one in range(number):
        dialogue = mole.core.dialogues[key]
        announce(mole, key, parents=(), roster=dialogue.state.roster_hash, secret=bytes([one]) * 32)
    join_and_talk(village, ruth, omar, key)


def test_an_epoch_for_those_who_remain_made_by_one_of_them_does_not_keep_the_facilitator_from_making_one() -> None:
    """The mole hears of the removal first of all, and makes an epoch of it with nobody."""
    village = Village()
    ruth, omar, mole, ada = (village.citizen(name) for name in ("Ruth", "Omar", "Mole", "Ada"))
    key = village.gather(ruth, omar, mole, ada)
    ruth.ask(RemoveMember(key, ada.core.dialogues[key].me))
    wire, village.wire = village.wire, []
    later, village.later = village.later, []  # Ruth's node stops before the shares of her epoch are sealed
    assert len(later) == 1
    for sender, frame in wire:
        village.carry(sender, frame)
    dialogue = mole.core.dialogues[key]
    assert ada.core.dialogues[key].me not in dialogue.state.roster
    announce(mole, key, parents=keyring.frontier(dialogue), roster=dialogue.state.roster_hash, secret=bytes(32))
    ruth.restart()
    village.settle()
    join_and_talk(village, ruth, omar, key)


def test_an_older_epoch_does_not_supersede_one_that_its_sealer_had_not_heard_of() -> None:
    """Shared with the facilitator alone, it would be the only door left to them."""
    village, ruth, omar, mole, key = three()
    village.offline(mole)
    ada = village.citizen("Ada")
    village.join(ada, village.invite(ruth, key))
    village.wait(5_000)
    held = ruth.core.dialogues[key]
    before, (newest,) = mole.core.dialogues[key].state, keyring.frontier(held)
    announce(mole, key, parents=(newest,), roster=before.roster_hash, secret=bytes(32))
    village.online(mole)
    facts = ruth.core.dialogues[key].state.epochs
    (false,) = (fact for fact in facts.values() if newest in fact.epoch.parents)
    assert not false.voided
    share_with(ruth, key, false.epoch.id)
    assert newest in keyring.frontier(ruth.core.dialogues[key])
    join_and_talk(village, ruth, omar, key)


def share_with(citizen: Citizen, key: DialogueId, epoch: EpochId) -> None:
    """As if a share of this epoch had come: its secret is held, and the door behind it."""
    overlay = citizen.core.stage()
    turn = Turn(citizen.village.now, overlay.entropy)
    dialogue: Dialogue = overlay.own(key)
    keyring.hold(dialogue, turn, dialogue.state.epochs[epoch], bytes(32))
    citizen.commit(overlay, [*turn.effects, *overlay.settle(citizen.village.now)])
    assert keyring.door_of(citizen.core.dialogues[key], epoch) == epoch
