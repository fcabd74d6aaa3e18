"""The verbs about who people are: reveal, verify, and the contacts one keeps.

docs/spec/identity.md. To show who one is cannot be taken back, so it is asked first. A contact's name is one's own and
goes nowhere; an invite reaches them with no line of text handed over.
"""

from typing import Annotated

from cyclopts import App, Parameter

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Client, Params
from tertulia.tui.contact_words import COMPARE, SHOWING, SHOWN, contact_words
from tertulia.tui.guard import line_of, rows_of

Hidden = Parameter(parse=False)
Flag = Parameter(negative=())
PREFIX = 4
"""Letters of an id that are enough to name somebody."""

UNASKED = Problem(
    error="To show who you are cannot be taken back, and there is no terminal to ask you on.",
    safe="Nobody was shown anything.",
    next="Say yes beforehand with --yes.",
)
NOT_SHOWN = Problem("You have shown nobody who you are.", "Nothing was sent.", "You can do so at any time.")

contacts = App(name="contacts", help="People you keep under names of your own; nobody else ever sees those.")


async def reveal(
    dialogue: str,
    /,
    *members: str,
    yes: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Show people of a dialogue who you are; all of them, where you name none.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    members
        Nicknames, or beginnings of ids.
    yes
        Do not ask: I know that it cannot be taken back.

    """
    async with context.unlocked() as client:
        if not yes:
            context.output.aside(SHOWING)
            whom = ", ".join(members) or "everybody in it"
            if not ask.agrees(f"Show {whom} who you are?", UNASKED):
                raise LocalError(NOT_SHOWN)
        who: Params = {"members": list(members)} if members else {}
        result = plain(await client.call("reveal", dialogue=dialogue, **who))
        await context.deliver(client, result, f"Shown. {SHOWN}", {"dialogue": line_of(result, "dialogue")})


async def verify(
    dialogue: str,
    member: str,
    /,
    *,
    same: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Look at the safety number to compare with somebody, and at what changed; until then nothing is sent to them.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    member
        Their nickname, or the beginning of their id.
    same
        We compared the numbers, and they are the same.

    """
    agreed: Params = {"same": True} if same else {}
    async with context.unlocked() as client:
        result = plain(await client.call("verify", dialogue=dialogue, member=member, **agreed))
    lines = [changed] if (changed := line_of(result, "changed")) else []
    lines.append(f"Safety number: {line_of(result, 'number')}")
    lines.append("Verified: you compared it, and it has not changed since." if result.get("verified") else COMPARE)
    context.output.result(result, lines)


@contacts.command(name="list")
async def list_(*, context: Annotated[Context, Hidden]) -> None:
    """List your contacts, and the invites of theirs that wait for you."""
    async with context.unlocked() as client:
        result = plain(await client.call("contacts.list"))
    lines = [
        f"{line_of(row, 'contact')[:8]}  {line_of(row, 'name')}  ({contact_words(row)})"
        for row in rows_of(result, "contacts")
    ]
    empty = "You keep nobody yet: tertulia contacts add DIALOGUE MEMBER, once they have shown who they are."
    context.output.result(result, lines or [empty])


@contacts.command
async def add(
    dialogue: str, member: str, /, *, name: str | None = None, context: Annotated[Context, Hidden]
) -> None:
    """Keep somebody who has shown you who they are.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    member
        Their nickname, or the beginning of their id.
    name
        What you call them; only you ever see it. Their nickname unless said.

    """
    async with context.unlocked() as client:
        chosen = member if name is None else name
        result = plain(await client.call("contacts.add", dialogue=dialogue, member=member, name=chosen))
    context.output.result(result, [f"Kept as “{line_of(result, 'name')}”. Only you see that name."])


@contacts.command
async def rename(contact: str, name: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Call a contact otherwise.

    Parameters
    ----------
    contact
        Your name for them, or the beginning of their id.
    name
        What you call them from now on.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("contacts.rename", contact=contact, name=name))
    context.output.result(result, [f"Kept as “{line_of(result, 'name')}”."])


@contacts.command
async def forget(contact: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Keep somebody no longer: your name for them is erased, and their invites reach you no more.

    Parameters
    ----------
    contact
        Your name for them, or the beginning of their id.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("contacts.forget", contact=contact))
    context.output.result(result, ["Forgotten. They are not told."])


@contacts.command
async def talk(contact: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Open the conversation you have with a contact alone; where there is none, begin one and invite them.

    Parameters
    ----------
    contact
        Your name for them, or the beginning of their id.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("contacts.talk", contact=contact))
        result["conversation"] = result.pop("state", "")
        if result["conversation"] == "open":
            context.output.result(result, [f"Read it: tertulia read {line_of(result, 'dialogue')[:8]}"])
            return
        begun = f"“{line_of(result, 'title')}” has begun; an invite for them alone is on its way."
        await context.deliver(client, result, begun)


@contacts.command
async def invite(contact: str, dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Invite a contact to a dialogue, with no line of text handed over.

    Parameters
    ----------
    contact
        Your name for them, or the beginning of their id.
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("contacts.invite", contact=contact, dialogue=dialogue))
        await context.deliver(client, result, "Invited. It reaches them if they keep you as a contact too.")


@contacts.command
async def join(contact: str, title: str | None = None, /, *, context: Annotated[Context, Hidden]) -> None:
    """Join what a contact invites you to.

    Parameters
    ----------
    contact
        Your name for them, or the beginning of their id.
    title
        Which, when several of their invites wait.

    """
    async with context.unlocked() as client:
        offer = await _one_offer(client, contact, title)
        result = plain(await client.call("join", invite=line_of(offer, "invite")))
        if result.get("state") == "knocked" and context.wait:
            request: Params = {"for": "join", "join": line_of(result, "join"), "seconds": context.wait}
            answer = await client.call("wait", **request)
            result |= {name: value for name, value in answer.items() if name in {"state", "dialogue"}}
    inside = result.get("state") == "admitted"
    said = f"Admitted. Read it: tertulia read {line_of(result, 'dialogue')[:8]}"
    context.output.result(result, [said if inside else "Knocked. Every later start goes on until they answer."])


@contacts.command
async def decline(contact: str, title: str | None = None, /, *, context: Annotated[Context, Hidden]) -> None:
    """Say no to what a contact invites you to; they are not told.

    Parameters
    ----------
    contact
        Your name for them, or the beginning of their id.
    title
        Which, when several of their invites wait.

    """
    async with context.unlocked() as client:
        offer = await _one_offer(client, contact, title)
        result = plain(await client.call("contacts.dismiss", offer=line_of(offer, "offer")))
    context.output.result(result, ["It is gone. They are not told."])


async def _one_offer(client: Client, contact: str, title: str | None) -> dict[str, object]:
    """The only waiting invite of a contact, or that to this title. Raises LocalError."""
    rows = rows_of(await client.call("contacts.list"), "contacts")
    wanted = contact.strip().casefold()
    offers = [
        offer
        for row in rows
        if wanted == line_of(row, "name").casefold()
        or (len(wanted) >= PREFIX and line_of(row, "contact").startswith(wanted))
        for offer in rows_of(row, "offers")
        if title is None or line_of(offer, "title").casefold() == title.casefold()
    ]
    if len(offers) == 1:
        return offers[0]
    error = f"{len(offers)} invites of theirs wait." if offers else f"No invite of “{contact[:64]}” waits."
    raise LocalError(Problem(error, "Nothing was answered.", "See them all: tertulia contacts list"))
