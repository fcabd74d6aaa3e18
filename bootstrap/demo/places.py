"""Where plaintext is searched for: what libp2p delivers, what an archive keeps, what lies on the disk.

Issue 2, point 3. Invariants: payloads are looked at as a carrying peer gets them, after Noise and before anything
interprets them; an archive is opened with its own key and every value of every row is read; every file below a folder
is read whole, whatever its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw

from tertulia.bootstrap.demo.needles import Flow, Needles, search
from tertulia.node.profile import Profile
from tertulia.node.store.archive import KIND, archive_key
from tertulia.node.store.database import Database
from tertulia.node.substrate import PeerId
from tertulia.protocol.encoding import Value
from tertulia.protocol.shape import as_int, as_list, as_map, as_text
from tertulia.protocol.sync_messages import SYNC_PROTOCOL

COMMUNITY_LABEL: Final = "the community's name"
SAID: Final = "the name of a protocol"
MOST: Final = 2**53
CHUNK: Final = 1024 * 1024
"""Bytes of a file read at a time."""
CARRIED: Final = "frame"
"""The archive's table of what is carried for others."""


@dataclass(slots=True)
class Looked:
    """What was found in one kind of place: hits by label, in so many bytes of so many things (peers, rows, files)."""

    found: Counter[str] = field(default_factory=Counter)
    size: int = 0
    things: int = 0

    def add(self, flow: Flow) -> None:
        """Count one more thing that was looked through."""
        self.found.update(flow.found)
        self.size += flow.size
        self.things += 1

    def join(self, other: Looked) -> None:
        """Count what another search of the same kind of place saw."""
        self.found.update(other.found)
        self.size += other.size
        self.things += other.things

    def told(self) -> list[Value]:
        """As a worker tells it; `hear` reads it."""
        return [dict(self.found), self.size, self.things]

    @classmethod
    def hear(cls, told: Value) -> Looked:
        """Read what `told` gave. Raises RemoteError."""
        found, size, things = as_list(told, 3)
        counted = {as_text(label, MOST): as_int(hits, 0, MOST) for label, hits in as_map(found, MOST).items()}
        return cls(Counter(counted), as_int(size, 0, MOST), as_int(things, 0, MOST))


class Tap:
    """Looks at every payload of one host, for `HostConfig.tap`: one flow for each neighbour.

    It also looks for what neighbours do say readably, the name of a protocol: a tap that never saw it was not attached,
    or saw what is still encrypted, and what it did not find means nothing.
    """

    def __init__(self, wanted: Needles) -> None:
        self._needles = wanted.also(SAID, SYNC_PROTOCOL)
        self._flows: dict[PeerId, Flow] = {}

    def __call__(self, peer: PeerId, payload: bytes) -> None:
        """Look at what `peer` sent next."""
        flow = self._flows.get(peer)
        if flow is None:
            flow = self._flows[peer] = Flow(self._needles)
        flow.feed(payload)

    def looked(self) -> Looked:
        """All of it together."""
        total = Looked()
        for flow in self._flows.values():
            total.add(flow)
        total.found.pop(SAID, None)
        return total

    @property
    def hears(self) -> bool:
        """Whether it saw what neighbours surely said."""
        return any(SAID in flow.found for flow in self._flows.values())


def search_archive(wanted: Needles, profile: Profile) -> Looked:
    """Look through every row of a closed archive, decrypted. Blocking. Raises StoreError.

    An archive names the communities that it carries for, so that a locked node knows them: their names are looked for
    in what it carries, and everywhere else, but not in that table.
    """
    looked = Looked()
    database = Database.open(profile.archive, archive_key(profile.archive_key), KIND)
    try:
        database.read(lambda connection: _search_tables(wanted, connection, looked))
    finally:
        database.close()
    return looked


def _search_tables(wanted: Needles, connection: apsw.Connection, looked: Looked) -> None:
    tables = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert CARRIED in tables
    for table in tables:
        sought = wanted if table == CARRIED else wanted.without(COMMUNITY_LABEL)
        for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - a name out of the schema itself
            looked.add(search(sought, _values(row)))


def _values(row: tuple[apsw.SQLiteValue, ...]) -> Iterator[bytes]:
    for value in row:
        match value:
            case bytes():
                yield value
            case str():
                yield value.encode()
            case _:
                pass
        yield b"\0"  # two values are not one text


def search_files(wanted: Needles, folder: Path) -> Looked:
    """Look through every file below `folder`, their names included. Blocking. Raises OSError."""
    looked = Looked()
    for path in sorted(folder.rglob("*")):
        looked.found.update(wanted.find(path.name.encode()))
        if path.is_file() and not path.is_symlink():
            looked.add(search(wanted, _chunks(path)))
    return looked


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
