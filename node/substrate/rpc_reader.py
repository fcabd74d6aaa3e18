"""Cutting pubsub RPCs out of a stream: a length, a message.

GossipSub wire format: varint length, then the protobuf. Lever 4 of research/performance.md: the library reads the
length one byte at a time, each a read with its own window update (24 % of a node's time). Invariants: a length is
judged before its body is gathered; at most one RPC and what came with its end is held.
Delete when upstream buffers its reader (docs/upstream.md).
"""

from collections.abc import Iterator

LIMIT_RPC_BYTES = 1024 * 1024
_LIMIT_LENGTH_BYTES = 4


class MalformedRpc(Exception):
    """A peer sent what is no RPC, or one beyond a bound; its stream is reset."""


class RpcReader:
    """Takes bytes as they come, gives RPCs."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The RPCs that `data` completes. Raises MalformedRpc for an absurd length."""
        held = self._held + data if self._held else data
        at = 0
        try:
            while at < len(held):
                length, start = _length(held, at)
                if not start or start + length > len(held):
                    return
                at = start + length
                yield held[start:at]
        finally:
            self._held = held[at:]


def _length(held: bytes, at: int) -> tuple[int, int]:
    """The length announced at `at` and where the body starts; (0, 0) when more bytes are needed to tell."""
    length = 0
    for number in range(_LIMIT_LENGTH_BYTES):
        if at + number >= len(held):
            return 0, 0
        byte = held[at + number]
        length |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            if length > LIMIT_RPC_BYTES:
                raise MalformedRpc("an RPC beyond its bound")
            return length, at + number + 1
    raise MalformedRpc("an RPC with an absurd length")
