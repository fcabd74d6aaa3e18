"""The verbs about talking: new, list, say, read, members, remove, leave.

Issue 2, point 2. A message comes from a prompt or stdin; as an argument it works and warns, because shells remember.
A dialogue is named by its id, the beginning of it, or its exact title: the node resolves it.
"""

import asyncio
import json
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from tertulia.protocol.control import Delta, Failure, LocalError, Row, Snapshot
from tertulia.tui.cli import ask, method_verbs
from tertulia.tui.cli.check_file import hand_over_check
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Client, Params, Update, gone
from tertulia.tui.duration import minutes
from tertulia.tui.guard import int_of, line_of, rows_of, strip_text, text_of
from tertulia.tui.phrases import counted, holes, instead, lacking, member_words, said_how, sending
from tertulia.tui.rules_words import version_lines
from tertulia.tui.when import moment_of

Hidden = Parameter(parse=False)
Flag = Parameter(negative=())
MINUTES_PER_DAY = 24 * 60


async def new(
    title: str,
    /,
    *,
    commons: str | None = None,
    track: Literal["1", "1.5", "2", "3"] | None = None,
    quorum: int | None = None,
    langs: str = "",
    keep: str | None = None,
    simulation: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Begin a dialogue; you are its first member. Its rules are then its own: nobody can change them.

    Parameters
    ----------
    title
        What its members call it.
    commons
        The community to hold it in, by name or id, when you are in several.
    track
        1: officials; 1.5: officials and citizens, in a personal capacity; 2: experts and civil society; 3: citizens.
        Without it: a conversation among people who know each other.
    quorum
        How many facilitators must agree to remove, mute or fold, or to change who facilitates.
    langs
        The languages of a track, such as en,ti.
    keep
        For how long what is said is kept, such as 30d; as long as the community does unless said.
    simulation
        An exercise: every view says so.

    """
    async with context.unlocked() as client:
        where: Params = {} if commons is None else {"commons": commons}
        rules: Params = {} if quorum is None else {"quorum": quorum}
        if track is not None:
            rules["track"] = track
        if langs:
            rules["languages"] = [part.strip() for part in langs.split(",")]
        if keep is not None:
            rules["keep"] = -(-minutes(keep) // MINUTES_PER_DAY)
        if simulation:
            rules["simulation"] = True
        result = plain(await client.call("dialogue.new", title=title, **where, **rules))
        begun = f"“{line_of(result, 'title')}” has begun. Invite somebody: tertulia invite {_short(result)}"
        await context.deliver(client, result, begun, {"dialogue": line_of(result, "dialogue")})


async def list_(*, context: Annotated[Context, Hidden]) -> None:
    """List your dialogues."""
    async with context.unlocked() as client:
        result = plain(await client.call("dialogue.list"))
    lines = [
        f"{_short(row)}  {line_of(row, 'title')}  {counted(int_of(row, 'people'), 'person', 'people')}"
        f"  {int_of(row, 'unread')} unread{_standing(row)}{_holes(row)}"
        for row in rows_of(result, "dialogues")
    ]
    context.output.result(result, lines or ["You are in no dialogue yet: tertulia join INVITE, or tertulia new TITLE."])


def _short(row: dict[str, object]) -> str:
    return line_of(row, "dialogue")[:8]


def _holes(row: dict[str, object]) -> str:
    return f"  ({words})" if (words := lacking(row)) else ""


def _standing(row: dict[str, object]) -> str:
    return {"left": "  (you left)", "removed": "  (you were removed)"}.get(line_of(row, "state"), "")


async def say(  # noqa: PLR0913 - each form is an option of its own
    dialogue: str,
    text: str | None = None,
    /,
    *,
    statement: Annotated[bool, Flag] = False,
    story: Annotated[bool, Flag] = False,
    question: Annotated[bool, Flag] = False,
    reply_to: str | None = None,
    translates: str | None = None,
    source_for: str | None = None,
    corrects: str | None = None,
    scribe: str | None = None,
    automated: Annotated[bool, Flag] = False,
    lang: str | None = None,
    room: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Say something, off the record: the people in the dialogue see your name with it.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    text
        Better left out: you are asked for it, or it is read from stdin. Shells remember what is typed here.
    statement
        One thought that others can agree with or not.
    story
        Something to be heard and asked about, never voted on.
    question
        Something you would like to know.
    reply_to
        The beginning of the id of what you answer.
    translates
        The beginning of the id of what you render in another language; say which with --lang.
    source_for
        The beginning of the id of what this is a source for.
    corrects
        The beginning of the id of what this sets right.
    scribe
        Whose words these are, who is in the room with you and agrees that you enter them.
    automated
        Said by a program, under your name.
    lang
        The language it is in: en, ti.
    room
        In which room, by its title or id; in the plenary unless said.

    """
    chosen: dict[str, str | None] = {
        "statement": "" if statement else None, "story": "" if story else None, "question": "" if question else None,
        "reply": reply_to, "translation": translates, "source": source_for, "correction": corrects,
        "scribe": None if scribe is None else "", "automated": "" if automated else None,
    }  # fmt: skip
    meant = method_verbs.form_of(chosen, lang, scribe)
    if text is None:
        text = ask.message()
    else:
        context.output.aside("Your shell may remember this message in its history. Leave the text out to be asked.")
    async with context.unlocked() as client:
        result = plain(await client.call("say", dialogue=dialogue, text=text, **meant, **_in(room)))
        await context.deliver(client, result, "Said.", {"message": line_of(result, "id")})


async def read(
    dialogue: str,
    /,
    *,
    last: int | None = None,
    follow: Annotated[bool, Flag] = False,
    room: str | None = None,
    history: Annotated[bool, Flag] = False,
    folded: Annotated[bool, Flag] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Read a dialogue.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    last
        Only so many of the latest messages.
    follow
        Go on printing what arrives, until Ctrl+C. With --json: one message a line.
    room
        Which room, by its title or id; the plenary unless said.
    history
        Also what was edited or withdrawn, as it was before.
    folded
        Open what facilitators have folded.

    """
    async with context.unlocked() as client:
        count: Params = {**_in(room), **({} if last is None else {"last": last})}
        if follow:
            await _follow(client, dialogue, count, context)
            return
        result = plain(await client.call("read", dialogue=dialogue, **count))
        await client.call("seen", dialogue=line_of(result, "dialogue"))
        lines: list[str] = []
        for row in rows_of(result, "messages"):
            lines += message_lines(row, opened=folded)
            if history and (row.get("edited") or row.get("withdrawn")):
                told = plain(await client.call("history", dialogue=dialogue, id=line_of(row, "id")))
                row["versions"] = told["versions"]
                lines += version_lines(told)
    context.output.result(result, lines or ["Nothing has been said yet."])


def _in(room: str | None) -> dict[str, str]:
    """The room that a call names, if one was."""
    return {} if room is None else {"room": room}


def message_lines(row: dict[str, object], *, opened: bool = False) -> list[str]:
    """A message as lines: who and when, then the text, indented so that it cannot pass for another message."""
    who = "You" if row.get("mine") else line_of(row, "author")
    notes = [moment_of(int_of(row, "time")), line_of(row, "grade"), *said_how(row)]
    if row.get("mine"):
        notes.append(sending(row))
    if row.get("late"):
        notes.append("arrived late")
    why = instead(row, opened=opened)
    before = [f"({hole})" for hole in holes(row)]
    text = [f"    ({why})"] if why else _indented(text_of(row, "text"))
    return [*before, f"{line_of(row, 'id')[:8]} · {who} · {' · '.join(note for note in notes if note)}", *text]


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.split("\n")]


async def _follow(client: Client, dialogue: str, count: Params, context: Context) -> None:
    """Print each message once, as it appears; end when the node does, with its sentence."""
    arrivals: asyncio.Queue[Update | None] = asyncio.Queue()
    client.on_end = lambda: arrivals.put_nowait(None)
    client.watch("messages", {"dialogue": dialogue, **count}, arrivals.put_nowait)
    printed: set[str] = set()
    while True:
        match await arrivals.get():
            case Snapshot(rows=rows) | Delta(upserts=rows):
                for row in sorted(rows, key=lambda row: row.order):
                    if row.id not in printed:
                        printed.add(row.id)
                        _print_row(row, context)
            case Failure(problem=problem):
                raise LocalError(problem)
            case None:
                raise gone()


def _print_row(row: Row, context: Context) -> None:
    if context.output.json:
        print(json.dumps(row.value), flush=True)
        return
    for line in message_lines(dict(row.value)):
        print(strip_text(line))
    sys.stdout.flush()


async def members(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """List the people of a dialogue.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("members", dialogue=dialogue))
    context.output.result(result, [member_line(row) for row in rows_of(result, "members")])


def member_line(row: dict[str, object]) -> str:
    """A member in words: nickname, standing, and the code to compare while nobody has."""
    nick, standing = member_words(row)
    return f"{line_of(row, 'member')[:8]}  {nick}{f'  ({standing})' if standing else ''}"


async def check(dialogue: str, member: str | None = None, /, *, context: Annotated[Context, Hidden]) -> None:
    """Check a published outcome: tertulia check FILE. With a member: say that you compared codes with them.

    Parameters
    ----------
    dialogue
        A file made by outcome export, which takes no profile to check; or a dialogue: its id, the beginning, its title.
    member
        The beginning of their id, or their nickname: the codes were the same, and they are unchecked no longer.

    """
    if member is None:
        hand_over_check(dialogue, as_json=context.output.json)
    async with context.unlocked() as client:
        result = plain(await client.call("check", dialogue=dialogue, member=member))
    context.output.result(result, ["Checked."])


async def remove(dialogue: str, member: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Remove somebody from a dialogue: from then on they can neither read nor speak in it.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    member
        The beginning of their id, or their nickname.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("remove", dialogue=dialogue, member=member))
        done = "Removed. What they have read, they have read."
        pending = f"Proposed. Others must sign it too: tertulia cosign {dialogue} {line_of(result, 'act')[:8]}"
        said = done if result.get("state") == "removed" else pending
        await context.deliver(client, _as(result, "result"), said)


async def leave(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Leave a dialogue.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("leave", dialogue=dialogue))
        left = "You have left. What was said stays on this machine."
        await context.deliver(client, _as(result, "result"), left, {"dialogue": dialogue})


def _as(result: dict[str, object], name: str) -> dict[str, object]:
    """The result with its `state` under another name, because `state` says what became of the delivery."""
    return {name if key == "state" else key: value for key, value in result.items()}
