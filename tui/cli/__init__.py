"""The command `tertulia`: no verb opens the interface, a verb does one thing and prints it.

Issue-facing contract in docs/spec/control.md and the README. Every verb takes `--json` (one object on stdout).
Nothing heavy is imported here: a verb that only asks the node should answer before a person notices, and the interface
paints a fifth sooner when the verbs are not loaded for it (GOALS.md F9).
"""

import gc
import sys
from collections.abc import Callable


def main() -> None:
    """Entry point of the console script; ends the process with the verb's exit code."""
    gc.disable()
    act = _interface() if len(sys.argv) == 1 and _on_terminal() else _verbs()
    gc.freeze()  # what is loaded stays: looking through it for garbage, at the end once more, is a quarter of a verb
    gc.enable()
    code = act()
    gc.freeze()
    raise SystemExit(code)


def _on_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _interface() -> Callable[[], int]:
    from tertulia.tui.app import run_app
    from tertulia.tui.cli.border import within
    from tertulia.tui.cli.output import Output
    from tertulia.tui.profile import find_profile

    return lambda: within(lambda: run_app(find_profile()), Output(json=False))


def _verbs() -> Callable[[], int]:
    from tertulia.tui.cli.command import run

    return run
