"""Concluding: endorsing an outcome on the record, sealing it, and the file that anybody can check.

Implements docs/spec/core.md §5 and docs/spec/outcome.md. What everybody would read as without effect is refused here,
with the objection that stands against it, before anything is written or signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol import uttering
from tertulia.protocol.crypto import sign, verify
from tertulia.protocol.facilitation import Deed, Steer
from tertulia.protocol.ids import EventId
from tertulia.protocol.labels import Label
from tertulia.protocol.method.gathering import People
from tertulia.protocol.method.rules import MethodNoOp, What
from tertulia.protocol.method.sealing import Sealing, read_seal, rests_on
from tertulia.protocol.method.weighing import tally
from tertulia.protocol.on_record import ACT_ID, LIMIT_NAME, put_on_record
from tertulia.protocol.outcome import Conclusion
from tertulia.protocol.outcome_record import (
    LIMIT_DISSENT,
    LIMIT_RECORD,
    Cited,
    Dissent,
    Record,
    Signed,
    Worded,
    publish,
    rules_of,
)
from tertulia.protocol.propose import Action, AgendaItem, Proposal
from tertulia.protocol.refusal import refuse
from tertulia.protocol.roster import Cosign
from tertulia.protocol.stance import Stance
from tertulia.protocol.steering import Agreed, cuts_known
from tertulia.protocol.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tertulia.protocol.core import Core
    from tertulia.protocol.cut import Cut
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import DialogueId, PersonaId, RoomId
    from tertulia.protocol.inputs import Endorse
    from tertulia.protocol.method.matters import Matter, Matters
    from tertulia.protocol.state import ActFact
    from tertulia.protocol.turn import Turn

MINUTES_PER_DAY: Final = 24 * 60
NOBODY: Final = bytes(32)
"""A key of low order, under which nothing verifies."""
UNSEALED: Final = "It can be published once the facilitators have sealed it."


def endorse(core: Core, turn: Turn, dialogue: Dialogue, command: Endorse) -> dict[str, Value]:
    """Endorse an outcome on the record, or have a reservation, under a name of one's choice.

    Raises: LocalError when it is none, no name was given, or it would have no effect.
    """
    name = clean(command.name, LIMIT_NAME + 1).strip()
    if not name or len(name) > LIMIT_NAME:
        raise refuse(
            "On the record you sign with a name, of 1 to 80 characters.", "Say how you sign: a name, a role, or both."
        )
    matter = dialogue.matters.matters.get(command.outcome)
    if matter is None or not isinstance(matter.content, Conclusion):
        raise refuse("This is no outcome.", "List the outcomes: tertulia outcome list")
    place = People.of(dialogue.state).place(matter.room, matter.content)
    before = matter.votes.get(dialogue.me)
    counter = 1 if before is None or before.open is None else before.open.counter + 1
    signed = put_on_record(
        dialogue.persona.sign_seed,
        place,
        turn.entropy(ACT_ID),
        counter,
        str(command.value),
        command.reason,
        name,
    )
    stance = Stance(command.outcome, command.value, command.reason, signed)
    return uttering.utter(core, turn, dialogue, stance, matter.room)


def to_seal(dialogue: Dialogue, room: RoomId, subject: bytes, upto: Cut) -> bytes:
    """My persona's signature under the record of an outcome as it stands at `upto`.

    Raises: LocalError when it is none, or an objection stands against it.
    """
    known = frozenset(agreed.event for agreed in dialogue.state.steering[room].cuts)
    return _prove(dialogue, _read(dialogue, room, Agreed(EventId(b""), upto, known, EventId(subject))))


def to_cosign(dialogue: Dialogue, act: ActFact) -> bytes:
    """My persona's signature under what an act seals; none under any other act. Raises LocalError as `to_seal`."""
    body = act.body
    if not isinstance(body, Steer) or body.deed is not Deed.SEAL or body.upto is None:
        return b""
    known = cuts_known(dialogue.state, body.room, act.event)
    return _prove(dialogue, _read(dialogue, body.room, Agreed(act.event, body.upto, known, EventId(body.subject))))


def _read(dialogue: Dialogue, room: RoomId, agreed: Agreed) -> Sealing:
    sealing = read_seal(dialogue.state, room, agreed, dialogue.events, dialogue.covers)
    if sealing.reason is MethodNoOp.NO_TARGET:
        raise refuse("This is no outcome, or it was withdrawn.", "List the outcomes: tertulia outcome list")
    if sealing.objection is not None:
        against = _objector(sealing, sealing.objection)
        raise refuse(
            f"An objection stands against this outcome, neither answered nor attached: {against}",
            f"Answer it or attach it, by its id {sealing.objection.hex()[:8]}: tertulia outcome answer, outcome attach",
        )
    return sealing


def _objector(sealing: Sealing, objection: EventId) -> str:
    positions = (one for matter in sealing.matters.matters.values() for one in matter.votes.values())
    return next(f"“{clean(one.reason, 256)}”" for one in positions if one.event == objection)


def _prove(dialogue: Dialogue, sealing: Sealing) -> bytes:
    data = record_of(dialogue, sealing).encode()
    if len(data) > LIMIT_RECORD:
        raise refuse("This outcome and what goes along with it are too long to publish.", "Cite less in a new draft.")
    return sign(dialogue.persona.sign_seed, Label.OUTCOME_RECORD, data)


