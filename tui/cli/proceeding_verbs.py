"""The verbs of how a dialogue is run: action, agenda, floor, proceedings.

Issue 6; docs/spec/method.md, section Queue and agenda; docs/spec/events.md, section Rounds. What facilitators do about
all this is `act` (council_verbs.py).
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.cli.method_verbs import utter
from tertulia.tui.duration import from_now
from tertulia.tui.proceeding_words import proceeding_lines

Hidden = Parameter(parse=False)


async def action(
    dialogue: str,
    title: str,
    /,
    *,
    owner: str,
    deadline: str,
    review: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Propose something to do, by whom and until when; what it is exactly is asked for, or read from stdin.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    title
        What is to be done.
    owner
        Who does it: a nickname, or the beginning of an id.
    deadline
        In what time, such as 14d.
    review
        When the room looks at it again, such as 30d.

    """
    times = {"deadline": from_now(deadline), "review": from_now(review)}
    await utter(
        context, "propose", "Proposed.", dialogue=dialogue, title=title, text=ask.message(), form="action",
        owner=owner, **times,
    )  # fmt: skip


async def agenda(
    dialogue: str, title: str, /, *, minutes: int = 0, context: Annotated[Context, Hidden]
) -> None:
    """Propose something to talk about; facilitators put it on the agenda. Why is asked for, or read from stdin.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    title
        What it is called.
    minutes
        How long it may take.

    """
    said = ask.message()
    await utter(
        context, "propose", "Proposed.", dialogue=dialogue, title=title, text=said, form="agenda", minutes=minutes
    )


async def floor(dialogue: str, about: str = "", /, *, context: Annotated[Context, Hidden]) -> None:
    """Ask for the floor; facilitators give it in the order they choose. `withdraw` takes it back.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    about
        On what, in a few words.

    """
    await utter(context, "floor", "Asked.", dialogue=dialogue, text=about)


async def proceedings(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Show how a dialogue is run: the round and whose turn it is, the agenda, who asks for the floor.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("proceedings", dialogue=dialogue))
    context.output.result(result, proceeding_lines(result))
