"""The verbs about corridors: corridor open, list, agree, decline, say, read, close.

docs/spec/corridor.md; docs/guide/rooms.md. Nothing of a corridor is left when it is over: what is read here is gone.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Params
from tertulia.tui.duration import minutes
from tertulia.tui.guard import int_of, line_of, rows_of, text_of
from tertulia.tui.room_words import corridor_line
from tertulia.tui.when import moment_of

Hidden = Parameter(parse=False)

corridor = App(name="corridor", help="Two to four step aside; when it is over, nothing of it is left.")


@corridor.command(name="open")
async def open_(
    dialogue: str, /, *, members: str, window: str | None = None, context: Annotated[Context, Hidden]
) -> None:
    """Ask one, two or three people of a dialogue aside. It opens when all of them agree.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    members
        Whom: nicknames, or beginnings of ids, such as Selam,Daniel.
    window
        For how long, a day at most, such as 30m; an hour unless said.

    """
    named = [part.strip() for part in members.split(",") if part.strip()]
    more: Params = {} if window is None else {"minutes": minutes(window)}
    async with context.unlocked() as client:
        result = plain(await client.call("corridor.open", dialogue=dialogue, members=named, **more))
        await context.deliver(client, _renamed(result), f"Asked. It opens when all agree: {_short(result)}")


@corridor.command(name="list")
async def list_(*, context: Annotated[Context, Hidden]) -> None:
    """List your corridors, and who asks you aside."""
    async with context.unlocked() as client:
        result = plain(await client.call("corridor.list"))
    lines = [corridor_line(row) for row in rows_of(result, "corridors")]
    context.output.result(result, lines or ["You are in no corridor."])


@corridor.command
async def agree(corridor_: str = "", /, *, context: Annotated[Context, Hidden]) -> None:
    """Come along into a corridor.

    Parameters
    ----------
    corridor_
        The beginning of its id; may be left out while there is but one.

    """
    await _answer(context, corridor_, agree=True, said="You come along. It opens when all agree.")


@corridor.command
async def decline(corridor_: str = "", /, *, context: Annotated[Context, Hidden]) -> None:
    """Do not come along: then there is no corridor.

    Parameters
    ----------
    corridor_
        The beginning of its id; may be left out while there is but one.

    """
    await _answer(context, corridor_, agree=False, said="Declined. Nothing of it is left here.")


async def _answer(context: Context, name: str, *, agree: bool, said: str) -> None:
    async with context.unlocked() as client:
        result = plain(await client.call("corridor.answer", corridor=name, agree=agree))
        await context.deliver(client, _renamed(result), said)


@corridor.command
async def say(
    corridor_: str = "", text: str | None = None, /, *, context: Annotated[Context, Hidden]
) -> None:
    """Say something in a corridor.

    Parameters
    ----------
    corridor_
        The beginning of its id; may be left out while there is but one.
    text
        Better left out: you are asked for it, or it is read from stdin. Shells remember what is typed here.

    """
    if text is None:
        text = ask.message()
    else:
        context.output.aside("Your shell may remember this message in its history. Leave the text out to be asked.")
    async with context.unlocked() as client:
        result = plain(await client.call("corridor.say", corridor=corridor_, text=text))
        await context.deliver(client, _renamed(result), "Said.")


@corridor.command
async def read(corridor_: str = "", /, *, context: Annotated[Context, Hidden]) -> None:
    """Read what was said in a corridor.

    Parameters
    ----------
    corridor_
        The beginning of its id; may be left out while there is but one.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("corridor.list"))
    rows = [row for row in rows_of(result, "corridors") if line_of(row, "corridor").startswith(corridor_.lower())]
    lines = []
    for row in rows:
        lines.append(corridor_line(row))
        for said in rows_of(row, "messages"):
            who = "You" if said.get("mine") else line_of(said, "author")
            lines.append(f"{who} · {moment_of(int_of(said, 'time'))}")
            lines.extend(f"    {line}" for line in text_of(said, "text").split("\n"))
    context.output.result({"corridors": rows}, lines or ["You are in no such corridor."])


@corridor.command
async def close(corridor_: str = "", /, *, context: Annotated[Context, Hidden]) -> None:
    """End a corridor for all who are in it: words and keys are erased on every honest device.

    Parameters
    ----------
    corridor_
        The beginning of its id; may be left out while there is but one.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("corridor.close", corridor=corridor_))
        await context.deliver(client, _renamed(result), "It is over. Nothing of it is left here.")


def _short(result: dict[str, object]) -> str:
    return line_of(result, "corridor")[:8]


def _renamed(result: dict[str, object]) -> dict[str, object]:
    """The result with its `state` under another name, because `state` says what became of the delivery."""
    return {"result" if key == "state" else key: value for key, value in result.items()}
