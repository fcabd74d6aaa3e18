"""A profile: one folder of one citizen, who may look into it, and which node has it.

DESIGN §2 (socket, `flock`), §5 *At rest*. Invariants: nobody but this user can look into the folder, or nothing in it
is opened; one node at a time holds the lock; the socket's folder is ours, private and no link, wherever it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

import platformdirs

from tertulia.node.store.files import PRIVATE, PRIVATE_FOLDER, sync_folder, write_atomically
from tertulia.node.store.problems import StoreFailed, from_system
from tertulia.protocol.errors import LocalError, Problem

DEFAULT_NAME: Final = "main"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LIMIT_SOCKET: Final = 103
"""Bytes of a Unix socket's path: 108 with the closing zero on Linux, 104 elsewhere."""
LIMIT_LEFTOVERS: Final = 1_000
"""Unfinished or destroyed vaults kept beside each other before we give up naming another."""
FILES: Final = (
    "config.toml",
    "vault.db",
    "vault.db-wal",
    "vault.wrap",
    "archive.db",
    "archive.db-wal",
    "archive.key",
    "node.lock",
    "node.socket",
    "node.log",
)
"""What a profile holds, and whose permissions are looked at before anything is opened."""


class ProfileBusy(LocalError):
    """Another node has this profile."""


class ProfileOpen(LocalError):
    """Others could look into the profile, or it is not ours."""


