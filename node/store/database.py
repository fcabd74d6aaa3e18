"""An encrypted SQLite file: made whole, checked before it is trusted, changed by whole transactions.

DESIGN §5 *At rest*, §6 *Nothing lost*. ChaCha20-Poly1305 on every page under a raw 32-byte key, WAL flushed at each
commit, deleted content zeroed, nothing temporary on disk. Invariants: `open` reads and checks without writing before
anything else, and refuses a file without having touched it; a transaction that raised left nothing behind, not even
in the log; nothing is committed on top of a log that might not be on the disk. Any thread may call; a lock makes sure.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import apsw

from tertulia.node.store.files import NEW, PRIVATE, sync_folder
from tertulia.node.store.log_check import lost_commits
from tertulia.node.store.migrations import Steps, migrate, version
from tertulia.node.store.problems import FULL, StoreError, damaged, failed, from_system, full, missing, newer

T = TypeVar("T")

KEY: Final = 32
LIMIT_LOG_BYTES: Final = 4 * 1024 * 1024
"""What the write-ahead log is cut back to when it has been emptied into the database."""
OTHERS: Final = ("", "-wal", "-journal")
"""What SQLite appends to a database's name for the files it makes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a database is for: the words a person reads about it, its number in the file, its versions."""

    what: str
    application: int
    steps: Steps = field(repr=False)


