"""One client on the control socket: hello, calls side by side, watches.

docs/spec/control.md; DESIGN.md §2. Invariants: the node never waits for a client, one that does not read is dropped
when `LIMIT_QUEUE` messages or `LIMIT_BYTES` wait for it; what cannot be understood ends the connection, nothing else;
every call is answered once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, assert_never

import trio

from tertulia.node.control.status import release
from tertulia.node.problems import BROKEN, BUSY, GARBLED, HELLO_FIRST, OTHER_VERSION
from tertulia.node.redaction import Event, log, log_crash
from tertulia.protocol.control import (
    CONTROL_VERSION,
    Call,
    ClientMessage,
    Delta,
    Failure,
    Hello,
    HelloAnswer,
    NodeMessage,
    Notice,
    Result,
    Snapshot,
    Unwatch,
    Watch,
    client_splitter,
    encode_message,
)
from tertulia.protocol.errors import LocalError, Problem, RemoteError

if TYPE_CHECKING:
    from tertulia.node.control.methods import Methods
    from tertulia.node.control.views import Views

READ_BYTES: Final = 64 * 1024
HELLO_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 1.0
LIMIT_QUEUE: Final = 1_024
"""Messages that may wait for a client to read them."""
LIMIT_BYTES: Final = 16 * 1024 * 1024
LIMIT_CALLS: Final = 64
"""Calls of one client under way at once."""
LIMIT_WATCHES: Final = 64


class Connection:
    """One client."""

    def __init__(self, stream: trio.SocketStream, methods: Methods, views: Views) -> None:
        self._stream, self._methods, self._views = stream, methods, views
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._some = trio.Event()
        self._closing = False
        self._calls = 0
        self._watches: dict[int, Callable[[], None]] = {}
        self._scope = trio.CancelScope()

    async def serve(self) -> None:
        """Serve the client to its end. Never raises because of what it does."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    await self._read(nursery)
                    self._finish()
        finally:
            for end in self._watches.values():
                end()
            with trio.move_on_after(FLUSH_SECONDS):
                await self._stream.aclose()

    def notify(self, notice: Notice) -> None:
        """Tell the client something."""
        self._send(notice)

    def end(self) -> None:
        """End the conversation once the client has read what waits for it."""
        self._finish()

    # Reading --------------------------------------------------------------------------------------------------------

    async def _read(self, nursery: trio.Nursery) -> None:
        splitter = client_splitter()
        greeted = False
        with trio.CancelScope(deadline=trio.current_time() + HELLO_SECONDS) as patience:
            while not self._closing:
                try:
                    data = await self._stream.receive_some(READ_BYTES)
                except trio.BrokenResourceError:
                    return
                if not data:
                    return
                try:
                    messages = splitter.feed(data)
                except RemoteError:
                    log(Event.CLIENT_REFUSED)
                    self._fail(0, GARBLED)
                    return
                for message in messages:
                    if not greeted:
                        greeted = self._greet(message)
                        if not greeted:
                            return
                        patience.deadline = float("inf")
                    else:
                        self._take(message, nursery)

    def _greet(self, message: ClientMessage) -> bool:
        if not isinstance(message, Hello):
            self._fail(0, HELLO_FIRST)
            return False
        self._send(HelloAnswer(CONTROL_VERSION, release(), self._methods.service.profile.name))
        if message.version != CONTROL_VERSION:
            self._fail(0, OTHER_VERSION)
            return False
        return True

    def _take(self, message: ClientMessage, nursery: trio.Nursery) -> None:
        match message:
            case Call():
                if self._calls >= LIMIT_CALLS:
                    self._fail(message.id, BUSY)
                    return
                self._calls += 1
                nursery.start_soon(self._call, message)
            case Watch():
                self._watch(message)
            case Unwatch(number):
                end = self._watches.pop(number, None)
                if end is not None:
                    end()
            case Hello():
                self._fail(0, GARBLED)
                self._finish()
            case _:
                assert_never(message)

    async def _call(self, call: Call) -> None:
        try:
            self._send(Result(call.id, await self._methods.call(call.method, call.params)))
        except LocalError as error:
            self._fail(call.id, error.problem)
        except Exception as broken:  # noqa: BLE001 - the boundary: our mistake in one method must not end the node
            log_crash(broken)
            self._fail(call.id, BROKEN)
        finally:
            self._calls -= 1

    def _watch(self, watch: Watch) -> None:
        if watch.id in self._watches or len(self._watches) >= LIMIT_WATCHES:
            self._fail(watch.id, BUSY)
            return

        def deliver(update: Snapshot | Delta) -> None:
            self._send(update)

        try:
            self._watches[watch.id] = self._views.watch(watch.id, watch.view, watch.params, watch.cursor, deliver)
        except LocalError as error:
            self._fail(watch.id, error.problem)

    # Writing --------------------------------------------------------------------------------------------------------

    def _fail(self, number: int, problem: Problem) -> None:
        self._send(Failure(number, problem))

    def _send(self, message: NodeMessage) -> None:
        """Queue a message; a client that has too much waiting is dropped."""
        try:
            data = encode_message(message)
        except LocalError as error:
            if isinstance(message, Result | Snapshot | Delta):
                self._fail(message.id, error.problem)
            return
        self._waiting.append(data)
        self._bytes += len(data)
        if len(self._waiting) > LIMIT_QUEUE or self._bytes > LIMIT_BYTES:
            log(Event.CLIENT_DROPPED, bytes=self._bytes)
            self._scope.cancel()
        self._some.set()

    def _finish(self) -> None:
        self._closing = True
        self._some.set()

    async def _write(self) -> None:
        """Send what waits; the client is gone when that fails, or when all was sent at the end."""
        try:
            while not (self._closing and not self._waiting):
                await self._some.wait()
                self._some = trio.Event()
                while self._waiting:
                    data = self._waiting.popleft()
                    with trio.move_on_after(FLUSH_SECONDS if self._closing else float("inf")) as patience:
                        await self._stream.send_all(data)
                    if patience.cancelled_caught:
                        self._waiting.clear()
                        break
                    self._bytes -= len(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self._scope.cancel()
