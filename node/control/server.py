"""The control socket: who may connect, who is connected, and when a node without clients ends.

DESIGN.md §2, docs/spec/control.md. Invariants: the socket is 0600 in a 0700 folder and every peer's uid is looked at;
a citizen's node locks and ends with its last client unless the citizen chose otherwise.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.control.connection import FLUSH_SECONDS, Connection
from tertulia.node.control.views import Views
from tertulia.node.redaction import Event, log
from tertulia.node.store.problems import from_system
from tertulia.protocol.control import Notice

if TYPE_CHECKING:
    from tertulia.node.control.methods import Methods

LIMIT_CLIENTS: Final = 32
BACKLOG: Final = 64
FIRST_CLIENT_SECONDS: Final = 30.0
"""A node nobody talks to ends after this time: whoever started it is gone."""
GRACE_SECONDS: Final = 1.0
"""Between two clients: two verbs in a row use the same node, also where Python starts slowly."""
PRIVATE: Final = 0o600
SECONDS_PER_MINUTE: Final = 60
_CREDENTIALS: Final = struct.Struct("3i")


class ControlServer:
    """The clients of one node."""

    def __init__(self, methods: Methods, *, lock_after_minutes: int = 0) -> None:
        self._methods = methods
        self._views = Views(methods)
        self._lock_after = lock_after_minutes * SECONDS_PER_MINUTE
        self._clients: set[Connection] = set()
        self._ending = False
        self._changed = trio.Event()
        self.ended = trio.Event()
        """Set when every client has been told that the node ends, and nobody can connect any more."""

    async def run(self, path: Path, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve clients at `path` until the node is to end; then say so to each. Raises StoreError."""
        listener = await listen_privately(path)
        try:
            with listener:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._views.run)
                    nursery.start_soon(self._accept, listener, nursery)
                    nursery.start_soon(self._presence)
                    task_status.started()
                    await self._methods.stopping.wait()
                    await self._farewell()
                    nursery.cancel_scope.cancel()
        finally:
            unlink(path)
            self.ended.set()

    async def _accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                accepted, _ = await listener.accept()
            except OSError:
                await trio.sleep(GRACE_SECONDS)  # out of file handles: those that end make room
                continue
            if self._ending:  # whoever comes now finds the next node; this one would promise what it cannot keep
                accepted.close()
                continue
            if len(self._clients) >= LIMIT_CLIENTS or not is_ours(accepted):
                log(Event.CLIENT_REFUSED, clients=len(self._clients))
                accepted.close()
                continue
            connection = Connection(trio.SocketStream(accepted), self._methods, self._views)
            self._clients.add(connection)
            self._note()
            nursery.start_soon(self._serve, connection)

    async def _serve(self, connection: Connection) -> None:
        log(Event.CLIENT_CAME, clients=len(self._clients))
        try:
            await connection.serve()
        finally:
            self._clients.discard(connection)
            log(Event.CLIENT_LEFT, clients=len(self._clients))
            self._note()

    def _note(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _presence(self) -> None:
        """Lock, or end, when nobody is there."""
        patience = FIRST_CLIENT_SECONDS
        while True:
            while self._clients:
                changed = self._changed
                await changed.wait()
                patience = GRACE_SECONDS
            stays = self._methods.keep or self._methods.resident
            changed = self._changed
            with trio.move_on_after((self._lock_after or float("inf")) if stays else patience) as waiting:
                await changed.wait()
            if not waiting.cancelled_caught or self._clients:
                continue
            self._ending = not stays
            await self._methods.service.lock()
            if not stays:
                self._methods.stopping.set()
                return
            await changed.wait()

    async def _farewell(self) -> None:
        for client in tuple(self._clients):
            client.notify(Notice("stopping", "The node is ending. What was confirmed is on this machine's disk."))
            client.end()
        with trio.move_on_after(FLUSH_SECONDS):
            while self._clients:
                changed = self._changed
                await changed.wait()


async def listen_privately(path: Path) -> trio.socket.SocketType:
    """A socket at `path` that only this user can open; one left by a node that died is replaced. Raises StoreError."""
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        unlink(path)
        await listener.bind(str(path))
        _close_to_others(path)  # nobody can connect before `listen`
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise from_system(error, path) from error
    return listener


def is_ours(accepted: trio.socket.SocketType, *, or_root: bool = False) -> bool:
    """Whether the process at the other end is this user's. Where the system cannot tell, the folder's mode decides."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    data = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(data)
    return bool(uid == os.geteuid() or (or_root and uid == 0))


def unlink(path: Path) -> None:
    """Remove a socket, if it is there."""
    path.unlink(missing_ok=True)


def _close_to_others(path: Path) -> None:
    path.chmod(PRIVATE)
