"""The messages of `/tertulia/sync/1`: how two peers bring their archives in step.

Spec: docs/spec/sync.md, *Messages of a session*. Each is one strict CBOR list `[type, …]`; whoever opened the stream
asks, the other answers each message with one. Invariants: size before decode, typed rejection, every list bounded. Ids
stand joined in one string of bytes, so that a list of them costs little more than themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from tertulia.protocol.commons import LIMIT_CLOCK, LIMIT_RETENTION_DAYS
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.fingerprint import FINGERPRINT
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.gone import DAY, LIMIT_GONE, LIMIT_GONE_DAY, GoneDay
from tertulia.protocol.ids import ID, FrameId
from tertulia.protocol.range_index import Place
from tertulia.protocol.reconciliation import LIMIT_RECONCILE
from tertulia.protocol.shape import as_bytes, as_int, as_list, wrong
from tertulia.protocol.sync_terms import Stand

SYNC_PROTOCOL: Final = "/tertulia/sync/1"
LIMIT_FRAMES: Final = 64
"""Frames asked for or given at once: 1 MiB of the largest."""
LIMIT_AHEAD: Final = 4
"""Batches of frames asked for, or given, before the first of them is answered."""
LIMIT_UNASKED: Final = 16
"""Frames that are given without being offered before: a question more would cost as much."""
LIMIT_MESSAGE: Final = LIMIT_FRAMES * (FrameClass.LARGE.size + 8) + 1_024
"""Bytes of a message with frames, and of any message at all."""
LIMIT_ANSWER: Final = LIMIT_GONE_DAY * (ID + 2) + 64
"""Bytes of any message without frames: a day of gone ids is the longest."""
LIMIT_GONE_DAYS: Final = LIMIT_RETENTION_DAYS + 2
"""Days of which gone frames are told: what a commons may keep, what lies ahead, and the day at the edge."""
LIMIT_MINUTE: Final = 2**32 - 1
"""The last minute that a frame can bear."""
_LAST_DAY: Final = LIMIT_MINUTE // DAY
_OFFSET: Final = 2  # bytes of a minute within its day


@unique
class Type(IntEnum):
    """The first field of a message."""

    OPEN = 1
    OPENED = 2
    ASK_GONE = 3
    TELL_GONE = 4
    NOTED = 5
    RECONCILE = 6
    WANT = 7
    FRAMES = 8
    GIVE = 9
    KEPT = 10
    END = 11
    OFFER = 12


@unique
class Verdict(IntEnum):
    """What became of a frame that was given."""

    REFUSED = 0
    KEPT = 1
    GONE = 2


@unique
class Ending(IntEnum):
    """Why a session ends."""

    DONE = 0  # nothing is left to exchange
    QUOTA = 1  # the other side brought more than it may today
    BOUND = 2  # it took as many messages, or as long, as one session may


@dataclass(frozen=True, slots=True)
class Open:
    """Initiator → responder: where I stand, and the days of which frames are gone here."""

    stand: Stand
    gone: tuple[GoneDay, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer: the same of mine, and which of your days to tell me.

    `fingerprint` is of all that I compare: what I hold under our terms, without what is gone with you. If yours is the
    same, we are in step. As long as there are days to tell it is empty.
    """

    stand: Stand
    gone: tuple[GoneDay, ...]
    asked: tuple[int, ...]
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class AskGone:
    """Question: which frames of this day are gone with you."""

    day: int


@dataclass(frozen=True, slots=True)
class TellGone:
    """These are gone here: the answer to `AskGone`, or what `Opened` asked for. All have minutes of one day."""

    day: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """The answer to a day that `Opened` asked for; with the last one, `fingerprint` is as there."""

    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Reconcile:
    """A message of reconciliation, or the answer to it."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Want:
    """Send me these frames; or, as the answer to an `Offer`, give me these."""

    ids: tuple[FrameId, ...]


@dataclass(frozen=True, slots=True)
class Frames:
    """The answer: those of them that are here, in no order that matters."""

    raws: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """Frames that you lack: which of them shall I give? Answered with a `Want`."""

    ids: tuple[FrameId, ...]


@dataclass(frozen=True, slots=True)
class Give:
    """Frames that you lack."""

    raws: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer: what became of each, in their order."""

    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class End:
    """Whoever says it says nothing more; an initiator's is answered with one."""

    ending: Ending


Message: TypeAlias = Open | Opened | AskGone | TellGone | Noted | Reconcile | Want | Frames | Offer | Give | Kept | End


def write(message: Message) -> bytes:
    """Return the message's bytes."""
    match message:
        case Open(stand, gone):
            fields: list[Value] = [Type.OPEN, stand.clock, stand.floor, _gone(gone)]
        case Opened(stand, gone, asked, fingerprint):
            fields = [Type.OPENED, stand.clock, stand.floor, _gone(gone), list(asked), fingerprint]
        case AskGone(day):
            fields = [Type.ASK_GONE, day]
        case TellGone(day, places):
            joined = b"".join((minute % DAY).to_bytes(_OFFSET, "big") + frame for minute, frame in places)
            fields = [Type.TELL_GONE, day, joined]
        case Noted(fingerprint):
            fields = [Type.NOTED, fingerprint]
        case Reconcile(inner):
            fields = [Type.RECONCILE, inner]
        case Want(ids):
            fields = [Type.WANT, b"".join(ids)]
        case Offer(ids):
            fields = [Type.OFFER, b"".join(ids)]
        case Frames(raws):
            fields = [Type.FRAMES, list(raws)]
        case Give(raws):
            fields = [Type.GIVE, list(raws)]
        case Kept(verdicts):
            fields = [Type.KEPT, list(verdicts)]
        case End(ending):
            fields = [Type.END, ending]
        case _:
            assert_never(message)
    return encode(fields)


