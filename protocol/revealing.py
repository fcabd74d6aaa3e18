"""Showing who I am in a dialogue, and taking what others show: reveals, comparing safety numbers, changed keys.

Implements docs/spec/identity.md, sections Reveal and Safety number, and docs/spec/core.md §5. Whom I want to know is
written first and owed until it is sealed, so a crash forgets nobody. While a member's key has changed and I have not
looked, nothing is said where they would read it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tertulia.protocol import keyring, reveal
from tertulia.protocol.contact import LIMIT_CONTACT_COMMONS, Contact, Shown, Told
from tertulia.protocol.dialogue import Standing
from tertulia.protocol.effects import View
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.keyring import NONCE_BYTES, Recipient
from tertulia.protocol.outbox import Entry, Lane, LaneKind
from tertulia.protocol.refusal import refuse
from tertulia.protocol.reveal import Place, Reveal, open_reveal
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import CommonsId, DialogueId, PersonaId
    from tertulia.protocol.inputs import RevealMe, Verify
    from tertulia.protocol.item import Item
    from tertulia.protocol.turn import Turn


@dataclass(frozen=True, slots=True)
class RevealJob:
    """Sealing my identity for these members."""

    dialogue: DialogueId
    to: tuple[Recipient, ...]


def show(core: Core, turn: Turn, command: RevealMe) -> dict[str, Value]:
    """Let these members know who I am; all who are in, where none is named.

    Raises: LocalError when there is nobody to show it to who does not know.
    """
    dialogue = core.own(command.dialogue)
    others = dialogue.state.roster - {dialogue.me}
    if dialogue.standing is not Standing.IN:
        raise refuse("You are in this dialogue no longer.", "What you read stays here; ask for a new invite to return.")
    if not others:
        raise refuse("Nobody else is in this dialogue yet.", "Invite somebody first.")
    if not others.issuperset(command.members):
        raise refuse("This person is not in the dialogue.", "List the people to see who is.")
    knowing = core.knowing
    untold = [
        persona
        for persona in sorted(command.members or others)
        if knowing.between(dialogue.id, persona).told is Told.NO
    ]
    if not untold:
        raise refuse("You have shown them who you are already.", "Compare safety numbers: tertulia verify.")
    knowing.me(turn)
    for persona in untold:
        _note(core, turn, dialogue.id, persona, told=Told.OWED)
    return {"dialogue": dialogue.id.hex(), "shown": len(untold), "state": "stored"}


def _note(core: Core, turn: Turn, dialogue: DialogueId, persona: PersonaId, *, told: Told) -> None:
    knowing = core.knowing
    knowing.note(turn, (dialogue, persona), replace(knowing.between(dialogue, persona), told=told))
    contact = knowing.of(dialogue, persona)
    if contact is not None and not contact.met:
        knowing.keep(turn, replace(contact, met=True))
        core.keys_changed()


def owe(core: Core, turn: Turn, dialogue: Dialogue) -> None:
    """Have my identity sealed for those who are to know it and can be sealed to."""
    if any(isinstance(job, RevealJob) and job.dialogue == dialogue.id for job in core.jobs.values()):
        return
    wanted = [
        (persona, keyring.live_prekey(dialogue, persona, turn.minute))
        for persona in sorted(dialogue.state.roster)
        if core.knowing.between(dialogue.id, persona).told is Told.OWED
    ]
    to = tuple(Recipient(persona, prekey) for persona, prekey in wanted if prekey is not None)
    if not to:
        return
    mine, members = core.knowing.me(turn), dialogue.state.members
    requests = tuple(
        reveal.request(
            Place(dialogue.id, dialogue.me, one.persona),
            mine,
            dialogue.persona,
            members[one.persona].keys,
            one.prekey,
            turn.entropy(NONCE_BYTES),
        )
        for one in to
    )
    core.seal(turn, RevealJob(dialogue.id, to), requests)


def sealed(core: Core, turn: Turn, job: RevealJob, boxes: tuple[bytes, ...]) -> None:
    """Each goes out in the lane to that member alone."""
    dialogue = core.own(job.dialogue)
    for to, box in zip(job.to, boxes, strict=True):
        item = Reveal(dialogue.me, to.prekey.id, box).to_item()
        lane = Lane(LaneKind.PAIR, dialogue.id, to.persona)
        core.outbox.queue(turn, Entry(dialogue.commons, lane, (item,)))
        _note(core, turn, dialogue.id, to.persona, told=Told.YES)


def take(core: Core, turn: Turn, key: DialogueId, item: Item) -> None:
    """Somebody shows me who they are.

    Raises: RemoteError when it is not theirs to show, or an older list of devices than I know.
    """
    letter = Reveal.from_value(item.body)
    dialogue = core.dialogues[key]
    sender = dialogue.state.members.get(letter.sender)
    prekey = dialogue.prekeys.get(letter.prekey)
    if sender is None or prekey is None:
        return
    place = Place(key, letter.sender, dialogue.me)
    devices = open_reveal(place, letter, prekey, sender.keys, dialogue.persona)
    knowing, nick = core.knowing, clean_name(sender.nickname)
    known = knowing.contacts.get(devices.root)
    if known is not None and devices != known.devices and devices.counter <= known.devices.counter:
        raise RemoteError(RejectReason.OLD, "devices")
    shown = knowing.between(key, letter.sender)
    met = shown.told is not Told.NO
    if known is None:
        found = Contact(devices, nick, (dialogue.commons,), met, looked=devices.digest)
    else:
        commons = _with(known.commons, dialogue.commons)
        found = replace(known, devices=devices, called=nick, commons=commons, met=known.met or met)
    other = b"" if shown.root == devices.root else shown.root or _namesake(core, nick, devices.root)
    knowing.keep(turn, found)
    knowing.note(turn, (key, letter.sender), Shown(shown.told, devices.root, shown.before or other))
    core.keys_changed()


def _with(known: tuple[CommonsId, ...], commons: CommonsId) -> tuple[CommonsId, ...]:
    return (*(one for one in known if one != commons), commons)[-LIMIT_CONTACT_COMMONS:]


def _namesake(core: Core, nick: str, root: bytes) -> bytes:
    """The root of a contact I keep who calls themselves so, if it is another's: somebody may be taken for them."""
    kept = core.knowing.kept
    if any(one.root == root for one in kept):
        return b""
    return next((one.root for one in kept if one.called.casefold() == nick.casefold()), b"")


