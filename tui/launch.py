"""Finds the profile's node, or starts one, and says hello to it.

docs/spec/control.md, DESIGN §2. A node is another process of this Python: we never import it. Clients that start at
once may each launch one; the profile's lock lets one node live and all of them find it. A node that is just ending
is waited for and replaced. A stale socket is nobody's: the next node removes it.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.client import Client, NodeAbsent, NodeGone, connect
from tertulia.tui.guard import strip_line
from tertulia.tui.profile import Profile, unreadable

START_SECONDS = 15.0
POLL_SECONDS = 0.02
LIMIT_FAILURES = 2
"""Launches that may fail while nobody holds the lock before we tell the person."""
LIMIT_LOG_READ = 8 * 1024

NODE_COMMAND = (sys.executable, "-P", "-m", "tertulia.bootstrap.node")
"""-P: a file in the folder we happen to stand in must not be imported in place of ours."""
CHECK_COMMAND = (sys.executable, "-P", "-m", "tertulia.bootstrap.outcome")
RELAY_COMMAND = (sys.executable, "-P", "-m", "tertulia.bootstrap.relay")

_children: "list[subprocess.Popen[bytes]]" = []
"""Nodes this process started and has not seen end. They outlive us; while we live, we let the ended ones go."""


@dataclass(slots=True)
class Launched:
    """A node process we started, and how long its log was before."""

    process: "subprocess.Popen[bytes]"
    log_before: int


def node_arguments(profile: Profile, command: Sequence[str] = NODE_COMMAND, *, resident: bool = False) -> list[str]:
    """The command line of a node for this profile."""
    arguments = [*command, "--home", str(profile.home), "--profile", profile.name]
    return [*arguments, "--resident"] if resident else arguments


def launch(profile: Profile, command: Sequence[str] = NODE_COMMAND) -> Launched:
    """Start a detached node: own session, no terminal, errors to node.log. Raises LocalError when it cannot start."""
    profile.make_folder()
    try:
        log = os.open(profile.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(log).st_size
            process = subprocess.Popen(
                node_arguments(profile, command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
            _children[:] = [child for child in _children if child.poll() is None] + [process]
            return Launched(process, before)
        finally:
            os.close(log)
    except OSError as problem:
        raise unreadable(profile.folder, problem) from problem


async def find_node(profile: Profile, name: str = "tertulia") -> Client | None:
    """A client of the node that runs, or None. Raises OtherVersion."""
    path = profile.socket()
    if path is None:
        return None
    try:
        return await connect(path, name)
    except (NodeAbsent, NodeGone):
        return None


async def attach(
    profile: Profile,
    name: str = "tertulia",
    command: Sequence[str] = NODE_COMMAND,
    seconds: float = START_SECONDS,
) -> Client:
    """A client of the profile's node, started if none runs.

    Raises OtherVersion, or LocalError when no node can be reached within `seconds`.
    """
    deadline = time.monotonic() + seconds
    launched: Launched | None = None
    failures = 0
    while True:
        client = await find_node(profile, name)
        if client is not None:
            return client
        if launched is not None and launched.process.poll() is not None and not profile.is_held():
            failures += 1
            if failures > LIMIT_FAILURES or time.monotonic() > deadline:
                raise _not_started(profile, launched)
            launched = None
        if launched is None and not profile.is_held():
            launched = launch(profile, command)
        if time.monotonic() > deadline:
            raise _silent(profile)
        await asyncio.sleep(POLL_SECONDS)


def _silent(profile: Profile) -> LocalError:
    return LocalError(
        Problem(
            error=f"The node of profile “{profile.name}” holds it but does not answer.",
            safe="What was stored is safe on this machine's disk.",
            next=f"Wait a little and try again; if it stays so, end that process. Its log: {profile.log}",
        )
    )


def _not_started(profile: Profile, launched: Launched) -> LocalError:
    """The node's own last words if it left any: a JSON problem, or a line."""
    words = _last_line(profile, launched.log_before)
    try:
        said = json.loads(words)
        return LocalError(Problem(error=str(said["error"]), safe=str(said["safe"]), next=str(said["next"])))
    except (ValueError, TypeError, KeyError):
        pass
    return LocalError(
        Problem(
            error="The node could not start." + (f" It said: {words}" if words else ""),
            safe="What was stored is safe on this machine's disk.",
            next=f"Try again; the log may say more: {profile.log}",
        )
    )


def _last_line(profile: Profile, start: int) -> str:
    try:
        with profile.log.open("rb") as log:
            log.seek(max(start, profile.log.stat().st_size - LIMIT_LOG_READ))
            lines = log.read(LIMIT_LOG_READ).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((strip_line(line).strip() for line in reversed(lines) if line.strip()), "")
