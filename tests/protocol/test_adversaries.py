"""Adversaries who keep every key they ever had and every frame that passed, and run no client of ours.

docs/threat-model.md. They are not asked what their screen shows but what their keys open.
"""

from __future__ import annotations

from village import DAY, Citizen, Village

from tertulia.protocol import frame as frames
from tertulia.protocol.card import card_keys
from tertulia.protocol.encoding import encode
from tertulia.protocol.epoch import door_keys, epoch_keys
from tertulia.protocol.frame import Frame, FrameKeys
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import RemoveMember
from tertulia.protocol.invite import decode_invite
from tertulia.protocol.item import ItemType
from tertulia.protocol.knock import knock_keys


def keys_of(citizen: Citizen, dialogue: DialogueId) -> list[FrameKeys]:
    held = citizen.core.dialogues[dialogue]
    return [epoch_keys(secret) for secret in held.secrets.values()] + [door_keys(door) for door in held.doors.values()]


def opened(keys: list[FrameKeys], recorded: list[Frame]) -> tuple[list[ItemType], bytes]:
    """All that these keys open of these frames: the types of what is inside, and its bytes."""
    items = [
        item
        for frame in recorded
        if (hit := frames.find(frame, keys)) is not None
        for item in frames.open(keys[hit], frame)
    ]
    return [ItemType(item.type) for item in items], b"".join(encode(item.body) for item in items)


def recorded(village: Village, before: frozenset[bytes] = frozenset()) -> list[Frame]:
    everything = {f.id: f for citizen in village.citizens.values() for f in citizen.archive.values()}
    return [frame for key, frame in everything.items() if key not in before]


def test_the_keys_of_the_removed_open_nothing_that_is_said_later() -> None:
    village = Village()
    ruth, omar, mole = village.citizen("Ruth"), village.citizen("Omar"), village.citizen("Mole")
    dialogue = village.gather(ruth, omar, mole)
    ruth.say(dialogue, "Said while the mole is here.")
    village.settle()
    keys = keys_of(mole, dialogue)
    assert b"while the mole is here" in opened(keys, recorded(village))[1]

    before = frozenset(mole.archive)
    ruth.ask(RemoveMember(dialogue, mole.core.dialogues[dialogue].me))
    village.settle()
    mole.online = False  # its client would throw its keys away; they are kept here, and the frames recorded
    for _day in range(3):
        ruth.say(dialogue, "Without the mole.")
        omar.say(dialogue, "At last.")
        village.wait(DAY)
    later = recorded(village, before)
    kinds, bytes_of_it = opened([*keys, *keys_of(mole, dialogue)], later)
    # What it does see is under the old door: that somebody was removed, and shares which are not for it.
    assert kinds
    assert b"Without the mole" not in bytes_of_it
    assert b"At last" not in bytes_of_it
    assert b"Without the mole" in opened(keys_of(omar, dialogue), later)[1]
    live = set(ruth.core.dialogues[dialogue].secrets) - set(mole.core.dialogues[dialogue].secrets)
    assert live
    for epoch in live:
        assert ruth.core.dialogues[dialogue].secrets[epoch] not in bytes_of_it


def test_the_keys_of_a_newcomer_open_nothing_that_was_said_before() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    omar.say(dialogue, "Before she came.")
    village.settle()
    ada = village.citizen("Ada")
    village.join(ada, village.invite(ruth, dialogue))
    village.wait(5_000)
    omar.say(dialogue, "Now she is here.")
    village.settle()
    everything = recorded(village)
    found = opened(keys_of(ada, dialogue), everything)[1]
    assert b"Now she is here" in found
    assert b"Before she came" not in found
    assert b"Before she came" in opened(keys_of(ruth, dialogue), everything)[1]


def test_who_holds_an_invite_reads_its_card_and_nothing_else() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth Ben-Haddou"), village.citizen("Omar of the mill")
    dialogue = village.found(ruth, "Water in the valley")
    text = village.invite(ruth, dialogue)
    village.join(omar, text)
    village.wait(5_000)
    ruth.say(dialogue, "Nobody else hears this.")
    village.settle()
    secret = decode_invite(text).secret
    kinds, bytes_of_it = opened([card_keys(secret), knock_keys(secret)], recorded(village))
    assert kinds == [ItemType.CARD, ItemType.KNOCK]
    # The card says what it says; the knock stays sealed to the inviter's device.
    assert b"Water in the valley" in bytes_of_it
    assert b"Ruth Ben-Haddou" in bytes_of_it
    assert b"Omar" not in bytes_of_it
    assert b"Nobody else" not in bytes_of_it


def test_what_was_erased_cannot_be_opened_from_a_recording() -> None:
    village = Village()
    ruth, omar = village.citizen("Ruth"), village.citizen("Omar")
    dialogue = village.gather(ruth, omar)
    ruth.say(dialogue, "Long ago.")
    village.settle()
    recording = recorded(village)
    assert b"Long ago" in opened(keys_of(omar, dialogue), recording)[1]
    for _day in range(32):
        omar.say(dialogue, "Another day.")
        village.wait(DAY)
    for citizen in (ruth, omar):  # every key of both devices
        assert b"Long ago" not in opened(keys_of(citizen, dialogue), recording)[1]
