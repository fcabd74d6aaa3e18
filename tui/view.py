"""A client's copy of one of the node's views: its rows in order, kept right by snapshots and deltas.

docs/spec/control.md. Rows sort by (order key, id). A row that did not change stays the same object, so whoever draws
rows can tell by identity what to draw anew.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from tertulia.protocol.control import Delta, Row, Snapshot

SortKey = tuple[tuple[tuple[int, int, str], ...], str]


def _key(row: Row) -> SortKey:
    """Comparable for any two rows: numbers before texts."""
    return tuple((0, part, "") if isinstance(part, int) else (1, 0, part) for part in row.order), row.id


@dataclass(slots=True)
class View:
    """The rows of a view as last told; `is_known` once the first snapshot has come."""

    is_known: bool = False
    _rows: list[Row] = field(default_factory=list)
    _keys: list[SortKey] = field(default_factory=list)
    _by_id: dict[str, Row] = field(default_factory=dict)

    @property
    def rows(self) -> Sequence[Row]:
        """All rows in order. Not to be kept across updates."""
        return self._rows

    def get(self, row_id: str) -> Row | None:
        """The row of this id, if the view has it."""
        return self._by_id.get(row_id)

    def apply(self, update: Snapshot | Delta) -> None:
        """Take what the node told."""
        match update:
            case Snapshot():
                self._replace(update.rows)
            case Delta():
                for gone in update.removes:
                    self._remove(gone)
                for row in update.upserts:
                    self._upsert(row)

    def _replace(self, rows: Sequence[Row]) -> None:
        known = self._by_id
        kept = (known[row.id] if known.get(row.id) == row else row for row in rows)
        self._by_id = {row.id: row for row in kept}
        self._rows = sorted(self._by_id.values(), key=_key)
        self._keys = [_key(row) for row in self._rows]
        self.is_known = True

    def _remove(self, row_id: str) -> None:
        row = self._by_id.pop(row_id, None)
        if row is not None:
            index = bisect_left(self._keys, _key(row))
            del self._keys[index]
            del self._rows[index]

    def _upsert(self, row: Row) -> None:
        if self._by_id.get(row.id) == row:
            return
        self._remove(row.id)
        key = _key(row)
        index = bisect_left(self._keys, key)
        self._keys.insert(index, key)
        self._rows.insert(index, row)
        self._by_id[row.id] = row
