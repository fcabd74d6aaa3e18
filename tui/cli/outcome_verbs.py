"""The verbs that conclude: outcome draft, endorse, reserve, minority, answer, attach, seal, list, show, export.

Issue 6; docs/spec/outcome.md. Words come from a prompt or stdin, as with `say`. Endorsing says before it is done what
it will prove: in the room only, or on the record, for ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tertulia.protocol.control import LocalError, Problem, Value
from tertulia.tui.cli import ask
from tertulia.tui.cli.check_file import hand_over_page
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Params
from tertulia.tui.guard import int_of, line_of, rows_of, text_of
from tertulia.tui.when import moment_of

outcome = App(name="outcome", help="What a dialogue comes to: drafted, endorsed, sealed with its dissent, published.")

Flag = Parameter(negative=())
Hidden = Parameter(parse=False)
IN_THE_ROOM = "In the room only: members see it; a leaked copy proves nothing."
PROVABLE = "On the record: whoever has the file can prove for ever that whoever signs as this agreed to it."


@outcome.command
async def draft(
    dialogue: str,
    title: str,
    /,
    *,
    joint: Annotated[bool, Flag] = False,
    cites: list[str] | None = None,
    lang: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Draft a note, or a joint statement; its text is asked for, or read from stdin.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    title
        What it is called.
    joint
        A joint statement: of those who endorse it. Else a note, which is a rapporteur's and names nobody.
    cites
        The beginning of the id of a proposal, a statement or an action that it rests on; may be said several times.
    lang
        Its language, such as en.

    """
    given: Params = {"joint": joint, "cites": list(cites or ())}
    if lang is not None:
        given["lang"] = lang
    await _do(context, "outcome.draft", "Drafted.", dialogue=dialogue, title=title, text=ask.message(), **given)


