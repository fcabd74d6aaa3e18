"""The method in the plain client: matters, proceedings, rules and histories as lines; commands that ask for something.

docs/spec/control.md; the commands stand in `method_commands`. Nothing here is redrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tertulia.protocol.control import Row
from tertulia.tui.act_words import only_proposed, pending, proposal, what
from tertulia.tui.guard import line_of, rows_of, strip_text, text_of
from tertulia.tui.link import Link
from tertulia.tui.matter_words import NOTHING, PROVISIONAL, matter_lines
from tertulia.tui.method_commands import IN_ROOMS, asking
from tertulia.tui.proceeding_words import proceeding_lines
from tertulia.tui.rules_words import ACCEPTED, NOT_ACCEPTED, rules_lines, version_lines


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is given: a dialogue, and as the node's parameter the room in it, if not the plenary."""

    dialogue: str
    room: Mapping[str, str]


async def method_command(link: Link, say: Callable[[str], None], place: Place, name: str, rest: str) -> bool:
    """Do what a command of the method asks; False where it is none. Raises LocalError."""
    dialogue = place.dialogue
    match name:
        case "matters":
            result = await link.call("matters", dialogue=dialogue)
            lines = [line for row in rows_of(result, "matters") for line in matter_lines(row)]
            lines += [PROVISIONAL] if result.get("provisional") else []
            lines = lines or [NOTHING]
        case "proceedings":
            lines = proceeding_lines(await link.call("proceedings", dialogue=dialogue))
        case "rules" if rest == "accept":
            await link.call("accept", dialogue=dialogue)
            lines = ["Accepted. You may speak now."]
        case "rules":
            result = await link.call("charter", dialogue=dialogue)
            accepted = bool(result.get("accepted"))
            lines = [*rules_lines(result), ACCEPTED if accepted else f"{NOT_ACCEPTED} /rules accept does."]
        case "history":
            lines = version_lines(await link.call("history", dialogue=dialogue, id=rest))
        case _:
            asked = asking(name, rest)
            if asked is None:
                return False
            where = place.room if asked.method in IN_ROOMS else {}
            result = await link.call(asked.method, dialogue=dialogue, **where, **asked.params)
            named = line_of(result, "id")[:8]
            lines = [f"{asked.done} Its id: {named}" if named else asked.done]
    for line in lines:
        say(strip_text(line))
    return True


async def proposals(link: Link, say: Callable[[str], None], dialogue: str, *, sign: bool) -> None:
    """Say what waits for signatures, or sign the first that waits for mine. Raises LocalError."""
    rows = pending(rows_of(await link.call("acts", dialogue=dialogue), "acts"))
    waiting = [row for row in rows if not row.get("signed")]
    if sign and waiting:
        result = await link.call("cosign", dialogue=dialogue, act=line_of(waiting[0], "act"))
        rows = rows_of(await link.call("acts", dialogue=dialogue), "acts")
        done = f"Signed, and done: {what(waiting[0])}."
        say(done if line_of(result, "state") == "done" else f"Signed. {only_proposed(result, rows)}")
    elif sign or not rows:
        say("Nothing waits for your signature." if sign else "Nothing waits for signatures.")
    else:
        for row in rows:
            say(". ".join(proposal(row)))


def told_as(row: Row) -> str:
    """What a message was announced as: told anew when it was edited, withdrawn or folded since."""
    edited = text_of(row.value, "text") if row.value.get("edited") else ""
    changes = (edited, bool(row.value.get("withdrawn")), line_of(row.value, "folded"))
    return f"{row.id} {hash(changes)}" if any(changes) else row.id
