"""What a person asks for, carried out at once or refused in one clear sentence.

Implements docs/spec/core.md §5. Each command answers its `Ask` with one `Reply`; a refusal is a LocalError, which the
core turns into a `Refuse`. A command changes nothing before it has checked everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from tertulia.protocol import (
    acquaintance,
    concluding,
    contacting,
    corridors,
    facilitating,
    founding,
    hpke,
    inviting,
    joining,
    keyring,
    revealing,
    sending,
    stewarding,
    uttering,
)
from tertulia.protocol.act import Part
from tertulia.protocol.address import NOWHERE, Address, from_multiaddr
from tertulia.protocol.card import LIMIT_USES, Card, card_keys, secret_of
from tertulia.protocol.charter_words import shown_title
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import Reply, Table, View
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.event import CONTROL, Kind, to_item
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.inputs import (
    AcceptRules,
    AdmitKnock,
    AnswerCorridor,
    Ask,
    ConfirmClock,
    DismissOffer,
    Endorse,
    Facilitate,
    ForgetContact,
    InCorridor,
    Join,
    KeepContact,
    KeepSteward,
    LeaveDialogue,
    MakeInvite,
    MarkChecked,
    MarkSeen,
    NameContact,
    NewDialogue,
    OfferInvite,
    OpenBreakout,
    OpenCorridor,
    RefuseKnock,
    RemoveMember,
    RevealMe,
    ReviseCard,
    SayText,
    SetReceipts,
    SetRole,
    SignAct,
    SignProposal,
    Utter,
    Verify,
)
from tertulia.protocol.invite import Fault, Invite, encode_invite
from tertulia.protocol.mark import Accept
from tertulia.protocol.outbox import Entry, Lane, LaneKind, lane_of_keys
from tertulia.protocol.refusal import refuse
from tertulia.protocol.roster import Cosign, Leave, Remove, Role
from tertulia.protocol.say import LIMIT_SAY_TEXT, Say
from tertulia.protocol.speaking import may_speak
from tertulia.protocol.state import ActFact, Outcome
from tertulia.protocol.terms import Door
from tertulia.protocol.text import clean, clean_name

if TYPE_CHECKING:
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.core import Core
    from tertulia.protocol.turn import Turn

RANDOM: Final = 32
RECEIPTS: Final = b"receipts"
"""The profile row that says whether receipts are sent."""


def carry_out(core: Core, turn: Turn, ask: Ask) -> None:  # noqa: PLR0915 - an arm for each command
    """Do what was asked and reply.

    Raises: LocalError with the sentences for the person.
    """
    command = ask.command
    match command:
        case NewDialogue():
            value = founding.found(core, turn, command)
        case MakeInvite():
            value = _invite(core, turn, command)
        case Join():
            value = _join(core, turn, command)
        case SayText():
            value = _say(core, turn, command)
        case Utter() | Endorse():
            value = _utter(core, turn, command)
        case AdmitKnock() | RefuseKnock():
            value = _answer(core, turn, command.knock, admit=isinstance(command, AdmitKnock))
        case RemoveMember():
            value = _remove(core, turn, command)
        case SetRole():
            value = _role(core, turn, command)
        case SignAct():
            value = _sign(core, turn, command)
        case Facilitate():
            value = facilitating.facilitate(core, turn, _here(core, command.dialogue), command)
        case OpenCorridor() | InCorridor() | AnswerCorridor():
            value = _corridor(core, turn, command)
        case OpenBreakout():
            value = facilitating.break_out(core, turn, _here(core, command.dialogue), command)
        case AcceptRules():
            value = _accept(core, turn, command)
        case LeaveDialogue():
            value = _leave(core, turn, command)
        case MarkSeen():
            value = _seen(core, turn, command)
        case MarkChecked():
            value = _checked(core, turn, command)
        case RevealMe() | Verify() | KeepContact() | NameContact() | ForgetContact() | OfferInvite() | DismissOffer():
            value = acquaintance.carry_out(core, turn, command)
        case KeepSteward():
            value = stewarding.keep_seed(core, turn, command.commons, command.seed)
        case ReviseCard():
            value = stewarding.revise(core, turn, command)
        case SignProposal():
            value = stewarding.sign(core, turn, command.commons, command.card)
        case SetReceipts():
            value = _receipts(core, turn, command)
        case ConfirmClock():
            core.believe(turn, core.time.confirm(turn.now))
            value = {"now": turn.now}
        case _:
            assert_never(command)
    turn.emit(Reply(ask.id, value))


def _utter(core: Core, turn: Turn, command: Utter | Endorse) -> dict[str, Value]:
    dialogue = _here(core, command.dialogue)
    if isinstance(command, Endorse):
        return concluding.endorse(core, turn, dialogue, command)
    return uttering.utter(core, turn, dialogue, command.words, command.room)


def _receipts(core: Core, turn: Turn, command: SetReceipts) -> dict[str, Value]:
    core.receipts = command.on
    turn.put(Table.PROFILE, RECEIPTS, encode(command.on))
    return {"on": command.on}


def _here(core: Core, key: DialogueId) -> Dialogue:
    """A dialogue I am in, ready to be changed."""
    dialogue = core.dialogues[key]
    match dialogue.standing:
        case Standing.IN:
            return core.own(key)
        case Standing.LEFT:
            raise refuse("You have left this dialogue.", "Ask for a new invite to return; what you read stays here.")
        case Standing.REMOVED:
            raise refuse(
                "You were removed from this dialogue.", "What you have read stays here; the facilitator can explain."
            )
        case _:
            assert_never(dialogue.standing)


def _facilitated(core: Core, key: DialogueId, doing: str) -> Dialogue:
    dialogue = _here(core, key)
    if dialogue.member is None or not dialogue.member.facilitator:
        raise refuse(f"Only the facilitator can {doing}.", "Ask the person who started this dialogue.")
    return dialogue


def _invite(core: Core, turn: Turn, command: MakeInvite) -> dict[str, Value]:
    dialogue = _facilitated(core, command.dialogue, "invite people here")
    if not 1 <= command.uses <= LIMIT_USES:
        raise refuse(f"An invite can be used 1 to {LIMIT_USES} times.", "Choose a number in that range.")
    if command.expires <= turn.minute:
        raise refuse("An invite cannot expire in the past.", "Choose a later time.")
    commons = core.commons[dialogue.commons]
    peer, address = _where(core, turn, commons)
    seed = turn.entropy(hpke.SEED)
    member = dialogue.member
    community = stewarding.of(core, commons.id).card
    rules = dialogue.state.charter
    card = Card(
        dialogue=dialogue.id,
        title=shown_title(dialogue.state.charter),
        commons_name=commons.name,
        retention_days=dialogue.state.retention_days,
        inviter=dialogue.persona.keys,
        nick=member.nickname if member else "",
        hpke_public=hpke.public(seed),
        uses=command.uses,
        expires=min(command.expires, turn.minute + commons.retention_days * 24 * 60),
        ask=command.ask or (rules is not None and rules.terms.join is Door.LET_IN),
        charter=dialogue.state.charter_body,
        randomness=turn.entropy(RANDOM),
        stewards=commons.stewards if community is None else community.stewards.digest,
    )
    secret = secret_of(card)
    made = inviting.Inviting(joining.join_id(secret), dialogue.id, secret, seed, card)
    core.invites[made.id] = made
    core.keys_changed()
    turn.put(Table.INVITE, made.id, made.encode())
    core.outbox.queue(turn, Entry(commons.id, lane_of_keys(card_keys(secret)), (card.to_item(),)))
    invite = Invite(commons.key, secret, peer, address, commons.generation)
    return {"invite": encode_invite(invite), "uses": card.uses, "expires": card.expires}


def _where(core: Core, turn: Turn, commons: Commons) -> tuple[bytes, Address]:
    """Where an invite leads: to a relay of the community, one or another, or to its seed while it lists none.

    Never to the seed where there are relays: that may be somebody's own machine.
    """
    card = stewarding.of(core, commons.id).card
    relays = () if card is None else tuple(relay for relay in card.relays if relay.addresses)
    if card is None or not relays:
        return commons.peer, from_multiaddr(commons.addresses[0])[0] if commons.addresses else NOWHERE
    if card.expires <= turn.minute:
        raise refuse(
            "This community's list of relays is out of date, so an invite could lead nowhere.",
            "Ask one of its stewards to renew it: tertulia commons renew",
        )
    relay = relays[turn.entropy(1)[0] % len(relays)]
    return relay.peer, relay.addresses[0]


def _join(core: Core, turn: Turn, command: Join) -> dict[str, Value]:
    nick = clean_name(command.nick)
    if not nick:
        raise refuse("You need a nickname.", "Choose one; only the people who invited you will see it.")
    commons = next(found for found in core.commons.values() if found.key == command.invite.commons_key)
    if joining.join_id(command.invite.secret) in core.invites:
        raise refuse("This invite is your own.", "Give it to the person you want to invite.")
    join = joining.begin(core, turn, commons.id, command.invite.secret, nick)
    contacting.taken(core, turn, join.id)
    where = None if join.dialogue is None else join.dialogue.hex()
    return {"join": join.id.hex(), "state": joining.words(join.state), "dialogue": where}


def _say(core: Core, turn: Turn, command: SayText) -> dict[str, Value]:
    dialogue = _here(core, command.dialogue)
    text = clean(command.text, LIMIT_SAY_TEXT + 1).strip()
    words = Say("message", text)
    room = dialogue.plenary if command.room is None else command.room
    may_speak(dialogue, room, words, turn.minute)
    revealing.must_have_looked(core, dialogue.id)
    if not text:
        raise refuse("There is nothing to send.", "Write something first.")
    if len(text.encode()) > LIMIT_SAY_TEXT:
        raise refuse(
            f"This is too long: a message has at most {LIMIT_SAY_TEXT} bytes.", "Split it into several messages."
        )
    event = dialogue.author(turn, room, Kind.SAY, words.encode())
    sending.send_room(core, turn, dialogue, event)
    return {"id": event.id.hex(), "state": "stored"}


def _answer(core: Core, turn: Turn, key: bytes, *, admit: bool) -> dict[str, Value]:
    knock = core.knocks.get(key)
    if knock is None or knock.state is not inviting.KnockState.HELD:
        raise refuse("This knock was answered already, or there is none.", "List the knocks to see which are waiting.")
    _facilitated(core, knock.dialogue, "answer knocks")
    if admit:
        match inviting.obstacle(core, core.invites[knock.invite]):
            case None:
                inviting.gather(core, turn, knock)
            case Fault.USED_UP:
                raise refuse("This invite has let in as many as it may.", "Refuse the knock, or make a new invite.")
            case _:
                raise refuse("This dialogue is full.", "Refuse the knock; or remove somebody first.")
    else:
        inviting.answer(core, turn, knock, Fault.REFUSED)
    return {"knock": key.hex(), "state": "admitted" if admit else "refused"}


def _remove(core: Core, turn: Turn, command: RemoveMember) -> dict[str, Value]:
    dialogue = _proposing(core, command.dialogue, "remove people")
    if command.member == dialogue.me:
        raise refuse("You cannot remove yourself.", "Leave the dialogue instead.")
    if command.member not in dialogue.state.roster:
        raise refuse("This person is not in the dialogue.", "List the people to see who is.")
    body = Remove(command.member, dialogue.state.last_of(command.member))
    act = _put(core, turn, dialogue, body)
    done = act.outcome is Outcome.DONE
    return {"member": command.member.hex(), "state": "removed" if done else act.outcome.value, "act": act.event.hex()}


def _role(core: Core, turn: Turn, command: SetRole) -> dict[str, Value]:
    stepping_down = command.member == core.dialogues[command.dialogue].me and not command.facilitator
    if stepping_down:
        dialogue = _facilitated(core, command.dialogue, "step down")
    else:
        dialogue = _proposing(core, command.dialogue, "change who facilitates")
    member = dialogue.state.members.get(command.member)
    if member is None or command.member not in dialogue.state.roster:
        raise refuse("This person is not in the dialogue.", "List the people to see who is.")
    if member.facilitator == command.facilitator:
        raise refuse("That is what they are already.", "List the people to see who facilitates.")
    act = _put(core, turn, dialogue, Role(command.member, command.facilitator))
    return {"member": command.member.hex(), "state": act.outcome.value, "act": act.event.hex()}


def _sign(core: Core, turn: Turn, command: SignAct) -> dict[str, Value]:
    dialogue = _here(core, command.dialogue)
    state = dialogue.state
    act = next((act for act in state.acts if act.event == command.act), None)
    if act is None or act.outcome is not Outcome.PENDING:
        raise refuse("Nothing by that name waits to be signed.", "List what was proposed to see what waits.")
    if dialogue.me in act.signers:
        raise refuse("You have signed this already.", "Wait for the others to sign.")
    member = dialogue.member
    if act.need.part is Part.FACILITATOR and (member is None or not member.facilitator):
        raise refuse("Only facilitators can sign this.", "Ask one of them.")
    facilitating.may_sign(dialogue, act)
    last = () if act.target is None else state.last_of(act.target)
    proof = concluding.to_cosign(dialogue, act)
    signed = _put(core, turn, dialogue, Cosign(act.event, last if isinstance(act.body, Remove) else (), proof))
    return {"act": signed.event.hex(), "state": signed.outcome.value}


def _proposing(core: Core, key: DialogueId, doing: str) -> Dialogue:
    """A dialogue in which I may propose: as a facilitator, or where too few are left for the charter's quorum."""
    state = core.dialogues[key].state
    charter = state.charter
    enough = charter is None or sum(member.facilitator for member in state.members.values()) >= charter.quorum
    return _facilitated(core, key, doing) if enough else _here(core, key)


