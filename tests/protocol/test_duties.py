"""What follows from what happened, the rare ways included. Spec: docs/spec/core.md §3."""

from dataclasses import replace

import pytest
from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import duties, keyring, views
from tertulia.protocol.dialogue import Dialogue
from tertulia.protocol.epoch import door_keys, epoch_keys
from tertulia.protocol.errors import RejectReason
from tertulia.protocol.event import CONTROL, Kind, to_item
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.frame import seal as seal_frame
from tertulia.protocol.ids import EpochId
from tertulia.protocol.inputs import FrameArrived, FrameKept, HpkeSealed, RemoveMember, TimerFired
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.roster import Introduce
from tertulia.protocol.turn import Turn


def send_as(citizen: Citizen, village: Village, dialogue: Dialogue, *items: Item, door: bool = True) -> None:
    """Seal items under the dialogue's keys, as a member may, and put the frame on the wire."""
    if door:
        keys = door_keys(next(iter(dialogue.doors.values())))
    else:
        epoch = keyring.usable(dialogue, village.now // MINUTE)
        assert epoch is not None
        keys = epoch_keys(dialogue.secrets[epoch.id])
    minute = village.now // MINUTE
    frame = seal_frame(village.commons.key, keys, FrameClass.LARGE, minute, village.dice.randbytes(24), items)
    village.wire.append((citizen, frame))
    village.settle()


def test_a_false_introduction_alarms_everybody_and_changes_no_state() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    overlay = omar.core.stage()
    dialogue = overlay.own(key)
    turn = Turn(village.now, village.dice.randbytes)
    state = dialogue.state
    macs = tuple((persona, bytes(16)) for persona in sorted(state.roster - {dialogue.me}))
    body = Introduce(ruth.core.dialogues[key].session.actor, 0, 1, macs, state.control_hash)
    body = replace(body, key=type(body.key)(village.dice.randbytes(32)))
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
    send_as(omar, village, dialogue, to_item(event))
    alarms = ruth.core.dialogues[key].state.alarms
    assert {alarm.subject for alarm in alarms} == {dialogue.me}
    assert len(alarms) == 2
    assert ruth.state_hash(key) == ada.state_hash(key)


def test_what_ruth_told_is_confirmed_by_others() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    ada = village.citizen("Ada")
    village.join(ada, village.invite(ruth, key))
    village.wait(5_000)
    assert {row["told_by"] for row in views.people(ada.core, key)} >= {"Ruth"}
    village.wait(DAY + MINUTE)
    assert ada.core.dialogues[key].confirmed
    assert {row["told_by"] for row in views.people(ada.core, key)} == {""}


def test_an_epoch_for_a_roster_that_has_changed_is_dropped_and_made_again() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    village.wait(DAY + MINUTE)
    ruth.say(key, "A new day.")
    ((citizen, inputs),) = village.later
    village.later.clear()
    members = {row["nick"]: bytes.fromhex(str(row["member"])) for row in views.people(ruth.core, key)}
    ruth.ask(RemoveMember(key, ruth.core.dialogues[key].state.members[members["Ada"]].id))  # type: ignore[index]
    citizen.run(*inputs)
    village.settle()
    assert omar.reads(key) == ["Ruth: A new day."]
    assert ada.reads(key) == []


def test_a_member_without_a_live_prekey_gets_no_share_and_the_rest_go_on() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    ada.locked = True
    village.offline(ada)
    village.wait(31 * DAY)
    ruth.say(key, "Still here?")
    village.settle()
    assert omar.reads(key) == ["Ruth: Still here?"]
    assert keyring.live_prekey(ruth.core.dialogues[key], ada.core.dialogues[key].me, village.now // MINUTE) is None


def test_old_secrets_are_gone_after_the_retention() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    ada = village.citizen("Ada")
    village.join(ada, village.invite(ruth, key))
    village.wait(5_000)
    first = set(ruth.core.dialogues[key].secrets)
    old_door = min(ruth.core.dialogues[key].doors, key=lambda e: ruth.core.dialogues[key].state.epochs[e].epoch.created)
    for _day in range(32):
        ruth.say(key, "Another day.")
        village.wait(DAY)
    dialogue = ruth.core.dialogues[key]
    assert not first & set(dialogue.secrets)
    roster = dialogue.state.roster_hash
    assert old_door not in dialogue.doors or dialogue.state.epochs[old_door].epoch.roster_hash == roster
    assert keyring.current_door(dialogue) is not None
    assert all(secret.public.born > village.now // MINUTE - 31 * 24 * 60 for secret in dialogue.prekeys.values())
    assert omar.reads(key) == ruth.reads(key)


def test_invites_and_their_keys_are_forgotten_when_no_knock_can_come() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.found(ruth)
    village.join(omar, village.invite(ruth, key, ask=True))
    assert (len(ruth.core.invites), len(ruth.core.knocks)) == (1, 1)
    village.wait(40 * DAY)
    ruth.restart()
    assert (len(ruth.core.invites), len(ruth.core.knocks)) == (0, 0)


def test_junk_from_a_member_is_counted_and_changes_nothing() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key, other = village.gather(ruth, omar), village.gather(ruth, omar, title="Other")
    dialogue = omar.core.dialogues[key]
    strange = next(iter(omar.core.dialogues[other].events.values()))
    before = ruth.state_hash(key)
    send_as(omar, village, dialogue, Item(ItemType.EVENT, ["junk"]))
    send_as(omar, village, dialogue, to_item(strange))
    send_as(omar, village, dialogue, Item(ItemType.CARD, b"junk"), Item(99, None), Item(ItemType.SHARE, None))
    send_as(omar, village, dialogue, Item(ItemType.PART, [bytes(32), 5, 2, b""]))
    assert ruth.state_hash(key) == before
    assert ruth.core.rejects[RejectReason.ID] == 1
    assert ruth.core.rejects[RejectReason.SHAPE] >= 2


def test_shares_without_an_epoch_wait_bounded_and_survive_a_restart() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    mine = ruth.core.dialogues[key]
    prekey = next(iter(mine.prekeys))
    dialogue = omar.core.dialogues[key]
    from tertulia.protocol.share import SEALED, Share

    for n in range(duties.LIMIT_SHARES_WAITING + 3):
        share = Share(EpochId(n.to_bytes(32, "big")), dialogue.me, prekey, bytes(SEALED))
        send_as(omar, village, dialogue, share.to_item())
    assert len(ruth.core.dialogues[key].shares) == duties.LIMIT_SHARES_WAITING
    ruth.restart()
    assert len(ruth.core.dialogues[key].shares) == duties.LIMIT_SHARES_WAITING


def test_a_share_that_does_not_open_is_thrown_away() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    village.wait(DAY + MINUTE)
    omar.say(key, "New day.")
    ((_, (answer,)),) = village.later
    village.later.clear()
    assert isinstance(answer, HpkeSealed)
    omar.run(HpkeSealed(answer.job, tuple(bytes(len(box)) for box in answer.sealed)))
    village.settle()
    assert ruth.reads(key) == []
    assert not ruth.core.dialogues[key].shares
    ruth.say(key, "I can still speak.")
    village.settle()
    assert "Ruth: I can still speak." in omar.reads(key)


def test_answers_nobody_asked_for_are_nothing() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    key = village.found(ruth)
    before = ruth.state_hash(key)
    ruth.run(HpkeSealed(77, (b"x",)), TimerFired(f"admit:{key.hex()}"), TimerFired(f"keys:{bytes(32).hex()}"))
    ruth.run(TimerFired(f"else:{key.hex()}"), FrameKept(type(next(iter(ruth.archive), key))(bytes(32)), "x"))
    assert ruth.state_hash(key) == before


def test_a_frame_is_opened_once_however_often_it_comes() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    ruth.say(key, "Once.")
    village.settle()
    events = len(omar.core.dialogues[key].events)
    for frame in list(omar.archive.values()):
        omar.run(FrameArrived(village.commons.id, frame), FrameArrived(village.commons.id, frame))
    assert len(omar.core.dialogues[key].events) == events
    assert omar.reads(key) == ["Ruth: Once."]


def test_a_tampered_frame_with_a_good_tag_is_impossible_and_a_bad_one_ignored() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    frame = ruth.published[-1]
    junk = replace(frame, raw=frame.raw[:-1] + bytes([frame.raw[-1] ^ 1]), tag=bytes(32))
    before = omar.state_hash(key)
    omar.run(FrameArrived(village.commons.id, junk))
    assert omar.state_hash(key) == before


def test_long_words_travel_in_parts_across_a_restart() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    long = " ".join(f"word{n}" for n in range(900))
    ruth.say(key, long)
    wire, village.wire = village.wire, []
    assert len(wire) > 3
    for sender, frame in wire[:-1]:
        village.carry(sender, frame)
    assert omar.reads(key) == []
    omar.restart()
    omar.core.opened.clear()
    village.carry(*wire[-1])
    village.settle()
    assert omar.reads(key) == [f"Ruth: {long}"]
    assert not omar.rows.get(next(table for table in omar.rows if table == "part"), {})


def test_the_count_of_peers_grows_with_who_holds_it() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    village.offline(ada)
    ruth.say(key, "Who has this?")
    village.settle()
    (row,) = [row for _order, row in views.messages(ruth.core, key)]
    assert (row["state"], row["peers"]) == ("sent", 1)
    village.online(ada)
    (row,) = [row for _order, row in views.messages(ruth.core, key)]
    assert row["peers"] == 2


@pytest.mark.parametrize("count", [3])
def test_what_was_sealed_but_never_kept_is_published_again_after_a_restart(count: int) -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    for n in range(count):
        ruth.say(key, f"{n}")
    village.wire.clear()
    assert views.unsent(ruth.core) == count
    ruth.restart()
    village.settle()
    assert views.unsent(ruth.core) == 0
    assert len(omar.reads(key)) == count
