"""Keeping what the process holds in memory out of files and other programs' reach, as far as the system lets us.

DESIGN §5 *At rest* (core dumps off); research/security.md §6. Best effort, reported, never a reason not to start: a
debugger of the same user, swap and a frozen machine stay possible, and the threat model says so.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from dataclasses import dataclass
from typing import Final

PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
UMASK: Final = 0o077
CHATTY: Final = ("LIBP2P_DEBUG", "LIBP2P_DEBUG_FILE")
"""Variables that make py-libp2p write payloads and peers to a file in the temporary folder, read at its import."""


@dataclass(frozen=True, slots=True)
class Hardening:
    """What held: no core dumps by limit, memory closed to other processes of this user, new files private."""

    core_off: bool
    dumpable_off: bool
    umask_set: bool


def harden() -> Hardening:
    """Do all of it, first thing in a process and before libp2p is imported; return what held. Never raises."""
    for name in CHATTY:
        os.environ.pop(name, None)
    os.umask(UMASK)
    return Hardening(core_off=_core_off(), dumpable_off=_dumpable_off(), umask_set=_umask() == UMASK)


def _core_off() -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return False
    return resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def _dumpable_off() -> bool:
    """Linux: no core dump whatever the limit says, and no ptrace by programs that are not root."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0)


def _umask() -> int:
    """Return the mask in force: it can only be read by setting it."""
    mask = os.umask(UMASK)
    os.umask(mask)
    return mask
