"""Who people are, in the plain client: show who one is, compare numbers, keep somebody, talk with a contact.

docs/spec/identity.md. Each is a command and an answer in sentences; nothing is asked back, so what cannot be taken back
says so first and takes a word more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.tui.commands import Command
from tertulia.tui.contact_words import COMPARE, SHOWING, SHOWN, contact_words
from tertulia.tui.guard import line_of, rows_of

if TYPE_CHECKING:
    from tertulia.tui.plain import Plain

ABOUT_PEOPLE = (
    Command("reveal", "", "show somebody here who you are, for good: /reveal yes and their name, or /reveal yes all"),
    Command("verify", "", "the safety number to compare with somebody, and what changed: /verify and their name"),
    Command("same", "", "say that you compared safety numbers with somebody: /same and their name"),
    Command("keep", "", "keep somebody as a contact, under their nickname: /keep and their name"),
)
CONTACTS = (
    Command("contacts", "", "whom you keep, and what they invite you to"),
    Command("talk", "", "open or begin a conversation with a contact: /talk and your name for them"),
    Command("accept", "", "join what a contact invites you to: /accept and your name for them"),
)


async def about_person(plain: Plain, name: str, rest: str) -> None:
    """Do something about who a member of the open dialogue is. Raises LocalError."""
    call, dialogue = plain.link.call, plain.opened
    if name == "reveal":
        agreed, _, whom = rest.partition(" ")
        if agreed != "yes" or not whom:
            plain.say(f"{SHOWING} /reveal yes and a name does it; /reveal yes all shows everybody here.")
        elif whom == "all":
            await call("reveal", dialogue=dialogue)
            plain.say(f"Shown to all. {SHOWN}")
        else:
            await call("reveal", dialogue=dialogue, members=[whom])
            plain.say(f"Shown. {SHOWN}")
    elif name == "keep":
        result = await call("contacts.add", dialogue=dialogue, member=rest, name=rest)
        plain.say(f"Kept as {line_of(result, 'name')}. Only you see that name.")
    else:
        result = await call("verify", dialogue=dialogue, member=rest, same=name == "same")
        if changed := line_of(result, "changed"):
            plain.say(changed)
        plain.say(f"Safety number: {line_of(result, 'number')}. {'Verified.' if result.get('verified') else COMPARE}")


async def with_contacts(plain: Plain, name: str, rest: str) -> None:
    """List the contacts, or talk with one of them. Raises LocalError."""
    rows = rows_of(await plain.link.call("contacts.list"), "contacts")
    if name == "contacts":
        for row in rows:
            plain.say(f"{line_of(row, 'name')}: {contact_words(row)}")
        if not rows:
            plain.say("You keep nobody yet. /reveal who you are to somebody; once they have too, /keep them.")
        return
    if name == "talk":
        result = await plain.link.call("contacts.talk", contact=rest)
        begun = "" if line_of(result, "state") == "open" else " An invite for them alone is on its way."
        plain.say(f"“{line_of(result, 'title')}”: /open it.{begun}")
        return
    waiting = [
        offer for row in rows if line_of(row, "name").casefold() == rest.casefold() for offer in rows_of(row, "offers")
    ]
    if not waiting:
        plain.say("Nobody by that name invites you to anything. /contacts lists them.")
        return
    result = await plain.link.call("join", invite=line_of(waiting[0], "invite"))
    plain.joining = line_of(result, "join")
    plain.say(f"Joining “{line_of(waiting[0], 'title')}”.")
