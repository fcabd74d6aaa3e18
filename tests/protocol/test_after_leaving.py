"""What stays of keys and receipts when somebody is out, and when they are back. Spec: docs/spec/keys.md, core.md."""

from __future__ import annotations

import pytest
from village import DAY, Citizen, Village

from tertulia.protocol.duties import take_share
from tertulia.protocol.effects import Table
from tertulia.protocol.ids import DialogueId, EpochId
from tertulia.protocol.inputs import LeaveDialogue, RemoveMember
from tertulia.protocol.share import SEALED, Share
from tertulia.protocol.turn import Turn


def two() -> tuple[Village, Citizen, Citizen, DialogueId]:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    return village, ruth, omar, village.gather(ruth, omar)


@pytest.mark.parametrize("removed", [True, False])
def test_who_is_out_destroys_the_session_key_at_its_end_and_other_keys_in_their_time(removed: bool) -> None:
    village, ruth, omar, key = two()
    if removed:
        ruth.ask(RemoveMember(key, omar.core.dialogues[key].me))
    else:
        omar.ask(LeaveDialogue(key))
    village.settle()
    seed = omar.core.dialogues[key].session.seed
    village.wait(2 * DAY)
    assert not any(seed in row for row in omar.rows[Table.SESSION].values())
    village.wait(32 * DAY)
    held = omar.core.dialogues[key]
    assert not held.secrets
    assert not held.prekeys
    assert not omar.rows[Table.EPOCH]
    assert not omar.rows[Table.PREKEY]


def test_who_comes_back_knows_after_a_restart_who_had_received_what_they_said_before() -> None:
    village, ruth, omar, key = two()
    omar.say(key, "Farewell.")
    village.settle()
    ruth.say(key, "Farewell, Omar.")
    village.settle()
    before = dict(omar.core.dialogues[key].received)
    assert before
    omar.ask(LeaveDialogue(key))
    village.settle()
    village.join(omar, village.invite(ruth, key))
    village.wait(5_000)
    assert omar.core.dialogues[key].former
    assert before.items() <= omar.core.dialogues[key].received.items()
    now = dict(omar.core.dialogues[key].received)
    omar.restart()
    assert omar.core.dialogues[key].received == now


def test_what_somebody_wrote_in_vain_before_their_removal_goes_out_when_they_are_back() -> None:
    """A new key, and words signed with it: they cannot be sent from outside, and what comes later names them."""
    village, ruth, omar, key = two()
    village.offline(omar)
    key_before = omar.core.dialogues[key].session.actor
    village.wait(2 * DAY)
    omar.say(key, "In the tunnel.")
    village.settle()
    assert omar.core.dialogues[key].session.actor != key_before
    ruth.ask(RemoveMember(key, omar.core.dialogues[key].me))
    village.settle()
    village.online(omar)
    village.wait(5_000)
    assert not omar.core.outbox.entries
    village.join(omar, village.invite(ruth, key))
    village.wait(5_000)
    omar.say(key, "Back.")
    village.settle()
    assert [line.partition(": ")[2] for line in ruth.reads(key)] == ["In the tunnel.", "Back."]
    assert ruth.core.dialogues[key].events.keys() >= omar.core.dialogues[key].events.keys()
    assert not ruth.core.dialogues[key].state.waiting


def test_what_still_waits_when_somebody_is_back_goes_out_once() -> None:
    village, ruth, omar, key = two()
    village.offline(omar)
    omar.say(key, "In the tunnel.")
    village.settle()
    omar.ask(LeaveDialogue(key))
    village.settle()
    village.online(omar)
    village.wait(5_000)
    village.join(omar, village.invite(ruth, key))
    village.wait(5_000)
    assert [line.partition(": ")[2] for line in ruth.reads(key)] == ["In the tunnel."]


def test_who_comes_back_leaves_no_share_behind_that_nobody_can_open_any_more() -> None:
    village, ruth, omar, key = two()
    held = omar.core.dialogues[key]
    share = Share(EpochId(bytes(32)), held.me, next(iter(held.prekeys)), bytes(SEALED))
    turn = Turn(0, bytes)
    overlay = omar.core.stage()
    take_share(overlay, turn, overlay.own(key), share)
    omar.commit(overlay, list(turn.effects))
    assert omar.rows[Table.SHARE]
    omar.ask(LeaveDialogue(key))
    village.settle()
    village.join(omar, village.invite(ruth, key))
    village.wait(5_000)
    assert not omar.rows[Table.SHARE]
