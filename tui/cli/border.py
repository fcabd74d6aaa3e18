"""The border where every error becomes one object or three sentences, and an exit code.

Issue 2, point 2: 0 done, 1 not done, 2 not understood, 130 interrupted. No traceback of what a person, a disk or a
terminal did ever reaches a person.
"""

import os
import sys
from collections.abc import Callable

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.cli.output import Output

DONE, NOT_DONE, NOT_UNDERSTOOD, INTERRUPTED = 0, 1, 2, 130


def within(act: Callable[[], int], output: Output) -> int:
    """Do it and give its exit code, or say what went wrong and give that one."""
    try:
        code = act()
        sys.stdout.flush()
    except LocalError as wrong:
        output.problem(wrong.problem)
        return NOT_DONE
    except BrokenPipeError:
        # Whoever read us has gone; let the interpreter's own last flush go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE
    except OSError as wrong:  # a full disk or a lost terminal is a sentence too
        output.problem(_system(wrong))
        return NOT_DONE
    except (KeyboardInterrupt, EOFError):
        output.problem(
            Problem(
                error="Interrupted.",
                safe="What was stored stays stored; it is sent at the next start.",
                next="Run it again if it was not done.",
            )
        )
        return INTERRUPTED
    return code


def _system(wrong: OSError) -> Problem:
    return Problem(
        error=f"The system refused: {(wrong.strerror or type(wrong).__name__).lower()}.",
        safe="What was stored before stays stored.",
        next="Check the disk's room and the folder's permissions, then try again.",
    )
