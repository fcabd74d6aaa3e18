"""The relay's folder: where everything is, who may look into it, which process has it.

docs/guide/relay.md, *The folder*. Identity, settings, archive and its key: whoever moves the folder moves the relay.
Invariants: nobody but its user can look into it, or nothing in it is opened; one process at a time has it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from tertulia.bootstrap.relay import identity, problems
from tertulia.bootstrap.relay.identity import Identity
from tertulia.node.profile import LIMIT_SOCKET, Lock, Profile, ProfileBusy, ProfileOpen
from tertulia.node.store.archive import Archive, archive_key
from tertulia.protocol.errors import LocalError, Problem

VARIABLE: Final = "TERTULIA_RELAY"
OTHERS_BITS: Final = 0o077


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the relay lives unless the caller says otherwise."""
    named = environment.get(VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("tertulia-relay", appauthor=False)


@dataclass(frozen=True, slots=True)
class Place:
    """The folder; making one touches nothing."""

    profile: Profile

    @classmethod
    def at(cls, folder: Path | None) -> Place:
        """The relay in this folder, or in the default one."""
        return cls(Profile((default_folder() if folder is None else folder).absolute()))

    @property
    def folder(self) -> Path:
        """The folder itself."""
        return self.profile.folder

    @property
    def config(self) -> Path:
        """The settings."""
        return self.profile.config

    @property
    def key(self) -> Path:
        """The identity."""
        return self.folder / "relay.key"

    @property
    def exists(self) -> bool:
        """Whether a relay was made here."""
        return os.path.lexists(self.key)

    def prepare(self) -> None:
        """Make the folder if need be, and see that only this user can look into it. Raises ProfileOpen, StoreError."""
        self.profile.prepare()
        if self.exists and self.key.lstat().st_mode & OTHERS_BITS:
            raise ProfileOpen(
                Problem(
                    f"Other users of this computer could look into {self.key}.",
                    "Nothing in it was opened or changed.",
                    f"Close it with: chmod 600 '{self.key}'",
                )
            )

    def require(self) -> None:
        """Raises LocalError where there is no relay."""
        if not self.exists:
            raise LocalError(problems.NO_RELAY)

    def lock(self) -> Lock:
        """Take the folder for this process. Raises LocalError when another has it."""
        try:
            return self.profile.lock()
        except ProfileBusy as busy:
            raise LocalError(problems.BUSY) from busy

    def socket_path(self) -> Path:
        """Where the relay listens for its operator: in the folder, so that a service with a /tmp of its own is found.

        Raises StoreError where that path is too long for a socket and nowhere else can be had.
        """
        here = self.folder / "relay.socket"
        return here if len(os.fsencode(here)) <= LIMIT_SOCKET else self.profile.socket_path()

    def identity(self) -> Identity:
        """Who this relay is. Raises LocalError, StoreError."""
        self.require()
        return identity.read(self.key)

    def archive(self) -> Archive:
        """The archive, made if there is none. Blocks. Raises StoreError."""
        key = archive_key(self.profile.archive_key)
        path = self.profile.archive
        return Archive.open(path, key) if path.exists() else Archive.create(path, key)
