"""What follows from what happened: opening shares, making epochs, welcoming, rotating keys, emptying the outbox.

Implements docs/spec/core.md §3. Runs once a batch (`settle`), when a timer fires, and when the driver has sealed what
it was asked to. Each duty looks at the state as it stands and does what is owed, so a crash between two of them is
mended by the next settling. What each duty does stands in a file of its own where it is more than a few lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from tertulia.protocol import (
    answering,
    asking,
    contacting,
    corridors,
    delivery,
    inviting,
    joining,
    keyring,
    parts,
    retelling,
    revealing,
    rotation,
    sending,
)
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import Publish, SetTimer, Table
from tertulia.protocol.encoding import encode
from tertulia.protocol.epoch import first_minute
from tertulia.protocol.epoch_making import MakeEpoch, epoch_made, make_epoch, owe_epoch
from tertulia.protocol.frame import read
from tertulia.protocol.ids import DialogueId, EpochId
from tertulia.protocol.invite import Fault
from tertulia.protocol.pair import pair_keys
from tertulia.protocol.share import open_share, share_context

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.inputs import HpkeSealed
    from tertulia.protocol.share import HpkeRequest, Share
    from tertulia.protocol.turn import Turn

LIMIT_SHARES_WAITING: Final = 64
"""Shares of one dialogue that wait for their epoch's announcement."""
ADMIT_TIMER: Final = "admit"


@dataclass(frozen=True, slots=True)
class WelcomeJob:
    """Sealing an epoch's secrets for newcomers; one request per (knock, epoch)."""

    dialogue: DialogueId
    knocks: tuple[bytes, ...]
    epochs: tuple[EpochId, ...]
    recipients: tuple[keyring.Recipient, ...]


Job = (
    MakeEpoch
    | WelcomeJob
    | joining.KnockJob
    | answering.AnswerJob
    | revealing.RevealJob
    | contacting.OfferJob
    | corridors.AsideJob
)


def resume(core: Core, turn: Turn) -> None:
    """Take up again what a stop interrupted."""
    for sent in core.outbox.sent.values():
        turn.emit(Publish(sent.commons, read(sent.raw)))
    for join in core.joins.values():
        joining.resume(core, turn, join)
    if core.time.is_sure:
        parts.sweep(core.assemblies, turn)
    inviting.expire(core, turn)
    corridors.resume(core, turn)
    for key in core.dialogues:
        core.dirty.add(key)
        rotation.keys_due(core, turn, key)
        if any(knock.dialogue == key and knock.state is inviting.KnockState.GATHERED for knock in core.knocks.values()):
            turn.emit(SetTimer(f"{ADMIT_TIMER}:{key.hex()}", turn.now))


def catch_up(core: Core, turn: Turn) -> None:
    """The clock is in doubt no longer, or was set back: erase what is past its time, and look at my keys."""
    parts.sweep(core.assemblies, turn)
    inviting.expire(core, turn)
    for key in core.dialogues:
        rotation.keys_due(core, turn, key)


def timer(core: Core, turn: Turn, name: str) -> None:
    """A timer that one of these duties set."""
    kind, _, text = name.partition(":")
    key = DialogueId(bytes.fromhex(text))
    if key not in core.dialogues:
        return
    if kind == ADMIT_TIMER:
        inviting.admit_gathered(core, turn, key)
    elif kind == rotation.KEYS_TIMER:
        rotation.keys_due(core, turn, key)
    elif kind == delivery.RECEIPT_TIMER:
        delivery.timer(core, turn, key)
    elif kind == asking.ASK_TIMER:
        asking.timer(core, turn, key)


def settle(core: Core, turn: Turn) -> None:
    """Do what is owed in every dialogue that changed, then send what can be sent."""
    for key in sorted(core.dirty):
        dialogue = core.own(key)
        if dialogue.bound_waiting(turn):
            core.opened.clear()  # what was let go is read again when its frame comes again
        _open_shares(core, turn, dialogue)
        delivery.take_named(core, turn, dialogue)
        _meet(core, dialogue)
        if dialogue.standing is Standing.IN:
            rotation.check_introductions(core, turn, dialogue)
            owe_epoch(core, turn, dialogue)
            _owe_welcomes(core, turn, dialogue)
            kept = [event for event in core.heard.get(key, ()) if event in dialogue.events]
            for event in retelling.overtaken(dialogue, kept):
                sending.send_control(core, turn, dialogue, event)
            answering.answer(core, turn, dialogue, kept)
            asking.look(core, turn, dialogue)
            revealing.owe(core, turn, dialogue)
        else:
            sending.give_up_sending(core, turn, dialogue)
    core.dirty.clear()
    core.heard.clear()
    corridors.look(core, turn)
    contacting.owe(core, turn)
    for commons in sorted(core.commons):
        if core.reachable.get(commons, 0) > 0:
            sending.pump(core, turn, commons)


def _meet(core: Core, dialogue: Dialogue) -> None:
    """Know the lane to each of those who are in, while I am."""
    state = dialogue.state
    others = state.roster - {dialogue.me} if dialogue.standing is Standing.IN else frozenset()
    if others != dialogue.pairs.keys():
        secret, members = dialogue.persona.box_secret, state.members
        dialogue.pairs = {
            persona: dialogue.pairs.get(persona) or pair_keys(secret, members[persona].keys.box) for persona in others
        }
        core.keys_changed()