def record_of(dialogue: Dialogue, sealing: Sealing) -> Record:
    """What may be published of a sealed outcome; the same bytes for everybody who holds what it counts."""
    state, matters, outcome = dialogue.state, sealing.matters, sealing.outcome
    assert state.dialogue is not None and state.charter is not None, "a dialogue with rooms"  # noqa: PT018
    assert isinstance(outcome.content, Conclusion), "what is sealed is an outcome"
    names = {who: one.open.name for who, one in outcome.votes.items() if one.open is not None}
    return Record(
        state.dialogue,
        sealing.room,
        state.charter_hash,
        *rules_of(state.charter),
        dialogue.events[outcome.event].header.tick // MINUTES_PER_DAY,
        outcome.content,
        tuple(_cited(matter, matters, names) for matter in rests_on(matters, outcome)),
        tuple(_dissent(matters, outcome))[:LIMIT_DISSENT],
        tuple(_worded(matters, outcome, What.MINORITY))[:LIMIT_DISSENT],
        tuple(_worded(matters, outcome, What.TRANSLATION))[:LIMIT_DISSENT],
        tuple(
            sorted(
                (
                    Signed(state.members[who].keys.sign, str(one.value), one.reason, one.open)
                    for who, one in outcome.votes.items()
                    if one.open is not None
                ),
                key=lambda signed: signed.key,
            )
        ),
    )


def _cited(matter: Matter, matters: Matters, names: dict[PersonaId, str]) -> Cited:
    content, count = matter.content, tally(matter)
    title = content.title if isinstance(content, Proposal | Action | AgendaItem) else ""
    if matter.what is What.AMENDMENT:
        proposal = matters.matters[matter.versions[0]].content
        title = proposal.title if isinstance(proposal, Proposal) else ""
    owner, times = "", (0, 0)
    if isinstance(content, Action):
        owner, times = names.get(content.owner, ""), (content.deadline, content.review)
    counts = (count.agree, count.disagree, count.passed, count.block) if matter.cuts else (0, 0, 0, 0)
    return Cited(matter.what.value, title, matter.text, content.lang, bool(matter.cuts), counts, owner, *times)


def _dissent(matters: Matters, outcome: Matter) -> Iterator[Dissent]:
    """The objections that were attached, each as it was last put."""
    positions = {one.event: one for matter in matters.matters.values() for one in matter.votes.values()}
    for event in matters.attached.get(outcome.event, ()):
        if event in positions:
            answers = (matters.matters[answer] for answer in matters.answers.get(event, ()))
            words = tuple(answer.text for answer in answers if not answer.is_withdrawn)
            yield Dissent(str(positions[event].value), positions[event].reason, words[:LIMIT_DISSENT])


def _worded(matters: Matters, outcome: Matter, what: What) -> Iterator[Worded]:
    for event in outcome.beside:
        matter = matters.matters[event]
        if matter.what is what and not matter.is_withdrawn and not matter.disputing:
            yield Worded(matter.content.lang, matter.text)


def sealed(dialogue: Dialogue, outcome: EventId) -> tuple[Agreed, Sealing] | None:
    """The first seal of an outcome that has effect, and what it says; None while there is none."""
    found = ((sealing.line.agreed, sealing) for sealing in seals_of(dialogue, outcome) if sealing.reason is None)
    return next(found, None)


def seals_of(dialogue: Dialogue, outcome: EventId) -> tuple[Sealing, ...]:
    """The seals of an outcome that enough have signed, in order, as I read them."""
    return tuple(
        read_seal(dialogue.state, room, agreed, dialogue.events, dialogue.covers)
        for room, stands in dialogue.state.steering.items()
        for agreed in stands.seals
        if agreed.subject == outcome
    )


def export(core: Core, key: DialogueId, outcome: EventId, *, rules: bool) -> bytes:
    """The file of a sealed outcome, with the rules of its dialogue where wanted: they name who founded it.

    Raises: LocalError when it is not sealed, not all of it is here, or too few signatures are.
    """
    dialogue = core.dialogues[key]
    if not all(sealing.line.whole for sealing in seals_of(dialogue, outcome)):
        raise refuse(
            "Not all that this outcome counts is here.", "Wait until it has come, or ask somebody else for the file."
        )
    found = sealed(dialogue, outcome)
    if found is None:
        raise refuse("This outcome is not sealed.", UNSEALED)
    agreed, sealing = found
    record = record_of(dialogue, sealing)
    seals = dict(_signatures(dialogue, agreed, record.encode()))
    if len(seals) < record.quorum:
        raise refuse(
            "Fewer have signed this outcome than its rules ask facilitators for, so a stranger could not check it.",
            "Ask somebody who was there when it was sealed for the file.",
        )
    return publish(record, seals, dialogue.state.charter_body if rules else None)


def _signatures(dialogue: Dialogue, agreed: Agreed, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Who sealed it, by key: the act's proposer and its signers, as far as their events are here."""
    state = dialogue.state
    keys = {actor: state.members[persona].keys.sign for actor, persona in state.actors.items()}
    for event in dialogue.events.values():
        match event.content:
            case Steer(proof=proof) if event.id == agreed.event:
                pass
            case Cosign(act=act, proof=proof) if act == agreed.event:
                pass
            case _:
                continue
        signer = keys.get(event.header.actor, NOBODY)
        if event.id not in state.noops and verify(signer, Label.OUTCOME_RECORD, data, proof):
            yield signer, proof


__all__ = ["UNSEALED", "endorse", "export", "record_of", "sealed", "seals_of", "to_cosign", "to_seal"]