@outcome.command
async def endorse(
    dialogue: str,
    id_: str,
    /,
    *,
    on_record: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Endorse an outcome: in the room only, or on the record.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of its id.
    on_record
        How you sign: a name, a role, or both. Then it is provable for ever; without it, members see it and no more.

    """
    await _endorse(context, dialogue, id_, on_record, {}, "Endorsed.")


@outcome.command
async def reserve(
    dialogue: str,
    id_: str,
    /,
    *,
    on_record: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Have a reservation, in your words, asked for or read from stdin; it is not sealed until that is dealt with.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of its id.
    on_record
        How you sign: a name, a role, or both. Then it is provable for ever; without it, members see it and no more.

    """
    await _endorse(context, dialogue, id_, on_record, {"reserve": True, "reason": ask.message()}, "Noted.")


@outcome.command
async def minority(dialogue: str, id_: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Add a minority statement, which goes along with the outcome, without a name; asked for, or read from stdin.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the outcome's id.

    """
    await _do(context, "outcome.minority", "Added.", dialogue=dialogue, id=id_, text=ask.message())


@outcome.command
async def answer(dialogue: str, objection: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Answer an objection; the words are asked for, or read from stdin.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    objection
        The beginning of its id, as `outcome show` has it.

    """
    await _do(context, "outcome.answer", "Answered.", dialogue=dialogue, objection=objection, text=ask.message())


@outcome.command
async def attach(dialogue: str, id_: str, objection: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Attach an objection to an outcome: it goes along with it, in its own words and without a name.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of the outcome's id.
    objection
        The beginning of the objection's id.

    """
    await _do(context, "outcome.attach", "Attached.", dialogue=dialogue, id=id_, objection=objection)


@outcome.command
async def seal(dialogue: str, id_: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Seal an outcome as it stands: as a facilitator, with your dialogue key's signature, for strangers to check.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of its id.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("outcome.seal", dialogue=dialogue, id=id_))
        named = line_of(result, "act")[:8]
        waits = f"Signed. Others must sign it too: tertulia cosign {dialogue} {named}"
        said = "Sealed." if line_of(result, "state") == "done" else waits
        renamed = {"result" if key == "state" else key: value for key, value in result.items()}
        await context.deliver(client, renamed, said)


@outcome.command(name="list")
async def list_(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List the outcomes of a dialogue, and how far they are.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("outcome.list", dialogue=dialogue))
    lines = [f"{_head(row)}  ({_state(row)})" for row in rows_of(result, "outcomes")]
    context.output.result(result, lines or ["No outcome has been drafted yet."])


@outcome.command
async def show(dialogue: str, id_: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Show an outcome: its words, who endorses it, what stands against it, and what goes along with it.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of its id.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("outcome.list", dialogue=dialogue))
    wanted = id_.strip().lower()
    found = [row for row in rows_of(result, "outcomes") if line_of(row, "id").startswith(wanted)]
    if len(found) != 1:
        raise LocalError(
            Problem(
                f"There {'is no outcome' if not found else 'are several outcomes'} by that id.",
                "Nothing was changed.",
                f"See what there is: tertulia outcome list {dialogue}",
            )
        )
    context.output.result(found[0], lines_of(found[0]))


@outcome.command
async def export(
    dialogue: str,
    id_: str,
    file: Path,
    /,
    *,
    rules: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Write a sealed outcome to a new file, which anybody can check without a profile: tertulia check FILE.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    id_
        The beginning of its id.
    file
        The file to make. It must not exist.
    rules
        The charter goes along: then a stranger sees that the dialogue's founder sealed it, and the founder's nickname.

    """
    given: Params = {"dialogue": dialogue, "id": id_, "path": _whole(file), "rules": rules}
    async with context.unlocked() as client:
        result = plain(await client.call("outcome.export", **given))
    context.output.result(
        result,
        [
            f"Written: {int_of(result, 'bytes')} bytes. Whoever has the file can read it.",
            "Nobody is named in it but who signed on the record. Anybody can check it: tertulia check FILE",
        ],
    )


@outcome.command
def page(file: str, out: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Put a published outcome on one page of Markdown, to be published: checked first, without a profile.

    Parameters
    ----------
    file
        A file made by outcome export.
    out
        The page to make. It must not exist.

    """
    hand_over_page(file, out, as_json=context.output.json)


async def actions(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List what was to be done, by whom and until when; what is overdue says so.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("actions", dialogue=dialogue))
    lines = [action_line(row) for row in rows_of(result, "actions")]
    context.output.result(result, lines or ["Nothing is to be done."])


def _whole(file: Path) -> str:
    """The path as the node sees it, which runs in another folder."""
    return str(file.absolute())


def action_line(row: dict[str, object]) -> str:
    """One action: what, who, until when, and whether it is time."""
    until = f", by {moment_of(int_of(row, 'deadline'))}" if int_of(row, "deadline") else ""
    time = {"overdue": "  OVERDUE", "review": "  time to look at it again"}.get(line_of(row, "due"), "")
    return f"{line_of(row, 'id')[:8]}  {line_of(row, 'title')}: {line_of(row, 'owner')}{until}{time}"


def lines_of(row: dict[str, object]) -> list[str]:
    """An outcome in words."""
    found = [f"{_head(row)}  ({_state(row)})", *(f"    {line}" for line in text_of(row, "text").split("\n"))]
    found.append(f"    endorsed by {int_of(row, 'endorse')} in the room, {int_of(row, 'reserve')} with a reservation")
    for signed in rows_of(row, "on_record"):
        endorses = line_of(signed, "value") == "endorse"
        word = "endorses it" if endorses else f"has a reservation: {line_of(signed, 'reason')}"
        found.append(f"    on the record: {line_of(signed, 'name')} {word}")
    for name, title in (("against", "stands against it"), ("attached", "goes along")):
        found += [
            f"    {title}: {line_of(one, 'id')[:8]}  {line_of(one, 'author')}: {line_of(one, 'reason')}"
            for one in rows_of(row, name)
        ]
    found += [f"    minority statement: {line_of(one, 'text')}" for one in rows_of(row, "minority")]
    return found


def _head(row: dict[str, object]) -> str:
    return f"{line_of(row, 'id')[:8]}  {line_of(row, 'form')}  {line_of(row, 'title')}"


def _state(row: dict[str, object]) -> str:
    state = {
        "draft": "draft", "proposed": "waits for signatures", "sealed": "sealed",
        "unanswered": "not sealed: an objection stands against it",
        "incomplete": "not all of it is here yet",
    }.get(line_of(row, "state"), "draft")  # fmt: skip
    return f"{state}, provisional: not all of it is here" if state == "sealed" and row.get("provisional") else state


async def _endorse(
    context: Context, dialogue: str, id_: str, name: str | None, given: Params, done: str
) -> None:
    context.output.aside(IN_THE_ROOM if name is None else PROVABLE)
    if name is not None:
        given = {**given, "name": name}
    await _do(context, "outcome.endorse", done, dialogue=dialogue, id=id_, **given)


async def _do(context: Context, method: str, done: str, **params: Value) -> None:
    async with context.unlocked() as client:
        result = plain(await client.call(method, **params))
        await context.deliver(client, result, done, {"dialogue": params["dialogue"]})
