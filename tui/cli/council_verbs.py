"""The verbs of those who decide together: role, act, acts, cosign, cut.

Issue 4; docs/spec/events.md, section Acts. A removal or a change of who facilitates takes effect at once where the
rules ask for one facilitator; otherwise it waits, under a short id, until enough have signed it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from tertulia.tui.act_words import BECAME, signers, what
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Params
from tertulia.tui.duration import minutes
from tertulia.tui.guard import int_of, line_of, rows_of

Hidden = Parameter(parse=False)
Deed = Literal[
    "pause", "resume", "mute", "unmute", "close", "fold", "unfold", "item", "round", "end", "give", "fix", "drop"
]


async def role(
    dialogue: str, member: str, as_: Literal["facilitator", "member"], /, *, context: Annotated[Context, Hidden]
) -> None:
    """Make somebody a facilitator, or a member like the others.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    member
        The beginning of their id, or their nickname.
    as_
        What they shall be: facilitator or member.

    """
    async with context.unlocked() as client:
        result = plain(
            await client.call("role", dialogue=dialogue, member=member, facilitator=as_ == "facilitator")
        )
        await context.deliver(client, _renamed(result), _became(result, dialogue))


async def act(
    dialogue: str,
    deed: Deed,
    what_: str | None = None,
    /,
    *,
    reason: str,
    window: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Do something to a dialogue's room as a facilitator, with a reason that everybody reads.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    deed
        pause, resume or close the room; mute or unmute a member, or give them the floor; fold or unfold a message;
        announce an item, fix what was proposed for the agenda or drop it; open a round or end it.
    what_
        The member, the message or the item: a nickname, or the beginning of an id.
    reason
        Why; of an item or a round: what it is about.
    window
        For how long a round stays open, such as 72h.

    """
    more: Params = {}
    if what_ is not None:
        more["message" if deed in {"fold", "unfold", "fix", "drop"} else "member"] = what_
    if window is not None:
        more["minutes"] = minutes(window)
    async with context.unlocked() as client:
        result = plain(await client.call("act", dialogue=dialogue, deed=deed, reason=reason, **more))
        await context.deliver(client, _renamed(result), _became(result, dialogue))


async def cut(
    dialogue: str, /, *, reason: str = "We count where people stand.", context: Annotated[Context, Hidden]
) -> None:
    """Agree that stances are counted up to here: what comes later counts on what is newer, and not on what is there.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    reason
        Why, for everybody to read.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("act", dialogue=dialogue, deed="cut", reason=reason))
        await context.deliver(client, _renamed(result), _became(result, dialogue))


async def cosign(dialogue: str, act: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Sign what somebody else proposed: a removal, or a change of who facilitates.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    act
        The beginning of its id, as `acts` shows it.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("cosign", dialogue=dialogue, act=act))
        await context.deliver(client, _renamed(result), _became(result, dialogue))


async def acts(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List what was proposed in a dialogue, who has signed it, and what waits for you.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("acts", dialogue=dialogue))
    context.output.result(result, [_line(row) for row in rows_of(result, "acts")] or ["Nothing was proposed."])


def _line(row: dict[str, object]) -> str:
    names = signers(row)
    waits = f"{len(names)} of {int_of(row, 'need')} have signed"
    state = BECAME.get(line_of(row, "state"), waits)
    return f"{line_of(row, 'act')[:8]}  {what(row)}  ({state}; signed by {', '.join(names)})"


def _became(result: dict[str, object], dialogue: str) -> str:
    if line_of(result, "state") == "done":
        return "Done."
    return f"Signed. Others must sign it too: tertulia cosign {dialogue} {line_of(result, 'act')[:8]}"


def _renamed(result: dict[str, object]) -> dict[str, object]:
    """`state` says what became of the delivery."""
    return {"result" if key == "state" else key: value for key, value in result.items()}
