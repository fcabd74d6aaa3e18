"""What is typed into the plain client, line by line, without a thread and without losing a half line.

research/tui.md §4. A line has a bound; a terminal that goes away is the end of the lines.
"""

import asyncio
import os

LIMIT_LINE = 64 * 1024
"""Bytes of one typed line; what is longer is cut into lines."""


class Lines:
    """What is typed, line by line, read from a descriptor without a thread; None once there is no more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._rest = b""

    def start(self) -> None:
        """Begin to read. Only once nothing else is asked on the terminal: a passphrase must not end up here."""
        try:
            asyncio.get_running_loop().add_reader(self._descriptor, self._readable)
        except PermissionError:  # a plain file can be read at any time, so it cannot be waited for
            while self._readable():
                pass

    def stop(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._descriptor)

    async def next(self) -> str | None:
        """The next line without its end."""
        return await self._queue.get()

    def _readable(self) -> bool:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the terminal went away
            data = b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data or len(self._rest) > LIMIT_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            if line or data:
                self._queue.put_nowait(line.decode("utf-8", "replace").rstrip("\r"))
        if not data:
            self.stop()
            self._queue.put_nowait(None)
        return bool(data)
