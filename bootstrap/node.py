"""The process of a citizen's node: `python -m tertulia.bootstrap.node --home DIR --profile NAME [--resident]`.

DESIGN.md §2. Composes profile, service and control socket, and ends cleanly on SIGTERM, SIGINT, SIGHUP, `stop`, or with
its last client. Invariant: what keeps it from starting is the last line on stderr, a JSON object of three sentences.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import trio

from tertulia.node.config import Config, load
from tertulia.node.hardening import harden
from tertulia.node.problems import BROKEN
from tertulia.node.profile import DEFAULT_NAME, Profile, default_home
from tertulia.node.redaction import Event, NodeLog, log, log_crash
from tertulia.protocol.errors import LocalError, Problem

FAILED = 1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tertulia.bootstrap.node", description="A citizen's node.")
    parser.add_argument("--home", type=Path, default=None, help="the folder that holds the profiles")
    parser.add_argument("--profile", default=DEFAULT_NAME, help="the profile's name")
    parser.add_argument("--resident", action="store_true", help="stay when the last client has gone")
    chosen = parser.parse_args(arguments)
    harden()  # before anything imports libp2p: see `_run`
    code = 0
    try:
        profile = Profile.named(chosen.profile, chosen.home or default_home())
        profile.prepare()
        _start(profile, load(profile.config), resident=chosen.resident)
    except* LocalError as group:
        _say(_first(group))
        code = FAILED
    except* Exception:  # noqa: BLE001 - the boundary of the process: a person gets a sentence, the log has the place
        _say(BROKEN)  # where it broke stands in the log
        code = FAILED
    gc.freeze()  # everything is closed; the interpreter's last collections would look at every module for 0.1 s more
    return code


def _start(profile: Profile, config: Config, *, resident: bool) -> None:
    with NodeLog(profile.log, config.log.level, seal_stderr=True):
        try:
            trio.run(partial(_run, profile, config, resident=resident))
        except LocalError:
            raise
        except BaseException as broken:
            log_crash(broken)
            raise


def _say(problem: Problem) -> None:
    said = {"error": problem.error, "safe": problem.safe, "next": problem.next}
    sys.stderr.write(json.dumps(said) + "\n")


def _first(group: BaseExceptionGroup[LocalError]) -> Problem:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, LocalError)
    return error.problem


async def _run(profile: Profile, config: Config, *, resident: bool) -> None:
    from tertulia.bootstrap.lan import Lan
    from tertulia.node.citizen import open_citizen
    from tertulia.node.control.server import ControlServer

    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with open_citizen(profile.folder, config, resident=resident, seeker=Lan()) as citizen:
            log(Event.STARTED, resident=resident)
            server = ControlServer(citizen.methods, lock_after_minutes=config.safety.lock_after_minutes)
            path = profile.socket_path()
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(server.run, path)
                    profile.write_socket(path)
                    nursery.start_soon(_until_signal, signals, citizen.methods.stopping)
                    await server.ended.wait()
                    nursery.cancel_scope.cancel()
            finally:
                profile.remove_socket()
                log(Event.STOPPED)


async def _until_signal(signals: AsyncIterator[int], stopping: trio.Event) -> None:
    async for _ in signals:
        stopping.set()


if __name__ == "__main__":
    sys.exit(main())
