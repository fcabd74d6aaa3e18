"""One client's conversation with a node over its Unix socket (asyncio).

docs/spec/control.md. The first message each way is a hello; then calls, each answered once, and watches, each a
snapshot followed by deltas. The reader never waits for anybody, so a busy screen cannot make the node drop us.
When the node ends or dies, every open call fails at once with `NodeGone` and `on_end` runs: the socket tells us.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tertulia.protocol.control import (
    CONTROL_VERSION,
    Call,
    ClientMessage,
    Delta,
    Failure,
    Hello,
    HelloAnswer,
    LocalError,
    NodeMessage,
    Notice,
    Problem,
    RemoteError,
    Result,
    Snapshot,
    Unwatch,
    Value,
    Watch,
    encode_message,
    node_splitter,
)

Params = dict[str, Value]
Update = Snapshot | Delta | Failure
Listener = Callable[[Update], None]

HELLO_SECONDS = 5.0
READ_BYTES = 64 * 1024


class NodeGone(LocalError):
    """The connection ended: the node stopped, died or dropped us. What it acknowledged is on the disk."""


class NodeAbsent(LocalError):
    """Nobody answers on this socket."""


class OtherVersion(LocalError):
    """The running node and this client speak different versions of the control protocol."""


class Refused(LocalError):
    """The node did not do what was asked, and says why."""


def gone() -> NodeGone:
    """The error for a connection that ended."""
    return NodeGone(
        Problem(
            error="The node has stopped.",
            safe="What was stored is safe on this machine's disk.",
            next="Try again: it is started anew.",
        )
    )


@dataclass(slots=True)
class Client:
    """A connected client. Made by `connect`; every method belongs to the event loop that made it."""

    answer: HelloAnswer
    _writer: asyncio.StreamWriter
    on_notice: Callable[[Notice], None] = field(default=lambda _notice: None)
    on_end: Callable[[], None] = field(default=lambda: None)
    _calls: dict[int, asyncio.Future[Params]] = field(default_factory=dict)
    _watches: dict[int, Listener] = field(default_factory=dict)
    _number: int = 0
    _reading: asyncio.Task[None] | None = None
    _ended: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the conversation still goes on."""
        return not self._ended

    async def call(self, method: str, /, **params: Value) -> Params:
        """Ask the node to do one thing and give its result.

        Raises Refused with the node's own sentences, NodeGone when it ends before it answers, LocalError when the
        request is too large to send.
        """
        number = self._next()
        data = encode_message(Call(number, method, params))
        answer: asyncio.Future[Params] = asyncio.get_running_loop().create_future()
        if self._ended:
            raise gone()
        self._calls[number] = answer
        self._writer.write(data)
        try:
            return await answer
        finally:
            self._calls.pop(number, None)

    def watch(self, view: str, params: Params, listener: Listener, cursor: int | None = None) -> int:
        """Follow a view; `listener` is called with each update, first a Snapshot unless the cursor is recent."""
        number = self._next()
        self._watches[number] = listener
        self._send(Watch(number, view, params, cursor))
        return number

    def unwatch(self, number: int) -> None:
        """Stop following what `watch` numbered so; no listener is called for it again."""
        if self._watches.pop(number, None) is not None:
            self._send(Unwatch(number))

    async def close(self) -> None:
        """End the conversation. Open calls fail with NodeGone; `on_end` does not run."""
        self.on_end = _nothing
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._end()

    def start(self, reader: asyncio.StreamReader) -> None:
        """Begin to read what follows the hello."""
        self._reading = asyncio.get_running_loop().create_task(self._read(reader))

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _send(self, message: ClientMessage) -> None:
        if not self._ended:
            self._writer.write(encode_message(message))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        splitter = node_splitter()
        try:
            while data := await reader.read(READ_BYTES):
                for message in splitter.feed(data):
                    self._take(message)
        except (OSError, RemoteError):
            pass  # told below: for a person, a connection that broke and one that ended are the same
        finally:
            self._end()

    def _take(self, message: NodeMessage) -> None:
        match message:
            case Result():
                self._settle(message.id, dict(message.value))
            case Failure() if message.id in self._watches:
                self._watches.pop(message.id)(message)
            case Failure():
                self._settle(message.id, Refused(message.problem))
            case Snapshot() | Delta():
                if listener := self._watches.get(message.id):
                    listener(message)
            case Notice():
                self.on_notice(message)
            case HelloAnswer():
                pass  # said once already

    def _settle(self, number: int, value: Params | LocalError) -> None:
        answer = self._calls.pop(number, None)
        if answer is None or answer.done():
            return
        if isinstance(value, LocalError):
            answer.set_exception(value)
        else:
            answer.set_result(value)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        for number in tuple(self._calls):
            self._settle(number, gone())
        self._watches.clear()
        self._writer.close()
        self.on_end()


def _nothing() -> None:
    """What `on_end` does once we end the conversation ourselves."""


async def connect(path: Path, name: str = "tertulia") -> Client:
    """Say hello to the node that listens on `path`.

    Raises NodeAbsent when nobody listens, NodeGone when it hangs up or does not answer, OtherVersion when it is of
    another version.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except (OSError, ValueError) as problem:  # ValueError: a path with a zero byte in it
        raise NodeAbsent(
            Problem(error="No node is running.", safe="Nothing was changed.", next="It is started when needed.")
        ) from problem
    try:
        writer.write(encode_message(Hello(CONTROL_VERSION, name)))
        answer = await asyncio.wait_for(_hello(reader), HELLO_SECONDS)
    except (OSError, RemoteError, TimeoutError, asyncio.IncompleteReadError) as problem:
        writer.close()
        raise gone() from problem
    if answer.version != CONTROL_VERSION:
        writer.close()
        raise OtherVersion(
            Problem(
                error=f"A node of another version is running (release {answer.release}).",
                safe="Nothing was changed; it goes on receiving.",
                next="Stop it with the tertulia that started it (tertulia stop), then try again.",
            )
        )
    client = Client(answer, writer)
    client.start(reader)
    return client


async def _hello(reader: asyncio.StreamReader) -> HelloAnswer:
    """Read exactly the node's first message, so that nothing of the next one is lost."""
    prefix = await reader.readexactly(4)
    body = await reader.readexactly(min(int.from_bytes(prefix, "big"), READ_BYTES))
    match node_splitter().feed(prefix + body):
        case (HelloAnswer() as answer,):
            return answer
        case _:
            raise asyncio.IncompleteReadError(b"", None)
