"""What a hostile member, guest or inviter could do to a whole vault. Spec: docs/spec/core.md, docs/threat-model.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from village import Citizen, Village

from tertulia.protocol import duties, inviting, keyring, knock, sending, views
from tertulia.protocol import frame as frames
from tertulia.protocol.card import card_keys
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.epoch import door_keys
from tertulia.protocol.event import CONTROL, LIMIT_BODY, LIMIT_LAMPORT, Event, Kind, make, to_item
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import DialogueId, EpochId, EventId, PersonaId
from tertulia.protocol.inputs import FrameArrived, LeaveDialogue, RemoveMember, TimerFired
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.item import Item, pack
from tertulia.protocol.prekey import new_prekey
from tertulia.protocol.receipt import sign_receipt
from tertulia.protocol.session import new_session
from tertulia.protocol.share import SEALED, Share
from tertulia.protocol.turn import Turn

Tell = Callable[[Checkpoint], Checkpoint]


def gathered(*names: str) -> tuple[Village, DialogueId, list[Citizen]]:
    village = Village()
    people = [village.citizen(name) for name in names]
    return village, village.gather(*people), people


def through_the_door(village: Village, sender: Citizen, key: DialogueId, items: list[Item]) -> None:
    """Frames of a client of their own making, under the door of those who are in."""
    held = sender.core.dialogues[key]
    door = keyring.current_door(held)
    assert door is not None
    minute = frames.publication_minute(village.now)
    for group in pack(items, FrameClass.LARGE):
        nonce = village.dice.randbytes(24)
        frame = frames.seal(
            village.commons.key, door_keys(held.doors[door]), FrameClass.LARGE, minute, nonce, group
        )
        village.wire.append((sender, frame))
    village.settle()


def from_nowhere(village: Village, sender: Citizen, key: DialogueId, number: int) -> Event:
    """A control event that names what nobody has."""
    return make(
        dialogue=key,
        room=CONTROL,
        kind=Kind.MARK,
        seq=number,
        parents=[EventId(village.dice.randbytes(32))],
        control=[],
        lamport=9,
        tick=village.now // 60_000,
        session_seed=sender.core.dialogues[key].session.seed,
        salt=bytes(16),
        body=b"",
    )


def test_events_that_wait_for_nothing_are_let_go_and_stop_no_facilitator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tertulia.protocol.dialogue.LIMIT_WAITING", 4)
    village, key, (ruth, omar, mallory) = gathered("Ruth", "Omar", "Mallory")
    through_the_door(village, mallory, key, [to_item(from_nowhere(village, mallory, key, n)) for n in range(9, 19)])
    assert len(ruth.core.dialogues[key].state.waiting) == 4
    assert len(ruth.core.dialogues[key].arrivals) == len(ruth.core.dialogues[key].events)
    omar.say(key, "Still here?")
    village.settle()
    assert ruth.reads(key) == ["Omar: Still here?"]


def test_a_key_made_up_for_each_event_pushes_out_nobody_s_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tertulia.protocol.dialogue.LIMIT_WAITING", 4)
    village, key, (ruth, omar, mallory) = gathered("Ruth", "Omar", "Mallory")
    honest = [from_nowhere(village, omar, key, n) for n in (9, 10)]
    made_up = []
    for n in range(9):
        seed = mallory.core.stage()
        seed.own(key).session = new_session(village.dice.randbytes, village.now // 60_000)
        mallory.core, mine = seed, mallory.core
        made_up.append(from_nowhere(village, mallory, key, n + 1))
        mallory.core = mine
    through_the_door(village, mallory, key, [to_item(event) for event in (*honest, *made_up)])
    held = ruth.core.dialogues[key]
    assert len(held.state.waiting) == 4
    assert held.events.keys() >= {event.id for event in honest}
    assert not ruth.core.opened.keys() & {frame.id for frame in ruth.archive.values()}


def test_knocks_with_all_the_prekeys_that_fit_are_admitted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = knock.make_knock

    def fat(card, persona, session, prekeys, *rest):  # type: ignore[no-untyped-def]
        more = [new_prekey(village.dice.randbytes, 1_000, days).public for days in (1, 2, 3)]
        return honest(card, persona, session, (*prekeys, *more), *rest)

    monkeypatch.setattr("tertulia.protocol.joining.make_knock", fat)
    village = Village()
    ruth = village.citizen("Ruth")
    guests = [village.citizen(f"Guest {n}") for n in range(14)]
    key = village.gather(ruth, *guests)
    assert len(ruth.core.dialogues[key].state.roster) == 15
    assert {row["state"] for guest in guests for row in views.joins(guest.core)} == {"admitted"}


def test_a_vault_opens_again_however_much_others_must_be_told() -> None:
    village, key, (ruth, _omar, mallory) = gathered("Ruth", "Omar", "Mallory")
    for _ in range(20):
        core = mallory.core.stage()
        turn = Turn(village.now, core.entropy)
        held = core.own(key)
        sending.send_control(core, turn, held, held.author(turn, CONTROL, Kind.MARK, bytes(LIMIT_BODY)))
        mallory.commit(core, [*turn.effects, *core.settle(village.now)])
        village.settle()
    village.offline(ruth)
    ruth.ask(RemoveMember(key, mallory.core.dialogues[key].me))
    village.settle()
    waiting = views.unsent(ruth.core)
    ruth.restart()
    assert views.unsent(ruth.core) == waiting
    village.online(ruth)
    assert views.dialogues(mallory.core)[0]["state"] == "removed"
    assert views.unsent(ruth.core) == 0


def test_who_is_removed_before_they_are_welcomed_gets_no_secret() -> None:
    village, key, (ruth, _omar) = gathered("Ruth", "Omar")
    mole = village.citizen("Mole")
    village.join(mole, village.invite(ruth, key))
    ruth.run(TimerFired(f"admit:{key.hex()}"))
    (admitted,) = (k for k in ruth.core.knocks.values() if k.state is inviting.KnockState.ADMITTED)
    ruth.ask(RemoveMember(key, admitted.persona(key)))
    village.wait(5_000)
    assert key not in mole.core.dialogues
    assert [row["state"] for row in views.joins(mole.core)] == ["refused"]
    assert [row["state"] for row in views.knocks(ruth.core)][-1] == "refused"


def no_rooms(told: Checkpoint) -> Checkpoint:
    return replace(told, rooms=())


def no_heads(told: Checkpoint) -> Checkpoint:
    return replace(told, control=replace(told.control, heads=()))


def the_end_of_time(told: Checkpoint) -> Checkpoint:
    named = dict.fromkeys(told.control.named, LIMIT_LAMPORT)
    return replace(told, control=replace(told.control, named=named))


def somebody_else_said_so(told: Checkpoint) -> Checkpoint:
    return replace(told, told_by=PersonaId(bytes(32)))


@pytest.mark.parametrize("lie", [no_rooms, no_heads, the_end_of_time, somebody_else_said_so])
def test_a_checkpoint_that_nobody_could_go_on_from_is_refused(lie: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = inviting.checkpoint_of
    monkeypatch.setattr(inviting, "checkpoint_of", lambda state, told_by: lie(honest(state, told_by)))
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.gather(ruth, omar)
    assert key not in omar.core.dialogues
    omar.restart()
    assert [row["state"] for row in views.joins(omar.core)] == ["knocked"]


def test_false_shares_keep_nobody_from_the_next_epoch() -> None:
    village, key, (ruth, omar, mallory) = gathered("Ruth", "Omar", "Mallory")
    (prekey,) = omar.core.dialogues[key].prekeys
    me = ruth.core.dialogues[key].me
    false = [Share(EpochId(village.dice.randbytes(32)), me, prekey, bytes(SEALED)) for _ in range(70)]
    through_the_door(village, mallory, key, [share.to_item() for share in false])
    assert len(omar.core.dialogues[key].shares) == duties.LIMIT_SHARES_WAITING
    ruth.ask(RemoveMember(key, mallory.core.dialogues[key].me))
    village.settle()
    ruth.say(key, "Without her.")
    village.settle()
    assert omar.reads(key) == ["Ruth: Without her."]
    omar.restart()
    assert omar.reads(key) == ["Ruth: Without her."]


def test_a_false_share_beside_the_true_one_spoils_nothing() -> None:
    village, key, (ruth, omar, mallory) = gathered("Ruth", "Omar", "Mallory")
    (prekey,) = omar.core.dialogues[key].prekeys
    village.offline(omar)
    before = set(omar.archive)
    ruth.ask(RemoveMember(key, mallory.core.dialogues[key].me))
    village.settle()
    ruth.say(key, "Without her.")
    village.settle()
    epoch = keyring.usable(ruth.core.dialogues[key], village.now // 60_000)
    assert epoch is not None
    false = Share(epoch.id, ruth.core.dialogues[key].me, prekey, bytes(SEALED)).to_item()
    door = next(iter(omar.core.dialogues[key].doors.values()))
    minute = frames.publication_minute(village.now)
    last = frames.seal(village.commons.key, door_keys(door), FrameClass.LARGE, minute, bytes(24), [false])
    missed = [frame for name, frame in ruth.archive.items() if name not in before]
    omar.archive.update({frame.id: frame for frame in missed})
    omar.run(*(FrameArrived(village.commons.id, frame) for frame in (*missed, last)))
    village.settle()
    assert omar.reads(key) == ["Ruth: Without her."]


def test_a_card_twice_in_one_frame_makes_one_knock() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    key = village.found(ruth)
    village.offline(ruth)
    text = village.invite(ruth, key, uses=2)
    (made,) = ruth.core.invites.values()
    card = made.card.to_item()
    keys = card_keys(decode_invite(text).secret)
    minute = frames.publication_minute(village.now)
    twice = frames.seal(village.commons.key, keys, FrameClass.LARGE, minute, bytes(24), [card, card])
    village.join(omar, text)
    omar.run(FrameArrived(village.commons.id, twice))
    village.settle()
    village.online(ruth)
    village.wait(5_000)
    assert len(ruth.core.dialogues[key].state.roster) == 2
    assert [row["state"] for row in views.joins(omar.core)] == ["admitted"]


def test_who_leaves_without_the_key_of_the_present_roster_is_seen_to_leave() -> None:
    village, key, (ruth, omar, ada) = gathered("Ruth", "Omar", "Ada")
    omar.core.dialogues[key].prekeys.clear()
    ben = village.citizen("Ben")
    village.join(ben, village.invite(ruth, key))
    village.wait(5_000)
    assert keyring.current_door(omar.core.dialogues[key]) is None
    omar.ask(LeaveDialogue(key))
    village.settle()
    gone = omar.core.dialogues[key].me
    assert gone not in ruth.core.dialogues[key].state.roster
    assert gone not in ada.core.dialogues[key].state.roster


def test_what_never_left_this_machine_is_not_called_sent_and_goes_out_on_coming_back() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    village.offline(omar)
    omar.say(key, "Nobody hears this yet.")
    omar.ask(LeaveDialogue(key))
    village.settle()
    for _ in range(2):
        ((_order, row),) = views.messages(omar.core, key)
        assert (row["state"], row["peers"]) == ("stored", 0)
        omar.restart()
    village.online(omar)
    assert views.unsent(omar.core) == 0
    assert not ruth.reads(key)
    village.join(omar, village.invite(ruth, key))
    village.wait(5_000)
    assert [row["text"] for _order, row in views.messages(ruth.core, key)] == ["Nobody hears this yet."]


def test_what_the_removed_had_not_sent_goes_nowhere() -> None:
    village, key, (ruth, omar, _ada) = gathered("Ruth", "Omar", "Ada")
    village.offline(omar)
    omar.say(key, "Nobody hears this.")
    ruth.ask(RemoveMember(key, omar.core.dialogues[key].me))
    village.settle()
    village.online(omar)
    assert views.unsent(omar.core) == 0
    assert not omar.core.outbox.entries


def test_nobody_takes_on_the_name_by_which_another_is_told_apart() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    shown = f"Ruth {ruth.core.dialogues[key].me.hex()[:8]}"
    for n, name in enumerate(("Ruth", shown)):
        guest = village.citizen(f"{n}")
        guest.name = name
        village.join(guest, village.invite(ruth, key))
        village.wait(5_000)
    names = [row["nick"] for row in views.people(omar.core, key)]
    assert shown in names
    assert len(set(names)) == 4


def test_nobody_has_received_what_is_not_yet_said() -> None:
    village, key, (ruth, omar) = gathered("Ruth", "Omar")
    speaker = ruth.core.dialogues[key].session.actor
    boast = sign_receipt(key, CONTROL, omar.core.dialogues[key].session, {speaker: 3})
    through_the_door(village, omar, key, [boast.to_item()])
    village.offline(ruth)
    ruth.say(key, "Only here.")
    ((_order, row),) = views.messages(ruth.core, key)
    assert (row["state"], row["received"]) == ("stored", [])
