"""The archive: the frames this node carries for everyone, and what it needs to carry them while the vault is locked.

DESIGN §5 *At rest*, §6 *Nothing lost*; PROTOCOL §9. Encrypted under `archive.key`, a file that only this user reads.
Invariants: a frame is kept, listed, answered and evicted by commons, minute and id alone; its tag is never looked at
nor stored apart from it, so what a node keeps says nothing about what it reads. Adding a frame twice changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import apsw

from tertulia.node.store import ledger, migrations
from tertulia.node.store.database import KEY, Database, Kind
from tertulia.node.store.files import read_limited, write_atomically
from tertulia.node.store.ledger import Ledger, Note
from tertulia.node.store.problems import damaged
from tertulia.protocol.ids import CommonsId, FrameId

KIND: Final = Kind("the archive", 0x74657261, migrations.ARCHIVE)  # "tera"
LIMIT_IDS: Final = 1_000
"""Ids in one page of `ids_from`."""
LIMIT_FRAMES: Final = 256
"""Frames read at a time while walking: 4 MiB of the largest."""
LIMIT_EVICTED: Final = 2_000
"""Frames dropped in one transaction."""
_ANY_MINUTE: Final = 2**33
"""Above every minute that a frame can have."""

Arriving: TypeAlias = tuple[FrameId, int, bytes]
"""A frame to keep: id, minute, all its bytes."""
Place: TypeAlias = tuple[int, FrameId]
"""Where a frame stands in its commons: minute, then id."""

NUMBER: Final = "SELECT number FROM commons WHERE commons = ?"
ADD: Final = (
    "INSERT INTO frame (commons, frame, minute, arrival, size, raw) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (commons, frame) DO NOTHING RETURNING frame"
)
HOLDS: Final = "SELECT 1 FROM frame WHERE commons = ? AND frame = ?"
GET: Final = "SELECT raw FROM frame WHERE commons = ? AND frame = ?"
IDS_FROM: Final = (
    "SELECT minute, frame FROM frame INDEXED BY frame_by_minute "
    "WHERE commons = ? AND (minute, frame) > (?, ?) ORDER BY minute, frame LIMIT ?"
)
BETWEEN: Final = (
    "SELECT minute, frame, raw FROM frame INDEXED BY frame_by_minute "
    "WHERE commons = ? AND (minute, frame) > (?, ?) AND minute <= ? ORDER BY minute, frame LIMIT ?"
)
EVICT: Final = (
    "DELETE FROM frame WHERE number IN "
    "(SELECT number FROM frame INDEXED BY frame_by_minute WHERE commons = ? AND minute < ? LIMIT ?)"
)
USAGE: Final = "SELECT count(*), coalesce(sum(size), 0) FROM frame INDEXED BY frame_by_minute WHERE commons = ?"
PUT_COMMONS: Final = (
    "INSERT INTO commons (commons, record) VALUES (?, ?) ON CONFLICT (commons) DO UPDATE SET record = excluded.record"
)
PUT_SETTING: Final = (
    "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


@dataclass(frozen=True, slots=True)
class CommonsRow:
    """A commons this node serves: its id, its record (opaque here), the 32-byte seed of its PeerId if it has one."""

    commons: CommonsId
    record: bytes = field(repr=False)
    seed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a commons takes up in the archive: frames, and their bytes."""

    frames: int
    size: int


class UnknownCommons(KeyError):
    """A frame or seed came for a commons that `put_commons` has not named: a mistake of the caller."""


def archive_key(path: Path) -> bytes:
    """Return the archive's 32-byte key from the file at `path`, making the file if there is neither it nor its archive.

    Raises StoreFull, StoreFailed; StoreDamaged if the file does not hold a key, or is missing beside its archive (the
    file of the same name that ends in .db).
    """
    if not os.path.lexists(path) and not os.path.lexists(path.with_suffix(".db")):
        write_atomically(path, os.urandom(KEY))
    key = read_limited(path, KEY, "the archive's key")
    if len(key) != KEY:
        raise damaged(path, "the archive's key")
    return key


