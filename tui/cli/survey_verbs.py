"""The verbs of questionnaires: survey, answer, surveys, release, evaluation.

Issue 6; docs/spec/method.md, section Evaluation. Questions come from a file or stdin, one a line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.cli.output import write_new
from tertulia.tui.guard import int_of, line_of, rows_of, text_of

Hidden = Parameter(parse=False)


async def survey(dialogue: str, title: str, /, *, about: str = "", context: Annotated[Context, Hidden]) -> None:
    """Ask everybody questions; they are read from stdin, one a line: the question | an option | another.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    title
        What it is called.
    about
        What it is for, and who will see the counts.

    """
    lines = [line for line in ask.message().splitlines() if line.strip()]
    await _put(context, "survey", "Asked.", dialogue=dialogue, title=title, text=about, questions=lines)


async def answer(dialogue: str, id_: str, /, *choices: int, context: Annotated[Context, Hidden]) -> None:
    """Answer a survey: for each question the number of an option, 0 for none; later answers take the place.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the survey's id, as `surveys` shows it.
    choices
        One number for each question, in order.

    """
    await _put(context, "answer", "Answered.", dialogue=dialogue, id=id_, choices=[str(choice) for choice in choices])


async def surveys(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List the surveys, your answers, and the counts once they are cut; counts below five are not shown.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("surveys", dialogue=dialogue))
    lines = [line for row in rows_of(result, "surveys") for line in _lines(row)]
    context.output.result(result, lines or ["Nothing is asked yet."])


async def release(dialogue: str, id_: str, /, *, why: str = "", context: Annotated[Context, Hidden]) -> None:
    """Ask the room whether the counts of a survey may leave it; the others take a stance on that.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the survey's id.
    why
        Who is to have them, and what for.

    """
    await _put(context, "release", "Asked.", dialogue=dialogue, id=id_, text=why)


async def evaluation(dialogue: str, id_: str, file: Path, /, *, context: Annotated[Context, Hidden]) -> None:
    """Write the counts that the room let go into a file; no row of it is about a person.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the survey's id.
    file
        A new file, as JSON; null is a count that is not shown.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("evaluation", dialogue=dialogue, id=id_))
    write_new(file, json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    context.output.result(result | {"file": str(file)}, [f"Written to {file}."])


def _lines(row: dict[str, object]) -> list[str]:
    found = [f"{line_of(row, 'id')[:8]}  {line_of(row, 'title')}  {line_of(row, 'author')}"]
    found += [f"    {line}" for line in text_of(row, "text").splitlines()]
    mine = row.get("mine")
    chosen = mine if isinstance(mine, list) else []
    for number, question in enumerate(rows_of(row, "questions")):
        found.append(f"  {number + 1}. {line_of(question, 'question')}")
        options, counts = question.get("options"), question.get("counts")
        assert isinstance(options, list)
        for option, words in enumerate(options, start=1):
            mark = "*" if number < len(chosen) and chosen[number] == option else " "
            count = counts[option - 1] if isinstance(counts, list) and counts else ""
            found.append(f"    {mark} {option} {words}  {'(not shown)' if count is None else count}".rstrip())
    counted = f"    counted: {int_of(row, 'answered')} answered" if row.get("answered") else "    counted"
    found.append(counted if row.get("counted") else "    not counted yet: counts show after a cut")
    return found


async def _put(context: Context, method: str, done: str, **params: str | list[str]) -> None:
    async with context.unlocked() as client:
        result = plain(await client.call(method, **params))
        await context.deliver(client, result, done, {"message": line_of(result, "id")})
