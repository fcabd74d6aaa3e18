"""The shape of each database, version by version, and the walk from an old one to the newest.

DESIGN §5 *At rest*. A database's version is its `user_version`; step n of its table leads from version n-1 to n. All
steps that are needed run in one transaction: a file is at its old version or at the newest, never between.
A step that has been released is never changed; a new shape is a new step at the end.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import apsw

Steps: TypeAlias = tuple[tuple[str, ...], ...]
"""SQL statements of step 1, of step 2, …"""

VAULT: Final[Steps] = (
    (
        # One table for all of `effects.Table`: a table added by a later release needs no migration. A rowid table,
        # because keys are hashes: rows are appended and only the small index is written all over (4 times faster).
        """CREATE TABLE row (
            number INTEGER PRIMARY KEY,
            place TEXT NOT NULL,
            key BLOB NOT NULL,
            value BLOB NOT NULL,
            UNIQUE (place, key)
        )""",
    ),
)

ARCHIVE: Final[Steps] = (
    (
        "CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
        """CREATE TABLE commons (
            number INTEGER PRIMARY KEY,
            commons BLOB NOT NULL UNIQUE,
            record BLOB NOT NULL,
            seed BLOB
        )""",
        """CREATE TABLE frame (
            number INTEGER PRIMARY KEY,
            commons INTEGER NOT NULL REFERENCES commons (number),
            frame BLOB NOT NULL,
            minute INTEGER NOT NULL,
            arrival INTEGER NOT NULL,
            size INTEGER NOT NULL,
            raw BLOB NOT NULL,
            UNIQUE (commons, frame)
        )""",
        "CREATE INDEX frame_by_minute ON frame (commons, minute, frame, size)",
    ),
    (
        """CREATE TABLE spent (
            commons INTEGER NOT NULL REFERENCES commons (number),
            neighbour TEXT NOT NULL,
            day INTEGER NOT NULL,
            frames INTEGER NOT NULL,
            size INTEGER NOT NULL,
            gone INTEGER NOT NULL,
            PRIMARY KEY (commons, neighbour)
        ) WITHOUT ROWID""",
        """CREATE TABLE gone (
            commons INTEGER NOT NULL REFERENCES commons (number),
            frame BLOB NOT NULL,
            minute INTEGER NOT NULL,
            day INTEGER NOT NULL,
            tried TEXT NOT NULL,
            PRIMARY KEY (commons, frame)
        ) WITHOUT ROWID""",
    ),
)


def version(connection: apsw.Connection) -> int:
    """Return the version of an open database; 0 is one in which nothing has been made yet."""
    number = connection.pragma("user_version")
    assert isinstance(number, int)
    return number


def migrate(connection: apsw.Connection, steps: Steps) -> None:
    """Bring a database to the newest version, in one transaction. Raises apsw.Error, and then nothing has changed.

    The caller has made sure that `version(connection) <= len(steps)`.
    """
    start = version(connection)
    if start == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[start:]:
            for statement in step:
                connection.execute(statement)
        connection.pragma("user_version", len(steps))
        connection.execute("COMMIT")
    except apsw.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
