"""A citizen's node on a faulty disk: `python tests/support/faulty_node.py BOOKS SEED` and the node's own arguments.

What runs is the product's node. Only the name under which its databases are opened leads through `faulty_disk`.
"""

from __future__ import annotations

import contextlib
import random
import sys
from pathlib import Path
from typing import Any, Final

import apsw
from faulty_disk import ENCRYPTED, Disk, FaultyDisk

from tertulia.bootstrap.node import main

LIMIT_LOG_PAGES: Final = 1_000
"""Beyond so many pages SQLite empties its log, unless told otherwise."""


def main_on(disk: Disk, arguments: list[str]) -> int:
    """Run the node on this disk; returns the exit code."""
    vfs = FaultyDisk(disk)
    plain = apsw.Connection

    class Connection(plain):  # type: ignore[valid-type, misc]
        """Where SQLite passes over an error of a disk that is written in Python, the error gets out; but not here."""

        def __init__(self, filename: str, flags: int = 0, **more: Any) -> None:
            super().__init__(filename, flags=flags, vfs=ENCRYPTED, **more)
            self.set_wal_hook(_after_commit)

        def close(self, force: bool = False) -> None:
            with contextlib.suppress(apsw.IOError):
                super().close(force)

    apsw.Connection = Connection  # type: ignore[misc]
    code = main(arguments)
    del vfs
    return code


def _after_commit(connection: apsw.Connection, name: str, pages: int) -> int:
    """What SQLite does by itself without a hook: the commit stands, whatever becomes of emptying the log."""
    if pages >= LIMIT_LOG_PAGES:
        with contextlib.suppress(apsw.Error):
            connection.wal_checkpoint(name, apsw.SQLITE_CHECKPOINT_PASSIVE)
    return apsw.SQLITE_OK


if __name__ == "__main__":
    sys.exit(main_on(Disk(Path(sys.argv[1]), random.Random(sys.argv[2])), sys.argv[3:]))
