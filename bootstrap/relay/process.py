"""The relay's process: `relay run`, from its folder to its end.

docs/guide/relay.md. Invariants: no passphrase is asked for; SIGTERM and SIGINT end it cleanly, SIGHUP reads config.toml
again; a clock that is plainly wrong stops the start, because it would drop frames that are still wanted.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

import trio

from tertulia.bootstrap.relay import problems
from tertulia.bootstrap.relay.place import Place
from tertulia.bootstrap.relay.settings import Settings, load
from tertulia.node.clock import wall_clock
from tertulia.node.hardening import harden
from tertulia.node.redaction import Event, NodeLog, log, log_crash
from tertulia.protocol.errors import LocalError

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LIMIT_BACK_MS: Final = 24 * 60 * 60 * 1_000
"""A clock may be so far before the last frame that came."""


def run(place: Place, started: Callable[[], None]) -> None:
    """Run the relay in this folder until it is told to end; `started` is called once it serves. Raises LocalError."""
    place.require()
    harden()  # before anything imports libp2p
    place.prepare()
    settings = load(place.config)
    with place.lock(), NodeLog(place.profile.log, settings.log.level):
        try:
            trio.run(partial(_run, place, settings, started))
        except* LocalError as group:
            raise _first(group) from None
        except* Exception as broken:  # noqa: BLE001 - the boundary: the operator gets a sentence, the log has the place
            log_crash(broken)
            raise LocalError(problems.BROKEN) from None


async def _run(place: Place, settings: Settings, started: Callable[[], None]) -> None:
    from tertulia.bootstrap.relay import metrics
    from tertulia.bootstrap.relay.control import Control
    from tertulia.bootstrap.relay.relay import Relay
    from tertulia.node.shelf import ANY_NUMBER, Shelf, newest

    identity = place.identity()
    archive = await trio.to_thread.run_sync(place.archive)
    shelf = Shelf(archive)
    try:
        last = await shelf.run(lambda archive: newest(archive, ANY_NUMBER))
        if wall_clock() < last.arrival - LIMIT_BACK_MS:
            raise LocalError(problems.CLOCK)
        relay = Relay(place, settings, identity, shelf, wall_clock)
        with trio.open_signal_receiver(*SIGNALS) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_obey, signals, relay)
                await nursery.start(relay.run)
                path = place.socket_path()
                await nursery.start(Control(relay, place).run, path)
                if settings.metrics.port:
                    try:
                        await nursery.start(metrics.serve, relay, wall_clock, settings.metrics.port)
                    except OSError as taken:
                        raise LocalError(problems.no_port(settings.metrics.port)) from taken
                place.profile.write_socket(path)
                log(Event.STARTED)
                started()
                await relay.ended.wait()
                nursery.cancel_scope.cancel()
    finally:
        place.profile.remove_socket()
        await shelf.close()
        log(Event.STOPPED)


async def _obey(signals: AsyncIterator[int], relay: object) -> None:
    from tertulia.bootstrap.relay.relay import Relay

    assert isinstance(relay, Relay)
    async for number in signals:
        if number != signal.SIGHUP:
            relay.stopping.set()
            continue
        try:
            relay.reload()
        except LocalError:
            log(Event.RETRIED)  # the settings that were good go on; `relay doctor` says what is wrong


def _first(group: BaseExceptionGroup[LocalError]) -> LocalError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, LocalError)
    return error
