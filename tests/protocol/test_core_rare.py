"""The corners of the core: what happens seldom must be right as well. Spec: docs/spec/core.md."""

from dataclasses import replace

import pytest
from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import core as core_module
from tertulia.protocol import joining, keyring, outbox, rotation, views
from tertulia.protocol.commons import Commons
from tertulia.protocol.effects import Changed, Table, View
from tertulia.protocol.epoch import door_keys
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL
from tertulia.protocol.frame import FrameClass, FrameKeys
from tertulia.protocol.frame import seal as seal_frame
from tertulia.protocol.inputs import CommonsAdded, LeaveDialogue, Reachable, RemoveMember
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.knock import knock_keys
from tertulia.protocol.roster import Introduce
from tertulia.protocol.session import Introduction
from tertulia.protocol.turn import Turn


def put_on_wire(village: Village, sender: Citizen, keys: FrameKeys, *items: Item) -> None:
    frame = seal_frame(
        village.commons.key, keys, FrameClass.LARGE, village.now // MINUTE, village.dice.randbytes(24), items
    )
    village.wire.append((sender, frame))
    village.settle()


def test_a_member_s_frame_that_does_not_open_is_counted() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    door = door_keys(next(iter(omar.core.dialogues[key].doors.values())))
    put_on_wire(village, omar, FrameKeys(door.tag, bytes(32)), Item(99, None))
    assert ruth.core.rejects[RejectReason.SEAL] == 1


def test_the_memory_of_opened_frames_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_module, "LIMIT_OPENED", 2)
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    for n in range(5):
        ruth.say(key, f"{n}")
    village.settle()
    assert len(omar.core.opened) == 2
    assert len(omar.reads(key)) == 5


def test_the_count_of_further_keepers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LIMIT_CARRIED", 2)
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    for n in range(5):
        ruth.say(key, f"{n}")
        village.settle()
    assert len(ruth.core.outbox.carried) == 2
    assert [row["peers"] for _order, row in views.messages(ruth.core, key)] == [0, 0, 0, 1, 1]


def test_two_removed_in_one_breath_both_learn_it() -> None:
    village = Village()
    ruth, *others = (village.citizen(name) for name in ("Ruth", "Omar", "Ada", "Ben"))
    key = village.gather(ruth, *others)
    for gone in others[:2]:
        ruth.ask(RemoveMember(key, gone.core.dialogues[key].me))
    village.settle()
    assert [views.dialogues(gone.core)[0]["state"] for gone in others] == ["removed", "removed", "in"]
    others[2].say(key, "Two of us.")
    village.settle()
    assert ruth.reads(key) == ["Ben: Two of us."]


def test_a_crash_while_knocks_gather_is_mended() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    village.join(omar, village.invite(ruth, village.found(ruth)))
    ruth.restart()
    village.wait(1)
    assert [row["state"] for row in views.joins(omar.core)] == ["admitted"]


def test_more_than_one_admission_s_worth_of_knocks() -> None:
    village = Village()
    ruth = village.citizen("Ruth")
    guests = [village.citizen(f"Guest {n}") for n in range(18)]
    key = village.gather(ruth, *guests)
    village.wait(1)
    assert len(ruth.core.dialogues[key].state.roster) == 19
    assert {row["state"] for guest in guests for row in views.joins(guest.core)} == {"admitted"}


def test_what_waits_unsealed_survives_a_restart() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    village.offline(ruth)
    ruth.say(key, "Written offline.")
    ruth.restart()
    assert views.unsent(ruth.core) == 1
    (row,) = (row for _order, row in views.messages(ruth.core, key))
    assert row["state"] == "stored"
    village.online(ruth)
    assert omar.reads(key) == ["Ruth: Written offline."]


def test_a_row_of_the_outbox_that_is_not_ours_is_damage() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    village.offline(ruth)
    ruth.say(key, "Written offline.")
    rows = {table: list(found.items()) for table, found in ruth.rows.items()}
    rows[Table.OUTBOX] = [(name, b"\x80") for name, _row in rows[Table.OUTBOX]]
    with pytest.raises(RemoteError):
        core_module.Core.load(rows, ruth.core.entropy)


def test_keys_of_a_dialogue_one_has_left_are_still_erased_in_time() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    omar.ask(LeaveDialogue(key))
    village.settle()
    village.wait(40 * DAY)
    omar.restart()
    assert not omar.core.dialogues[key].secrets
    assert not omar.core.dialogues[key].prekeys


def test_another_commons_goes_its_own_way() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    other = Commons(village.dice.randbytes(32), 1, "Elsewhere", 30)
    village.offline(ruth)
    ruth.say(key, "For Aldea alone.")
    ruth.run(CommonsAdded(other), Reachable(other.id, 3))
    assert views.unsent(ruth.core) == 1


def test_an_introduction_at_a_state_i_do_not_know_confirms_nothing() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    ada = village.citizen("Ada")
    village.join(ada, village.invite(ruth, key))
    village.wait(5_000)
    from tertulia.protocol.event import Kind, to_item
    from tertulia.protocol.session import introduction_mac, new_session

    overlay = omar.core.stage()
    dialogue = overlay.own(key)
    turn = Turn(village.now, village.dice.randbytes)
    state = dialogue.state
    following = new_session(turn.entropy, turn.minute)
    heads = state.cite(CONTROL, dialogue.session.actor)[0]
    said = Introduction(
        key, dialogue.session.actor, dialogue.me, following.actor, following.start, following.end, heads, bytes(32)
    )
    theirs = ada.core.dialogues[key]
    mac = introduction_mac(dialogue.persona.box_secret, theirs.persona.keys.box, said, theirs.me)
    body = Introduce(following.actor, following.start, following.end, ((theirs.me, mac),), bytes(32))
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
    put_on_wire(village, omar, door_keys(next(iter(theirs.doors.values()))), to_item(event))
    assert event.id in ada.core.dialogues[key].events
    assert not ada.core.dialogues[key].confirmed
    assert not ada.core.dialogues[key].state.alarmed


