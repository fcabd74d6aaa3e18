"""The verbs of the method: stance, propose, amend, take, edit, withdraw, matters.

Issue 6; docs/spec/method.md. Words and reasons come from a prompt or stdin, as with `say`: shells remember arguments.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.duration import from_now
from tertulia.tui.guard import rows_of
from tertulia.tui.matter_words import NOTHING, PROVISIONAL, matter_lines

Hidden = Parameter(parse=False)


async def stance(
    dialogue: str, id_: str, value: str, /, *, reason: str | None = None, context: Annotated[Context, Hidden]
) -> None:
    """Take a stance on a statement, a story or a proposal; a later one takes its place.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the id of what it is about, as `matters` shows it.
    value
        agree, disagree, pass, block, heard (a story), needs-source, disputed, or satisfied (takes a doubt back).
    reason
        Why, in your words; --reason=- to be asked for it, or to have it read from stdin.

    """
    why = ask.message() if reason == "-" else reason
    given = {} if why is None else {"reason": why}
    await utter(context, "stance", "Taken.", dialogue=dialogue, id=id_, value=value, **given)


async def propose(
    dialogue: str, title: str, /, *, closes: str | None = None, context: Annotated[Context, Hidden]
) -> None:
    """Propose something to decide; its text is asked for, or read from stdin.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    title
        What it is called.
    closes
        For how long stances are asked for, such as 7d.

    """
    until = from_now(closes)
    await utter(context, "propose", "Proposed.", dialogue=dialogue, title=title, text=ask.message(), closes=until)


async def amend(dialogue: str, id_: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Put another text for the present version of a proposal; its author's own counts at once.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the id of that version.

    """
    await utter(context, "amend", "Put.", dialogue=dialogue, id=id_, text=ask.message())


async def take(dialogue: str, id_: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Take somebody's amendment to your proposal: it is the present version from now on.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the amendment's id.

    """
    await utter(context, "take", "Taken.", dialogue=dialogue, id=id_)


async def edit(dialogue: str, id_: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Say otherwise what you said; what you said first stays to be seen.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of its id.

    """
    await utter(context, "edit", "Edited.", dialogue=dialogue, id=id_, text=ask.message())


async def withdraw(dialogue: str, id_: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Take back what you said or proposed; others may have read it.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of its id.

    """
    await utter(context, "withdraw", "Withdrawn.", dialogue=dialogue, id=id_)


async def matters(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List statements, the least heard first, then stories, proposals and all else, with where people stand.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("matters", dialogue=dialogue))
    lines = [line for row in rows_of(result, "matters") for line in matter_lines(row)]
    if result.get("provisional"):
        lines.append(PROVISIONAL)
    context.output.result(result, lines or [NOTHING])


def form_of(chosen: dict[str, str | None], lang: str | None, voice: str | None = None) -> dict[str, str]:
    """What `say` was told about the form: each with what it is about, or empty. Raises LocalError for several."""
    forms = [(form, target) for form, target in chosen.items() if target is not None]
    if len(forms) > 1:
        raise LocalError(
            Problem(error="It can have one form only.", safe="Nothing was sent.", next="Choose one of the options.")
        )
    found = {} if lang is None else {"lang": lang}
    if voice is not None:
        found["voice"] = voice
    for form, target in forms:
        found |= {"form": form, "target": target} if target else {"form": form}
    return found


async def utter(context: Context, method: str, done: str, **params: str | int) -> None:
    """Have the node say something by the method, and wait until others have it."""
    async with context.unlocked() as client:
        result = plain(await client.call(method, **params))
        await context.deliver(client, result, done, {"dialogue": params["dialogue"]})
