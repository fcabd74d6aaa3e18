"""The verbs about rooms: rooms, room open, room close, room report.

docs/spec/events.md, section Room; docs/guide/rooms.md. A room is named by its title, its id or the beginning of it.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Params
from tertulia.tui.duration import minutes
from tertulia.tui.guard import line_of, rows_of
from tertulia.tui.room_words import corridor_line, room_line

Hidden = Parameter(parse=False)

room = App(name="room", help="Rooms for some of a dialogue's people, with keys of their own.")


async def rooms(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List the rooms of a dialogue: the plenary, the breakouts, and your own corridors.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("rooms", dialogue=dialogue))
    mine = [corridor_line(row) for row in rows_of(result, "corridors")]
    context.output.result(result, [*(room_line(row) for row in rows_of(result, "rooms")), *mine])


@room.command(name="open")
async def open_(
    dialogue: str,
    title: str,
    /,
    *,
    members: str,
    rapporteur: str | None = None,
    window: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Open a breakout, as a facilitator: only those in it can read what is said there.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    title
        What it is for. Everybody sees it.
    members
        Who is in it, such as Selam,Daniel: nicknames, or beginnings of ids.
    rapporteur
        Who reports back to the plenary; the first of them unless said.
    window
        For how long it is open, such as 2h; until it is closed unless said.

    """
    named = [part.strip() for part in members.split(",") if part.strip()]
    more: Params = {} if rapporteur is None else {"rapporteur": rapporteur}
    if window is not None:
        more["minutes"] = minutes(window)
    async with context.unlocked() as client:
        result = plain(await client.call("room.open", dialogue=dialogue, title=title, members=named, **more))
        pending = f"Proposed. Others must sign it too: tertulia cosign {dialogue} {line_of(result, 'act')[:8]}"
        said = "It is open." if result.get("state") == "done" else pending
        await context.deliver(client, _renamed(result), said)


@room.command
async def close(dialogue: str, where: str, /, *, reason: str, context: Annotated[Context, Hidden]) -> None:
    """Close a room, as a facilitator; its people go on in the plenary.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    where
        The room.
    reason
        Why: everybody reads it.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("act", dialogue=dialogue, deed="close", reason=reason, room=where))
        pending = f"Proposed. Others must sign it too: tertulia cosign {dialogue} {line_of(result, 'act')[:8]}"
        said = "Closed." if result.get("state") == "done" else pending
        await context.deliver(client, _renamed(result), said)


@room.command
async def report(
    dialogue: str, where: str, text: str | None = None, /, *, context: Annotated[Context, Hidden]
) -> None:
    """Report back to the plenary what a room came to, as its rapporteur.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    where
        The room that the report cites.
    text
        Better left out: you are asked for it, or it is read from stdin. Shells remember what is typed here.

    """
    if text is None:
        text = ask.message()
    else:
        context.output.aside("Your shell may remember this message in its history. Leave the text out to be asked.")
    async with context.unlocked() as client:
        result = plain(await client.call("say", dialogue=dialogue, text=text, form="report", target=where))
        await context.deliver(client, result, "Reported to the plenary.", {"message": line_of(result, "id")})


def _renamed(result: dict[str, object]) -> dict[str, object]:
    """The result with its `state` under another name, because `state` says what became of the delivery."""
    return {"result" if key == "state" else key: value for key, value in result.items()}
