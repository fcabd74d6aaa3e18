"""Messages between a citizen's node and its clients (TUI, plain client, CLI) on the profile's socket.

Implements docs/spec/control.md. A message is 4 bytes of length, big-endian, then one strict CBOR list
`[type, field, ...]`. Size is checked before anything is decoded; a malformed message raises RemoteError and
ends the connection. What a person wrote, and every passphrase, stays out of the messages' reprs.
Loaded by every client before its first paint: it imports no cryptography.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Generic, NamedTuple, TypeVar, assert_never

from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import LocalError, Problem, RejectReason, RemoteError
from tertulia.protocol.shape import as_int, as_list, as_map, as_text

__all__ = [
    "CONTROL_VERSION",
    "LIMIT_MESSAGE",
    "Call",
    "ClientMessage",
    "Delta",
    "Failure",
    "Hello",
    "HelloAnswer",
    "LocalError",
    "NodeMessage",
    "Notice",
    "Problem",
    "RemoteError",
    "Result",
    "Row",
    "Snapshot",
    "Splitter",
    "Unwatch",
    "Value",
    "Watch",
    "client_splitter",
    "encode_message",
    "node_splitter",
    "read_client",
    "read_node",
]

CONTROL_VERSION: Final = 1
"""The version both sides say in their hello; a client that meets another one offers to restart the node."""

PREFIX: Final = 4
LIMIT_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes of one encoded message, its length prefix not counted."""
LIMIT_ID: Final = 2**32 - 1
"""Largest number a client may give a call or a watch."""
LIMIT_CHANGE: Final = 2**63 - 1
"""Largest change number of a view."""
LIMIT_NAME: Final = 64
"""Characters of a method, a view, a parameter's name, a notice's kind, a release or a profile."""
LIMIT_PARAMS: Final = 32
"""Parameters of one call or watch, and fields of one result or row."""
LIMIT_ROWS: Final = 10_000
"""Rows of one snapshot; upserts, and removes, of one delta."""
LIMIT_ORDER: Final = 4
"""Parts of a row's order key."""
LIMIT_ROW_ID: Final = 128
"""Characters of a row's id or of a text part of its order key."""
LIMIT_SENTENCE: Final = 2_048
"""Characters of one sentence of a problem or of a notice."""

TOO_LARGE = Problem(
    error="This is too much for one message between client and node.",
    safe="Nothing was sent and nothing changed.",
    next="Send less at a time.",
)
UNWRITABLE = Problem(
    error="This holds a letter that is broken, or a number that is far too large.",
    safe="Nothing was sent and nothing changed.",
    next="Check that the text is valid UTF-8, then try again.",
)

Params = Mapping[str, Value]
OrderKey = tuple[int | str, ...]


class Row(NamedTuple):
    """One row of a view: its lasting id, the key that sorts it within the view, and what it shows."""

    id: str
    order: OrderKey
    value: Params

    def __repr__(self) -> str:
        """Name the row without what it shows."""
        return f"Row(id={self.id!r}, order=…, value=…)"


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's first message. Its form never changes, so that every version can say that it differs."""

    version: int
    client: str


@dataclass(frozen=True, slots=True)
class Call:
    """Ask the node to do one thing; answered by one `Result` or `Failure` with the same id."""

    id: int
    method: str
    params: Params = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Watch:
    """Follow a view. `cursor` is the last change number seen; None, or one too old, brings a `Snapshot`."""

    id: int
    view: str
    params: Params = field(default_factory=dict, repr=False)
    cursor: int | None = None


@dataclass(frozen=True, slots=True)
class Unwatch:
    """Stop following the view watched under this id."""

    id: int


@dataclass(frozen=True, slots=True)
class HelloAnswer:
    """The node's first message, whatever version the client said. Its form never changes."""

    version: int
    release: str
    profile: str


