"""What a verb prints: one JSON object, or sentences a person reads.

A peer's text passes the terminal guard before it is printed; JSON is ASCII only, so it needs none. Results go to
stdout, everything said to the person beside the result (questions, warnings, errors without --json) to stderr.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.guard import strip_text


@dataclass(frozen=True, slots=True)
class Output:
    """Where and how a verb prints."""

    json: bool

    def result(self, value: Mapping[str, object], sentences: Iterable[str] = ()) -> None:
        """Print the verb's result: `value` with --json, else the sentences."""
        if self.json:
            print(json.dumps(value), flush=True)
            return
        for sentence in sentences:
            print(strip_text(sentence), flush=True)

    def aside(self, sentence: str) -> None:
        """Tell the person something that is not the result."""
        print(strip_text(sentence), file=sys.stderr, flush=True)

    def problem(self, problem: Problem) -> None:
        """Print what went wrong: an object on stdout with --json, else three sentences on stderr."""
        if self.json:
            print(json.dumps({"error": problem.error, "safe": problem.safe, "next": problem.next}), flush=True)
            return
        for sentence in (problem.error, problem.safe, problem.next):
            self.aside(sentence)


def write_new(file: Path, data: bytes) -> None:
    """Write a file that was not there. Raises LocalError where it is, or cannot be."""
    try:
        with file.open("xb") as written:
            written.write(data)
    except FileExistsError:
        raise LocalError(
            Problem(error=f"There is a file {file} already.", safe="It is as it was.", next="Name another.")
        ) from None
    except OSError as error:
        raise LocalError(
            Problem(
                error=f"{file} cannot be written: {error.strerror}.",
                safe="Nothing else changed.",
                next="Name another place.",
            )
        ) from error
