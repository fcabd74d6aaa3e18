"""The node's log, which can say how much and how often, and cannot say who or what.

DESIGN §5 *At rest* (logs default-deny); research/security.md §6. A line is an `Event` and fields from a fixed list,
whose values are small integers, booleans and enums: there is no way to put text, an id or an address in. Invariant:
what libraries log, warn about, or die of reaches the file as "module, severity" without their words.
"""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from enum import Enum, StrEnum, unique
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from tertulia.node.config import LogLevel
from tertulia.node.store.files import PRIVATE
from tertulia.node.store.problems import from_system

LIMIT_LOG_BYTES: Final = 1024 * 1024
"""Bytes of node.log before it is moved to node.log.1, which replaces the one before it."""
LIMIT_INT: Final = 2**53
"""Larger integers are ids or keys in disguise."""
LIMIT_PLACES: Final = 12
"""Code places named in the line of a crash."""
OURS: Final = "tertulia"
LIBRARIES: Final = ("libp2p", "multiaddr", "py.warnings")
"""Loggers whose records are taken at WARNING and above, without their text."""


@unique
class Event(StrEnum):
    """Everything that can be logged."""

    STARTED = "started"
    HARDENED = "hardened"
    STOPPED = "stopped"
    INITIALISED = "initialised"
    UNLOCKED = "unlocked"
    LOCKED = "locked"
    WRONG_PASSPHRASE = "wrong passphrase"  # noqa: S105  (the name of an event)
    PANIC = "panic"
    CLIENT_CAME = "client came"
    CLIENT_LEFT = "client left"
    CLIENT_DROPPED = "client dropped"
    CLIENT_REFUSED = "client refused"
    BATCH = "batch"
    COMMIT_FAILED = "commit failed"
    LISTENING = "listening"
    LISTEN_FAILED = "listen failed"
    DIAL_FAILED = "dial failed"
    PEERS = "peers"
    HELLO_REFUSED = "hello refused"
    FRAMES_REJECTED = "frames rejected"
    SYNCED = "synced"
    SYNC_FAILED = "sync failed"
    EVICTED = "evicted"
    RETRIED = "retried"
    LIBRARY = "library"
    STDERR = "stderr"
    CRASHED = "crashed"


FIELDS: Final = frozenset({
    "attempt", "bytes", "clients", "commons", "core_off", "count", "dumpable_off", "effects", "events", "frames",
    "inputs", "keep", "mib", "milliseconds", "ops", "peers", "reason", "refused", "resident", "rows", "state",
    "umask_set", "version",
})  # fmt: skip
"""Everything that can be said of an event."""
LEVELS: Final = {
    Event.WRONG_PASSPHRASE: logging.WARNING,
    Event.CLIENT_DROPPED: logging.WARNING,
    Event.CLIENT_REFUSED: logging.WARNING,
    Event.COMMIT_FAILED: logging.WARNING,
    Event.LISTEN_FAILED: logging.WARNING,
    Event.HELLO_REFUSED: logging.WARNING,
    Event.SYNC_FAILED: logging.WARNING,
    Event.LIBRARY: logging.WARNING,
    Event.STDERR: logging.WARNING,
    Event.CRASHED: logging.ERROR,
    Event.BATCH: logging.DEBUG,
    Event.DIAL_FAILED: logging.DEBUG,
    Event.RETRIED: logging.DEBUG,
}
"""How grave an event is; INFO where nothing is said."""

Fact: TypeAlias = int | bool | Enum
Said: TypeAlias = dict[str, int | bool | str | list[str]]
"""The fields of a line, once they have been looked at."""

_logger = logging.getLogger(OURS)


def log(event: Event, /, **facts: Fact) -> None:
    """Write one line. A fact that is not in `FIELDS`, or not a small integer, boolean or enum, is left out and counted.

    Never raises: a full disk costs the line, not the node.
    """
    said: Said = {}
    refused = 0
    for name, fact in facts.items():
        plain = _plain(fact)
        if name in FIELDS and plain is not None:
            said[name] = plain
        else:
            refused += 1
    if refused:
        said["refused"] = refused
    _say(event, said)


