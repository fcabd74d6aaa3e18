"""The verbs at the door of a dialogue: invite, join, knocks, admit, refuse.

Issue 2, point 2; PROTOCOL §4. An invite is shown as text and, on a terminal, as a QR that fits 80x24. `join` says
`admitted` or `knocked`; a knock is answered when the inviter's device is next online, and every later start goes on.
"""

import asyncio
import os
import shutil
import sys
from typing import Annotated

from cyclopts import Parameter

from tertulia.protocol.control import LocalError, Problem, Snapshot
from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.client import Client, Params, Update
from tertulia.tui.duration import in_words, minutes
from tertulia.tui.guard import int_of, line_of, rows_of
from tertulia.tui.when import moment_of

Hidden = Parameter(parse=False)
Flag = Parameter(negative=())

NO_INVITE = Problem(
    error="There is no invite to join with.",
    safe="Nothing was changed.",
    next="Give the line you were sent: tertulia join INVITE, or paste it when asked.",
)


async def invite(
    dialogue: str,
    /,
    *,
    uses: int = 1,
    expires: str = "7d",
    ask_me: Annotated[bool, Parameter(name="--ask", negative=())] = False,
    context: Annotated[Context, Hidden],
) -> None:
    """Make an invite: one line of text, and a QR on a terminal. Send it by a channel you trust.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    uses
        How many people may join with it.
    expires
        How long it lives: 30m, 12h, 7d.
    ask_me
        Let whoever knocks wait until you admit them yourself.

    """
    lifetime = minutes(expires)
    async with context.unlocked() as client:
        result = plain(
            await client.call("invite", dialogue=dialogue, uses=uses, expires_minutes=lifetime, ask=ask_me)
        )
        if not context.output.json:
            context.output.result({}, _shown(line_of(result, "invite"), uses, lifetime))
        came = await context.delivered(client)
    context.output.result({**result, "state": came.state}, [came.value])


def _shown(text: str, uses: int, lifetime: int) -> list[str]:
    _print_qr(text)
    times = "once" if uses == 1 else f"for {uses} people"
    return [text, f"It works {times}, for {in_words(lifetime)}. Whoever holds it can use it: send it by a safe way."]


def _print_qr(text: str) -> None:
    """Draw the QR if a person can see it: on a terminal that is wide enough."""
    if not text or not sys.stdout.isatty():
        return
    from tertulia.tui.qr import qr_lines  # 15 ms that no other verb needs

    lines = qr_lines(text)
    if shutil.get_terminal_size().columns < len(lines[0]):
        return
    start, end = ("", "") if os.environ.get("NO_COLOR") else ("\x1b[97;40m", "\x1b[0m")
    for line in lines:
        print(f"{start}{line}{end}")


async def join(
    invite_text: Annotated[str | None, Parameter(name="INVITE")] = None,
    /,
    *,
    nick: str | None = None,
    context: Annotated[Context, Hidden],
) -> None:
    """Join a dialogue with an invite. Your device knocks; the inviter's device admits you when it is next online.

    Parameters
    ----------
    invite_text
        The line you were sent. Left out, or “-”, it is asked for or read from stdin.
    nick
        The nickname its people will see, if another than your usual one.

    """
    if invite_text in {None, "-"}:
        invite_text = ask.one_line("Invite: ", NO_INVITE)
    async with context.unlocked() as client:
        name = {} if nick is None else {"nick": nick}
        result = plain(await client.call("join", invite=invite_text or "", **name))
        if result.get("state") == "knocked" and context.wait:
            request: Params = {"for": "join", "join": line_of(result, "join"), "seconds": context.wait}
            answer = await client.call("wait", **request)
            result |= {name: value for name, value in answer.items() if name in {"state", "dialogue"}}
        standing = {} if result.get("state") == "admitted" else await _standing(client, line_of(result, "join"))
    if result.get("state") == "refused":
        raise LocalError(
            Problem(
                error=line_of(standing, "problem") or "Whoever invited you has refused your knock.",
                safe="You are in no dialogue through it.",
                next="Ask whoever invited you for a new invite.",
            )
        )
    context.output.result(result, [_joined(result, standing)])


def _joined(result: dict[str, object], standing: dict[str, object]) -> str:
    if result.get("state") == "admitted":
        return f"Admitted. Read it: tertulia read {line_of(result, 'dialogue')[:8]}"
    if problem := line_of(standing, "problem"):
        return f"Not in yet. {problem} Every later start tries again."
    if standing.get("state") == "looking":
        return "Nobody of the community could be reached yet. Your device knocks when it is; every later start goes on."
    return "Knocked. The inviter's device admits you when it is next online; every later start goes on."


async def _standing(client: Client, join: str) -> dict[str, object]:
    """How one's own request to join stands: its row of the view, or nothing when there is none."""
    arrivals: asyncio.Queue[Update | None] = asyncio.Queue()
    client.on_end = lambda: arrivals.put_nowait(None)
    client.watch("joins", {}, arrivals.put_nowait)
    update = await arrivals.get()
    rows = update.rows if isinstance(update, Snapshot) else ()
    return next((dict(row.value) for row in rows if row.id == join), {})


async def knocks(*, context: Annotated[Context, Hidden]) -> None:
    """List who asks to join."""
    async with context.unlocked() as client:
        result = plain(await client.call("knocks"))
    lines = [
        f"{line_of(row, 'knock')[:8]}  {line_of(row, 'nick')} asks to join “{line_of(row, 'title')}”"
        f" · code {line_of(row, 'code')} · {moment_of(int_of(row, 'time'))}"
        for row in rows_of(result, "knocks")
        if row.get("state") == "waiting"
    ]
    context.output.result(result, lines or ["Nobody asks to join."])


async def admit(knock: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Let in who knocked.

    Parameters
    ----------
    knock
        Its id, or the beginning of it, from `knocks`.

    """
    await _decide("admit", knock, "Admitted.", context)


async def refuse(knock: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Do not let in who knocked.

    Parameters
    ----------
    knock
        Its id, or the beginning of it, from `knocks`.

    """
    await _decide("refuse", knock, "Refused.", context)


async def _decide(verb: str, knock: str, sentence: str, context: Context) -> None:
    async with context.unlocked() as client:
        chosen = _one_knock(rows_of(await client.call("knocks"), "knocks"), knock)
        result = plain(await client.call(verb, knock=chosen))
        result["decision"] = result.pop("state", verb)
        await context.deliver(client, result, sentence)


def _one_knock(rows: list[dict[str, object]], given: str) -> str:
    """The full id of the only knock that begins with what was given. Raises LocalError."""
    found = [line_of(row, "knock") for row in rows if line_of(row, "knock").startswith(given.lower())] if given else []
    if len(found) == 1:
        return found[0]
    error = f"{len(found)} knocks begin with “{given[:64]}”." if found else f"No knock begins with “{given[:64]}”."
    raise LocalError(Problem(error=error, safe="Nobody was admitted or refused.", next="See them all: tertulia knocks"))
