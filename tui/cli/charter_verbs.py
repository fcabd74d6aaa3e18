"""The verbs about a dialogue's rules: charter, accept.

Issue 6; docs/spec/events.md, section Charter. Where the rules are accepted by a word of one's own, nobody speaks
before they have: `accept` shows them and asks; with --yes it takes the person to have read them.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import ask
from tertulia.tui.cli.context import Context, plain
from tertulia.tui.guard import line_of
from tertulia.tui.rules_words import ACCEPTED, NOT_ACCEPTED, rules_lines

Hidden = Parameter(parse=False)
Flag = Parameter(negative=())
UNASKED = Problem(
    "Nobody could be asked whether to accept these rules: there is no terminal.",
    "Nothing was sent.",
    "Read them with “tertulia charter”, then accept them with --yes.",
)


async def charter(dialogue: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Show the rules of a dialogue and its guidelines.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("charter", dialogue=dialogue))
    accepted = ACCEPTED if result.get("accepted") else NOT_ACCEPTED
    context.output.result(result, [*rules_lines(result), accepted])


async def accept(
    dialogue: str, /, *, yes: Annotated[bool, Flag] = False, context: Annotated[Context, Hidden]
) -> None:
    """Accept the rules and guidelines of a dialogue, after reading them.

    Parameters
    ----------
    dialogue
        Its id, the beginning of it, or its title.
    yes
        Do not ask: I have read them.

    """
    async with context.unlocked() as client:
        rules = plain(await client.call("charter", dialogue=dialogue))
        if not yes and not rules.get("accepted"):
            for line in rules_lines(rules):
                context.output.aside(line)
            if not ask.agrees("Do you accept these rules?", UNASKED):
                raise LocalError(
                    Problem("You have not accepted the rules.", "Nothing was sent.", "You can read along meanwhile.")
                )
        result = plain(await client.call("accept", dialogue=line_of(rules, "dialogue")))
        await context.deliver(client, result, "Accepted. You may speak now.", {"dialogue": line_of(rules, "dialogue")})
