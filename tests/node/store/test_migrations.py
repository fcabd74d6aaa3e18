"""Migrations: from any version to the newest in one step, or not at all."""

import apsw
import pytest

from tertulia.node.store import migrations
from tertulia.node.store.archive import KIND as ARCHIVE
from tertulia.node.store.database import Database, Kind
from tertulia.node.store.problems import StoreFailed, StoreNewer
from tertulia.node.store.vault import KIND as VAULT

KEY = bytes(range(32))
LATER = ("ALTER TABLE row ADD COLUMN since INTEGER NOT NULL DEFAULT 7", "CREATE TABLE note (text TEXT)")
BROKEN = ("CREATE TABLE note (text TEXT)", "ALTER TABLE never_was ADD COLUMN x")

# What version 1 looked like when it was released. A change here is a new version, not an edit.
VERSION_1 = {
    "vault": {
        "row": ["number", "place", "key", "value"],
    },
    "archive": {
        "setting": ["key", "value"],
        "commons": ["number", "commons", "record", "seed"],
        "frame": ["number", "commons", "frame", "minute", "arrival", "size", "raw"],
    },
}


def with_steps(*steps):
    return Kind(VAULT.what, VAULT.application, (*VAULT.steps[:1], *steps))


@pytest.fixture
def version_1(tmp_path):
    """A vault of version 1 with one row, written by statements of this test, not by the code under test."""
    path = tmp_path / "vault.db"
    connection = apsw.Connection(str(path))
    connection.pragma("cipher", "chacha20")
    connection.pragma("key", f"raw:{KEY.hex()}")
    connection.execute(
        "CREATE TABLE row (number INTEGER PRIMARY KEY, place TEXT NOT NULL, key BLOB NOT NULL, "
        "value BLOB NOT NULL, UNIQUE (place, key))"
    )
    connection.execute("INSERT INTO row (place, key, value) VALUES ('event', x'01', x'02')")
    connection.pragma("user_version", 1)
    connection.pragma("application_id", VAULT.application)
    connection.close()
    return path


def query(database, statement):
    return database.read(lambda connection: list(connection.execute(statement)))


def test_version_1_opens_today(version_1):
    database = Database.open(version_1, KEY, VAULT)
    assert query(database, "SELECT place, key, value FROM row") == [("event", b"\x01", b"\x02")]
    assert database.read(migrations.version) == len(VAULT.steps)
    database.close()


@pytest.mark.parametrize(("kind", "name"), [(VAULT, "vault"), (ARCHIVE, "archive")])
def test_version_1_is_never_edited(tmp_path, kind, name):
    first = Kind(kind.what, kind.application, kind.steps[:1])
    database = Database.create(tmp_path / "x.db", KEY, first)
    tables = [row[0] for row in query(database, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    shape = {table: [row[1] for row in query(database, f"PRAGMA table_info({table})")] for table in tables}
    database.close()
    assert shape == VERSION_1[name]


def test_an_old_file_walks_through_every_step_with_its_rows(version_1):
    database = Database.open(version_1, KEY, with_steps(LATER, ("INSERT INTO note VALUES ('third')",)))
    assert query(database, "SELECT key, since FROM row") == [(b"\x01", 7)]
    assert query(database, "SELECT text FROM note") == [("third",)]
    assert database.read(migrations.version) == 3
    database.close()
    again = Database.open(version_1, KEY, with_steps(LATER, ("INSERT INTO note VALUES ('third')",)))
    assert query(again, "SELECT text FROM note") == [("third",)]
    again.close()


def test_a_step_that_fails_leaves_the_old_version_whole(version_1):
    with pytest.raises(StoreFailed):
        Database.open(version_1, KEY, with_steps(LATER[:1], BROKEN))
    database = Database.open(version_1, KEY, VAULT)
    assert database.read(migrations.version) == 1
    assert query(database, "SELECT * FROM row") == [(1, "event", b"\x01", b"\x02")]
    assert query(database, "SELECT name FROM sqlite_schema WHERE name = 'note'") == []
    database.close()


def test_a_newer_version_is_refused_in_one_sentence_and_left_alone(version_1):
    Database.open(version_1, KEY, with_steps(LATER)).close()
    before = version_1.read_bytes()
    with pytest.raises(StoreNewer) as caught:
        Database.open(version_1, KEY, VAULT)
    assert caught.value.problem.error.endswith("(the vault) was written by a newer Tertulia.")
    assert version_1.read_bytes() == before