def log_crash(error: BaseException) -> None:
    """Write the kind of an error and where in the code it was raised, without its text. Never raises."""
    places = [f"{_module(frame)}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    _say(Event.CRASHED, {"kind": type(error).__qualname__, "places": places[-LIMIT_PLACES:]})
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions[:LIMIT_PLACES]:
            log_crash(inner)


class NodeLog:
    """The open log of this process. While it is open, all logging, warnings and uncaught errors go through it."""

    def __init__(self, path: Path, level: LogLevel = LogLevel.INFO, *, seal_stderr: bool = False) -> None:
        """Open the file at `path`, 0600, and take over; with `seal_stderr` no text written to stderr gets out either.

        A root logger that somebody has set up is left alone. Raises StoreFull, StoreFailed.
        """
        try:
            self._handler = _Handler(path)
        except OSError as error:
            raise from_system(error, path) from error
        undo: list[Callable[[], None]] = [self._handler.close]
        self._undo = undo
        undo.append(_take(_logger, self._handler, logging.getLevelNamesMapping()[level.value.upper()]))
        undo.extend(_take(logging.getLogger(name), self._handler, logging.WARNING) for name in LIBRARIES)
        undo.append(_take_the_rest(self._handler))
        undo.append(_take_hooks())
        if seal_stderr:
            undo.append(_seal_stderr())

    def close(self) -> None:
        """Give everything back as it was; closing twice is fine."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(logging.handlers.RotatingFileHandler):
    """Writes our lines as they are, and of anyone else's only where it came from and how grave it was."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=LIMIT_LOG_BYTES, backupCount=1, encoding="ascii")

    def _open(self) -> io.TextIOWrapper:
        def private(name: str, flags: int) -> int:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)

        return open(self.baseFilename, "a", encoding="ascii", opener=private)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through our own lines, and warnings and worse from elsewhere."""
        return isinstance(record.msg, _Line) or record.levelno >= logging.WARNING

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON; `record.msg` is only looked at if we made it."""
        line = record.msg
        if not isinstance(line, _Line):
            line = _Line(Event.LIBRARY, {"module": _known_module(record.name), "grave": record.levelno})
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        level = logging.getLevelName(LEVELS.get(line.event, logging.INFO)).lower()
        return json.dumps({"time": when, "level": level, "event": line.event.value, **line.said})

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Lose the line: logging's own answer would print the record's text to stderr."""


class _Line:
    """What we put where others put text."""

    __slots__ = ("event", "said")

    def __init__(self, event: Event, said: Said) -> None:
        self.event = event
        self.said = said

    def __str__(self) -> str:
        return self.event.value


class _Sink(io.TextIOBase):
    """In the place of stderr: says that something was written, and how much."""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if text.strip():
            log(Event.STDERR, bytes=len(text))
        return len(text)


def _say(event: Event, said: Said) -> None:
    _logger.log(LEVELS.get(event, logging.INFO), _Line(event, said))


def _plain(fact: object) -> int | bool | str | None:
    """Return what may be written of a fact, None if nothing."""
    if isinstance(fact, Enum):
        return fact.name.lower()
    if isinstance(fact, int) and abs(fact) < LIMIT_INT:
        return fact
    return None


def _module(frame: object) -> str:
    name = getattr(frame, "f_globals", {}).get("__name__", "")
    return _known_module(name if isinstance(name, str) else "")


def _known_module(name: str) -> str:
    """Return `name` if it is that of a loaded module: a logger's name could be anything."""
    return name if name in sys.modules else "other"


def _take(logger: logging.Logger, handler: logging.Handler, level: int) -> Callable[[], None]:
    """Send a logger's records to our handler alone; return what gives it back."""
    before, propagate, threshold = logger.handlers[:], logger.propagate, logger.level
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)

    def give_back() -> None:
        logger.handlers[:] = before
        logger.propagate = propagate
        logger.setLevel(threshold)

    return give_back


def _take_the_rest(handler: logging.Handler) -> Callable[[], None]:
    """Catch records that no handler wants, which logging would print to stderr.

    py-libp2p empties its logger's handlers when it is imported; `lastResort` is where its records go then. A root
    logger without handlers would get one that prints as soon as a library calls `logging.warning`.
    """
    last_resort, root = logging.lastResort, logging.getLogger()
    logging.lastResort = handler
    ours = not root.handlers
    if ours:
        root.addHandler(handler)
    logging.captureWarnings(capture=True)

    def give_back() -> None:
        logging.captureWarnings(capture=False)
        if ours:
            root.removeHandler(handler)
        logging.lastResort = last_resort

    return give_back


def _take_hooks() -> Callable[[], None]:
    """Log errors that nobody caught by kind and place; their text may hold anything."""
    before = sys.excepthook, threading.excepthook, sys.unraisablehook

    def uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        log_crash(error)

    def in_thread(details: threading.ExceptHookArgs) -> None:
        if details.exc_value is not None:
            log_crash(details.exc_value)

    def unraisable(details: sys.UnraisableHookArgs) -> None:
        if details.exc_value is not None:
            log_crash(details.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, unraisable

    def give_back() -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = before

    return give_back


def _seal_stderr() -> Callable[[], None]:
    before = sys.stderr
    sys.stderr = _Sink()

    def give_back() -> None:
        sys.stderr = before

    return give_back
