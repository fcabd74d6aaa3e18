"""What a verb of the relay prints: one JSON object, or sentences.

docs/guide/scripting.md, *JSON*. Results go to stdout, everything beside them to stderr; no text of a peer is ever shown
by a relay, and an operator's own passes the terminal guard's rules all the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tertulia.protocol.errors import LocalError, Problem
from tertulia.protocol.text import clean

DONE, NOT_DONE, NOT_UNDERSTOOD, INTERRUPTED = 0, 1, 2, 130
LIMIT_SENTENCE: Final = 4_096


def result(value: Mapping[str, object], sentences: Iterable[str], *, as_json: bool) -> int:
    """Print a verb's result; gives its exit code."""
    if as_json:
        sys.stdout.write(json.dumps(value) + "\n")
    else:
        for sentence in sentences:
            sys.stdout.write(clean(sentence, LIMIT_SENTENCE) + "\n")
    sys.stdout.flush()
    return DONE


def problem(wrong: Problem, *, as_json: bool) -> None:
    """Print what went wrong: an object on stdout, or three sentences on stderr."""
    if as_json:
        sys.stdout.write(json.dumps({"error": wrong.error, "safe": wrong.safe, "next": wrong.next}) + "\n")
        return
    for sentence in (wrong.error, wrong.safe, wrong.next):
        sys.stderr.write(clean(sentence, LIMIT_SENTENCE) + "\n")


def aside(sentence: str) -> None:
    """Tell the person something that is not the result."""
    sys.stderr.write(clean(sentence, LIMIT_SENTENCE) + "\n")


def within(act: Callable[[], int], *, as_json: bool) -> int:
    """Do it and give its exit code, or say what went wrong and give that one."""
    try:
        return act()
    except LocalError as wrong:
        problem(wrong.problem, as_json=as_json)
        return NOT_DONE
    except OSError as wrong:
        sentence = f"The system refused: {(wrong.strerror or type(wrong).__name__).lower()}."
        problem(
            Problem(sentence, "What was stored before stays stored.", "Check the disk's room and the folder's rights."),
            as_json=as_json,
        )
        return NOT_DONE
    except (KeyboardInterrupt, EOFError):
        problem(Problem("Interrupted.", "What was stored stays stored.", "Run it again."), as_json=as_json)
        return INTERRUPTED
