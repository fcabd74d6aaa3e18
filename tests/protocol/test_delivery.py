"""Did it arrive, and to whom? Spec: docs/spec/receipts.md."""

from dataclasses import replace

import pytest
from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import delivery, lacking, views
from tertulia.protocol.errors import LocalError, RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, Kind, make
from tertulia.protocol.ids import ActorId, DialogueId, RoomId
from tertulia.protocol.inputs import FrameArrived, FrameKept, LeaveDialogue, RemoveMember, SetReceipts
from tertulia.protocol.receipt import LIMIT_VECTOR, Receipt, merged, received, sign_receipt
from tertulia.protocol.say import Say
from tertulia.protocol.turn import Turn


def received_by(citizen: Citizen, dialogue: DialogueId, text: str) -> list[str]:
    (row,) = (row for _order, row in views.messages(citizen.core, dialogue) if row["text"] == text)
    return list(row["received"])  # type: ignore[arg-type]


def three() -> tuple[Village, Citizen, Citizen, Citizen, DialogueId]:
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    return village, ruth, omar, ada, village.gather(ruth, omar, ada)


def test_a_receipt_rides_in_the_next_frame_of_speech() -> None:
    village, ruth, omar, ada, key = three()
    ruth.say(key, "Who is here?")
    village.settle()
    assert received_by(ruth, key, "Who is here?") == []
    before = len(omar.published)
    omar.say(key, "I am.")
    village.settle()
    assert len(omar.published) == before + 1
    assert received_by(ruth, key, "Who is here?") == ["Omar"]
    assert received_by(ada, key, "Who is here?") == ["Ada", "Omar"] or received_by(ada, key, "Who is here?") == [
        "Omar",
        "Ada",
    ]


def test_alone_it_goes_after_ten_quiet_minutes_and_seldom() -> None:
    village, ruth, omar, ada, key = three()
    ruth.say(key, "One.")
    village.wait(9 * MINUTE)
    assert received_by(ruth, key, "One.") == []
    village.wait(2 * MINUTE)
    assert sorted(received_by(ruth, key, "One.")) == ["Ada", "Omar"]
    ruth.say(key, "Two.")
    village.wait(15 * MINUTE)
    assert received_by(ruth, key, "Two.") == []
    village.wait(20 * MINUTE)
    assert sorted(received_by(ruth, key, "Two.")) == ["Ada", "Omar"]
    assert views.unsent(omar.core) == views.unsent(ada.core) == 0


def test_switched_off_nothing_is_told_and_it_stays_off() -> None:
    village, ruth, omar, _ada, key = three()
    omar.ask(SetReceipts(on=False))
    omar.restart()
    ruth.say(key, "Hello?")
    village.wait(60 * MINUTE)
    assert received_by(ruth, key, "Hello?") == ["Ada"]
    omar.ask(SetReceipts(on=True))
    omar.restart()
    omar.say(key, "Yes.")
    village.settle()
    assert "Omar" in received_by(ruth, key, "Hello?")


def test_who_answers_has_read_even_without_receipts() -> None:
    village, ruth, omar, _ada, key = three()
    omar.ask(SetReceipts(on=False))
    ruth.say(key, "Hello?")
    village.settle()
    omar.say(key, "Hello.")
    village.settle()
    assert received_by(ruth, key, "Hello?") == ["Omar"]


def test_what_others_have_received_survives_a_restart() -> None:
    village, ruth, omar, _ada, key = three()
    ruth.say(key, "Hello?")
    village.settle()
    omar.say(key, "Hello.")
    village.settle()
    ruth.restart()
    assert received_by(ruth, key, "Hello?") == ["Omar"]


def test_a_message_is_found_and_told_by_name() -> None:
    village, ruth, omar, _ada, key = three()
    name = ruth.say(key, "Who has this?")
    village.settle()
    omar.say(key, "I do.")
    village.settle()
    row = views.message(ruth.core, name[:12])
    assert (row["received"], row["waiting"], row["members"], row["state"]) == (["Omar"], ["Ada"], 2, "sent")
    with pytest.raises(LocalError, match="There is no message"):
        views.message(ruth.core, "feed")
    with pytest.raises(LocalError, match="There is no message"):
        views.message(ruth.core, name[:2])


def test_false_receipts_are_refused_and_boasts_ignored() -> None:
    village, ruth, omar, _ada, key = three()
    ruth.say(key, "Hello?")
    village.settle()
    mine = ruth.core.dialogues[key]
    theirs = omar.core.dialogues[key]
    honest = sign_receipt(key, mine.plenary, theirs.session, {mine.session.actor: 1})
    overlay = ruth.core.stage()
    from tertulia.protocol.turn import Turn

    turn = Turn(village.now, village.dice.randbytes)
    for false in (
        replace(honest, proof=bytes(64)),
        replace(honest, actor=ActorId(bytes(32))),
        replace(honest, vector=((mine.session.actor, 2),)),
    ):
        with pytest.raises(RemoteError) as caught:
            delivery.take_receipt(overlay, turn, key, false.to_item())
        assert caught.value.reason is RejectReason.PROOF
    boast = sign_receipt(key, mine.plenary, theirs.session, {mine.session.actor: 9, ActorId(bytes(32)): 1})
    delivery.take_receipt(overlay, turn, key, boast.to_item())
    assert not overlay.dialogues[key].received.get(theirs.me)
    delivery.take_receipt(overlay, turn, key, honest.to_item())
    assert overlay.dialogues[key].received[theirs.me] == {mine.session.actor: 1}


