"""What can go wrong on the disk, each as three sentences for the person at the screen.

DESIGN §5 *At rest*; STYLE, habit 3. Every error of `tertulia.node.store` is one of these, a `LocalError` whose
`problem` says what happened, what is safe and what to do. They name files, never rows, keys or text.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from tertulia.protocol.errors import LocalError, Problem

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when it has no room for us: disk, quota, or the limit on a file's size."""


class StoreError(LocalError):
    """Something is wrong with a file of the profile."""


class StoreFull(StoreError):
    """There is no room; nothing of the change was kept, and the store works again once there is."""


class StoreFailed(StoreError):
    """The system refused to read or write; nothing of the change was kept."""


class StoreDamaged(StoreError):
    """The file is not what was written: refused whole, and left as it is."""


class StoreNewer(StoreError):
    """Another release, mostly a later one, wrote this file: refused whole, and left as it is."""


def full(path: Path) -> StoreFull:
    """Return the error for a full disk, quota or file size limit."""
    return StoreFull(
        Problem(
            f"There is no room left on the disk for {path}.",
            "Nothing of this change was kept, and everything that was confirmed before is still there.",
            "Free some space and try again.",
        )
    )


def failed(path: Path, reason: str) -> StoreFailed:
    """Return the error for a read or write that the system refused; `reason` is the system's own word for it."""
    return StoreFailed(
        Problem(
            f"{path} could not be read or written: {reason}.",
            "Nothing of this change was kept, and everything that was confirmed before is still there.",
            "Check the disk and who may write in that folder, then try again.",
        )
    )


def damaged(path: Path, what: str) -> StoreDamaged:
    """Return the error for a file that is not what was written; `what` names it, as in "the vault"."""
    return StoreDamaged(
        Problem(
            f"{path} ({what}) is damaged and was not opened.",
            "The file was left exactly as it is, and nothing was sent.",
            "Make a copy of the whole profile folder, then put back a backup of this file or start another profile.",
        )
    )


def missing(path: Path, what: str) -> StoreDamaged:
    """Return the error for a file that should be there and is not."""
    return StoreDamaged(
        Problem(
            f"{path} ({what}) is missing.",
            "The rest of the profile was left exactly as it is.",
            "Put the file back from a backup, or start another profile.",
        )
    )


def newer(path: Path, what: str) -> StoreNewer:
    """Return the error for a file in a format that only a later release knows."""
    return StoreNewer(
        Problem(
            f"{path} ({what}) was written by a newer Tertulia.",
            "The file was left exactly as it is.",
            "Install the newer Tertulia to open it.",
        )
    )


def of_another_version(path: Path, what: str) -> StoreNewer:
    """Return the error for a file whose rows another release wrote, older or newer, that this one cannot read."""
    return StoreNewer(
        Problem(
            f"{path} ({what}) holds a dialogue as another version of Tertulia wrote it, which this one cannot read.",
            "The file was left exactly as it is, and nothing was sent.",
            "Open it with the version that you used before, or start another profile and ask for a new invite.",
        )
    )


def from_system(error: OSError, path: Path) -> StoreError:
    """Turn what the system said about `path` into one of ours."""
    if error.errno in FULL:
        return full(path)
    return failed(path, error.strerror or "the system gave no reason")