def read(data: bytes, limit: int = LIMIT_MESSAGE) -> Message:
    """Read a peer's message of at most `limit` bytes. Raises RemoteError: SIZE, ENCODING, SHAPE, LIMIT."""
    fields = as_list(decode(data, limit), most=6)
    match as_int(fields[0], 0, 255) if fields else None:
        case Type.OPEN:
            _, clock, floor, gone = as_list(fields, 4)
            return Open(_read_stand(clock, floor), _read_gone(gone))
        case Type.OPENED:
            _, clock, floor, gone, asked, fingerprint = as_list(fields, 6)
            days = _read_days(asked)
            return Opened(_read_stand(clock, floor), _read_gone(gone), days, _read_fingerprint(fingerprint))
        case Type.ASK_GONE:
            _, day = as_list(fields, 2)
            return AskGone(_read_day(day))
        case Type.TELL_GONE:
            _, day, joined = as_list(fields, 3)
            return TellGone(_read_day(day), _read_places(_read_day(day), joined))
        case Type.NOTED:
            _, fingerprint = as_list(fields, 2)
            return Noted(_read_fingerprint(fingerprint))
        case Type.RECONCILE:
            _, inner = as_list(fields, 2)
            return Reconcile(as_bytes(inner, most=LIMIT_RECONCILE))
        case Type.WANT:
            return Want(_read_ids(fields))
        case Type.OFFER:
            return Offer(_read_ids(fields))
        case Type.FRAMES:
            return Frames(_read_raws(fields))
        case Type.GIVE:
            return Give(_read_raws(fields))
        case Type.KEPT:
            _, verdicts = as_list(fields, 2)
            found = as_list(verdicts, most=LIMIT_FRAMES)
            return Kept(tuple(Verdict(as_int(verdict, 0, len(Verdict) - 1)) for verdict in found))
        case Type.END:
            _, ending = as_list(fields, 2)
            return End(Ending(as_int(ending, 0, len(Ending) - 1)))
        case _:
            raise wrong("no such message")


def batches(ids: Sequence[FrameId]) -> list[tuple[FrameId, ...]]:
    """Cut into runs of at most `LIMIT_FRAMES`."""
    return [tuple(ids[start : start + LIMIT_FRAMES]) for start in range(0, len(ids), LIMIT_FRAMES)]


def unexpected() -> RemoteError:
    """Return the rejection of a message that has no place where it came."""
    return RemoteError(RejectReason.SHAPE, "not the answer")


def _gone(days: tuple[GoneDay, ...]) -> Value:
    return [[each.day, each.count, each.fingerprint] for each in days]


def _read_gone(value: Value) -> tuple[GoneDay, ...]:
    found = []
    for entry in as_list(value, most=LIMIT_GONE_DAYS):
        day, count, fingerprint = as_list(entry, 3)
        found.append(GoneDay(_read_day(day), as_int(count, 1, LIMIT_GONE_DAY), as_bytes(fingerprint, FINGERPRINT)))
    _ascending([each.day for each in found])
    if sum(each.count for each in found) > LIMIT_GONE:
        raise RemoteError(RejectReason.LIMIT, "too many gone frames")
    return tuple(found)


def _read_days(value: Value) -> tuple[int, ...]:
    days = tuple(_read_day(day) for day in as_list(value, most=LIMIT_GONE_DAYS))
    _ascending(days)
    return days


def _read_places(day: int, value: Value) -> tuple[Place, ...]:
    entries = _entries(value, _OFFSET + ID, LIMIT_GONE_DAY)
    _ascending(entries)
    offsets = [int.from_bytes(entry[:_OFFSET], "big") for entry in entries]
    if offsets and offsets[-1] >= DAY:
        raise wrong("a minute of another day")
    return tuple((day * DAY + offset, FrameId(entry[_OFFSET:])) for offset, entry in zip(offsets, entries, strict=True))


def _read_stand(clock: Value, floor: Value) -> Stand:
    return Stand(as_int(clock, 0, LIMIT_CLOCK), as_int(floor, 0, LIMIT_MINUTE))


def _read_day(value: Value) -> int:
    return as_int(value, 0, _LAST_DAY)


def _read_fingerprint(value: Value) -> bytes:
    found = as_bytes(value, most=FINGERPRINT)
    if len(found) not in {0, FINGERPRINT}:
        raise wrong("half a fingerprint")
    return found


def _read_ids(fields: list[Value]) -> tuple[FrameId, ...]:
    _, ids = as_list(fields, 2)
    return tuple(FrameId(each) for each in _entries(ids, ID, LIMIT_FRAMES))


def _read_raws(fields: list[Value]) -> tuple[bytes, ...]:
    _, raws = as_list(fields, 2)
    return tuple(as_bytes(raw, most=FrameClass.LARGE.size) for raw in as_list(raws, most=LIMIT_FRAMES))


def _entries(value: Value, size: int, most: int) -> list[bytes]:
    """Cut joined bytes into entries of one size, at most so many."""
    joined = as_bytes(value, most=most * size)
    if len(joined) % size:
        raise wrong("part of an entry")
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def _ascending(entries: Sequence[int] | Sequence[bytes]) -> None:
    if any(before >= after for before, after in pairwise(entries)):  # type: ignore[operator]
        raise wrong("entries not in order")
