"""Do something in a network namespace without leaving one's own: sockets and devices made there stay there.

docs/guide/mesh.md, *The lab in network namespaces*; setns(2): a namespace belongs to a thread. Invariant: the thread
that enters ends there, so that none of the caller's is ever in another namespace than before.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

NETNS: Final = Path("/run/netns")
"""Where iproute2 keeps namespaces by name."""
CLONE_NEWNET: Final = 0x40000000
P = ParamSpec("P")
R = TypeVar("R")


def inside(netns: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `work` in a thread that has entered this namespace; what it returns. Raises what it raises, and OSError."""
    returned: list[R] = []
    raised: list[BaseException] = []

    def enter() -> None:
        try:
            _enter(netns)
            returned.append(work(*args, **kwargs))
        except BaseException as failed:  # noqa: BLE001 - raised again in the caller's thread
            raised.append(failed)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return returned[0]


def _enter(netns: str) -> None:
    """Python 3.11 has no os.setns."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = os.open(NETNS / netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(found, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(found)