def default_home() -> Path:
    """Return where profiles live unless the caller was told otherwise (TERTULIA_HOME)."""
    return platformdirs.user_data_path("tertulia", appauthor=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """The folder of a profile, and where everything in it is. Making one touches nothing."""

    folder: Path

    @classmethod
    def named(cls, name: str = DEFAULT_NAME, home: Path | None = None) -> Profile:
        """Return the profile `name` under `home`. Raises LocalError for a name that is not a plain word."""
        if not NAME.fullmatch(name):
            raise LocalError(
                Problem(
                    "A profile's name has 1 to 64 letters, digits, dots, dashes or underscores, and starts with one of"
                    " the first two.",
                    "Nothing was changed.",
                    "Choose such a name, for example: main",
                )
            )
        return cls((default_home() if home is None else home).absolute() / name)

    @property
    def name(self) -> str:
        """The name under which the citizen knows this profile."""
        return self.folder.name

    @property
    def config(self) -> Path:
        """What the citizen may edit."""
        return self.folder / "config.toml"

    @property
    def vault(self) -> Path:
        """The database that the passphrase opens."""
        return self.folder / "vault.db"

    @property
    def wrap(self) -> Path:
        """The vault's key under the passphrase. A profile without it is new."""
        return self.folder / "vault.wrap"

    @property
    def archive(self) -> Path:
        """The database of frames carried for everyone."""
        return self.folder / "archive.db"

    @property
    def archive_key(self) -> Path:
        """The archive's key."""
        return self.folder / "archive.key"

    @property
    def lock_file(self) -> Path:
        """What the running node holds."""
        return self.folder / "node.lock"

    @property
    def socket_file(self) -> Path:
        """A text file that says where the running node listens."""
        return self.folder / "node.socket"

    @property
    def log(self) -> Path:
        """The node's log."""
        return self.folder / "node.log"

    @property
    def is_new(self) -> bool:
        """Whether no citizen has been made here yet, or what was made has been destroyed."""
        return not os.path.lexists(self.wrap)

    def prepare(self) -> None:
        """Make the folder if there is none, and make sure that only this user can look into it.

        Raises ProfileOpen where others could, StoreFailed or StoreFull where the folder cannot be made.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir(mode=PRIVATE_FOLDER)
                sync_folder(self.folder.parent)
            _check_private(self.folder, folder=True)
            for name in FILES:
                _check_private(self.folder / name, folder=False)
        except OSError as error:
            raise from_system(error, self.folder) from error

    def lock(self) -> Lock:
        """Take the profile for this process until `release` or the process ends. Raises ProfileBusy, StoreError."""
        try:
            handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
        except OSError as error:
            raise from_system(error, self.lock_file) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise ProfileBusy(
                Problem(
                    f"Another Tertulia node is already running for the profile {self.name}.",
                    "That node goes on undisturbed, and nothing was changed.",
                    "Use that one, or end it with: tertulia stop",
                )
            ) from error
        except OSError as error:
            os.close(handle)
            raise from_system(error, self.lock_file) from error
        return Lock(handle)

    def socket_path(self, environment: Mapping[str, str] = os.environ) -> Path:
        """Return where this profile's node listens, in a private folder that is made if need be.

        Short enough for a Unix socket, the same at every start. Raises ProfileOpen where somebody else has made that
        folder or can look into it, StoreFailed where it cannot be made. A socket left by a node that died may be
        there: whoever holds the lock may remove it.
        """
        token = blake2b(os.fsencode(self.folder.resolve()), digest_size=8, person=b"tertulia socket").hexdigest()
        runtime = environment.get("XDG_RUNTIME_DIR", "")
        folder = Path(runtime) / "tertulia" if _is_private_folder(runtime) else None
        if folder is None or len(os.fsencode(folder / token)) > LIMIT_SOCKET:
            folder = Path(f"/tmp/tertulia-{os.geteuid()}")  # noqa: S108  (checked below: ours, private, no link)
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=PRIVATE_FOLDER)
            _check_private(folder, folder=True)
        except OSError as error:
            raise from_system(error, folder) from error
        return folder / token

    def write_socket(self, socket: Path) -> None:
        """Tell clients where the node listens. Raises StoreError."""
        write_atomically(self.socket_file, os.fsencode(socket) + b"\n")

    def remove_socket(self) -> None:
        """Tell clients that nobody listens any more; best effort, they find out by themselves."""
        with contextlib.suppress(OSError):
            self.socket_file.unlink(missing_ok=True)

    def remove_stores(self) -> None:
        """Remove the vault's and the archive's files, those set aside too, after panic. Raises StoreFailed."""
        for path in self.folder.iterdir():
            if path.name.startswith((self.vault.name, self.archive.name)):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise from_system(error, path) from error

    def set_aside_vault(self) -> Path | None:
        """Move a vault that nobody can open any more out of the way of a new one; return its new name, None if none.

        That is the vault of a profile without a wrap: it was being made when the machine stopped, or its wrap was
        destroyed. It is never deleted or overwritten. Raises StoreFailed.
        """
        assert self.is_new
        if not os.path.lexists(self.vault):
            return None
        try:
            for number in range(1, LIMIT_LEFTOVERS):
                aside = self.vault.with_name(f"vault.db.left-{number}")
                if os.path.lexists(aside):
                    continue
                log = self.vault.with_name("vault.db-wal")
                if os.path.lexists(log):
                    log.rename(aside.with_name(aside.name + "-wal"))
                self.vault.rename(aside)
                sync_folder(self.folder)
                return aside
        except OSError as error:
            raise from_system(error, self.vault) from error
        raise StoreFailed(
            Problem(
                f"There are {LIMIT_LEFTOVERS - 1} unopenable vaults in {self.folder}.",
                "None of them was touched.",
                "Move them elsewhere and try again.",
            )
        )


class Lock:
    """The profile is this process's until `release`; the end of the process releases it too."""

    def __init__(self, handle: int) -> None:
        """Not called from outside: see `Profile.lock`."""
        self._handle = handle

    def release(self) -> None:
        """Let another node have the profile; releasing twice is fine."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _check_private(path: Path, *, folder: bool) -> None:
    """Make sure that `path`, if it is there, is ours alone and what it should be. Raises ProfileOpen, OSError."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    right = stat.S_ISDIR if folder else stat.S_ISREG
    if not right(status.st_mode):
        raise _open(f"{path} is not a plain {'folder' if folder else 'file'}.", "Remove it, or move the profile.")
    if status.st_uid != os.geteuid():
        raise _open(f"{path} belongs to another user of this computer.", "Use a folder of your own.")
    if status.st_mode & 0o077:
        mode = "700" if folder else "600"
        raise _open(f"Other users of this computer could look into {path}.", f"Close it with: chmod {mode} '{path}'")


def _open(error: str, following: str) -> ProfileOpen:
    return ProfileOpen(Problem(error, "Nothing in it was opened or changed.", following))


def _is_private_folder(name: str) -> bool:
    """Tell whether `name` is an absolute path of a folder that is ours alone."""
    if not name.startswith("/"):
        return False
    try:
        _check_private(Path(name), folder=True)
    except (ProfileOpen, OSError):
        return False
    return Path(name).is_dir()
