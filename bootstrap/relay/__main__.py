"""`python -m tertulia.bootstrap.relay VERB`: what `tertulia relay VERB` runs.

docs/guide/relay.md. Exit codes: 0 done, 1 not done, 2 not understood, 130 interrupted. Invariant: nothing heavy is
loaded for a verb that only asks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from tertulia.bootstrap.relay import live_verbs, say, verbs
from tertulia.protocol.errors import Problem

app = App(
    name="tertulia relay",
    help="A relay: keeps communities reachable, holds their frames for those offline, and can read none of them.",
    version_flags=[],
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)
for verb in (
    verbs.init, verbs.run, verbs.card, verbs.doctor, live_verbs.status, live_verbs.allow, live_verbs.forget,
    live_verbs.drain, live_verbs.quota, live_verbs.stop,
):  # fmt: skip
    app.command(verb)
app.command(verbs.write_unit, name="unit")
app.command(live_verbs.ban)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb with these arguments (the process's own if None); gives the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = app(given, exit_on_error=False, print_error=False)
    except CycloptsError as wrong:
        problem = Problem(str(wrong), "Nothing was changed.", "See how it is written: tertulia relay --help")
        say.problem(problem, as_json="--json" in given)
        return say.NOT_UNDERSTOOD
    return result if isinstance(result, int) else say.DONE


if __name__ == "__main__":
    sys.exit(main())
