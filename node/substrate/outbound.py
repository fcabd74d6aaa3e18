"""What waits to be sent to one neighbour, and the way round it when nothing has to wait.

Trap: the library's queue holds 32 RPCs and drops the rest without a word (a burst of 60 lost 28: performance.md lever
2), and each RPC wakes a task. Here an RPC goes straight to the connection while it has room, and waits only when it has
none. Invariants: order is kept within a lane; at most `LIMIT_QUEUED_RPCS` and `LIMIT_QUEUED_BYTES` of messages wait,
and as many again of control, so that a full queue cannot hold back the GRAFT or PRUNE that would mend it; what does not
fit is counted by whoever pushes.
"""

from collections import deque

import trio

from tertulia.node.substrate.yamux_stream import HostYamuxStream

LIMIT_QUEUED_RPCS = 1024
LIMIT_QUEUED_BYTES = 4 * 2**20
_WRITE_BYTES = 32 * 1024


class _Lane:
    """A bounded line of RPCs."""

    def __init__(self) -> None:
        self.rpcs: deque[bytes] = deque()
        self._bytes = 0

    def append(self, rpc: bytes) -> bool:
        if len(self.rpcs) >= LIMIT_QUEUED_RPCS or self._bytes + len(rpc) > LIMIT_QUEUED_BYTES:
            return False
        self.rpcs.append(rpc)
        self._bytes += len(rpc)
        return True

    def popleft(self) -> bytes:
        rpc = self.rpcs.popleft()
        self._bytes -= len(rpc)
        return rpc


class OutboundQueue:
    """RPCs for one neighbour, serialised and delimited."""

    def __init__(self, stream: HostYamuxStream) -> None:
        self._stream = stream
        self._control = _Lane()
        self._messages = _Lane()
        self._writing = False
        self._some = trio.Event()
        self.closed = False

    def __len__(self) -> int:
        return len(self._control.rpcs) + len(self._messages.rpcs)

    def push(self, rpc: bytes, *, priority: bool = False) -> bool:
        """Send `rpc` (delimited) now, or queue it; False when it is lost because its lane is full or all is over."""
        if self.closed:
            return False
        if not (self._writing or len(self)) and self._stream.write_now(rpc):
            return True
        queued = (self._control if priority else self._messages).append(rpc)
        if queued:
            self._some.set()
        return queued

    async def run(self) -> None:
        """Write what had to wait, control first, about 32 KiB at a time, until closed.

        Raises the library's stream errors.
        """
        while not self.closed:
            if not len(self):
                self._some = trio.Event()
                await self._some.wait()
                continue
            write = bytearray()
            while len(write) < _WRITE_BYTES and len(self):
                write += (self._control if self._control.rpcs else self._messages).popleft()
            self._writing = True
            try:
                await self._stream.write(bytes(write))
            finally:
                self._writing = False

    def close(self) -> None:
        """No more: `run` returns."""
        self.closed = True
        self._some.set()
