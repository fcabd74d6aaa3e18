"""A disk that fails, lies and loses power, below SQLite and its encryption: what R4 of GOALS.md is tried on.

`FaultyDisk` is a SQLite VFS. Beside every file it keeps what the disk has really got, a copy brought up to date by each
flush that is honoured; `lose_power` makes of both what a power cut leaves: of every sector that was not flushed either
the old bytes or the new ones. A plan, read anew when it changes, says what goes wrong meanwhile.
"""

from __future__ import annotations

import errno
import json
import os
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import apsw

NAME: Final = "faulty"
ENCRYPTED: Final = "multipleciphers-" + NAME
"""What SQLite3 Multiple Ciphers calls its encryption above ours; it is made when it is first asked for."""
SECTOR: Final = 512
BASE: Final = "unix"


@dataclass(frozen=True, slots=True)
class Plan:
    """Parts (0 to 1) of reads, writes and flushes that fail, and of flushes that are answered and not done.

    `slow` is how many seconds a flush takes.
    """

    read: float = 0.0
    write: float = 0.0
    flush: float = 0.0
    lie: float = 0.0
    slow: float = 0.0


@dataclass(slots=True)
class Disk:
    """What is known of the files of one profile: `books` holds the plan, and a copy of each as the disk has it."""

    books: Path
    chance: random.Random = field(default_factory=random.Random)
    errors: int = 0
    _plan: Plan = field(default_factory=Plan)
    _read: int = -1
    _dirty: dict[Path, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def _plan_file(self) -> Path:
        return self.books / "plan.json"

    def order(self, plan: Plan) -> None:
        """From now on, in whichever process, this goes wrong."""
        self.books.mkdir(exist_ok=True)
        new = self._plan_file.with_suffix(".new")
        new.write_text(json.dumps(asdict(plan)), encoding="ascii")
        new.replace(self._plan_file)

    def happens(self, what: str) -> bool:
        """Whether it goes wrong this time."""
        wrong = self.chance.random() < getattr(self.plan, what)
        self.errors += wrong
        return wrong

    @property
    def plan(self) -> Plan:
        """What was ordered last."""
        if self._plan_file.exists() and (changed := self._plan_file.stat().st_mtime_ns) != self._read:
            self._plan, self._read = Plan(**json.loads(self._plan_file.read_text(encoding="ascii"))), changed
        return self._plan

    def copy_of(self, path: Path) -> Path:
        """Where it stands what the disk really has of a file."""
        return self.books / path.name

    # What the VFS tells ---------------------------------------------------------------------------------------------

    def opened(self, path: Path) -> None:
        """A file is opened: whatever an earlier process has written since the last flush is still to be flushed."""
        self._dirty.setdefault(path, [(0, 1 << 62)])

    def written(self, path: Path, start: int, size: int) -> None:
        """Bytes were written, and not flushed yet."""
        self._dirty[path].append((start, size))

    def flushed(self, path: Path) -> None:
        """Everything written is on the disk."""
        copy = self.copy_of(path)
        copy.touch()
        with path.open("rb") as now, copy.open("r+b") as then:
            for start, size in self._dirty[path]:
                now.seek(start)
                then.seek(start)
                then.write(now.read(min(size, path.stat().st_size)))
            then.truncate(path.stat().st_size)
        self._dirty[path].clear()

    def forgotten(self, path: Path) -> None:
        """A flush failed: as on Linux, nobody tries again to write what should have been flushed."""
        self._dirty[path].clear()

    def deleted(self, path: Path, *, flushed: bool) -> None:
        """A file is gone; for good only if its folder was flushed."""
        self._dirty.pop(path, None)
        if flushed:
            self.copy_of(path).unlink(missing_ok=True)

    # What the test does, while no node runs -------------------------------------------------------------------------

    def settle(self, folder: Path) -> None:
        """As long after a quiet shutdown, all files are on the disk as they are."""
        self.books.mkdir(exist_ok=True)
        for path in _files(folder):
            self.copy_of(path).write_bytes(path.read_bytes())

    def lose_power(self, folder: Path) -> int:
        """Leave of the files what a power cut leaves; gives how many sectors were not what they had seemed to be."""
        lost = 0
        here = {path.name: path for path in _files(folder)}
        kept = {copy.name for copy in self.books.iterdir() if copy.name != self._plan_file.name}
        for name in sorted(here.keys() | kept):
            path = here.get(name, folder / name)
            now = path.read_bytes() if path.exists() else None
            then = self.copy_of(path).read_bytes() if name in kept else None
            left = self._torn(now, then)
            if left is None:
                path.unlink(missing_ok=True)
                self.copy_of(path).unlink(missing_ok=True)
            else:
                path.write_bytes(left)
                path.chmod(0o600)
                self.copy_of(path).write_bytes(left)
            lost += sum(left is None or _sector(left, at) != _sector(now or b"", at) for at in range(_sectors(now)))
        return lost

    def _torn(self, now: bytes | None, then: bytes | None) -> bytes | None:
        """Some of the new and some of the old; often all of one, so that whole writes are lost as well."""
        share = self.chance.choice((0.0, 1.0, 0.5, self.chance.random()))
        if now is None or then is None:
            known = now if then is None else then
            return known if known is None or self.chance.random() < share or not known else None
        size = len(now) if self.chance.random() < share else len(then)
        ends = _sectors(now)  # beyond it nothing was written since, whether or not the file was cut there
        sectors = (
            _sector(now if at < ends and self.chance.random() < share else then, at).ljust(SECTOR, b"\0")
            for at in range(-(-size // SECTOR))
        )
        return b"".join(sectors)[:size]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and ".db" in path.name]


def _sectors(data: bytes | None) -> int:
    return -(-len(data or b"") // SECTOR)


def _sector(data: bytes, number: int) -> bytes:
    return data[number * SECTOR : (number + 1) * SECTOR]


class FaultyDisk(apsw.VFS):
    """SQLite's way to a `Disk`; use it under the name `ENCRYPTED`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(NAME, BASE)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._disk.deleted(Path(filename), flushed=syncdir)

    def xGetLastError(self) -> tuple[int, str]:  # noqa: N802
        return errno.EIO, os.strerror(errno.EIO)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        assert name is not None, "nothing temporary is on the disk"
        self._path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        super().__init__(BASE, name, flags)
        disk.opened(self._path)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        if self._disk.happens("read"):
            raise _error(apsw.SQLITE_IOERR_READ)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.happens("write"):
            part = data[: len(data) // 2]  # the first half has come through
            super().xWrite(part, offset)
            self._disk.written(self._path, offset, len(part))
            raise _error(apsw.SQLITE_IOERR_WRITE)
        super().xWrite(data, offset)
        self._disk.written(self._path, offset, len(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if self._disk.happens("write"):
            raise _error(apsw.SQLITE_IOERR_TRUNCATE)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        time.sleep(self._disk.plan.slow)
        if self._disk.happens("flush"):
            self._disk.forgotten(self._path)
            raise _error(apsw.SQLITE_IOERR_FSYNC)
        if not self._disk.happens("lie"):
            super().xSync(flags)
            self._disk.flushed(self._path)


def _error(code: int) -> apsw.IOError:
    error = apsw.IOError("as the plan has it")
    error.extendedresult = code
    return error
