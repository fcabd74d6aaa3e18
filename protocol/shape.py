"""Readers of decoded values: each takes what a peer sent and returns it typed, or refuses it.

Spec: docs/spec/README.md, *Shapes*. All sizes and ranges are inclusive. Every reader raises RemoteError with reason
SHAPE and nothing else; none of them converts, trims or guesses.
"""

from __future__ import annotations

from itertools import pairwise

from tertulia.protocol.encoding import Value
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import ID


def wrong(detail: str) -> RemoteError:
    """Return the rejection of a value whose shape is wrong, to be raised by the caller."""
    return RemoteError(RejectReason.SHAPE, detail)


def as_list(value: Value, size: int | None = None, most: int | None = None) -> list[Value]:
    """Return a list of exactly `size` entries, or of at most `most`."""
    if not isinstance(value, list):
        raise wrong("not a list")
    if size is not None and len(value) != size:
        raise wrong("a list of another length")
    if most is not None and len(value) > most:
        raise wrong("a list too long")
    return value


def as_bytes(value: Value, size: int | None = None, most: int | None = None) -> bytes:
    """Return bytes, exactly `size` of them, or at most `most`."""
    if not isinstance(value, bytes):
        raise wrong("not bytes")
    if size is not None and len(value) != size:
        raise wrong("bytes of another length")
    if most is not None and len(value) > most:
        raise wrong("too many bytes")
    return value


def as_id(value: Value) -> bytes:
    """Return 32 bytes: an id, a public key, a hash."""
    return as_bytes(value, ID)


def as_ids(value: Value, most: int) -> tuple[bytes, ...]:
    """Return at most `most` ids, strictly ascending: so none is there twice."""
    ids = tuple(as_id(entry) for entry in as_list(value, most=most))
    if any(before >= after for before, after in pairwise(ids)):
        raise wrong("ids not in order")
    return ids


def as_int(value: Value, low: int, high: int) -> int:
    """Return an integer in [low, high]; true and false are none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong("not an integer")
    if not low <= value <= high:
        raise wrong("an integer out of range")
    return value


def as_text(value: Value, most: int) -> str:
    """Return text of at most `most` characters."""
    if not isinstance(value, str):
        raise wrong("not text")
    if len(value) > most:
        raise wrong("text too long")
    return value


def as_bool(value: Value) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise wrong("neither true nor false")
    return value


def as_map(value: Value, most: int) -> dict[int | str, Value]:
    """Return a map of at most `most` entries."""
    if not isinstance(value, dict):
        raise wrong("not a map")
    if len(value) > most:
        raise wrong("a map too large")
    return value
