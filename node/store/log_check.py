"""Whether SQLite's write-ahead log still holds every transaction that was committed to it.

DESIGN §6 *Nothing lost*; the format is https://www.sqlite.org/fileformat2.html#the_write_ahead_log. SQLite ends a log
at the first frame whose checksum fails: right for a commit cut short by a power cut, but a damaged byte in the middle
would silently drop every transaction after it. Each commit is flushed before the next begins, so a crash cuts at most
the last one. Invariant: two whole commits beyond the point where SQLite stopped mean damage.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

HEADER: Final = 32
FRAME_HEADER: Final = 24
MAGIC: Final = 0x377F0682
"""The last bit says in which byte order checksums are summed."""
CUT_SHORT: Final = 1
"""Commits that a crash can leave behind half-written: the one that was never confirmed."""


def lost_commits(log: Path, recovered: int) -> bool:
    """Tell whether confirmed commits in the file `log` lie beyond the first `recovered` frames, those SQLite took.

    Reads headers only. Raises OSError.
    """
    with log.open("rb") as file:
        head = file.read(HEADER)
        size = file.seek(0, 2)
        if size <= HEADER:
            return False  # nothing was ever written after the header
        if not _header_holds(head):
            return True
        page, salts = struct.unpack_from(">I", head, 8)[0], head[16:24]
        if page < 512 or page & (page - 1):
            return True
        commits = 0
        step = FRAME_HEADER + page
        for start in range(HEADER + recovered * step, size - step + 1, step):
            file.seek(start)
            frame = file.read(FRAME_HEADER)
            if frame[8:16] == salts and frame[4:8] != bytes(4):
                commits += 1
        return commits > CUT_SHORT


def _header_holds(head: bytes) -> bool:
    """Check the log header's magic number and its checksum over its first 24 bytes."""
    magic = int.from_bytes(head[:4], "big")
    if magic | 1 != MAGIC | 1:
        return False
    words = struct.unpack_from(">6I" if magic & 1 else "<6I", head)
    first = second = 0
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return (first, second) == struct.unpack_from(">2I", head, 24)
