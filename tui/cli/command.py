"""The verbs and the options they share.

Issue 2, point 2. Options common to all verbs may stand before or after the verb. What goes wrong is told in border.py.
"""

import asyncio
import difflib
import inspect
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli import (
    charter_verbs,
    contact_verbs,
    corridor_verbs,
    council_verbs,
    delivery_verbs,
    door_verbs,
    method_verbs,
    proceeding_verbs,
    profile_verbs,
    room_verbs,
    survey_verbs,
    talk_verbs,
)
from tertulia.tui.cli.border import DONE, NOT_UNDERSTOOD, within
from tertulia.tui.cli.carry_verbs import carry
from tertulia.tui.cli.context import DEFAULT_WAIT, LIMIT_WAIT, Context
from tertulia.tui.cli.outcome_verbs import actions, outcome
from tertulia.tui.cli.output import Output
from tertulia.tui.cli.reach_verbs import commons
from tertulia.tui.cli.relay_verb import hand_over, relay
from tertulia.tui.cli.resource_verbs import resource
from tertulia.tui.guard import strip_line
from tertulia.tui.profile import find_profile

Flag = Parameter(negative=())


def _release() -> str:
    try:
        return version("tertulia")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"


app = App(
    name="tertulia",
    help="Dialogues between citizens, over a network without a server. Without a verb, the interface opens.",
    version=_release,
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)
app.meta.group_parameters = Group("Options of every verb")
for verb in (
    profile_verbs.init, profile_verbs.status, profile_verbs.unlock, profile_verbs.lock, profile_verbs.node,
    profile_verbs.stop, profile_verbs.panic, profile_verbs.clock, talk_verbs.new, talk_verbs.say, talk_verbs.read,
    talk_verbs.members, talk_verbs.check, talk_verbs.remove, talk_verbs.leave, door_verbs.invite, door_verbs.join,
    door_verbs.knocks, door_verbs.admit, door_verbs.refuse, delivery_verbs.delivery, delivery_verbs.receipts,
    charter_verbs.charter, charter_verbs.accept, contact_verbs.reveal, contact_verbs.verify, council_verbs.role,
    council_verbs.act, council_verbs.cosign, council_verbs.acts, council_verbs.cut, method_verbs.stance,
    method_verbs.propose, method_verbs.amend, method_verbs.take, method_verbs.edit, method_verbs.withdraw,
    method_verbs.matters, room_verbs.rooms, actions,
    proceeding_verbs.action, proceeding_verbs.agenda, proceeding_verbs.floor, proceeding_verbs.proceedings,
    survey_verbs.survey, survey_verbs.answer, survey_verbs.surveys, survey_verbs.release, survey_verbs.evaluation,
):  # fmt: skip
    app.command(verb)
app.command(talk_verbs.list_, name="list")
app.command(commons)
app.command(contact_verbs.contacts)
app.command(outcome)
app.command(resource)
app.command(relay)
app.command(carry)
app.command(room_verbs.room)
app.command(corridor_verbs.corridor)


@app.default
def interface(
    *,
    plain: Annotated[bool, Flag] = False,
    context: Annotated[Context, Parameter(parse=False)],
) -> int:
    """Open the interface.

    Parameters
    ----------
    plain
        One line after another, for screen readers and slow links.

    """
    if plain:
        from tertulia.tui.plain import run_plain

        return run_plain(context.profile, context.passphrase_file)
    if context.output.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise LocalError(
            Problem(
                error="The interface needs a terminal.",
                safe="Nothing was changed.",
                next="Name a verb (tertulia --help lists them), or open it in a terminal.",
            )
        )
    from tertulia.tui.app import run_app

    return run_app(context.profile)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    json: Annotated[bool, Flag] = False,
    profile: Annotated[str | None, Parameter(show_default=False)] = None,
    passphrase_file: Annotated[Path | None, Parameter(show_default=False)] = None,
    wait: int = DEFAULT_WAIT,
) -> int:
    """Run a verb, or open the interface.

    Parameters
    ----------
    json
        Print one JSON object; errors too.
    profile
        Whose profile: “main” unless said. TERTULIA_HOME says where profiles live.
    passphrase_file
        Read the passphrase from this file's first line instead of asking.
    wait
        Seconds a verb waits until another machine has what it made.

    """
    output = Output(json)
    if not 0 <= wait <= LIMIT_WAIT:
        raise LocalError(
            Problem(error=f"--wait {wait} is out of range.", safe="Nothing was changed.", next="Use 0 to 86400.")
        )
    _know(tokens)
    verb, bound, unparsed = app.parse_args(tokens, exit_on_error=False, print_error=False)
    if "context" in unparsed:
        bound.arguments["context"] = Context(find_profile(profile), output, passphrase_file, wait)
    result = verb(*bound.args, **bound.kwargs)
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    return result if isinstance(result, int) else DONE


def _know(tokens: Sequence[str]) -> None:
    """Refuse a verb that does not exist and name the nearest one that does. Raises LocalError."""
    if not tokens or tokens[0].startswith("-"):
        return
    verbs = [name for name in app if not name.startswith("-")]
    if tokens[0] in verbs:
        return
    near = difflib.get_close_matches(tokens[0], verbs, 1, 0.5)
    then = f"Did you mean {near[0]}? All verbs: tertulia --help" if near else "All verbs: tertulia --help"
    raise LocalError(
        Problem(error=f"There is no verb “{strip_line(tokens[0][:40])}”.", safe="Nothing was changed.", next=then)
    )


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (the process's own if None) and give its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    output = Output("--json" in given)

    def act() -> int:
        if given[:1] == ["relay"]:
            hand_over(given[1:])
        try:
            result = app.meta(given, exit_on_error=False, print_error=False, result_action="return_value")
        except CycloptsError as wrong:
            output.problem(_misunderstood(wrong))
            return NOT_UNDERSTOOD
        return result if isinstance(result, int) else DONE

    return within(act, output)


def _misunderstood(wrong: CycloptsError) -> Problem:
    return Problem(
        error=strip_line(str(wrong)),
        safe="Nothing was changed.",
        next="See how it is written: tertulia --help, or tertulia VERB --help",
    )
