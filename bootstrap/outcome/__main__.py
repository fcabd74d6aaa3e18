"""`python -m tertulia.bootstrap.outcome VERB`: what `tertulia check FILE` runs.

docs/spec/outcome.md. Exit codes: 0 done, 1 not done, 2 not understood.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from tertulia.bootstrap.outcome import checking
from tertulia.bootstrap.outcome.page import markdown
from tertulia.bootstrap.relay import say
from tertulia.protocol.errors import LocalError, Problem

app = App(
    name="tertulia",
    help="A published outcome, checked offline.",
    version_flags=[],
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)


@app.command
def check(file: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> None:
    """Check a published outcome: whether it is genuine, and who endorsed it on the record.

    Parameters
    ----------
    file
        A file made by outcome export.
    as_json
        Print one JSON object.

    """
    published = checking.read(file)
    say.result(checking.facts(published), checking.sentences(published), as_json=as_json)


@app.command
def page(file: Path, out: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> None:
    """Put a published outcome on one page of Markdown, once it is checked.

    Parameters
    ----------
    file
        A file made by outcome export.
    out
        The page to make. It must not exist.
    as_json
        Print one JSON object.

    """
    text = markdown(checking.read(file))
    try:
        with out.open("x", encoding="utf-8") as made:
            made.write(text)
    except OSError as failed:
        problem = Problem(f"The page cannot be written: {failed.strerror}.", "Nothing was changed.", "Name a new file.")
        raise LocalError(problem) from failed
    say.result({"path": str(out), "bytes": len(text.encode())}, ["Written."], as_json=as_json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb with these arguments (the process's own if None); gives the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(given, exit_on_error=False, print_error=False)
    except CycloptsError as wrong:
        problem = Problem(str(wrong), "Nothing was changed.", "See how it is written: tertulia check --help")
        say.problem(problem, as_json="--json" in given)
        return say.NOT_UNDERSTOOD
    except LocalError as wrong:
        say.problem(wrong.problem, as_json="--json" in given)
        return say.NOT_DONE
    return say.DONE


if __name__ == "__main__":
    sys.exit(main())
