"""Range-based set reconciliation: two sides find out which frames each lacks, by messages about as long as that.

Spec: docs/spec/sync.md, *Reconciliation*; Negentropy Protocol V1; Meyer, *Range-Based Set Reconciliation* (2023). The
initiator asks and learns the difference, the responder answers each message from that message alone. Neither keeps
anything between messages, so a set may change meanwhile. Invariants: every range of a message is settled, answered, or
covered by the fingerprint that ends the answer; no answer exceeds the frame size; work is bounded by what was written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, assert_never

from tertulia.protocol.fingerprint import fingerprint
from tertulia.protocol.ids import ID, FrameId
from tertulia.protocol.negentropy import (
    END,
    VERSION,
    VERSIONS,
    Bound,
    Fingerprint,
    IdList,
    Range,
    Skip,
    between,
    read,
    write,
)
from tertulia.protocol.range_index import MINUTE, Index, place_of

FRAME_SIZE: Final = 60_000
"""Bytes that a message we write may have, unless the caller says otherwise."""
LIMIT_RECONCILE: Final = 65_536
"""Bytes of a message that is read."""
LIMIT_ROUNDS: Final = 2_000
"""Messages that the initiator sends in one session: enough for three million differences."""
LEAST_FRAME_SIZE: Final = 4_096
"""The least frame size: any one range and its answer fit it."""
BUCKETS: Final = 16
"""Ranges into which one is split whose fingerprints differ; with fewer than twice as many ids it is listed."""
_FINER: Final = 3  # times the last bucket is split again: enough for two million frames, and fits the least frame size
_NOTHING: Final = fingerprint(0, 0)
_RESERVE: Final = 200  # bytes left free for the bounds and the fingerprint that end a full message


@dataclass(frozen=True, slots=True)
class Limits:
    """How long messages may be, and how they begin.

    `frame_size`: bytes that we write at most, 0 for no limit. `message`: bytes that we read at most. `as_reference`:
    begin as the reference does, so that every byte is the same as its.
    """

    frame_size: int = FRAME_SIZE
    message: int = LIMIT_RECONCILE
    as_reference: bool = False

    def __post_init__(self) -> None:
        if self.frame_size != 0 and self.frame_size < LEAST_FRAME_SIZE:
            raise ValueError("a frame size below the least")


DEFAULT: Final = Limits()


@dataclass(frozen=True, slots=True)
class Step:
    """What the initiator knows after an answer: its next message (None: done), what only it has, what it lacks.

    `have` is in the order of places. No id comes twice in one step; some come again in a later one.
    """

    message: bytes | None
    have: tuple[FrameId, ...]
    need: tuple[FrameId, ...]


def initiate(index: Index, limits: Limits = DEFAULT) -> bytes:
    """Return the first message.

    What one side lacks is mostly new, so the last bucket is split again until it is short: that saves a round.
    """
    answer = _Answer(index, limits)
    lower, upper = 0, len(index)
    ranges = answer.split(lower, upper, END)
    for _ in range(0 if limits.as_reference else _FINER):
        size = (upper - lower) // BUCKETS
        if size < 2 * BUCKETS:
            break
        lower = upper - size
        ranges[-1:] = answer.split(lower, upper, END)
    answer.write(ranges)
    return bytes(answer.out)


def respond(index: Index, message: bytes, limits: Limits = DEFAULT) -> bytes:
    """Answer an initiator's message.

    Raises RemoteError as `negentropy.read` does, but a version that may come one day is answered with ours.
    """
    if message and message[0] in VERSIONS and message[0] != VERSION:
        return bytes([VERSION])
    answer = _Answer(index, limits)
    answer.take(read(message, limits.message))
    return bytes(answer.out)


def reconcile(index: Index, message: bytes, limits: Limits = DEFAULT) -> Step:
    """Take a responder's answer. Raises RemoteError as `negentropy.read` does."""
    found = _Found()
    answer = _Answer(index, limits, found)
    answer.take(read(message, limits.message))
    more = len(answer.out) > 1
    return Step(bytes(answer.out) if more else None, tuple(found.have), tuple(found.need))