class Archive:
    """An open archive. Blocking; any thread may call, one at a time. Every call can raise StoreError."""

    def __init__(self, database: Database) -> None:
        """Not called from outside: see `create` and `open`."""
        self._database = database

    @classmethod
    def create(cls, path: Path, key: bytes) -> Archive:
        """Make a new, empty archive under a 32-byte key. Raises StoreFull, StoreFailed (also if a file is there)."""
        return cls(Database.create(path, key, KIND))

    @classmethod
    def open(cls, path: Path, key: bytes) -> Archive:
        """Check every page, then open. Raises StoreDamaged (a wrong key too), StoreNewer, StoreFull or StoreFailed.

        Whatever is refused is left exactly as it was.
        """
        return cls(Database.open(path, key, KIND))

    def add(
        self, commons: CommonsId, frames: Sequence[Arriving], arrival: int, notes: Sequence[Note] = ()
    ) -> set[FrameId]:
        """Keep frames that came at `arrival` (ms), and notes, in one transaction; return the ids that are new here."""
        if not frames and not notes:
            return set()

        def work(connection: apsw.Connection) -> set[FrameId]:
            number = _number(connection, commons)
            fresh: set[FrameId] = set()
            for frame, minute, raw in frames:
                row = (number, frame, minute, arrival, len(raw), raw)
                if connection.execute(ADD, row).fetchone() is not None:
                    fresh.add(frame)
            ledger.write(connection, number, notes)
            return fresh

        return self._database.change(work)

    def ledger(self, commons: CommonsId) -> Ledger:
        """Return what was noted beside the frames."""
        return self._database.read(lambda connection: ledger.read(connection, _number(connection, commons)))

    def holds(self, commons: CommonsId, frame: FrameId) -> bool:
        """Tell whether the frame is kept here."""
        return not self.lacking(commons, [frame])

    def lacking(self, commons: CommonsId, frames: Sequence[FrameId]) -> list[FrameId]:
        """Return those of `frames` that are not kept here, in the order asked for."""
        found = self._each(HOLDS, commons, frames)
        return [frame for frame, row in zip(frames, found, strict=True) if row is None]

    def get(self, commons: CommonsId, frames: Sequence[FrameId]) -> list[bytes]:
        """Return the bytes of those of `frames` that are kept here, in the order asked for."""
        return [_as_bytes(row[0]) for row in self._each(GET, commons, frames) if row is not None]

    def ids_from(
        self, commons: CommonsId, minute: int, after: Place | None = None, limit: int = LIMIT_IDS
    ) -> list[Place]:
        """List at most `limit` frames of `minute` or later, in order, those beyond `after` if it is given."""
        start = _start(minute, after)
        rows = self._all(IDS_FROM, commons, (*start, limit))
        return [(_as_int(row[0]), FrameId(_as_bytes(row[1]))) for row in rows]

    def between(self, commons: CommonsId, first: int, last: int) -> Iterator[bytes]:
        """Yield the bytes of every frame with a minute in [first, last], in order, a page at a time.

        Other calls may come between two frames; a frame added meanwhile is seen if its place lies ahead.
        """
        after: Place | None = None
        while True:
            rows = self._all(BETWEEN, commons, (*_start(first, after), last, LIMIT_FRAMES))
            for row in rows:
                yield _as_bytes(row[2])
            if len(rows) < LIMIT_FRAMES:
                return
            after = (_as_int(rows[-1][0]), FrameId(_as_bytes(rows[-1][1])))

    def evict(self, commons: CommonsId, before: int) -> int:
        """Drop every frame with a minute below `before`, whole minutes and nothing else; return how many."""

        def work(connection: apsw.Connection) -> int:
            number = _number(connection, commons)
            ledger.evict(connection, number, before)
            connection.execute(EVICT, (number, before, LIMIT_EVICTED))
            return connection.changes()

        dropped = 0
        while True:
            step = self._database.change(work)
            dropped += step
            if step < LIMIT_EVICTED:
                return dropped

    def usage(self, commons: CommonsId) -> Usage:
        """Return how many frames of the commons are kept, and how many bytes they are."""
        (row,) = self._all(USAGE, commons, ())
        return Usage(_as_int(row[0]), _as_int(row[1]))

    def put_commons(self, commons: CommonsId, record: bytes) -> None:
        """Serve this commons, or change its record. Its frames and seed stay."""
        self._database.change(lambda connection: connection.execute(PUT_COMMONS, (commons, record)))

    def remove_commons(self, commons: CommonsId) -> None:
        """Serve this commons no longer: its record, its seed and all its frames go."""
        self.evict(commons, _ANY_MINUTE)

        def work(connection: apsw.Connection) -> None:
            number = _number(connection, commons)
            ledger.forget(connection, number)
            connection.execute("DELETE FROM commons WHERE number = ?", (number,))

        self._database.change(work)
        self._database.scrub()

    def commons(self) -> list[CommonsRow]:
        """Return every commons this node serves, in the order in which they came."""
        rows = self._database.read(
            lambda connection: list(connection.execute("SELECT commons, record, seed FROM commons ORDER BY number"))
        )
        return [
            CommonsRow(CommonsId(_as_bytes(row[0])), _as_bytes(row[1]), None if row[2] is None else _as_bytes(row[2]))
            for row in rows
        ]

    def put_seed(self, commons: CommonsId, seed: bytes | None) -> None:
        """Set, or with None forget, the seed of the PeerId under which this node listens for a commons."""

        def work(connection: apsw.Connection) -> None:
            connection.execute("UPDATE commons SET seed = ? WHERE number = ?", (seed, _number(connection, commons)))

        self._database.change(work)
        self._database.scrub()

    def put_setting(self, key: str, value: bytes) -> None:
        """Set one of the values that the node needs while the vault is locked."""
        self._database.change(lambda connection: connection.execute(PUT_SETTING, (key, value)))

    def setting(self, key: str) -> bytes | None:
        """Return a value set by `put_setting`, None if there is none."""
        row = self._database.read(
            lambda connection: connection.execute("SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
        )
        return None if row is None else _as_bytes(row[0])

    def close(self) -> None:
        """Close the file and forget the key; closing twice is fine."""
        self._database.close()

    def _each(
        self, statement: str, commons: CommonsId, frames: Sequence[FrameId]
    ) -> list[tuple[apsw.SQLiteValue, ...] | None]:
        def work(connection: apsw.Connection) -> list[tuple[apsw.SQLiteValue, ...] | None]:
            number = _number(connection, commons)
            return [connection.execute(statement, (number, frame)).fetchone() for frame in frames]

        return self._database.read(work)

    def _all(
        self, statement: str, commons: CommonsId, values: tuple[apsw.SQLiteValue, ...]
    ) -> list[tuple[apsw.SQLiteValue, ...]]:
        return self._database.read(
            lambda connection: list(connection.execute(statement, (_number(connection, commons), *values)))
        )


def _number(connection: apsw.Connection, commons: CommonsId) -> int:
    """Return the short number that stands for a commons in this file."""
    row = connection.execute(NUMBER, (commons,)).fetchone()
    if row is None:
        raise UnknownCommons
    return _as_int(row[0])


def _start(minute: int, after: Place | None) -> Place:
    """Return the place after which to list: `after`, or just before the first frame of `minute`."""
    first: Place = (minute, FrameId(b""))
    return first if after is None else max(first, after)


def _as_int(value: apsw.SQLiteValue) -> int:
    assert isinstance(value, int)
    return value


def _as_bytes(value: apsw.SQLiteValue) -> bytes:
    assert isinstance(value, bytes)
    return value