class Database:
    """One open encrypted database."""

    def __init__(self, path: Path, key: bytes, kind: Kind) -> None:
        """Not called from outside: see `create` and `open`."""
        assert len(key) == KEY
        self.path = path
        self._key = key
        self._kind = kind
        self._connection: apsw.Connection | None = None
        self._settled = False
        self._closed = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Database({self._kind.what})"

    @classmethod
    def create(cls, path: Path, key: bytes, kind: Kind) -> Database:
        """Make a new database at `path`, 0600, and open it. It is there whole or not at all.

        Raises StoreFull or StoreFailed; StoreFailed if there is a file already, which is left alone.
        """
        new = path.with_name(path.name + NEW)
        try:
            if path.exists():
                raise failed(path, "it is there already")
            _forget(new)
            os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE))
            fresh = cls(new, key, kind)
            fresh.read(lambda _: None)
            fresh.close()
            new.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            _forget(new)
            raise from_system(error, path) from error
        except StoreError:
            _forget(new)
            raise
        database = cls(path, key, kind)
        database.read(lambda _: None)
        return database

    @classmethod
    def open(cls, path: Path, key: bytes, kind: Kind) -> Database:
        """Check the whole database at `path` without writing to it or to its log, then open it.

        Raises StoreDamaged (also for a wrong key), StoreNewer, StoreFailed, StoreFull; then the files are as they were.
        """
        try:
            _check(path, key, kind)
        except OSError as error:
            raise from_system(error, path) from error
        database = cls(path, key, kind)
        database.read(lambda _: None)
        database.scrub()  # a log left by a crash may still hold what was erased since
        return database

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work`, which only reads. Raises StoreError."""
        with self._lock:
            return self._guarded(work)

    def change(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` in one transaction; when this returns it is on the disk.

        Raises StoreFull, StoreFailed or StoreDamaged, and whatever `work` raises; then nothing of it was kept.
        """

        def transaction(connection: apsw.Connection) -> T:
            self._settle(connection)
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
            return result

        with self._lock:
            return self._guarded(transaction)

    def scrub(self) -> None:
        """Empty the write-ahead log into the database and cut it to nothing, so that erased rows are in neither.

        Best effort: what was committed is durable either way, and the next call tries again.
        """
        with self._lock, contextlib.suppress(apsw.Error, StoreError):
            connection = self._connected()
            self._settled = False
            self._settle(connection)

    def close(self) -> None:
        """Close the file and forget the key; closing twice is fine."""
        with self._lock:
            self._closed = True
            self._undo()
            self._drop()
            self._key = bytes(KEY)

    def _guarded(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work`; after any failure undo whatever had begun, and drop the connection as soon as that is safe."""
        connection = self._connected()
        try:
            return work(connection)
        except apsw.Error as error:
            trouble = translate(error, connection, self.path, self._kind.what)
            self._abandon(connection)
            raise trouble from error
        except BaseException:
            self._abandon(connection)
            raise

    def _settle(self, connection: apsw.Connection) -> None:
        """Empty the log into the database, once after opening and after each failure. Raises apsw.Error.

        A flush that failed may have left a whole transaction in the log that is not on the disk, or that was refused:
        whoever opens the log next would take it for a commit, and what is committed after it would hang on it.
        """
        if not self._settled:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._settled = True

    def _abandon(self, connection: apsw.Connection) -> None:
        """After a failure. Until the log is empty this connection alone knows how far it counts, so it is kept."""
        self._settled = False
        self._undo()
        with contextlib.suppress(apsw.Error):
            self._settle(connection)
        if self._settled:
            self._drop()

    def _connected(self) -> apsw.Connection:
        """Return the connection, a new one if the last was dropped. Raises StoreError."""
        if self._closed:
            raise failed(self.path, "it has been closed")
        if self._connection is None:
            connection = None
            try:
                connection = _connect(str(self.path), self._key, apsw.SQLITE_OPEN_READWRITE)
                _prepare(connection)
                if version(connection) == 0:
                    connection.pragma("application_id", self._kind.application)
                if version(connection) < len(self._kind.steps):
                    self._settle(connection)
                    migrate(connection, self._kind.steps)
            except apsw.Error as error:
                trouble = translate(error, connection, self.path, self._kind.what)
                if connection is not None:
                    connection.close(True)
                raise trouble from error
            self._connection = connection
        return self._connection

    def _undo(self) -> None:
        """Undo what had begun."""
        with contextlib.suppress(apsw.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _drop(self) -> None:
        """Close the connection. SQLite empties the log into the database if it can."""
        connection, self._connection, self._settled = self._connection, None, False
        if connection is not None:
            connection.close(True)  # forced: a log that could not be emptied is read at the next opening


def translate(error: apsw.Error, connection: apsw.Connection | None, path: Path, what: str) -> StoreError:
    """Turn SQLite's error into one of ours."""
    system = connection.system_errno if connection is not None else 0
    match error:
        case apsw.FullError():
            return full(path)
        case apsw.CorruptError() | apsw.NotADBError():
            return damaged(path, what)
        case apsw.BusyError() | apsw.LockedError():
            return failed(path, "another program has it open")
        case apsw.IOError() | apsw.CantOpenError() if system in FULL:
            return full(path)
        case _:
            return failed(path, os.strerror(system) if system else "the database gave no reason")


def _connect(name: str, key: bytes, flags: int) -> apsw.Connection:
    """Open a connection and give it cipher and key. Raises apsw.Error."""
    connection = apsw.Connection(name, flags=flags | apsw.SQLITE_OPEN_URI)
    try:
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", f"raw:{key.hex()}")
        connection.pragma("temp_store", "MEMORY")
        connection.pragma("trusted_schema", False)
    except apsw.Error:
        connection.close(True)
        raise
    return connection


def _prepare(connection: apsw.Connection) -> None:
    """Set what durability and erasure rest on, and make sure that it holds. Raises apsw.Error."""
    connection.pragma("locking_mode", "EXCLUSIVE")  # one node a profile; no shared-memory file either
    mode = connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", "FULL")
    connection.pragma("secure_delete", "ON")
    connection.pragma("journal_size_limit", LIMIT_LOG_BYTES)
    if mode != "wal":
        raise apsw.CantOpenError(f"journal mode is {mode}")


def _check(path: Path, key: bytes, kind: Kind) -> None:
    """Read every page of the database and its log, changing neither. Raises StoreError, OSError."""
    try:
        if path.stat().st_size == 0:
            raise damaged(path, kind.what)
    except FileNotFoundError as error:
        raise missing(path, kind.what) from error
    log = path.with_name(path.name + "-wal")
    logged = log.exists() and log.stat().st_size > 0
    connection = None
    try:
        connection = _connect_with_log(path, key) if logged else _connect_without_log(path, key)
        number = version(connection)
        if number > len(kind.steps):
            raise newer(path, kind.what)
        if number == 0 or connection.pragma("application_id") != kind.application:
            raise damaged(path, kind.what)
        if connection.pragma("quick_check", 1) != "ok":
            raise damaged(path, kind.what)
        if logged and lost_commits(log, connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)[0]):
            raise damaged(path, kind.what)
    except apsw.Error as error:
        raise translate(error, connection, path, kind.what) from error
    finally:
        if connection is not None:
            connection.close(True)


def _connect_without_log(path: Path, key: bytes) -> apsw.Connection:
    """Open a database that is all there is: SQLite need not make a log to read it. Raises apsw.Error."""
    return _connect(f"file:{quote(str(path))}?mode=ro&immutable=1", key, apsw.SQLITE_OPEN_READONLY)


def _connect_with_log(path: Path, key: bytes) -> apsw.Connection:
    """Open a database that a crash left with a log, to read both and leave both as they are. Raises apsw.Error.

    A read-only connection would need a shared-memory file beside them, which a full disk has no room for.
    """
    connection = _connect(str(path), key, apsw.SQLITE_OPEN_READWRITE)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.pragma("locking_mode", "EXCLUSIVE")
    connection.pragma("query_only", True)
    return connection


def _forget(new: Path) -> None:
    """Remove our own unfinished database and the files beside it."""
    for other in OTHERS:
        with contextlib.suppress(OSError):
            new.with_name(new.name + other).unlink(missing_ok=True)
