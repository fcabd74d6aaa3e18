"""What a verb asks a person: passphrases, messages, and a yes.

Issue 2: a passphrase comes from the terminal or a file, never from an argument or the environment; a message comes
from a prompt or stdin. Questions go to the terminal itself, so stdin and stdout stay free for data. Without a
terminal nothing is guessed: the verb ends with a sentence.
"""

import getpass
import os
import stat
import sys
from pathlib import Path

from tertulia.protocol.control import LocalError, Problem

LIMIT_PASSPHRASE_FILE = 4096
LIMIT_STDIN = 1024 * 1024


def passphrase(file: Path | None, *, twice: bool = False) -> str:
    """The profile's passphrase, from the file's first line or the terminal. Raises LocalError."""
    if file is not None:
        return _from_file(file)
    _need_terminal("The passphrase cannot be asked for: there is no terminal.", "Give it with --passphrase-file PATH.")
    chosen = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("The same again: ") != chosen:
        raise LocalError(
            Problem(error="The two passphrases differ.", safe="Nothing was changed.", next="Try again, more slowly.")
        )
    return chosen


def _from_file(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(LIMIT_PASSPHRASE_FILE)
            mode = os.fstat(stream.fileno()).st_mode
        first = data.decode("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "not text"
        raise LocalError(
            Problem(
                error=f"The passphrase file {file} cannot be read: {reason.lower()}.",
                safe="Nothing was changed.",
                next="Give another file, or leave --passphrase-file out to be asked.",
            )
        ) from problem
    if stat.S_ISREG(mode) and mode & 0o077:
        print(f"Others on this machine may read {file}. Make it yours alone: chmod 600.", file=sys.stderr)
    return first


def message() -> str:
    """The text to say: everything on stdin, or one line typed at the prompt. Raises LocalError when there is none."""
    if sys.stdin is not None and sys.stdin.isatty():
        print("Message: ", end="", file=sys.stderr, flush=True)
        text = sys.stdin.readline()
    else:
        text = _stdin()
    if text.strip():
        return text.rstrip("\n")
    raise LocalError(
        Problem(error="There is nothing to say.", safe="Nothing was sent.", next="Type a message, or pipe one in.")
    )


def _stdin() -> str:
    try:
        text = "" if sys.stdin is None else sys.stdin.read(LIMIT_STDIN + 1)
    except UnicodeDecodeError as problem:
        raise LocalError(
            Problem(error="What came on stdin is not text.", safe="Nothing was sent.", next="Send UTF-8 text.")
        ) from problem
    if len(text) > LIMIT_STDIN:
        raise LocalError(
            Problem(error="This is too long for one message.", safe="Nothing was sent.", next="Send it in parts.")
        )
    return text


def one_line(question: str, missing: Problem) -> str:
    """One line from stdin, asked for when stdin is a terminal. Raises LocalError(missing) when it is empty."""
    if sys.stdin is not None and sys.stdin.isatty():
        print(question, end="", file=sys.stderr, flush=True)
    line = "" if sys.stdin is None else sys.stdin.readline().strip()
    if not line:
        raise LocalError(missing)
    return line


def agrees(question: str, instead: Problem) -> bool:
    """Whether the person says yes at the terminal. Raises LocalError(instead) when there is no terminal to ask on."""
    try:
        with open("/dev/tty", "r+", encoding="utf-8", buffering=1) as terminal:  # noqa: PTH123  (a device, not a file)
            terminal.write(f"{question} [y/N] ")
            return terminal.readline().strip().lower() in {"y", "yes"}
    except OSError as problem:
        raise LocalError(instead) from problem


def _need_terminal(error: str, then: str) -> None:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError as problem:
        raise LocalError(Problem(error=error, safe="Nothing was changed.", next=then)) from problem
