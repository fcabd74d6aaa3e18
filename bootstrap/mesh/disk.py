"""The vault of a modelled citizen: rows that are written all together or not at all.

DESIGN.md §2, docs/spec/core.md §1. Invariants: rows change only when a whole batch of them is in the journal and
closed; a batch that was refused, or cut off when the machine died, leaves the rows as they were. So it is with
SQLite, whose real behaviour under the same faults tests/node proves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.effects import Erase, Put, Table

Row = Put | Erase
Range = tuple[int, int]


CHANCY: Final = frozenset({Table.FRAME, Table.PART})
"""Tables whose keys are hashes of what HPKE has sealed: their order would differ from run to run."""


class NoRoom(Exception):
    """The disk is full: nothing of the batch was written."""


class PowerLost(Exception):
    """The machine died while a batch was being written."""


@dataclass(slots=True)
class Disk:
    """What survives. Beside the core's rows: how far the archive was tried, and which minutes are to be tried again."""

    rows: dict[Table, dict[bytes, bytes]] = field(default_factory=dict)
    cursor: int = 0
    rescans: tuple[Range, ...] = ()
    full: bool = False
    """The next commit is refused."""
    cut: int | None = None
    """The machine dies when so many rows of the next commit have been written."""
    commits: int = 0
    _journal: list[Row] = field(default_factory=list)

    def commit(self, rows: Iterable[Row], cursor: int, rescans: tuple[Range, ...]) -> None:
        """Write a batch. Raises NoRoom or PowerLost; then nothing of it counts."""
        if self.full:
            self.full = False
            raise NoRoom
        for row in rows:
            if self.cut is not None and len(self._journal) >= self.cut:
                raise PowerLost
            self._journal.append(row)
        if self.cut is not None:
            raise PowerLost
        for row in self._journal:
            here = self.rows.setdefault(row.table, {})
            match row:
                case Put(_, key, value):
                    here[key] = value
                case Erase(_, key):
                    here.pop(key, None)
        self._journal.clear()
        self.cursor, self.rescans = cursor, rescans
        self.commits += 1

    def recover(self) -> None:
        """After the machine died: a batch that was not closed is thrown away."""
        self._journal.clear()
        self.full, self.cut = False, None

    def read(self) -> Mapping[Table, list[tuple[bytes, bytes]]]:
        """All rows, as the core is loaded from them: by key, as SQLite gives them.

        But for rows whose keys HPKE's own randomness has a part in: those in the order they were first written.
        """
        return {
            table: list(rows.items()) if table in CHANCY else sorted(rows.items()) for table, rows in self.rows.items()
        }
