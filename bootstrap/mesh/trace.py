"""What happened, as one hash: two runs are the same run when it is the same.

docs/guide/mesh.md, *Replay*. Invariants: nothing is noted that chance outside the seed has a part in (frame ids, wall
clocks); every note counts, however many are kept to be read.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Final

LIMIT_KEPT: Final = 200_000
"""Notes kept for somebody to read, when asked to keep any."""


@dataclass(slots=True)
class Trace:
    """Notes, one line each. `keeping` has the last of them readable."""

    keeping: bool = False
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LIMIT_KEPT))
    _hash: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def note(self, at: int, *words: object) -> None:
        """`at` is virtual milliseconds since the world began."""
        line = f"{at} {' '.join(map(str, words))}"
        self._hash.update(line.encode() + b"\n")
        if self.keeping:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """The hash of every note so far, 32 hex digits."""
        return self._hash.hexdigest()
