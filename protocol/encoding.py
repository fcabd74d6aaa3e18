"""Canonical strict CBOR: one value, one string of bytes.

Spec: docs/spec/README.md, *Encoding*; RFC 8949 §4.2.1 (core deterministic encoding). Only integers of 64 bits, bytes,
text, arrays, maps with integer or text keys, true, false, null; at most 8 containers deep. `decode` looks at the size
first, walks the heads before it lets cbor2 build anything, and refuses whatever would not encode to the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import cbor2

from tertulia.protocol.errors import RejectReason, RemoteError

Value: TypeAlias = "bool | int | bytes | str | Sequence[Value] | Mapping[int, Value] | Mapping[str, Value] | None"
"""What can be encoded. Decoding gives lists and dicts; encoding also takes tuples and enums of plain values."""

LIMIT_DEPTH: Final = 8
"""Containers inside one another, counting the outermost as one."""
LIMIT_INT_LOW: Final = -(2**63)
"""The lowest integer."""
LIMIT_INT_HIGH: Final = 2**64 - 1
"""The highest integer."""


def encode(value: Value) -> bytes:
    """Return the one encoding of `value`.

    Raises TypeError for a type that is not a Value, ValueError for an integer beyond 64 bits, text with lone
    surrogates, or more than `LIMIT_DEPTH` containers inside one another: each is a mistake of the caller.
    """
    return cbor2.dumps(_plain(value, LIMIT_DEPTH))


def decode(data: bytes, limit: int) -> Value:
    """Read one value from a peer's bytes, all of them, and nothing that is not canonical.

    `limit` is the most bytes that are looked at. Raises RemoteError: SIZE beyond it, ENCODING for anything else.
    """
    if len(data) > limit:
        raise RemoteError(RejectReason.SIZE)
    _scan(data)
    try:
        value: Value = cbor2.loads(data)
        again = encode(value)
    except (cbor2.CBORDecodeError, TypeError, ValueError) as wrong:
        raise RemoteError(RejectReason.ENCODING, "not a value") from wrong
    if again != data:
        raise RemoteError(RejectReason.ENCODING, "not canonical")
    return value


def _plain(value: Value, depth: int) -> Value:
    """Check every part of `value` and put its maps in canonical order, ready for cbor2."""
    kind = type(value)
    if kind is bytes or value is None or kind is bool:
        return value
    if isinstance(value, int):
        if not LIMIT_INT_LOW <= value <= LIMIT_INT_HIGH:
            raise ValueError("an integer beyond 64 bits cannot be encoded")
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes(value)
    if depth == 0:
        raise ValueError("too many containers inside one another")
    if isinstance(value, list | tuple):
        return [_plain(entry, depth - 1) for entry in value]
    if isinstance(value, dict):
        return _ordered(value, depth - 1)
    raise TypeError(f"{kind.__name__} cannot be encoded")


def _ordered(value: Mapping[int, Value] | Mapping[str, Value], depth: int) -> Value:
    """Return the map with its keys in the bytewise order of their encodings (RFC 8949 §4.2.1)."""
    keyed: list[tuple[bytes, int | str, Value]] = []
    for key, entry in value.items():
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise TypeError(f"{type(key).__name__} cannot be the key of a map")
        plain = int(key) if isinstance(key, int) else str.__str__(key)
        keyed.append((encode(plain), plain, _plain(entry, depth)))
    keyed.sort(key=lambda row: row[0])
    return {key: entry for _, key, entry in keyed}  # type: ignore[return-value]


def _scan(data: bytes) -> None:
    """Walk the heads without building anything; refuse what cbor2 must never see.

    That is: tags (cbor2 would run them), floats and unknown simple values, indefinite lengths, a string or container
    longer than what is left, too much depth, and a missing or trailing byte.
    """
    at, end = 0, len(data)
    left = 1  # values still to come in the innermost container
    open_above: list[int] = []  # the same for those around it
    while True:
        if at >= end:
            raise RemoteError(RejectReason.ENCODING, "cut short")
        head = data[at]
        at += 1
        major, size = head >> 5, head & 31
        if size >= 24:
            if size > 27 or major == 7:
                raise RemoteError(RejectReason.ENCODING, "a float, simple value or indefinite length")
            width = 1 << (size - 24)
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        left -= 1
        if major >= 2:
            if major <= 3:
                at += size
            elif major <= 5:
                if size > end - at:
                    raise RemoteError(RejectReason.ENCODING, "cut short")
                if len(open_above) == LIMIT_DEPTH:
                    raise RemoteError(RejectReason.ENCODING, "too deep")
                open_above.append(left)
                left = size if major == 4 else 2 * size
            elif major == 6 or not 20 <= size <= 22:
                raise RemoteError(RejectReason.ENCODING, "a tag or simple value")
        while left == 0:
            if not open_above:
                if at != end:
                    raise RemoteError(RejectReason.ENCODING, "cut short or trailing bytes")
                return
            left = open_above.pop()
