"""The relay's control socket: one question, one answer, then the end; for its operator alone.

Spec of the messages: docs/spec/control.md (the same framing and errors as a node's). Invariants: the socket is 0600 in
a folder of this user, and whoever is neither this user nor root is turned away; what cannot be understood ends the
connection and nothing else; no answer waits for whoever asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from tertulia.bootstrap.relay.setting_edit import edit
from tertulia.node.control.server import is_ours, listen_privately, unlink
from tertulia.node.problems import BROKEN, GARBLED
from tertulia.node.redaction import Event, log, log_crash
from tertulia.protocol.control import Call, Failure, Result, client_splitter, encode_message
from tertulia.protocol.errors import LocalError, RemoteError
from tertulia.protocol.shape import as_int, as_list, as_text

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.place import Place
    from tertulia.bootstrap.relay.relay import Relay
    from tertulia.protocol.encoding import Value

ASK_SECONDS: Final = 10.0
READ_BYTES: Final = 64 * 1024
LIMIT_CLIENTS: Final = 16
LIMIT_TEXT: Final = 16 * 1024
LIMIT_TIME: Final = 2**53

Params = Mapping[str, "Value"]
Method = Callable[[Params], Awaitable[dict[str, "Value"]]]


class Control:
    """What an operator may ask of a running relay."""

    def __init__(self, relay: Relay, place: Place) -> None:
        self._relay, self._place = relay, place
        self._limit = trio.CapacityLimiter(LIMIT_CLIENTS)
        self._methods: Mapping[str, Method] = {
            "status": self._status,
            "allow": self._allow,
            "forget": self._forget,
            "ban": self._ban,
            "lift": self._lift,
            "bans": self._bans,
            "drain": self._drain,
            "set": self._set,
            "stop": self._stop,
        }

    async def run(self, path: Path, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve at `path` until cancelled. Raises StoreError."""
        listener = await listen_privately(path)
        try:
            with listener:
                async with trio.open_nursery() as nursery:
                    task_status.started()
                    while True:
                        accepted, _ = await listener.accept()
                        if not is_ours(accepted, or_root=True):
                            log(Event.CLIENT_REFUSED)
                            accepted.close()
                            continue
                        nursery.start_soon(self._serve, trio.SocketStream(accepted))
        finally:
            unlink(path)

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream, self._limit:
            with trio.move_on_after(ASK_SECONDS):
                try:
                    call = await self._hear(stream)
                    if call is not None:
                        await stream.send_all(encode_message(await self._answer(call)))
                except RemoteError:
                    await stream.send_all(encode_message(Failure(0, GARBLED)))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return

    async def _hear(self, stream: trio.SocketStream) -> Call | None:
        splitter = client_splitter()
        while data := await stream.receive_some(READ_BYTES):
            for message in splitter.feed(data):
                return message if isinstance(message, Call) else None
        return None

    async def _answer(self, call: Call) -> Result | Failure:
        method = self._methods.get(call.method)
        if method is None:
            return Failure(call.id, GARBLED)
        try:
            return Result(call.id, await method(call.params))
        except LocalError as error:
            return Failure(call.id, error.problem)
        except RemoteError:
            return Failure(call.id, GARBLED)
        except Exception as broken:  # noqa: BLE001 - the boundary: our mistake in one method must not end the relay
            log_crash(broken)
            return Failure(call.id, BROKEN)

    async def _status(self, _: Params) -> dict[str, Value]:
        return self._relay.status()

    async def _allow(self, params: Params) -> dict[str, Value]:
        ticket = as_text(params.get("ticket"), LIMIT_TEXT)
        port = as_int(params.get("port", 0), 0, 65_535)
        others = [as_text(one, LIMIT_TEXT) for one in as_list(params.get("others", []), most=16)]
        return await self._relay.allow(ticket, port or None, others)

    async def _forget(self, params: Params) -> dict[str, Value]:
        return await self._relay.forget(as_text(params.get("name"), LIMIT_TEXT))

    async def _ban(self, params: Params) -> dict[str, Value]:
        who, reason = as_text(params.get("who"), LIMIT_TEXT), as_text(params.get("reason", ""), LIMIT_TEXT)
        return await self._relay.ban(who, reason, as_int(params.get("until", 0), 0, LIMIT_TIME))

    async def _lift(self, params: Params) -> dict[str, Value]:
        return await self._relay.lift(as_text(params.get("who"), LIMIT_TEXT))

    async def _bans(self, _: Params) -> dict[str, Value]:
        return {"bans": list(self._relay.bans())}

    async def _drain(self, params: Params) -> dict[str, Value]:
        return await self._relay.drain(as_int(params.get("until"), 0, LIMIT_TIME))

    async def _set(self, params: Params) -> dict[str, Value]:
        wanted = {key: as_text(value, LIMIT_TEXT) for key, value in params.items()}
        await trio.to_thread.run_sync(edit, self._place.config, wanted)
        return self._relay.reload()

    async def _stop(self, _: Params) -> dict[str, Value]:
        self._relay.stopping.set()
        return {"state": "stopping"}
