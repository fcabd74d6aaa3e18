"""Epochs: their names, keys and times."""

import pytest

from tertulia.protocol import epoch as epochs
from tertulia.protocol.crypto import digest
from tertulia.protocol.ids import DialogueId, EpochId, PersonaId, RoomId
from tertulia.protocol.labels import Label

SECRET = b"\7" * 32
ANN, BEN, CAI = (PersonaId(bytes([n]) * 32) for n in (1, 2, 3))
FACTS = {
    "dialogue": DialogueId(b"d" * 32),
    "room": RoomId(b"r" * 32),
    "parents": (EpochId(b"p" * 32), EpochId(b"q" * 32)),
    "roster_hash": epochs.roster_hash([ANN, BEN]),
    "sealer": ANN,
    "commitment": epochs.commitment(SECRET),
    "created": 1_000,
}


def test_an_epochs_id_is_of_its_facts_but_not_of_its_time():
    name = epochs.make_epoch(**FACTS).id
    for changed in ("dialogue", "room", "roster_hash", "sealer", "commitment"):
        assert epochs.make_epoch(**{**FACTS, changed: b"x" * 32}).id != name
    assert epochs.make_epoch(**{**FACTS, "parents": ()}).id != name
    assert epochs.make_epoch(**{**FACTS, "created": 2_000}).id == name


def test_parents_are_put_in_order_and_counted_once():
    p, q = FACTS["parents"]
    epoch = epochs.make_epoch(**{**FACTS, "parents": [q, p, q]})
    assert epoch.parents == (p, q)
    assert epoch == epochs.make_epoch(**FACTS)


def test_a_roster_is_a_set():
    assert epochs.roster_hash([BEN, ANN, BEN]) == epochs.roster_hash(iter([ANN, BEN]))
    many = [PersonaId(bytes([n]) * 32) for n in range(100)]
    assert epochs.roster_hash(reversed(many)) == digest(Label.EPOCH_ROSTER, b"".join(many))
    assert len({epochs.roster_hash(some) for some in ([], [ANN], [ANN, BEN], [ANN, CAI], [ANN, BEN, CAI])}) == 5


def test_only_the_secret_meets_its_commitment():
    said = epochs.commitment(SECRET)
    assert epochs.commits_to(said, SECRET)
    assert not epochs.commits_to(said, b"\x08" * 32)
    assert not epochs.commits_to(said[:31], SECRET)


def test_room_and_door_have_different_keys_and_the_door_leads_back_to_nothing():
    door = epochs.door_secret(SECRET)
    room, behind = epochs.epoch_keys(SECRET), epochs.door_keys(door)
    everything = [SECRET, door, epochs.commitment(SECRET), room.tag, room.aead, behind.tag, behind.aead]
    assert len(set(everything)) == len(everything)
    assert epochs.door_keys(SECRET) != behind


def test_its_keys_are_tried_from_an_hour_before_to_25_hours_after():
    assert epochs.window(10_000) == (10_000 - 60, 10_000 + 25 * 60)


@pytest.mark.parametrize(("minute", "may"), [(9_999, False), (10_000, True), (11_439, True), (11_440, False)])
def test_it_is_sealed_under_for_a_day(minute, may):
    assert epochs.may_seal(10_000, minute) is may


def test_a_frame_sealed_in_the_last_minute_is_still_recognised():
    last_publication = (10_000 + epochs.SEAL_MINUTES - 1) // 10 * 10 + 10
    assert last_publication <= epochs.window(10_000)[1]
