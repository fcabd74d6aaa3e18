"""Small secret files: written whole or not at all, read with a limit, destroyed on purpose.

DESIGN §5 *At rest*. A file appears under its name only when all its bytes are on the disk, is readable by its owner
alone, and replaces an older one in one step. Destroying overwrites first, but flash may keep old blocks: what we
promise is that the wrapped key is gone from the file system, not from the silicon (research/security.md §6).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from tertulia.node.store.problems import damaged, failed, from_system, missing

PRIVATE: Final = 0o600
"""Read and write for the owner, nothing for anyone else."""
PRIVATE_FOLDER: Final = 0o700
NEW: Final = ".new"
"""What is appended to a file's name while it is being written."""


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step; when this returns it is on the disk.

    Raises StoreFull or StoreFailed; then whatever stood at `path` before still does.
    """
    new = path.with_name(path.name + NEW)
    try:
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
        try:
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _forget(new)
        raise from_system(error, path) from error


def read_limited(path: Path, limit: int, what: str) -> bytes:
    """Return the bytes of the plain file at `path`, at most `limit` of them.

    Raises StoreDamaged if it is missing, longer, or anything but a plain file; StoreFailed if it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise missing(path, what) from error
    except OSError as error:
        raise from_system(error, path) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise failed(path, "it is not a plain file")
        data = _read_up_to(handle, limit + 1)
    except OSError as error:
        raise from_system(error, path) from error
    finally:
        os.close(handle)
    if len(data) > limit:
        raise damaged(path, what)
    return data


def destroy(path: Path) -> None:
    """Overwrite the file at `path` with random bytes, then remove it; one that is not there is fine.

    Raises StoreFailed if the name could not be removed. Failing to overwrite does not stop the removal.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        handle = -1  # not there, or not ours to write: removing the name is what is left to do
    if handle >= 0:
        try:
            _write_all(handle, os.urandom(os.fstat(handle).st_size))
            os.fsync(handle)
        except OSError:
            pass  # the same
        finally:
            os.close(handle)
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise from_system(error, path) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` as durable as the bytes behind them. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    """Write every byte: the system may take them in several bites."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _read_up_to(handle: int, most: int) -> bytes:
    """Read until the end of the file or `most` bytes."""
    data = b""
    while len(data) < most and (bite := os.read(handle, most - len(data))):
        data += bite
    return data


def _forget(path: Path) -> None:
    """Remove our own unfinished file; if even that fails, the next write will."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
