"""What the demo shows while it runs: plain lines, and on a terminal one line below them that changes.

Invariant: without a terminal there is nothing but whole lines; what people wrote has been cleaned before it comes here.
"""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

WIDTH: Final = 100
"""Characters of a line."""
BAR: Final = 24


class Screen:
    """Lines with the seconds since the start."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._began = time.monotonic()
        self._live = out.isatty()
        self._standing = False

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def line(self, text: str) -> None:
        """Show a line that stays."""
        self._clear()
        print(self._cut(f"{self.seconds:6.1f} s  {text}"), file=self._out, flush=True)

    def progress(self, text: str, done: int, of: int) -> None:
        """Show how far something is; replaced by whatever is shown next. Nothing without a terminal."""
        if self._live:
            filled = BAR * done // max(1, of)
            bar = "█" * filled + "·" * (BAR - filled)
            print("\r\x1b[K" + self._cut(f"{self.seconds:6.1f} s  {bar} {done} of {of} {text}"), end="", file=self._out)
            self._out.flush()
            self._standing = True

    def last(self, text: str) -> None:
        """Show the last line, whole and alone."""
        self._clear()
        print(text, file=self._out, flush=True)

    def _clear(self) -> None:
        if self._standing:
            print("\r\x1b[K", end="", file=self._out)
            self._standing = False

    def _cut(self, text: str) -> str:
        return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
