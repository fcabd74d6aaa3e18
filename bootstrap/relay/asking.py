"""The four questions of `relay init`: each has a good answer that Enter accepts.

docs/guide/relay.md. Invariants: nothing is asked where there is no terminal; an answer that does not fit is asked for
again, with what would.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tertulia.bootstrap.relay import problems
from tertulia.bootstrap.relay.setting_values import Unfit, host_name, size, words
from tertulia.node.addresses import lan_host
from tertulia.protocol.errors import LocalError

LEAST: Final = 16 * 1024 * 1024
DISK: Final = "20 GB"
PLAINLY: Final = (
    "Before you begin: you will be able to see your members' addresses and when they send; you cannot read anything."
    " Neither can whoever takes this machine. Keep no logs of connections beside it, and tell your members who you are."
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered, as config.toml takes it."""

    name: str
    country: str
    announce: str
    disk: str


def ask(given: Answers, *, yes: bool) -> Answers:
    """Ask for what was not given on the command line. Raises LocalError without a terminal, unless `yes`."""
    announce = given.announce or str(lan_host())
    if yes:
        return Answers(given.name, given.country, announce, given.disk or DISK)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise LocalError(problems.UNASKED)
    return Answers(
        given.name or _one("Who runs this relay? Members read it on its card", "", words),
        given.country or _one("In which country does it stand?", "", words),
        given.announce or _one("Under which name or address do members reach it?", announce, host_name),
        given.disk or _one("How much disk may each community take?", DISK, size(LEAST)),
    )


def _one(question: str, proposed: str, read: Callable[[object], object]) -> str:
    while True:
        sys.stderr.write(f"{question} [{proposed}] " if proposed else f"{question} ")
        sys.stderr.flush()
        typed = sys.stdin.readline()
        if not typed:
            raise EOFError
        answer = typed.strip() or proposed
        try:
            read(answer)
        except Unfit as wrong:
            sys.stderr.write(f"That does not fit: it must be {wrong}.\n")
            continue
        return answer