@dataclass(slots=True)
class _Found:
    """Differences, as the initiator finds them."""

    have: list[FrameId] = field(default_factory=list)
    need: dict[FrameId, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Answer:
    """A message being written, in reply to ranges that are taken in order."""

    index: Index
    limits: Limits
    found: _Found | None = None  # the initiator's
    out: bytearray = field(default_factory=lambda: bytearray([VERSION]))
    minute: int = 0  # in which the last range written ends
    lower: int = 0  # how many of our places the ranges taken so far cover
    settled: Bound | None = None  # up to here nothing is left to say, and that has not been written yet

    def take(self, ranges: Iterable[Range]) -> None:
        """Answer a peer's ranges, as far as the message has room; its end then covers the rest."""
        all(map(self._take, ranges))

    def _take(self, theirs: Range) -> bool:
        """Answer one range; False if the message is full now and covers the rest."""
        lower, upper = self.lower, self.index.rank(theirs.upper.key)
        self.lower = upper
        match theirs:
            case Skip(bound):
                self.settled = bound
            case Fingerprint(bound, value):
                return self._refine(lower, upper, bound, value)
            case IdList(bound):
                if self.found is None:
                    return self._list_ids(lower, upper, bound)
                self._compare(lower, upper, theirs, self.found)
                self.settled = bound
            case _:
                assert_never(theirs)
        return True

    def split(self, lower: int, upper: int, bound: Bound) -> list[Range]:
        """Say what we hold in a range: in buckets of fingerprints, or as a list if it is short."""
        count = upper - lower
        if count < 2 * BUCKETS:
            return [IdList(bound, self._ids(lower, upper))]
        size, larger = divmod(count, BUCKETS)
        ranks = [lower + bucket * size + min(bucket, larger) for bucket in range(BUCKETS + 1)]
        sums = [self.index.sum_before(rank) for rank in ranks]
        bounds = [between(self.index.key_at(rank - 1), self.index.key_at(rank)) for rank in ranks[1:-1]]
        return [
            Fingerprint(end, fingerprint(sums[at + 1] - sums[at], ranks[at + 1] - ranks[at]))
            for at, end in enumerate([*bounds, bound])
        ]

    def _fits(self, ranges: list[Range]) -> bool:
        """Tell whether the ranges, behind what is settled, leave the message open for more."""
        return self.limits.frame_size == 0 or len(self._encoded(ranges)) <= self._room()

    def write(self, ranges: list[Range]) -> None:
        """Write ranges behind what is settled."""
        self.out += self._encoded(ranges)
        self.minute = ranges[-1].upper.minute
        self.settled = None

    def _refine(self, lower: int, upper: int, bound: Bound, value: bytes) -> bool:
        """Compare fingerprints of a range; say what we hold there if they differ."""
        if self.index.fingerprint(lower, upper) == value:
            self.settled = bound
            return True
        ranges = self.split(lower, upper, bound)
        if self._fits(ranges):
            self.write(ranges)
            return True
        # Byte for byte as the reference: this range and what is settled but not written fall to the rest, whose
        # fingerprint leaves our places up to here out. It differs all the same, if they hold any in this range.
        self.settled = None
        self._rest(lower if value == _NOTHING else upper)
        return False

    def _list_ids(self, lower: int, upper: int, bound: Bound) -> bool:
        """Write the ids of a range, as many as fit; False if the message is full with them."""
        end = upper if self.limits.frame_size == 0 else min(upper, lower + 1 + self._room() // ID)
        if end < upper:
            bound = Bound(*place_of(self.index.key_at(end)))
        self.write([IdList(bound, self._ids(lower, end))])
        if self.limits.frame_size == 0 or self._room() >= 0:
            return True
        self._rest(end)
        return False

    def _rest(self, lower: int) -> None:
        """End a full message: our places from rank `lower` on, in one fingerprint."""
        self.write([Fingerprint(END, self.index.fingerprint(lower, len(self.index)))])

    def _compare(self, lower: int, upper: int, theirs: IdList, found: _Found) -> None:
        """Find the differences in a range that the responder lists."""
        listed = dict.fromkeys(theirs.ids)
        for key in self.index.keys(lower, upper):
            _, frame = place_of(key)
            if frame in listed:
                del listed[frame]
            else:
                found.have.append(frame)
        found.need |= listed

    def _encoded(self, ranges: list[Range]) -> bytes:
        return write(ranges if self.settled is None else [Skip(self.settled), *ranges], self.minute)

    def _room(self) -> int:
        """Bytes left before the message counts as full."""
        return self.limits.frame_size - _RESERVE - len(self.out)

    def _ids(self, lower: int, upper: int) -> bytes:
        return b"".join([key[MINUTE:] for key in self.index.keys(lower, upper)])
