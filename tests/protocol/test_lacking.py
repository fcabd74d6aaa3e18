"""Who cannot open an epoch, or misses what was said, gets it from whoever has it. Spec: docs/spec/keys.md, Lack."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from village import DAY, MINUTE, Citizen, Village

from tertulia.protocol import asking, hpke, keyring, lacking
from tertulia.protocol.effects import Table
from tertulia.protocol.event import to_item
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import RemoveMember, TimerFired
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.turn import Turn

WEEK = 7 * DAY


def gathered(*names: str, retention_days: int = 30) -> tuple[Village, DialogueId, list[Citizen]]:
    village = Village(retention_days=retention_days)
    people = [village.citizen(name) for name in names]
    return village, village.gather(*people), people


def epoch_for_some(village: Village, mallory: Citizen, key: DialogueId, *some: Citizen, told: bool = True) -> None:
    """An epoch for everybody, it says; only these get a share. Not `told`: nobody else hears of it either."""
    core = mallory.core.stage()
    turn = Turn(village.now, core.entropy)
    held = core.own(key)
    job = keyring.prepare(held, turn)
    ids = {one.core.dialogues[key].me for one in some}
    job = replace(job, recipients=tuple(to for to in job.recipients if to.persona in ids))
    requests = keyring.requests(held, turn, job.epoch, job.secret, job.recipients)
    boxes = tuple(hpke.seal(one.public, one.info, one.plaintext) for one in requests)
    event = keyring.announce(held, turn, job)
    core.keys_changed()
    items = [to_item(event), *(share.to_item() for share in keyring.shares(held, job.epoch, job.recipients, boxes))]
    door = keyring.current_door(held)
    assert door is not None
    lanes = [Lane(LaneKind.OLD_DOOR, key, door)] if told else [Lane(LaneKind.PAIR, key, persona) for persona in ids]
    for lane in lanes:
        core.outbox.queue(turn, Entry(held.commons, lane, tuple(items)))
    mallory.commit(core, [*turn.effects, *core.settle(village.now)])
    village.settle()


def test_an_epoch_shared_with_some_steers_nobody_while_there_is_one_of_the_facilitator() -> None:
    village, key, (ruth, omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    epoch_for_some(village, mallory, key, omar, ruth)
    omar.say(key, "Can you all hear me?")
    village.settle()
    ruth.say(key, "I can.")
    village.settle()
    assert ada.reads(key) == ["Omar: Can you all hear me?", "Ruth: I can."]


def test_a_facilitator_speaks_under_nobody_else_s_epoch() -> None:
    village, key, (ruth, omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    village.wait(DAY + MINUTE)
    epoch_for_some(village, mallory, key, omar, ruth)
    ruth.say(key, "A new day.")
    village.settle()
    omar.say(key, "So it is.")
    village.settle()
    assert ada.reads(key) == ["Ruth: A new day.", "Omar: So it is."]


def test_who_cannot_open_the_epoch_in_use_asks_and_reads_within_minutes() -> None:
    village, key, (ruth, omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    village.offline(ruth)
    village.wait(DAY + MINUTE)
    epoch_for_some(village, mallory, key, omar)
    omar.say(key, "Can you all hear me?")
    village.settle()
    assert ada.reads(key) == []
    village.wait(15 * MINUTE)
    assert ada.reads(key) == ["Omar: Can you all hear me?"]
    village.online(ruth)
    village.wait(15 * MINUTE)
    assert ruth.reads(key) == ada.reads(key)
    assert ada.core.dialogues[key].asking is None
    assert len({one.state_hash(key) for one in (ruth, omar, ada)}) == 1


def test_an_epoch_that_some_were_not_even_told_of_comes_to_light_within_a_day() -> None:
    village, key, (ruth, omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    village.offline(ruth)
    village.wait(DAY + MINUTE)
    epoch_for_some(village, mallory, key, omar, told=False)
    omar.say(key, "Can you all hear me?")
    village.settle()
    assert ada.reads(key) == []
    village.wait(DAY + 60 * MINUTE)
    assert ada.reads(key) == ["Omar: Can you all hear me?"]


def test_who_asks_in_vain_stops_and_what_comes_later_is_taken_all_the_same() -> None:
    village, key, (_ruth, _omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    epoch_for_some(village, mallory, key)
    village.offline(mallory)
    before = len(ada.core.dialogues[key].events)
    village.wait(2 * DAY)
    held = ada.core.dialogues[key]
    (epoch,) = held.lost
    assert held.asking is None
    asked = [event for event in held.events.values() if event.content.__class__.__name__ == "Lack"]
    assert len(asked) == 3 * len(asking.TURNS)
    village.wait(2 * DAY)
    ada.restart()
    village.wait(DAY)
    held = ada.core.dialogues[key]
    assert held.lost == {epoch}
    assert len([event for event in held.events.values() if event.content.__class__.__name__ == "Lack"]) == len(asked)
    assert len(held.events) > before
    village.online(mallory)
    village.wait(DAY)
    assert epoch in ada.core.dialogues[key].secrets  # the question had waited for her, and her program answers


def test_who_holds_no_door_asks_in_the_lane_to_each() -> None:
    village, key, (_ruth, omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    epoch_for_some(village, mallory, key, omar)
    overlay = ada.core.stage()
    overlay.own(key).doors.clear()
    ada.core = overlay
    (wanted,) = lacking.epochs(ada.core.dialogues[key], village.now // MINUTE, 30)
    village.wait(60 * MINUTE)
    assert wanted in ada.core.dialogues[key].secrets


def test_what_waits_for_one_member_alone_is_given_up_when_they_are_off_the_roster() -> None:
    village, key, (ruth, omar, ada) = gathered("Ruth", "Omar", "Ada")
    village.offline(ada)
    me = omar.core.dialogues[key].me
    core = ada.core.stage()
    turn = Turn(village.now, core.entropy)
    held = core.own(key)
    lane = Lane(LaneKind.PAIR, key, me)
    core.outbox.queue(turn, Entry(held.commons, lane, (to_item(next(iter(held.events.values()))),)))
    ada.commit(core, [*turn.effects, *core.settle(village.now)])
    ruth.ask(RemoveMember(key, me))
    village.settle()
    assert any(entry.lane == lane for entry in ada.core.outbox.entries.values())
    village.online(ada)
    assert me not in ada.core.dialogues[key].state.roster
    assert not any(entry.lane == lane for entry in ada.core.outbox.entries.values())


def test_a_question_that_has_become_idle_is_not_asked() -> None:
    _village, key, (ruth, _omar) = gathered("Ruth", "Omar")
    before = dict(ruth.core.dialogues[key].events)
    ruth.run(TimerFired(f"{asking.ASK_TIMER}:{key.hex()}"))
    assert ruth.core.dialogues[key].events == before


def test_nothing_is_asked_while_nobody_is_there() -> None:
    village, key, (_ruth, _omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    epoch_for_some(village, mallory, key)
    village.offline(ada)
    village.wait(3 * DAY)
    assert not ada.core.dialogues[key].lost
    assert ada.core.dialogues[key].asking is not None


def test_what_is_lost_is_remembered() -> None:
    village, key, (_ruth, _omar, ada, mallory) = gathered("Ruth", "Omar", "Ada", "Mallory")
    epoch_for_some(village, mallory, key)
    village.offline(mallory)
    village.wait(2 * DAY)
    lost = ada.core.dialogues[key].lost
    assert ada.rows[Table.LOST]
    ada.restart()
    assert ada.core.dialogues[key].lost == lost != frozenset()


def test_doors_are_renewed_by_what_was_announced_in_whatever_order_it_is_read() -> None:
    village, key, (ruth, _omar) = gathered("Ruth", "Omar")
    for day in range(25):
        ruth.say(key, f"{day}")
        village.wait(DAY)
    facts = ruth.core.dialogues[key].state.epochs
    life = 10 * 24 * 60
    found = keyring.rooted(facts, life)
    assert found == keyring.rooted(dict(reversed(facts.items())), life)
    present = ruth.core.dialogues[key].state.roster_hash
    roots = {root for epoch, some in found.items() if facts[epoch].epoch.roster_hash == present for root in some}
    times = sorted(facts[root].epoch.created for root in roots)
    assert len(times) == 3
    assert all(later - earlier >= life for earlier, later in pairwise(times))
    assert keyring.current_door(ruth.core.dialogues[key]) == max(roots, key=lambda root: facts[root].epoch.created)