def verify(core: Core, turn: Turn, command: Verify) -> dict[str, Value]:
    """Say what there is to compare with a member; they have been looked at then, and compared if the person says so.

    Raises: LocalError where there is no number yet.
    """
    dialogue, knowing = core.dialogues[command.dialogue], core.knowing
    where = dialogue.id, command.member
    contact, shown = knowing.of(*where), knowing.between(*where)
    if command.member == dialogue.me:
        raise refuse("This is you.", "Name somebody else.")
    if contact is None:
        raise refuse("They have not shown you who they are.", "Ask them to: tertulia reveal, or “show who I am”.")
    number = knowing.number(contact)
    if not number:
        raise refuse("They cannot compare yet: you have not shown them who you are.", "Show it first: tertulia reveal.")
    why = changes(core, dialogue.id, command.member)
    compared = contact.devices.digest if command.same else contact.compared
    if why or command.same:
        knowing.keep(turn, replace(contact, looked=contact.devices.digest, compared=compared))
        knowing.note(turn, where, replace(shown, before=b""))
        turn.changed(View.PEOPLE, dialogue.id)
    verified = compared == contact.devices.digest
    return {"member": command.member.hex(), "number": number, "verified": verified, "changed": why}


def changes(core: Core, dialogue: DialogueId, persona: PersonaId) -> str:
    """What changed about a member since I last looked, in a sentence; empty when nothing did."""
    knowing = core.knowing
    contact, before = knowing.of(dialogue, persona), knowing.between(dialogue, persona).before
    if contact is None:
        return ""
    if before:
        known = knowing.contacts.get(before)
        name = known.name if known is not None else ""
        who = f"the one of your contact “{name}”" if name else "the one they showed you before"
        return f"The key they show is not {who}: it may be somebody else, or they may have begun anew."
    if contact.is_changed:
        return "They use another device than when you last looked, or somebody else does who has their key."
    return ""


def must_have_looked(core: Core, key: DialogueId) -> None:
    """Let nothing be said where somebody's key has changed.

    Raises: LocalError until the person has looked at everybody whose key has.
    """
    dialogue = core.dialogues[key]
    for persona in sorted(dialogue.state.roster):
        if core.knowing.is_changed(key, persona):
            name = clean_name(dialogue.state.members[persona].nickname)
            raise refuse(
                f"{name}'s key has changed since you last looked. {changes(core, key, persona)}",
                f"Look first: tertulia verify {key.hex()[:8]} {persona.hex()[:8]}, or open them among the people.",
                "Nothing was sent.",
            )