def test_the_removed_and_the_gone_say_nothing_more() -> None:
    village, ruth, omar, ada, key = three()
    ruth.say(key, "Hello?")
    village.settle()
    ada.ask(LeaveDialogue(key))
    ruth.ask(RemoveMember(key, omar.core.dialogues[key].me))
    village.wait(60 * MINUTE)
    assert received_by(ruth, key, "Hello?") == []


def test_no_lone_receipts_in_large_dialogues_or_without_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    village, ruth, omar, ada, key = three()
    monkeypatch.setattr(delivery, "LIMIT_RECEIPTED", 2)
    ruth.say(key, "Too many of us.")
    village.wait(60 * MINUTE)
    assert received_by(ruth, key, "Too many of us.") == []
    monkeypatch.undo()
    ruth.say(key, "And now?")
    village.settle()
    village.offline(omar)
    village.now += DAY
    from tertulia.protocol.inputs import TimerFired

    before = len(ada.published)
    ada.run(TimerFired(f"receipt:{key.hex()}"))
    assert len(ada.published) == before


def test_a_receipt_that_does_not_fit_waits_for_the_next_frame() -> None:
    village, ruth, omar, _ada, key = three()
    ruth.say(key, "Hello?")
    village.settle()
    before = len(omar.published)
    omar.say(key, "x" * 480)
    village.settle()
    assert len(omar.published) == before + 1
    assert omar.core.dialogues[key].receipted == {}
    omar.say(key, "short")
    village.settle()
    assert omar.core.dialogues[key].receipted


def test_a_gap_is_counted_where_it_is_known() -> None:
    village, ruth, omar, _ada, key = three()
    village.offline(omar)
    ruth.say(key, "Lost on the way.")
    village.settle()
    ruth.say(key, "After it.")
    wire, village.wire = village.wire, []
    omar.online = True
    for sender, frame in wire:
        village.carry(sender, frame)
    (row,) = views.dialogues(omar.core)
    assert row["missing"] == 1
    (shown,) = (row for _order, row in views.messages(omar.core, key))
    assert shown["gap"]
    village.online(omar)
    (row,) = views.dialogues(omar.core)
    assert row["missing"] == 0


def test_runs_merges_and_shapes() -> None:
    room, actor = RoomId(bytes(31) + b"\x01"), ActorId(bytes(31) + b"\x02")
    assert received((), frozenset()) == {}
    assert merged({actor: 5}, [(actor, 3)]) == {actor: 5}
    many = [(ActorId(n.to_bytes(32, "big")), 1) for n in range(LIMIT_VECTOR + 5)]
    assert len(merged({}, many)) == LIMIT_VECTOR
    bad = [
        [room, actor, [[actor, 1], [actor, 2]], bytes(64)],
        [room, actor, [[actor, 0]], bytes(64)],
        [room, actor, [], bytes(63)],
        [room, actor],
        None,
    ]
    for value in bad:
        with pytest.raises(RemoteError):
            Receipt.from_value(value)  # type: ignore[arg-type]
    assert room != CONTROL


def test_the_run_stops_at_a_hole() -> None:
    village, ruth, omar, _ada, key = three()
    for n in range(4):
        ruth.say(key, f"{n}")
    village.settle()
    room = omar.core.dialogues[key]
    events = [room.events[entry.event] for entry in room.state.rooms[room.plenary].log]
    actor = events[0].header.actor
    assert received(events, frozenset()) == {actor: 4}
    assert received([event for event in events if event.header.seq != 3], frozenset()) == {actor: 2}
    assert received(events, frozenset({actor})) == {}


def test_nobody_is_said_to_have_received_what_was_said_before_they_came() -> None:
    """Ada names what was last said when she came, as its heir: she has never read it."""
    village = Village()
    ruth, omar, ada = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Ada")
    key = village.gather(ruth, omar)
    omar.say(key, "Before she came.")
    village.settle()
    village.join(ada, village.invite(ruth, key))
    village.wait(5_000)
    omar.say(key, "Now she is here.")
    village.settle()
    ada.say(key, "I am.")
    village.settle()
    ruth.say(key, "So we are three.")
    village.wait(60 * MINUTE)
    for citizen in (ruth, omar):
        assert received_by(citizen, key, "Before she came.") == ["Ruth"]
        assert sorted(received_by(citizen, key, "Now she is here.")) == ["Ada", "Ruth"]
        rows = {row["text"]: row for _order, row in views.messages(citizen.core, key)}
        assert rows["Before she came."]["members"] == 1
        assert rows["Now she is here."]["members"] == 2
        assert views.message(citizen.core, str(rows["Before she came."]["id"]))["waiting"] == []