def _corridor(core: Core, turn: Turn, command: OpenCorridor | InCorridor | AnswerCorridor) -> dict[str, Value]:
    if isinstance(command, OpenCorridor):
        return corridors.step_aside(core, turn, _here(core, command.dialogue), command)
    found = core.corridors.get(command.corridor)
    if found is None:
        raise refuse("There is no such corridor, or it is over.", "List your corridors to see which there are.")
    if isinstance(command, AnswerCorridor):
        return corridors.answer(core, turn, found, agree=command.agree)
    if command.text is None:
        return corridors.leave(core, turn, found)
    return corridors.speak(core, turn, found, command.text)


def _put(core: Core, turn: Turn, dialogue: Dialogue, body: Remove | Role | Cosign) -> ActFact:
    """Propose or sign. Where that changes who is in, those who were hear of it behind the door they share."""
    door, roster = keyring.current_door(dialogue), dialogue.state.roster
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
    if dialogue.state.roster == roster:
        sending.send_control(core, turn, dialogue, event)
    else:
        if door is not None:
            lane = Lane(LaneKind.OLD_DOOR, dialogue.id, door)
            core.outbox.queue(turn, Entry(dialogue.commons, lane, (to_item(event),)))
        if dialogue.alone:
            keyring.announce(dialogue, turn, keyring.prepare(dialogue, turn))
    turn.changed(View.PEOPLE, dialogue.id)
    named = body.act if isinstance(body, Cosign) else event.id
    return next(act for act in dialogue.state.acts if act.event == named)


