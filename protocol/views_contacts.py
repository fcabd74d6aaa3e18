"""What clients see of identities: the contacts I keep, and who has shown what in a dialogue.

Implements docs/spec/control.md (rows). My names for others leave the vault here, for my own clients alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol import revealing
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.contact import Told
from tertulia.protocol.dialogue import Standing
from tertulia.protocol.refusal import refuse
from tertulia.protocol.text import clean, clean_name
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.protocol.contact import Contact
    from tertulia.protocol.core import Core
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import DialogueId, PersonaId

PREFIX: Final = 4
"""Characters of a hex id that are enough to name it, when no other begins with them."""


def identity(core: Core, dialogue: DialogueId, persona: PersonaId) -> dict[str, Value]:
    """The fields of a member's row about who they are elsewhere, and whether they know who I am."""
    knowing = core.knowing
    contact = knowing.of(dialogue, persona)
    return {
        "shown": knowing.between(dialogue, persona).told is not Told.NO,
        "identity": "" if contact is None else _standing(contact, knowing.is_changed(dialogue, persona)),
        "contact": "" if contact is None else contact.name,
        "number": "" if contact is None else knowing.number(contact),
        "changed": revealing.changes(core, dialogue, persona),
    }


def _standing(contact: Contact, changed: bool) -> str:
    if changed:
        return "changed"
    return "verified" if contact.is_verified else "shown"


def contacts(core: Core) -> tuple[dict[str, Value], ...]:
    """One row a contact, by my names for them."""
    return tuple(_contact(core, contact) for contact in core.knowing.kept)


def _contact(core: Core, contact: Contact) -> dict[str, Value]:
    waiting = [one for one in core.offers.values() if one.root == contact.root and not one.mine]
    offers: list[Value] = [
        {
            "offer": one.id.hex(),
            "title": clean(one.offer.title, LIMIT_TITLE).strip(),
            "invite": one.offer.invite,
            "time": one.offer.minute * MS_PER_MINUTE,
        }
        for one in sorted(waiting, key=lambda one: (one.offer.minute, one.id))
    ]
    return {
        "contact": contact.root.hex(),
        "name": contact.name,
        "called": clean_name(contact.called),
        "met": contact.met,
        "verified": contact.is_verified,
        "changed": contact.is_changed,
        "number": core.knowing.number(contact),
        "offers": offers,
    }


def together(core: Core, root: bytes) -> DialogueId | None:
    """The conversation in which a contact and I are alone, if there is one: that of which I have seen the most."""
    found = [
        dialogue
        for dialogue in core.dialogues.values()
        if dialogue.standing is Standing.IN
        and len(dialogue.state.roster) == 2
        and any(core.knowing.between(dialogue.id, persona).root == root for persona in dialogue.state.roster)
    ]
    return max(found, key=lambda dialogue: (dialogue.seen, dialogue.id)).id if found else None


def resolve_contact(core: Core, text: str) -> bytes:
    """The contact a person means: my name for them, or the start of their id.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip()
    named = [one.root for one in core.knowing.kept if one.name.casefold() == wanted.casefold()]
    found = named or [
        one.root
        for one in core.knowing.kept
        if len(wanted) >= PREFIX and one.root.hex().startswith(wanted.lower())
    ]
    if len(found) != 1:
        raise refuse("You keep no such contact, or several.", "List them: tertulia contacts list.")
    return found[0]


def resolve_offer(core: Core, text: str) -> bytes:
    """The waiting invite a person means, by the start of its id.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip().lower()
    found = [
        one.id
        for one in core.offers.values()
        if not one.mine and len(wanted) >= PREFIX and one.id.hex().startswith(wanted)
    ]
    if len(found) != 1:
        raise refuse("No such invite waits, or several do.", "List them: tertulia contacts list.")
    return found[0]