def test_while_something_is_missing_only_what_is_whole_from_the_beginning_is_said_to_be_received() -> None:
    village, _ruth, omar, ada, key = three()
    omar.say(key, "One, lost on its way to Ada.")
    lost = omar.published[-1]
    del village.wire[:]
    omar.run(FrameKept(lost.id, "a peer"))
    omar.say(key, "Two.")
    village.settle()
    assert lacking.events(ada.core.dialogues[key])
    ada.say(key, "Three.")
    village.settle()
    assert delivery.riding(ada.core, ada.core.dialogues[key]) is None
    ada.run(FrameArrived(village.commons.id, lost))
    assert not lacking.events(ada.core.dialogues[key])
    assert delivery.riding(ada.core, ada.core.dialogues[key]) is not None


def test_what_nobody_has_is_called_lost_until_it_comes() -> None:
    village, _ruth, omar, ada, key = three()
    omar.say(key, "Lost on its way to everybody.")
    lost = omar.published[-1]
    del village.wire[:]
    omar.run(FrameKept(lost.id, "a peer"))
    omar.say(key, "Two.")
    village.settle()
    village.offline(omar)
    assert hole(ada, key) == (True, 0, 1, 0)
    village.wait(2 * DAY)
    assert hole(ada, key) == (False, 1, 0, 1)
    assert views.message(ada.core, str(next(iter(rows(ada, key).values()))["id"]))["lost"] == 1
    ada.run(FrameArrived(village.commons.id, lost))
    assert hole(ada, key) == (False, 0, 0, 0)
    assert list(rows(ada, key)) == ["Lost on its way to everybody.", "Two."]


def rows(citizen: Citizen, key: DialogueId) -> dict[str, views.Row]:
    return {str(row["text"]): row for _order, row in views.messages(citizen.core, key)}


def hole(citizen: Citizen, key: DialogueId) -> tuple[object, ...]:
    """What the second message and the dialogue tell: being fetched, lost; and again."""
    (row,) = views.dialogues(citizen.core)
    said = rows(citizen, key)["Two."]
    return said["gap"], said["lost"], row["missing"], row["lost"]


def emptied(key: DialogueId, citizen: Citizen, *texts: str) -> None:
    """As where somebody was told these after their time."""
    dialogue = citizen.core.own(key)
    for event in tuple(dialogue.events.values()):
        if isinstance(event.content, Say) and event.content.text in texts:
            dialogue.events[event.id] = event.erased()


def test_what_is_held_without_its_text_is_shown_so_and_not_called_received() -> None:
    village, ruth, _omar, ada, key = three()
    ada.ask(SetReceipts(on=False))
    for text in ("One.", "Two.", "Three."):
        ruth.say(key, text)
    village.settle()
    ada.ask(SetReceipts(on=True))
    mine = ada.core.dialogues[key]
    actor = ruth.core.dialogues[key].session.actor
    assert delivery._mine(mine) == {actor: 3}
    emptied(key, ada, "Two.")
    assert delivery._mine(ada.core.dialogues[key]) == {actor: 1}
    assert [row["expired"] for _order, row in views.messages(ada.core, key)] == [0, 30, 0]
    emptied(key, ada, "One.")
    assert delivery._mine(ada.core.dialogues[key]) == {}


def test_who_names_what_is_past_its_time_may_hold_it_without_its_text() -> None:
    village, ruth, omar, ada, key = three()
    for one in (ruth, omar, ada):
        one.ask(SetReceipts(on=False))
    ruth.say(key, "A month ago.")
    village.wait(31 * DAY)
    omar.say(key, "So long?")
    village.settle()
    assert received_by(ruth, key, "A month ago.") == []
    assert ruth.core.dialogues[key].received.get(omar.core.dialogues[key].me, {}) == {}


def test_naming_what_is_of_another_room_says_nothing_of_this_one() -> None:
    village, ruth, omar, _ada, key = three()
    ruth.say(key, "Here.")
    village.settle()
    held = omar.core.dialogues[key]
    control, (_parents, cited, lamport) = held.state.control_heads, held.state.cite(held.plenary, held.session.actor)
    event = make(
        dialogue=key, room=held.plenary, kind=Kind.SAY, seq=1, parents=tuple(sorted(control)), control=cited,
        lamport=lamport, tick=village.now // MINUTE, session_seed=held.session.seed, salt=bytes(16),
        body=Say("message", "I name what is not said here.").encode(),
    )  # fmt: skip
    overlay = ruth.core.stage()
    turn = Turn(village.now, village.dice.randbytes)
    here = overlay.own(key)
    here.accept(turn, event)
    delivery.take_named(overlay, turn, here)
    assert here.received == {}
