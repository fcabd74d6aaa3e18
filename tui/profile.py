"""Where a citizen's profile lives on this machine, and what of it a client may touch.

docs/spec/control.md. A profile is a folder `<home>/<name>/`; home is TERTULIA_HOME or the platform's data folder.
A client reads `node.socket`, asks whether `node.lock` is held, and lets a node write its errors to `node.log`: it
never opens a database. The folder is for this user alone (0700).
"""

import fcntl
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tertulia.protocol.control import LocalError, Problem

DEFAULT_PROFILE = "main"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: the absolute folder that holds all profiles, and this one's name."""

    home: Path
    name: str

    @property
    def folder(self) -> Path:
        """Where everything of this profile is."""
        return self.home / self.name

    @property
    def log(self) -> Path:
        """Where a node started by a client writes its errors."""
        return self.folder / "node.log"

    def socket(self) -> Path | None:
        """The path of the node's socket, or None when no node says it listens. It may be stale."""
        try:
            text = (self.folder / "node.socket").read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as problem:
            raise unreadable(self.folder, problem) from problem
        return Path(text) if text else None

    def is_held(self) -> bool:
        """Whether a node holds this profile's lock just now (starting, running or ending)."""
        try:
            descriptor = os.open(self.folder / "node.lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def make_folder(self) -> None:
        """Make the profile's folder if it is not there. Raises LocalError when that is impossible."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as problem:
            raise unreadable(self.folder, problem) from problem


def find_profile(name: str | None = None, environ: Mapping[str, str] = os.environ) -> Profile:
    """The profile of this name ("main" if None). Raises LocalError when the name cannot be a folder's."""
    chosen = name or DEFAULT_PROFILE
    if not _NAME.fullmatch(chosen):
        raise LocalError(
            Problem(
                error=f"“{chosen[:40]}” cannot be the name of a profile.",
                safe="Nothing was changed.",
                next="Use up to 32 letters, digits, dots, dashes or underscores.",
            )
        )
    home = environ.get("TERTULIA_HOME")
    if home:
        return Profile(Path(home).expanduser().absolute(), chosen)
    import platformdirs  # 8 ms, not needed when TERTULIA_HOME is set

    return Profile(Path(platformdirs.user_data_dir("tertulia", appauthor=False)), chosen)


def unreadable(folder: Path, problem: Exception) -> LocalError:
    """The error for a profile folder that the system will not let us use."""
    reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "not text"
    return LocalError(
        Problem(
            error=f"The profile's folder cannot be used: {reason.lower()} ({folder}).",
            safe="Nothing in it was changed.",
            next="Check that the folder is yours and that the disk has room, then try again.",
        )
    )
