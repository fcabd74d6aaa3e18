"""The vault: everything the core keeps of a citizen, in rows that only the passphrase opens.

DESIGN §5 *At rest*; PROTOCOL §9 *vault first*. Rows are (table, key) → value, opaque to this file. Invariant: the
changes of one batch are on the disk together when `commit` returns, and none of them is when it raises. Key
material that was erased or replaced leaves the write-ahead log too, before `commit` returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import apsw

from tertulia.node.store import migrations
from tertulia.node.store.database import Database, Kind
from tertulia.node.store.problems import StoreDamaged as VaultDamaged
from tertulia.node.store.problems import StoreNewer as VaultNewer
from tertulia.protocol.effects import Erase, Put, Table

__all__ = ["Vault", "VaultDamaged", "VaultNewer"]

KIND: Final = Kind("the vault", 0x74657276, migrations.VAULT)  # "terv"
LIMIT_PAGE: Final = 1_000
"""Rows read at a time while walking a table."""
SECRETS: Final = frozenset(
    {
        Table.PERSONA,
        Table.SESSION,
        Table.PREKEY,
        Table.EPOCH,
        Table.DOOR,
        Table.INVITE,
        Table.JOIN,
        Table.KNOCK,
        Table.STEWARD,
        Table.IDENTITY,
        Table.CONTACT,
        Table.SHOWN,
        Table.OFFER,
        Table.CORRIDOR,
    }
)
"""Tables whose rows hold keys, or say who somebody is: what is erased or replaced there must not survive in the log."""

PUT: Final = (
    "INSERT INTO row (place, key, value) VALUES (?, ?, ?) ON CONFLICT (place, key) DO UPDATE SET value = excluded.value"
)
ERASE: Final = "DELETE FROM row WHERE place = ? AND key = ?"
GET: Final = "SELECT value FROM row WHERE place = ? AND key = ?"
FIRST: Final = "SELECT key, value FROM row WHERE place = ? ORDER BY key LIMIT ?"
AFTER: Final = "SELECT key, value FROM row WHERE place = ? AND key > ? ORDER BY key LIMIT ?"


class Vault:
    """An open vault. Blocking; any thread may call, one at a time."""

    def __init__(self, database: Database) -> None:
        """Not called from outside: see `create` and `open`."""
        self._database = database

    @classmethod
    def create(cls, path: Path, key: bytes) -> Vault:
        """Make a new, empty vault under a 32-byte key. Raises StoreFull, StoreFailed (also if a file is there)."""
        return cls(Database.create(path, key, KIND))

    @classmethod
    def open(cls, path: Path, key: bytes) -> Vault:
        """Check every page, then open. Raises VaultDamaged (also for a wrong key), VaultNewer, StoreFull, StoreFailed.

        Whatever is refused is left exactly as it was, the log beside it included.
        """
        return cls(Database.open(path, key, KIND))

    def rows(self, table: Table) -> Iterator[tuple[bytes, bytes]]:
        """Yield the (key, value) rows of `table` in the order of their keys. Raises StoreError.

        Other calls may come between two rows; a row written meanwhile is seen if its key lies ahead.
        """
        place = str(table)
        page = self._page(FIRST, (place, LIMIT_PAGE))
        while page:
            yield from page
            page = self._page(AFTER, (place, page[-1][0], LIMIT_PAGE))

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return the value of one row, None if there is none. Raises StoreError."""
        found = self._database.read(lambda connection: connection.execute(GET, (str(table), key)).fetchone())
        if found is None:
            return None
        value = found[0]
        assert isinstance(value, bytes)
        return value

    def commit(self, changes: Sequence[Put | Erase]) -> None:
        """Make all changes, in their order, in one transaction; when this returns they are on the disk.

        Raises StoreFull, StoreFailed or StoreDamaged; then none of them was made, and the vault can be used again.
        """
        if not changes:
            return

        def apply(connection: apsw.Connection) -> bool:
            secrets_went = False
            for change in changes:
                place = (str(change.table), change.key)
                if change.table in SECRETS and not secrets_went:
                    secrets_went = connection.execute(GET, place).fetchone() is not None
                match change:
                    case Put():
                        connection.execute(PUT, (*place, change.value))
                    case Erase():
                        connection.execute(ERASE, place)
            return secrets_went

        if self._database.change(apply):
            self._database.scrub()

    def close(self) -> None:
        """Close the file and forget the key; closing twice is fine."""
        self._database.close()

    def _page(self, statement: str, values: tuple[str | bytes | int, ...]) -> list[tuple[bytes, bytes]]:
        return self._database.read(lambda connection: list(connection.execute(statement, values)))
