"""The verbs about a community's card: commons card, relays, stewards, sign, renew.

docs/spec/commons.md. A change that needs other stewards says how many are lacking, and what they have to type.
"""

from typing import Annotated

from cyclopts import App, Parameter

from tertulia.tui.card_words import card_lines
from tertulia.tui.cli.commons_verbs import Flag, Hidden, commons
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Params
from tertulia.tui.guard import int_of, line_of, rows_of
from tertulia.tui.phrases import counted

__all__ = ["commons"]

relays = App(name="relays", help="The relays that a community's card lists.")
stewards = App(name="stewards", help="Who may change a community's card.")
commons.command(relays)
commons.command(stewards)

Community = Annotated[str, Parameter(name="--community")]


def where(community: str) -> Params:
    """The parameter that names a community, if one was named."""
    return {"commons": community} if community else {}


def names(row: dict[str, object]) -> set[str]:
    """What a person may call the community of this row."""
    return {line_of(row, "name").casefold(), line_of(row, "commons")}


def _revised(result: dict[str, object]) -> list[str]:
    """What became of a change."""
    if line_of(result, "state") == "published":
        return ["Published: the community follows it as the news spreads."]
    lacking = counted(int_of(result, "lacking"), "more steward has", "more stewards have")
    return [f"Proposed. {lacking} to agree with: tertulia commons sign {line_of(result, 'card')[:12]}"]


@commons.command
async def card(*, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """Show what a community says of itself: its relays, its stewards, and what waits for their signatures.

    Parameters
    ----------
    community
        Its name or id; may be left out when you are in one only.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("commons.card", **where(community)))
    context.output.result(result, card_lines(result))


@relays.command(name="list")
async def list_(*, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """List a community's relays, and how each stands with this machine.

    Parameters
    ----------
    community
        Its name or id; may be left out for all.

    """
    async with context.unlocked() as client:
        rows = rows_of(plain(await client.call("commons.list")), "commons")
    chosen = [row for row in rows if not community or community.casefold() in names(row)]
    lines: list[str] = []
    for row in chosen:
        for one in rows_of(row, "relays"):
            name, state, problem = (line_of(one, key) for key in ("name", "state", "problem"))
            lines.append(f"{line_of(row, 'name')}: {name}  {state}  {problem}".rstrip())
            if card := line_of(one, "card"):
                lines.append(f"  {card}")
    lines += [line_of(row, "sees") for row in chosen]
    context.output.result({"commons": chosen}, lines or ["No community of yours lists a relay."])


@relays.command
async def add(
    address: str,
    /,
    *,
    words: str = "",
    seed: Annotated[bool, Flag] = False,
    community: Community = "",
    context: Annotated[Context, Hidden],
) -> None:
    """List a relay on the community's card, as one of its stewards; from then on members connect to relays alone.

    Parameters
    ----------
    address
        As its operator has it: /dns4/relay.example.org/tcp/4001/p2p/12D3Koo…
    words
        What the community calls it, on every screen.
    seed
        List it as a place to begin when no relay answers, not as a relay.
    community
        Its name or id; may be left out when you are in one only.

    """
    params: Params = {"address": address, "words": words, "seed": seed, **where(community)}
    async with context.unlocked() as client:
        result = plain(await client.call("commons.relays.add", **params))
        await context.delivered(client)
    context.output.result(
        result,
        [
            *_revised(result),
            "Invites made from now on lead to a relay; older ones lead to this machine, which no longer answers.",
        ],
    )


@relays.command
async def remove(relay: str, /, *, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """Take a relay, or a seed, off the community's card, as one of its stewards.

    Parameters
    ----------
    relay
        The community's word for it, or its address.
    community
        Its name or id; may be left out when you are in one only.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("commons.relays.remove", relay=relay, **where(community)))
        await context.delivered(client)
    context.output.result(result, _revised(result))


@relays.command(name="try")
async def try_(address: str, /, *, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """Connect to a relay that somebody told you of, although the card does not list it, until the node ends.

    Parameters
    ----------
    address
        As its operator has it, ending in /p2p/ and letters.
    community
        Its name or id; may be left out when you are in one only.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("commons.relays.try", address=address, **where(community)))
    context.output.result(result, ["It is tried from now on; tertulia commons relays list says whether it answers."])


@stewards.command
async def key(*, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """Show your steward's key, for a steward to add; it is made when there is none.

    Parameters
    ----------
    community
        Its name or id; may be left out when you are in one only.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("commons.stewards.key", **where(community)))
    context.output.result(result, [line_of(result, "steward")])


@stewards.command(name="add")
async def add_steward(
    steward: str, /, *, quorum: int = 0, community: Community = "", context: Annotated[Context, Hidden]
) -> None:
    """Add a steward; the new one has to agree where they are needed for a decision.

    Parameters
    ----------
    steward
        Their key: tertulia commons stewards key, on their machine.
    quorum
        How many stewards decide together from then on; as before if left out.
    community
        Its name or id; may be left out when you are in one only.

    """
    await _steward("commons.stewards.add", steward, quorum, community, context)


@stewards.command(name="remove")
async def remove_steward(
    steward: str, /, *, quorum: int = 0, community: Community = "", context: Annotated[Context, Hidden]
) -> None:
    """Take a steward off the card.

    Parameters
    ----------
    steward
        Their key, as tertulia commons card shows it.
    quorum
        How many stewards decide together from then on; as before if left out.
    community
        Its name or id; may be left out when you are in one only.

    """
    await _steward("commons.stewards.remove", steward, quorum, community, context)


@stewards.command
async def succeed(
    steward: str, successor: str, /, *, quorum: int = 0, community: Community = "", context: Annotated[Context, Hidden]
) -> None:
    """Put a successor in the place of a steward whose key is lost or stolen, or who steps down, in one change.

    Parameters
    ----------
    steward
        The key that is to decide no more, as tertulia commons card shows it.
    successor
        The key that takes its place: tertulia commons stewards key, on that person's machine.
    quorum
        How many stewards decide together from then on; as before if left out.
    community
        Its name or id; may be left out when you are in one only.

    """
    await _steward("commons.stewards.succeed", steward, quorum, community, context, successor=successor)


async def _steward(method: str, steward: str, quorum: int, community: str, context: Context, **more: str) -> None:
    params: Params = {"steward": steward, **more, **where(community), **({"quorum": quorum} if quorum else {})}
    async with context.unlocked() as client:
        result = plain(await client.call(method, **params))
        await context.delivered(client)
    context.output.result(result, _revised(result))


@commons.command
async def sign(proposal: str, /, *, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """Agree, as a steward, to a proposed card. Look at it first: tertulia commons card.

    Parameters
    ----------
    proposal
        Its id, or the beginning of it.
    community
        Its name or id; may be left out when you are in one only.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("commons.sign", card=proposal, **where(community)))
        await context.delivered(client)
    context.output.result(result, _revised(result))


@commons.command
async def renew(*, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """Give the community's card another half year, as one of its stewards.

    Parameters
    ----------
    community
        Its name or id; may be left out when you are in one only.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("commons.renew", **where(community)))
        await context.delivered(client)
    context.output.result(result, _revised(result))
