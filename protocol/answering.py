"""Answering who lacks something: shares of what they may open, and what they missed, for them alone.

Implements docs/spec/keys.md, sections Lack and Retold. Told is only what was made for a roster with the asker: epochs
announced to it, speech whose author knew them to be there, and every control event. Speech past its time goes without
its body. Whom somebody asks, and how often they are answered, is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tertulia.protocol import keyring
from tertulia.protocol import retold as telling
from tertulia.protocol.dialogue import Dialogue
from tertulia.protocol.epoch import roster_hash
from tertulia.protocol.epoch_making import make_epoch
from tertulia.protocol.event import Event
from tertulia.protocol.lineage import past
from tertulia.protocol.mark import Lack
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.retold import Retold, is_past, portions, retold_context
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import DialogueId, EpochId, EventId
    from tertulia.protocol.keyring import Recipient
    from tertulia.protocol.share import HpkeRequest
    from tertulia.protocol.turn import Turn

LIMIT_ANSWERS: Final = 32
"""Answers to one member in a day."""
LIMIT_PORTIONS: Final = 4
"""Items of events in one answer; who lacks more asks again."""
DAY_MS: Final = 24 * 60 * MS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class AnswerJob:
    """Sealing an answer: the shares of these epochs first, the rest is events."""

    dialogue: DialogueId
    to: Recipient
    epochs: tuple[EpochId, ...]


def answer(core: Core, turn: Turn, dialogue: Dialogue, heard: Iterable[EventId]) -> None:
    """Answer each of the control events just heard that asks me for what its author lacks."""
    for key in heard:
        event = dialogue.events[key]
        lack = event.content
        if isinstance(lack, Lack) and dialogue.me in lack.asked and key not in dialogue.state.noops:
            _answer_one(core, turn, dialogue, event, lack)


def _answer_one(core: Core, turn: Turn, dialogue: Dialogue, event: Event, lack: Lack) -> None:
    state = dialogue.state
    asker = state.actors.get(event.header.actor)
    if asker is None or asker not in state.roster or event.id in state.waiting:
        return
    prekey = keyring.live_prekey(dialogue, asker, turn.minute)
    if not _is_owed(dialogue, event, lack):
        return
    day = turn.now // DAY_MS
    before, count = dialogue.answered.get(asker, (day, 0))
    count = count if before == day else 0
    if prekey is None or count >= LIMIT_ANSWERS:
        return
    dialogue.answered[asker] = (day, count + 1)
    if not keyring.can_let_in(dialogue):
        make_epoch(core, turn, dialogue)
    to = keyring.Recipient(asker, prekey)
    epochs = _epochs(dialogue, lack, to)
    days = core.retention(dialogue)
    told = [one.erased() if is_past(one, turn.minute, days) else one for one in _untold(dialogue, event, lack, to)]
    groups = portions(told) or [()]
    requests: list[HpkeRequest] = []
    for epoch in epochs:
        requests.extend(keyring.requests(dialogue, turn, state.epochs[epoch].epoch, dialogue.secrets[epoch], (to,)))
    context = retold_context(dialogue.id, dialogue.me, asker, prekey.id)
    for group in groups[:LIMIT_PORTIONS]:
        nonce = turn.entropy(keyring.NONCE_BYTES)
        more = len(groups) > LIMIT_PORTIONS
        requests.append(telling.request(dialogue.persona.box_secret, prekey, nonce, context, group, more=more))
    core.seal(turn, AnswerJob(dialogue.id, to, epochs), tuple(requests))


def _is_owed(dialogue: Dialogue, event: Event, lack: Lack) -> bool:
    """Whether there is anything to answer: who names nothing asks for all there is, who lacks an epoch may be cut off.

    Of events alone some are held here, or the asker does not know the present door. Else an event that hangs on nothing
    would make everybody answer everybody.
    """
    if lack.epochs or not lack.events or any(key in dialogue.events for key in lack.events):
        return True
    door, state = keyring.current_door(dialogue), dialogue.state
    return door is None or not state.is_before(state.epochs[door].event, event.id)


def _epochs(dialogue: Dialogue, lack: Lack, to: Recipient) -> tuple[EpochId, ...]:
    """Of the epochs that lack, those I can open and that were made for a roster with the asker."""
    state = dialogue.state
    found = []
    for key in lack.epochs:
        fact = state.epochs.get(key)
        if fact is not None and key in dialogue.secrets:
            roster = state.room_roster_at(fact.epoch.room, (fact.event,))
            if to.persona in roster and roster_hash(roster) == fact.epoch.roster_hash:
                found.append(key)
    return tuple(found)


def _untold(dialogue: Dialogue, event: Event, lack: Lack, to: Recipient) -> list[Event]:
    """The control events that the asker had not seen; then the speech they ask for and were there to hear."""
    told = list(keyring.unheard(dialogue, event.id))
    if lack.cut is None:
        return told
    state = dialogue.state
    places = {room.id for room in dialogue.places if to.persona in room.members}
    held = {one.id: one for one in dialogue.events.values() if one.header.room in places}
    after = past(held, lack.events) if lack.events else set(held)
    missed = after - past(held, lack.cut)
    heads = {key: (held[key].header.room, held[key].header.control) for key in missed}
    heard = (held[key] for key, (room, control) in heads.items() if to.persona in state.room_roster_at(room, control))
    return [*told, *sorted(heard, key=lambda one: one.order)]


def answered(core: Core, turn: Turn, job: AnswerJob, boxes: tuple[bytes, ...]) -> None:
    """The answer is sealed: send it in the lane between the asker and me."""
    dialogue = core.dialogues[job.dialogue]
    recipients = (job.to,)
    items = [
        keyring.shares(dialogue, dialogue.state.epochs[key].epoch, recipients, (box,))[0].to_item()
        for key, box in zip(job.epochs, boxes, strict=False)
    ]
    items += [Retold(dialogue.me, job.to.prekey.id, box).to_item() for box in boxes[len(job.epochs) :]]
    lane = Lane(LaneKind.PAIR, dialogue.id, job.to.persona)
    core.outbox.queue(turn, Entry(dialogue.commons, lane, tuple(items)))