def _accept(core: Core, turn: Turn, command: AcceptRules) -> dict[str, Value]:
    dialogue = _here(core, command.dialogue)
    if dialogue.member is not None and dialogue.member.accepted:
        raise refuse("You have accepted these rules already.", "Say something, or read on.")
    event = dialogue.author(turn, CONTROL, Kind.MARK, Accept(dialogue.state.charter_hash).encode())
    sending.send_control(core, turn, dialogue, event)
    turn.changed(View.PEOPLE, dialogue.id)
    turn.changed(View.DIALOGUES)
    return {"dialogue": dialogue.id.hex(), "accepted": True}


def _leave(core: Core, turn: Turn, command: LeaveDialogue) -> dict[str, Value]:
    dialogue = _here(core, command.dialogue)
    door = keyring.spoken_door(dialogue)
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, Leave().encode())
    if door is not None and dialogue.state.roster:
        lane = Lane(LaneKind.OLD_DOOR, dialogue.id, door)
        core.outbox.queue(turn, Entry(dialogue.commons, lane, (to_item(event),)))
    return {"state": "left"}


def _seen(core: Core, turn: Turn, command: MarkSeen) -> dict[str, Value]:
    dialogue = core.own(command.dialogue)
    dialogue.seen = turn.now
    dialogue.hold_self(turn)
    turn.changed(View.DIALOGUES)
    return {"dialogue": command.dialogue.hex()}


def _checked(core: Core, turn: Turn, command: MarkChecked) -> dict[str, Value]:
    dialogue = core.own(command.dialogue)
    if command.member not in dialogue.state.members:
        raise refuse("This person is not in the dialogue.", "List the people to see who is.")
    dialogue.checked_codes |= {command.member}
    dialogue.hold_self(turn)
    turn.changed(View.PEOPLE, command.dialogue)
    return {"member": command.member.hex(), "checked": True}