@dataclass(frozen=True, slots=True)
class Result:
    """The call of this id has been done."""

    id: int
    value: Params = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """The call or watch of this id was not done: what happened, what is safe, what to do."""

    id: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole view watched under this id, as of change number `change`."""

    id: int
    change: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed in the view watched under this id since the last change number sent."""

    id: int
    change: int
    upserts: tuple[Row, ...] = ()
    removes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something every client should know. kind: "locking", "stopping", "slow", ..."""

    kind: str
    text: str


ClientMessage = Hello | Call | Watch | Unwatch
NodeMessage = HelloAnswer | Result | Failure | Snapshot | Delta | Notice


class Type(IntEnum):
    """The first field of a message. Clients' types lie below 16, the node's from 16 on."""

    HELLO = 1
    CALL = 2
    WATCH = 3
    UNWATCH = 4
    HELLO_ANSWER = 16
    RESULT = 17
    FAILURE = 18
    SNAPSHOT = 19
    DELTA = 20
    NOTICE = 21


# Writing ------------------------------------------------------------------------------------------------------------


def encode_message(message: ClientMessage | NodeMessage) -> bytes:
    """Length prefix and body, ready to send.

    Raises LocalError if the body is larger than LIMIT_MESSAGE (a paste too long, or a view cut too generously) or
    holds what CBOR has no form for (a broken letter from the command line).
    """
    try:
        body = encode(_fields(message))
    except ValueError as wrong:
        raise LocalError(UNWRITABLE) from wrong
    if len(body) > LIMIT_MESSAGE:
        raise LocalError(TOO_LARGE)
    return len(body).to_bytes(PREFIX, "big") + body


def _fields(message: ClientMessage | NodeMessage) -> list[Value]:
    match message:
        case Hello():
            return [Type.HELLO, message.version, message.client]
        case Call():
            return [Type.CALL, message.id, message.method, message.params]
        case Watch():
            return [Type.WATCH, message.id, message.view, message.params, message.cursor]
        case Unwatch():
            return [Type.UNWATCH, message.id]
        case HelloAnswer():
            return [Type.HELLO_ANSWER, message.version, message.release, message.profile]
        case Result():
            return [Type.RESULT, message.id, message.value]
        case Failure():
            problem = message.problem
            return [Type.FAILURE, message.id, problem.error, problem.safe, problem.next]
        case Snapshot():
            return [Type.SNAPSHOT, message.id, message.change, _write_rows(message.rows)]
        case Delta():
            rows = _write_rows(message.upserts)
            return [Type.DELTA, message.id, message.change, rows, list(message.removes)]
        case Notice():
            return [Type.NOTICE, message.kind, message.text]
    assert_never(message)


def _write_rows(rows: tuple[Row, ...]) -> list[Value]:
    return [[row_id, list(order), value] for row_id, order, value in rows]


# Reading ------------------------------------------------------------------------------------------------------------


def read_client(body: bytes) -> ClientMessage:
    """Decode what a client sent, without its length prefix. Raises RemoteError."""
    kind, fields = _open(body)
    match kind:
        case Type.HELLO:
            version, client = as_list(fields, 2)
            return Hello(as_int(version, 0, LIMIT_ID), as_text(client, LIMIT_NAME))
        case Type.CALL:
            number, method, params = as_list(fields, 3)
            return Call(_id(number), as_text(method, LIMIT_NAME), _params(params))
        case Type.WATCH:
            number, view, params, cursor = as_list(fields, 4)
            since = None if cursor is None else as_int(cursor, 0, LIMIT_CHANGE)
            return Watch(_id(number), as_text(view, LIMIT_NAME), _params(params), since)
        case Type.UNWATCH:
            (number,) = as_list(fields, 1)
            return Unwatch(_id(number))
        case _:
            raise RemoteError(RejectReason.SHAPE, "not a client's message")


def read_node(body: bytes) -> NodeMessage:
    """Decode what a node sent, without its length prefix. Raises RemoteError."""
    kind, fields = _open(body)
    match kind:
        case Type.HELLO_ANSWER:
            version, release, profile = as_list(fields, 3)
            return HelloAnswer(as_int(version, 0, LIMIT_ID), as_text(release, LIMIT_NAME), as_text(profile, LIMIT_NAME))
        case Type.RESULT:
            number, value = as_list(fields, 2)
            return Result(_id(number), _params(value))
        case Type.FAILURE:
            number, *sentences = as_list(fields, 4)
            error, safe, then = (as_text(sentence, LIMIT_SENTENCE) for sentence in sentences)
            return Failure(_id(number), Problem(error=error, safe=safe, next=then))
        case Type.SNAPSHOT:
            number, change, rows = as_list(fields, 3)
            return Snapshot(_id(number), as_int(change, 0, LIMIT_CHANGE), _rows(rows))
        case Type.DELTA:
            number, change, upserts, removes = as_list(fields, 4)
            gone = tuple(as_text(row, LIMIT_ROW_ID) for row in as_list(removes, most=LIMIT_ROWS))
            return Delta(_id(number), as_int(change, 0, LIMIT_CHANGE), _rows(upserts), gone)
        case Type.NOTICE:
            name, text = as_list(fields, 2)
            return Notice(as_text(name, LIMIT_NAME), as_text(text, LIMIT_SENTENCE))
        case _:
            raise RemoteError(RejectReason.SHAPE, "not a node's message")


def _open(body: bytes) -> tuple[int, list[Value]]:
    kind, *fields = as_list(decode(body, LIMIT_MESSAGE), most=8) or [0]
    return as_int(kind, 0, 255), fields


def _id(value: Value) -> int:
    return as_int(value, 0, LIMIT_ID)


def _params(value: Value) -> Params:
    return {as_text(name, LIMIT_NAME): part for name, part in as_map(value, LIMIT_PARAMS).items()}


def _rows(value: Value) -> tuple[Row, ...]:
    return tuple(_row(row) for row in as_list(value, most=LIMIT_ROWS))


def _row(value: Value) -> Row:
    row_id, order, shown = as_list(value, 3)
    key = tuple(_order_part(part) for part in as_list(order, most=LIMIT_ORDER))
    return Row(as_text(row_id, LIMIT_ROW_ID), key, _params(shown))


def _order_part(value: Value) -> int | str:
    if isinstance(value, str):
        return as_text(value, LIMIT_ROW_ID)
    return as_int(value, -LIMIT_CHANGE, LIMIT_CHANGE)


# Splitting a stream -------------------------------------------------------------------------------------------------

M = TypeVar("M")


class Splitter(Generic[M]):
    """Cuts a byte stream into messages; holds at most one unfinished message.

    After a RemoteError the stream's boundaries are lost: the splitter is spent, the caller closes the connection.
    """

    __slots__ = ("_buffer", "_read")

    def __init__(self, read: Callable[[bytes], M]) -> None:
        self._read = read
        self._buffer = bytearray()

    def feed(self, data: bytes) -> tuple[M, ...]:
        """Take the next bytes (of any number) and give the messages they complete, in order. Raises RemoteError."""
        self._buffer += data
        messages: list[M] = []
        start = 0
        while len(self._buffer) - start >= PREFIX:
            size = int.from_bytes(self._buffer[start : start + PREFIX], "big")
            if size > LIMIT_MESSAGE:
                raise RemoteError(RejectReason.SIZE, f"a control message of {size} bytes")
            end = start + PREFIX + size
            if len(self._buffer) < end:
                break
            messages.append(self._read(bytes(self._buffer[start + PREFIX : end])))
            start = end
        del self._buffer[:start]
        return tuple(messages)


def client_splitter() -> Splitter[ClientMessage]:
    """What the node puts on each client's stream."""
    return Splitter(read_client)


def node_splitter() -> Splitter[NodeMessage]:
    """What a client puts on the node's stream."""
    return Splitter(read_node)
