"""Counts what leaves on TCP: encrypted frames and bytes, whatever implementation writes them.

Every connection here is multistream, then Noise: two lines of negotiation, then frames of two bytes of length and a
body (libp2p specs/noise). Invariant: only complete frames are counted; the handshake's own three are among them, which
a measurement of hundreds does not notice because it takes differences.
"""

from typing import Any

import trio

from tertulia.node.substrate.tcp import BufferedTCPStream

_LINES = (b"/multistream/1.0.0\n", b"/noise\n")


class Census:
    """Frames and bytes of all sockets of this process."""

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0

    def install(self) -> None:
        """Count what every socket takes from now on: by `send_all`, and by what our channels use once they stand."""
        parsers: dict[int, _Parser] = {}
        send_all, send_now = trio.SocketStream.send_all, BufferedTCPStream.send_now

        def parser(stream: trio.SocketStream) -> _Parser:
            return parsers.setdefault(id(stream), _Parser(self))

        async def counted(stream: trio.SocketStream, data: Any) -> None:
            parser(stream).feed(bytes(data))
            await send_all(stream, data)

        def counted_now(stream: BufferedTCPStream, data: bytes) -> int:
            taken = send_now(stream, data)
            parser(stream.stream).feed(data[:taken])
            return taken

        trio.SocketStream.send_all = counted  # type: ignore[method-assign]
        BufferedTCPStream.send_now = counted_now  # type: ignore[method-assign]


class _Parser:
    def __init__(self, census: Census) -> None:
        self._census = census
        self._held = bytearray()
        self._lines = list(_LINES)

    def feed(self, data: bytes) -> None:
        self._census.bytes += len(data)
        self._held += data
        while self._lines:
            line = self._lines[0]
            if len(self._held) < len(line) + 1:
                return
            if self._held[1 : len(line) + 1] != line:
                raise ValueError("not the negotiation that was expected")
            del self._held[: len(line) + 1]
            self._lines.pop(0)
        while len(self._held) >= 2:
            end = 2 + int.from_bytes(self._held[:2], "big")
            if len(self._held) < end:
                return
            del self._held[:end]
            self._census.frames += 1
