"""The verbs about communities: commons new, commons list, commons ticket.

Issue 2, point 2; PROTOCOL §4. A community's address goes into every invite, so it is published only after one
question (or --yes). The word on the screen is community; `commons` is its name in the protocol and in --json.
"""

from typing import Annotated

from cyclopts import App, Parameter

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Client, Params
from tertulia.tui.guard import int_of, line_of, rows_of

commons = App(name="commons", help="Communities: start one, list yours.")

Hidden = Parameter(parse=False)
Flag = Parameter(negative=())

UNASKED = Problem(
    error="A community's address is published in every invite, and there is no terminal to ask you on.",
    safe="No community was started and no address was published.",
    next="Say yes beforehand with --yes, or choose the address with --announce MULTIADDR.",
)


@commons.command
async def new(
    name: str,
    /,
    *,
    listen: str | None = None,
    announce: list[str] | None = None,
    yes: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Start a community: this machine becomes the place where its members find each other.

    Parameters
    ----------
    name
        What its members call it.
    listen
        Where to listen, as a multiaddr: /ip4/192.168.1.7/tcp/4001. The LAN address and a free port if left out.
    announce
        The address to put into invites instead, when others reach you by another one. May be repeated.
    yes
        Publish the address without being asked.

    """
    async with context.unlocked() as client:
        where = listen or await _proposed(client)
        published = announce or [where]
        if not yes and not announce and not ask.agrees(_question(published), UNASKED):
            raise LocalError(
                Problem(
                    error="You said no: no community was started.",
                    safe="No address was published.",
                    next="Choose another address with --listen or --announce, or run it again and say yes.",
                )
            )
        params: Params = {"name": name, "listen": where}
        if announce:
            params["announce"] = list(announce)
        result = plain(await client.call("commons.new", **params))
    context.output.result(
        result,
        [
            f"The community “{line_of(result, 'name')}” has begun. Its address: {line_of(result, 'address')}",
            "Next: tertulia new TITLE, then tertulia invite TITLE.",
        ],
    )


async def _proposed(client: Client) -> str:
    return line_of(await client.call("commons.propose"), "listen")


def _question(published: list[str]) -> str:
    places = " and ".join(published)
    return f"Every invite will carry this machine's address, {places}: whoever holds an invite sees it. Publish it?"


@commons.command(name="list")
async def list_(*, context: Annotated[Context, Hidden]) -> None:
    """List your communities."""
    async with context.unlocked() as client:
        result = plain(await client.call("commons.list"))
    rows = rows_of(result, "commons")
    lines = [
        f"{line_of(row, 'name') or '(name not known yet)'}  {line_of(row, 'address')}  {int_of(row, 'peers')} connected"
        f"{'  listening here' if row.get('listening') else ''}{_error(row)}"
        for row in rows
    ]
    context.output.result(result, lines or ["You are in no community yet: tertulia join INVITE, or commons new NAME."])


@commons.command
async def ticket(community: str = "", /, *, context: Annotated[Context, Hidden]) -> None:
    """Make what somebody needs to run a relay for a community: they can carry its messages, and read none of them.

    Parameters
    ----------
    community
        Its name or id; may be left out when you are in one only.

    """
    async with context.unlocked() as client:
        params: Params = {"commons": community} if community else {}
        result = plain(await client.call("commons.ticket", **params))
    context.output.result(
        result,
        [
            f"For whoever runs a relay for “{line_of(result, 'name')}”: tertulia relay allow, and then this ticket.",
            line_of(result, "ticket"),
            "It lets nobody into a dialogue and opens nothing: there is no secret of yours in it.",
            "Who has it can carry this community's messages, and fill it with junk: give it to its operator alone.",
        ],
    )


def _error(row: dict[str, object]) -> str:
    error = line_of(row, "error")
    return f"  {error}" if error else ""
