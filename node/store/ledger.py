"""What the archive remembers of frames it did not keep, and of how much each neighbour has brought today.

Spec: docs/spec/sync.md, *Quota*, *Gone*; PROTOCOL §9. Written in the transaction of the frames it is about, so that a
node that is killed neither grants a day's quota twice nor forgets what it has called gone. Invariants: rows are those
that `protocol.gone` and `node.quota` hold, so they are bounded; of a day that is over only the gone frames stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import apsw

from tertulia.protocol.ids import FrameId

PUT_SPENT: Final = (
    "INSERT INTO spent (commons, neighbour, day, frames, size, gone) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (commons, neighbour) DO UPDATE SET day = excluded.day, frames = excluded.frames, "
    "size = excluded.size, gone = excluded.gone"
)
PUT_GONE: Final = (
    "INSERT INTO gone (commons, frame, minute, day, tried) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (commons, frame) DO UPDATE SET day = excluded.day, tried = excluded.tried"
)
_SEPARATOR: Final = " "


@dataclass(frozen=True, slots=True)
class Spent:
    """What `neighbour` has brought on arrival day `day`: frames and bytes that were kept, and frames over its quota."""

    neighbour: str
    day: int
    frames: int
    size: int
    gone: int


@dataclass(frozen=True, slots=True)
class GoneFrame:
    """A frame that is gone, and the neighbours with whom it was tried on day `day`, first to last."""

    minute: int
    frame: FrameId
    day: int
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A frame that was gone and is held after all."""

    frame: FrameId


Note: TypeAlias = Spent | GoneFrame | Kept


@dataclass(frozen=True, slots=True)
class Ledger:
    """All that was noted of one commons."""

    spent: tuple[Spent, ...] = field(default=(), repr=False)
    gone: tuple[GoneFrame, ...] = field(default=(), repr=False)


def write(connection: apsw.Connection, commons: int, notes: Iterable[Note]) -> None:
    """Write notes on the commons with this number, within a transaction. Raises apsw.Error."""
    for note in notes:
        match note:
            case Spent(neighbour, day, frames, size, gone):
                connection.execute("DELETE FROM spent WHERE commons = ? AND day <> ?", (commons, day))
                connection.execute(PUT_SPENT, (commons, neighbour, day, frames, size, gone))
            case GoneFrame(minute, frame, day, tried):
                connection.execute(PUT_GONE, (commons, frame, minute, day, _SEPARATOR.join(tried)))
            case Kept(frame):
                connection.execute("DELETE FROM gone WHERE commons = ? AND frame = ?", (commons, frame))


def evict(connection: apsw.Connection, commons: int, before: int) -> None:
    """Forget gone frames with a minute below `before`. Raises apsw.Error."""
    connection.execute("DELETE FROM gone WHERE commons = ? AND minute < ?", (commons, before))


def forget(connection: apsw.Connection, commons: int) -> None:
    """Forget a commons: its number may be given out again. Raises apsw.Error."""
    connection.execute("DELETE FROM gone WHERE commons = ?", (commons,))
    connection.execute("DELETE FROM spent WHERE commons = ?", (commons,))


def read(connection: apsw.Connection, commons: int) -> Ledger:
    """Read what was noted. Raises apsw.Error."""
    spent = connection.execute(
        "SELECT neighbour, day, frames, size, gone FROM spent WHERE commons = ? ORDER BY neighbour", (commons,)
    )
    gone = connection.execute(
        "SELECT minute, frame, day, tried FROM gone WHERE commons = ? ORDER BY minute, frame", (commons,)
    )
    return Ledger(
        tuple(Spent(*row) for row in spent),
        tuple(GoneFrame(minute, FrameId(frame), day, tuple(tried.split())) for minute, frame, day, tried in gone),
    )
