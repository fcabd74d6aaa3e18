"""The verbs about who may see this machine's address: commons reach, commons lan, commons address.

docs/guide/reach.md; DESIGN §8. What bares this machine's address to more than before is asked first, each time.
"""

from typing import Annotated, Literal

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import ask
from tertulia.tui.cli.commons_verbs import Flag, Hidden
from tertulia.tui.cli.community_verbs import Community, commons, names, where
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.guard import line_of, lines_of, rows_of

__all__ = ["commons"]

UNASKED = Problem(
    error="Direct reach shows this machine's address to others, and there is no terminal to ask you on.",
    safe="Nothing was changed: the community is reached as before.",
    next="Say yes beforehand with --yes.",
)
LAN_UNASKED = Problem(
    error="Looking on the local network shows this machine's address to members there, and there is no terminal to ask "
    "you on.",
    safe="Nothing was changed and nothing was sent.",
    next="Say yes beforehand with --yes.",
)


@commons.command
async def reach(
    how: Literal["relayed", "direct"],
    /,
    *,
    community: Community = "",
    yes: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Choose who may see this machine's address: relays alone, or everyone it is connected with.

    Parameters
    ----------
    how
        relayed or direct.
    community
        Its name or id; may be left out when you are in one only.
    yes
        Choose direct without being asked.

    """
    question = "Everyone this machine is then connected with sees its address. Be reached directly?"
    if how == "direct" and not yes and not ask.agrees(question, UNASKED):
        raise LocalError(
            Problem("You said no.", "Nothing was changed: the community is reached as before.", "Nothing to do.")
        )
    async with context.unlocked() as client:
        result = plain(await client.call("commons.reach", reach=how, **where(community)))
    relayed = "Relays alone see this machine's address from now on."
    words = {"relayed": relayed, "direct": "Reached directly from now on."}
    context.output.result(result, [words[how]])


@commons.command
async def lan(
    switch: Literal["on", "off"],
    /,
    *,
    community: Community = "",
    yes: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Look for members of the community on the network this machine is on, without any relay; or do not.

    Parameters
    ----------
    switch
        on or off.
    community
        Its name or id; may be left out when you are in one only.
    yes
        Look for them without being asked.

    """
    question = (
        "Members of this community on the same network then find this machine and see its address; others there see "
        "that it sends a few bytes of noise to all of them. Look for members?"
    )
    on = switch == "on"
    if on and not yes and not ask.agrees(question, LAN_UNASKED):
        raise LocalError(Problem("You said no.", "Nothing was changed and nothing was sent.", "Nothing to do."))
    async with context.unlocked() as client:
        result = plain(await client.call("commons.lan", on=on, **where(community)))
    words = "Members on the same network are looked for from now on." if on else "Nobody is looked for any more."
    context.output.result(result, [words])


@commons.command
async def address(*, community: Community = "", context: Annotated[Context, Hidden]) -> None:
    """Show where others can dial this machine, to pass on to a member; with relays listed too, if it is direct.

    Parameters
    ----------
    community
        Its name or id; may be left out for all.

    """
    async with context.unlocked() as client:
        rows = rows_of(plain(await client.call("commons.list")), "commons")
    chosen = [row for row in rows if not community or community.casefold() in names(row)]
    lines = [f"{line_of(row, 'name')}: {one}" for row in chosen for one in lines_of(row, "addresses")]
    nowhere = "Nobody can dial this machine: it is relayed, or listens nowhere. tertulia commons reach says more."
    context.output.result({"commons": chosen}, lines or [nowhere])