def take_share(core: Core, turn: Turn, dialogue: Dialogue, share: Share) -> None:
    """Hold a share addressed to me until its epoch is known; opened when the dialogue is settled.

    Anybody on the roster can make false ones. So those that can be opened are opened before one is put in the place of
    another; and of more than may wait, the one that has waited longest goes.
    """
    place = share.epoch, share.prekey
    if place in dialogue.shares or len(dialogue.shares) >= LIMIT_SHARES_WAITING:
        _open_shares(core, turn, dialogue)
    if place not in dialogue.shares and len(dialogue.shares) >= LIMIT_SHARES_WAITING:
        epoch, prekey = next(iter(dialogue.shares))
        del dialogue.shares[epoch, prekey]
        turn.erase(Table.SHARE, dialogue.id + epoch + prekey)
    dialogue.shares[place] = share
    turn.put(Table.SHARE, dialogue.id + share.epoch + share.prekey, encode(share.to_value()))


def _open_shares(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    facts = dialogue.state.epochs
    for (epoch, prekey), share in tuple(dialogue.shares.items()):
        fact = facts.get(epoch)
        if fact is None:
            continue
        del dialogue.shares[epoch, prekey]
        turn.erase(Table.SHARE, dialogue.id + epoch + prekey)
        sender = dialogue.state.members.get(share.sender)
        secret = dialogue.prekeys.get(prekey)
        if sender is None or secret is None or epoch in dialogue.secrets:  # somebody else, expired, or doubled
            continue
        context = share_context(fact.epoch, share.sender, dialogue.me, prekey)
        opened = open_share(share, secret, sender.keys, context, fact.epoch.commitment)
        if opened is not None:
            keyring.hold(dialogue, turn, fact, opened)
            core.rescan(turn, dialogue.commons, first_minute(fact.epoch.created))
            for event in retelling.mine(dialogue, fact):
                sending.send_control(core, turn, dialogue, event)


def _owe_welcomes(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Newcomers admitted by this machine get the secrets once an epoch for the roster with them stands.

    Whom the admission did not bring in (it was full), or who was removed meanwhile, gets a refusal and no secret.
    """
    if any(isinstance(job, WelcomeJob) and job.dialogue == dialogue.id for job in core.jobs.values()):
        return
    owed = [
        knock
        for knock in core.knocks.values()
        if knock.dialogue == dialogue.id and knock.state is inviting.KnockState.ADMITTED
    ]
    for knock in owed:
        if knock.persona(dialogue.id) not in dialogue.state.roster:
            inviting.answer(core, turn, knock, Fault.REFUSED)
    owed = [knock for knock in owed if knock.persona(dialogue.id) in dialogue.state.roster]
    if not owed:
        return
    epoch = keyring.usable(dialogue, turn.minute)
    if epoch is None:
        make_epoch(core, turn, dialogue)
        return
    door = keyring.door_of(dialogue, epoch.id)
    wanted = tuple(dict.fromkeys(key for key in (door, epoch.id) if key is not None and key in dialogue.secrets))
    requests: list[HpkeRequest] = []
    recipients: list[keyring.Recipient] = []
    for knock in owed:
        recipient = keyring.Recipient(knock.persona(dialogue.id), knock.knock.prekeys[0])
        recipients.append(recipient)
        for key in wanted:
            fact = dialogue.state.epochs[key].epoch
            requests.extend(keyring.requests(dialogue, turn, fact, dialogue.secrets[key], (recipient,)))
    job = WelcomeJob(dialogue.id, tuple(knock.id for knock in owed), wanted, tuple(recipients))
    core.seal(turn, job, tuple(requests))


def sealed(core: Core, turn: Turn, answer: HpkeSealed) -> None:
    """Go on with the job that asked for these ciphertexts; an unknown job was dropped with its overlay."""
    job = core.jobs.pop(answer.job, None)
    match job:
        case None:
            return
        case MakeEpoch():
            epoch_made(core, turn, job, answer.sealed)
        case WelcomeJob():
            _welcome_made(core, turn, job, answer.sealed)
        case answering.AnswerJob():
            answering.answered(core, turn, job, answer.sealed)
        case corridors.AsideJob():
            corridors.told(core, turn, job, answer.sealed)
        case revealing.RevealJob():
            revealing.sealed(core, turn, job, answer.sealed)
        case contacting.OfferJob():
            contacting.sealed(core, turn, job, answer.sealed)
        case joining.KnockJob():
            joining.knock_sealed(core, turn, job.join, answer.sealed[0])
        case _:
            assert_never(job)


def _welcome_made(core: Core, turn: Turn, job: WelcomeJob, boxes: tuple[bytes, ...]) -> None:
    dialogue = core.own(job.dialogue)
    if dialogue.state.epochs[job.epochs[-1]].epoch.roster_hash != dialogue.state.roster_hash:
        return  # somebody came or went meanwhile: they are still owed, under the epoch of the roster that stands
    step = len(job.epochs)
    for index, (knock, recipient) in enumerate(zip(job.knocks, job.recipients, strict=True)):
        mine = boxes[index * step : (index + 1) * step]
        shares = tuple(
            keyring.shares(dialogue, dialogue.state.epochs[key].epoch, (recipient,), (box,))[0]
            for key, box in zip(job.epochs, mine, strict=True)
        )
        inviting.welcome(core, turn, dialogue, knock, shares)
