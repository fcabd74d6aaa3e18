"""Sending: what waits in the outbox is sealed under the keys of its lane and published, as soon as it can be.

Implements docs/spec/core.md §4. An entry is sealed when its commons is reachable and its keys are at hand; where a room
has no usable epoch, one is asked for. Out of the dialogue nothing more is sealed for its members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol import delivery, keyring, outbox
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import View
from tertulia.protocol.epoch import door_keys, epoch_keys
from tertulia.protocol.epoch_making import make_epoch
from tertulia.protocol.event import Event, to_item
from tertulia.protocol.frame import FrameClass, FrameKeys
from tertulia.protocol.ids import DialogueId, EpochId, PersonaId, RoomId
from tertulia.protocol.outbox import Entry, Lane, LaneKind

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.turn import Turn


def send_control(core: Core, turn: Turn, dialogue: Dialogue, event: Event) -> None:
    """Queue a control event for the members, unless there is nobody else."""
    if not dialogue.alone:
        entry = Entry(dialogue.commons, Lane(LaneKind.DOOR, dialogue.id), (to_item(event),))
        core.outbox.queue(turn, entry)


def send_room(core: Core, turn: Turn, dialogue: Dialogue, event: Event) -> None:
    """Queue a room event for those who take part there, unless there is nobody else."""
    room = event.header.room
    apart = dialogue.state.is_apart(room)
    alone = dialogue.state.rooms[room].members <= {dialogue.me} if apart else dialogue.alone
    if not alone:
        lane = Lane(LaneKind.ROOM, dialogue.id, room if apart else b"")
        core.outbox.queue(turn, Entry(dialogue.commons, lane, (to_item(event),)))


def give_up_sending(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Out of the dialogue there is no roster to seal for: what has not gone out under its keys never will.

    What I said before I left stays: the screen does not call it sent, and it goes out if I come back.
    """
    said_stays = dialogue.standing is Standing.LEFT
    over = [
        number
        for number, entry in core.outbox.entries.items()
        if entry.lane.dialogue == dialogue.id
        and (
            entry.lane.kind in {LaneKind.DOOR, LaneKind.PAIR}
            or (entry.lane.kind is LaneKind.ROOM and not (said_stays and outbox.event_ids(entry.items)))
        )
    ]
    for number in over:
        core.outbox.drop(turn, number)


def pump(core: Core, turn: Turn, commons: bytes) -> None:
    """Seal and publish every entry of a reachable commons whose keys are at hand."""
    lanes: dict[Lane, list[int]] = {}
    for number, entry in sorted(core.outbox.entries.items()):
        if entry.commons == commons:
            lanes.setdefault(entry.lane, []).append(number)
    for lane, numbers in lanes.items():
        if _is_for_nobody(core, lane):
            for number in numbers:
                core.outbox.drop(turn, number)
            continue
        found = _keys(core, turn, lane)
        if found is not None:
            keys, frame_class = found
            _seal(core, turn, lane, numbers, keys, frame_class)
            turn.changed(View.STATUS)
            if lane.dialogue:
                turn.changed(View.MESSAGES, DialogueId(lane.dialogue))


def _is_for_nobody(core: Core, lane: Lane) -> bool:
    """Say whether a lane leads to one member who is off the roster by now: who comes back asks anew."""
    if lane.kind is not LaneKind.PAIR:
        return False
    dialogue = core.dialogues[DialogueId(lane.dialogue)]
    return dialogue.standing is Standing.IN and PersonaId(lane.key) not in dialogue.state.roster


def _seal(
    core: Core, turn: Turn, lane: Lane, numbers: list[int], keys: FrameKeys, frame_class: FrameClass
) -> None:
    """Seal a lane's entries; speech takes my receipt along in what is left of its last frame."""
    commons = core.commons[core.outbox.entries[numbers[0]].commons]
    if lane.kind is not LaneKind.ROOM or lane.key:  # a receipt is about the plenary, for all who are there
        core.outbox.seal(turn, numbers, commons, keys, frame_class)
        return
    dialogue = core.own(DialogueId(lane.dialogue))
    rider = delivery.riding(core, dialogue)
    if core.outbox.seal(turn, numbers, commons, keys, frame_class, rider) and rider is not None:
        delivery.said(dialogue, rider)


def _keys(core: Core, turn: Turn, lane: Lane) -> tuple[FrameKeys, FrameClass] | None:
    """The keys to seal this lane's entries under now; asks for an epoch where none is usable."""
    if lane.kind is LaneKind.KEYS:
        return outbox.keys_of_lane(lane), FrameClass.LARGE
    dialogue = core.dialogues[DialogueId(lane.dialogue)]
    if lane.kind is LaneKind.OLD_DOOR:
        secret = dialogue.doors.get(EpochId(lane.key))
        return None if secret is None else (door_keys(secret), FrameClass.LARGE)
    if dialogue.standing is not Standing.IN:
        return None
    if lane.kind is LaneKind.PAIR:
        pair = dialogue.pairs.get(PersonaId(lane.key))
        return None if pair is None else (pair, FrameClass.LARGE)
    door = keyring.current_door(dialogue)
    room = RoomId(lane.key) if lane.key else None
    if lane.kind is LaneKind.DOOR:
        if door is not None:
            return door_keys(dialogue.doors[door]), FrameClass.MEDIUM
    elif (epoch := keyring.usable(dialogue, turn.minute, room)) is not None:
        return epoch_keys(dialogue.secrets[epoch.id]), dialogue.state.frame_class
    if door is not None or not keyring.has_epoch(dialogue):  # else an epoch of mine could be told to nobody
        make_epoch(core, turn, core.own(dialogue.id), room)
    return None
