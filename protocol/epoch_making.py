"""Making an epoch: who owes one, what it is made of, and behind which doors it is made known.

Implements docs/spec/core.md §3 (Making an epoch). A facilitator makes one for each roster; anybody else does when they
must send and have none to use. It is announced only if the roster is still the one its shares were sealed for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tertulia.protocol import keyring
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.event import to_item
from tertulia.protocol.keyring import MINUTES_PER_DAY, EpochJob
from tertulia.protocol.outbox import Entry, Lane, LaneKind

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import DialogueId, EpochId, EventId, RoomId
    from tertulia.protocol.turn import Turn


@dataclass(frozen=True, slots=True)
class MakeEpoch:
    """Sealing the shares of a new epoch."""

    dialogue: DialogueId
    epoch: EpochJob


def owe_epoch(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """A facilitator makes an epoch for each roster, and again after a third of the retention; anyone else does when
    they must send and there is none. In a breakout who reports back makes one too.

    An epoch that somebody else made does not do: nobody can see from here with whom they have shared it.
    """
    if dialogue.alone:
        return
    life = core.retention(dialogue) * MINUTES_PER_DAY // 3
    if keyring.keeps(dialogue) and not keyring.has_epoch(dialogue, dialogue.me, turn.minute - life + 1):
        make_epoch(core, turn, dialogue)
    for room in dialogue.places[1:]:
        kept = keyring.keeps(dialogue, room.id) and len(room.members) > 1 and not dialogue.is_over(room.id, turn.minute)
        if kept and not keyring.has_epoch(dialogue, dialogue.me, room=room.id):
            make_epoch(core, turn, dialogue, room.id)


def make_epoch(core: Core, turn: Turn, dialogue: Dialogue, room: RoomId | None = None) -> None:
    """Begin an epoch for the present roster of a room, unless one is being made."""
    place = dialogue.plenary if room is None else room
    jobs = (job for job in core.jobs.values() if isinstance(job, MakeEpoch) and job.dialogue == dialogue.id)
    if any(job.epoch.epoch.room == place for job in jobs):
        return
    job = keyring.prepare(dialogue, turn, place)
    requests = keyring.requests(dialogue, turn, job.epoch, job.secret, job.recipients)
    core.seal(turn, MakeEpoch(dialogue.id, job), requests)


def epoch_made(core: Core, turn: Turn, job: MakeEpoch, boxes: tuple[bytes, ...]) -> None:
    """Its shares are sealed: hold it and make it known, if the roster is still the one it is for."""
    dialogue = core.own(job.dialogue)
    epoch = job.epoch.epoch
    if dialogue.standing is not Standing.IN or epoch.roster_hash != dialogue.state.roster_hash_of(epoch.room):
        return
    parents = {parent: dialogue.state.epochs[parent] for parent in epoch.parents}
    event = keyring.announce(dialogue, turn, job.epoch)
    core.keys_changed()
    given = [share.to_item() for share in keyring.shares(dialogue, epoch, job.epoch.recipients, boxes)]
    if dialogue.state.is_apart(epoch.room):
        core.outbox.queue(turn, Entry(dialogue.commons, Lane(LaneKind.DOOR, dialogue.id), (to_item(event), *given)))
        return
    opens = keyring.roots(dialogue, epoch.id)
    doors: dict[EpochId, EventId | None] = {
        door: None if door in opens else fact.event
        for parent, fact in parents.items()
        if (door := keyring.door_of(dialogue, parent)) is not None
    }
    for door, since in doors.items():
        told = (event,) if since is None else keyring.unheard(dialogue, since)
        items = (*(to_item(one) for one in told), *given)
        core.outbox.queue(turn, Entry(dialogue.commons, Lane(LaneKind.OLD_DOOR, dialogue.id, door), items))