def test_a_knock_in_parts_and_a_welcome_nobody_waits_for() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.found(ruth)
    village.join(omar, village.invite(ruth, key, ask=True))
    (join,) = omar.core.joins.values()
    put_on_wire(village, omar, knock_keys(join.secret), Item(ItemType.PART, [bytes(32), 0, 2, b"x"]))
    assert sum(ruth.core.rejects.values()) == 1
    overlay = omar.core.stage()
    overlay.joins[join.id] = replace(join, mine=None)
    with pytest.raises(RemoteError):
        joining.take_welcome(overlay, Turn(village.now, village.dice.randbytes), join.id, Item(7, [b"\xf6", [], ""]))


def test_shares_from_strangers_or_for_known_epochs_are_dropped() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    from tertulia.protocol.ids import PersonaId
    from tertulia.protocol.share import SEALED, Share

    mine = ruth.core.dialogues[key]
    epoch = next(iter(mine.state.epochs))
    overlay = ruth.core.stage()
    dialogue = overlay.own(key)
    prekey = next(iter(dialogue.prekeys))
    del dialogue.secrets[epoch]
    ruth.core = overlay
    share = Share(epoch, PersonaId(bytes(32)), prekey, bytes(SEALED))
    put_on_wire(village, omar, door_keys(next(iter(omar.core.dialogues[key].doors.values()))), share.to_item())
    assert not ruth.core.dialogues[key].shares
    assert epoch not in ruth.core.dialogues[key].secrets


def test_a_parent_whose_door_i_never_held_is_passed_over() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar, ada)
    overlay = omar.core.stage()
    overlay.own(key).doors.clear()
    omar.core = overlay
    assert keyring.current_door(omar.core.dialogues[key]) is None
    village.wait(DAY + MINUTE)
    omar.say(key, "I lost my door.")
    village.settle()
    assert views.unsent(omar.core) >= 1


def test_one_welcome_is_sealed_at_a_time() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.found(ruth)
    village.join(omar, village.invite(ruth, key))
    village.now += 3_000
    from tertulia.protocol.inputs import TimerFired

    ruth.run(TimerFired(f"admit:{key.hex()}"))
    ((_, epoch),) = village.later
    village.later.clear()
    ruth.run(*epoch)
    ruth.say(key, "While the welcome is sealed.")
    assert len(ruth.core.jobs) == 1
    village.settle()
    assert [row["state"] for row in views.joins(omar.core)] == ["admitted"]


def test_an_epoch_whose_parents_have_no_door_of_mine_still_welcomes() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar)
    overlay = ruth.core.stage()
    overlay.own(key).doors.clear()
    ruth.core = overlay
    village.join(ada, village.invite(ruth, key))
    village.wait(5_000)
    assert [row["state"] for row in views.joins(ada.core)] == ["admitted"]


def test_a_welcome_sealed_for_a_roster_that_changed_is_made_again() -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar)
    village.join(ada, village.invite(ruth, key))
    village.now += 3_000
    from tertulia.protocol.inputs import TimerFired

    ruth.run(TimerFired(f"admit:{key.hex()}"))
    ((_, epoch),) = village.later
    village.later.clear()
    ruth.run(*epoch)
    ruth.ask(RemoveMember(key, omar.core.dialogues[key].me))
    village.settle()
    village.wait(5_000)
    assert [row["state"] for row in views.joins(ada.core)] == ["admitted"]
    ada.say(key, "Only the two of us?")
    village.settle()
    assert ruth.reads(key) == ["Ada: Only the two of us?"]
    assert omar.reads(key) == []


@pytest.mark.parametrize("others", [rotation.LIMIT_CONFIRMING - 1, rotation.LIMIT_CONFIRMING])
def test_of_many_introductions_only_the_newest_are_held_against_what_i_was_told(others: int) -> None:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar)
    village.join(ada, village.invite(ruth, key))
    village.wait(5_000)
    overlay = ada.core.stage()
    mine, theirs = overlay.own(key), omar.core.dialogues[key]
    state, session = mine.state, theirs.session
    heads = state.cite(CONTROL, mine.session.actor)[0]
    right = Introduction(key, session.actor, theirs.me, session.actor, 0, 1, heads, state.control_hash)
    by_teller = replace(right, introducer=ruth.core.dialogues[key].me)
    wrong = [replace(right, state_hash=bytes(32))] * others
    turn = Turn(village.now, village.dice.randbytes)
    rotation._confirm(turn, mine, [by_teller])
    assert not mine.confirmed
    rotation._confirm(turn, mine, [right, *wrong])
    assert mine.confirmed == (others < rotation.LIMIT_CONFIRMING)
    rotation._confirm(turn, mine, [right])
    assert mine.confirmed
    rotation._confirm(turn, mine, [right])
    assert [effect for effect in turn.effects if effect == Changed(View.PEOPLE, key)] == [Changed(View.PEOPLE, key)]
