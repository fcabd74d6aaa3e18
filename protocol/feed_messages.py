"""The messages of `/tertulia/feed/1`: how a relay streams a commons' frames to one citizen, and takes theirs.

Spec: docs/spec/feed.md. Each is one strict CBOR list `[type, …]`; a citizen asks (`Ask`), a relay tells (`Tell`).
Invariants: size before decode, typed rejection, every list bounded; a relay never sends beyond the credit it was
given; credit is counted in KiB, since every frame is 1, 4 or 16 of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final, TypeAlias, assert_never

from tertulia.protocol.commons import LIMIT_CLOCK
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import ID
from tertulia.protocol.shape import as_bytes, as_int, as_list, wrong

FEED_PROTOCOL: Final = "/tertulia/feed/1"
KIB: Final = 1_024
LIMIT_CURSOR: Final = 16
"""Bytes of a cursor: a place in one relay's feed that says nothing to anyone else."""
LIMIT_CREDIT: Final = 4_096
"""KiB that a relay may have been allowed to send and not yet have sent."""
LIMIT_BATCH: Final = FrameClass.LARGE.size
"""Bytes of the frames of one batch."""
LIMIT_PUT: Final = 16
"""Frames put at once."""
LIMIT_RELAY_CARD: Final = 4_096
"""Bytes of a relay's card."""
LIMIT_ASK: Final = LIMIT_PUT * (FrameClass.LARGE.size + 8) + 64
"""Bytes of any message of a citizen."""
LIMIT_TELL: Final = LIMIT_BATCH + 256
"""Bytes of any message of a relay."""
BATCH_SECONDS: Final = 0.05
"""A frame waits at most so long in a relay for others to go with it."""
BEAT_SECONDS: Final = 20.0
"""A relay that has had nothing to say for so long sends a batch without frames."""
SILENCE_SECONDS: Final = 60.0
"""A relay that has said nothing for so long is left."""
_MOST_BATCH: Final = LIMIT_BATCH // FrameClass.SMALL.size


@unique
class Type(IntEnum):
    """The first field of a message."""

    SUBSCRIBE = 1
    CREDIT = 2
    PUT = 3
    ASK_CARD = 4
    ACCEPTED = 5
    BATCH = 6
    BEHIND = 7
    TAKEN = 8
    TELL_CARD = 9
    DRAINING = 10
    REFUSED = 11


@unique
class Fate(IntEnum):
    """What became of a frame that was put."""

    KEPT = 0  # it is on the relay's disk, as it was perhaps before
    GONE = 1  # over the citizen's quota of today: not kept
    WINDOW = 2  # its minute is too old or too far ahead by the relay's clock
    DISK = 3  # the relay's disk did not take it: try again


@unique
class Refusal(IntEnum):
    """Why a relay serves no feed, or no longer."""

    COMMONS = 0  # it does not serve this commons
    BANNED = 1
    FULL = 2  # as many feeds as it serves
    RATE = 3  # too much, or too often, from this address
    DRAINING = 4  # it is going, and takes nobody new
    FAULT = 5  # what was asked is not as the spec says


@dataclass(frozen=True, slots=True)
class Subscribe:
    """First message: from which place on (empty: from now), and how many KiB may be sent before more credit."""

    cursor: bytes
    credit: int


@dataclass(frozen=True, slots=True)
class Credit:
    """So many KiB more may be sent."""

    kib: int


@dataclass(frozen=True, slots=True)
class Put:
    """Keep these frames of mine. The next one only after `Taken`."""

    raws: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskCard:
    """Tell me your card. The next one only after `TellCard`."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to `Subscribe`: the place the feed begins at, the relay's clock (ms), and the hash of its card.

    The place is not the one that was asked for where that is not known any more: then `Behind` follows. A relay
    without a card says no hash.
    """

    cursor: bytes
    clock: int
    card: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames, in the order in which they came to the relay, and the place after the last of them."""

    cursor: bytes
    raws: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Behind:
    """What came between your place and this one is not in the feed: fetch it by sync. The feed goes on from here."""

    cursor: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to `Put`: what became of each, in their order."""

    fates: tuple[Fate, ...]


@dataclass(frozen=True, slots=True)
class TellCard:
    """The answer to `AskCard`; empty for a relay without a card."""

    card: bytes


@dataclass(frozen=True, slots=True)
class Draining:
    """This relay stops serving at `until` (ms): look for another one."""

    until: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing follows. Come back at `until` (ms); 0 where no time is known."""

    reason: Refusal
    until: int


Ask: TypeAlias = Subscribe | Credit | Put | AskCard
Tell: TypeAlias = Accepted | Batch | Behind | Taken | TellCard | Draining | Refused


def write(message: Ask | Tell) -> bytes:
    """Return the message's bytes."""
    match message:
        case Subscribe(cursor, credit):
            fields: list[Value] = [Type.SUBSCRIBE, cursor, credit]
        case Credit(kib):
            fields = [Type.CREDIT, kib]
        case Put(raws):
            fields = [Type.PUT, list(raws)]
        case AskCard():
            fields = [Type.ASK_CARD]
        case Accepted(cursor, clock, card):
            fields = [Type.ACCEPTED, cursor, clock, card]
        case Batch(cursor, raws):
            fields = [Type.BATCH, cursor, list(raws)]
        case Behind(cursor):
            fields = [Type.BEHIND, cursor]
        case Taken(fates):
            fields = [Type.TAKEN, list(fates)]
        case TellCard(card):
            fields = [Type.TELL_CARD, card]
        case Draining(until):
            fields = [Type.DRAINING, until]
        case Refused(reason, until):
            fields = [Type.REFUSED, reason, until]
        case _:
            assert_never(message)
    return encode(fields)


def read_ask(data: bytes) -> Ask:
    """Read a citizen's message. Raises RemoteError: SIZE, ENCODING, SHAPE."""
    fields = as_list(decode(data, LIMIT_ASK), most=3)
    match _type(fields):
        case Type.SUBSCRIBE:
            _, cursor, credit = as_list(fields, 3)
            return Subscribe(_cursor(cursor), as_int(credit, 1, LIMIT_CREDIT))
        case Type.CREDIT:
            _, kib = as_list(fields, 2)
            return Credit(as_int(kib, 1, LIMIT_CREDIT))
        case Type.PUT:
            _, raws = as_list(fields, 2)
            put = _raws(raws, LIMIT_PUT)
            if not put:
                raise wrong("nothing is put")
            return Put(put)
        case Type.ASK_CARD:
            as_list(fields, 1)
            return AskCard()
        case _:
            raise wrong("no such message of a citizen")


def read_tell(data: bytes) -> Tell:
    """Read a relay's message. Raises RemoteError: SIZE, ENCODING, SHAPE."""
    fields = as_list(decode(data, LIMIT_TELL), most=4)
    match _type(fields):
        case Type.ACCEPTED:
            _, cursor, clock, card = as_list(fields, 4)
            return Accepted(_cursor(cursor), as_int(clock, 0, LIMIT_CLOCK), _hash(card))
        case Type.BATCH:
            _, cursor, raws = as_list(fields, 3)
            batch = _raws(raws, _MOST_BATCH)
            if sum(map(len, batch)) > LIMIT_BATCH:
                raise wrong("a batch too large")
            return Batch(_cursor(cursor), batch)
        case Type.BEHIND:
            _, cursor = as_list(fields, 2)
            return Behind(_cursor(cursor))
        case Type.TAKEN:
            _, fates = as_list(fields, 2)
            found = as_list(fates, most=LIMIT_PUT)
            return Taken(tuple(Fate(as_int(fate, 0, len(Fate) - 1)) for fate in found))
        case Type.TELL_CARD:
            _, card = as_list(fields, 2)
            return TellCard(as_bytes(card, most=LIMIT_RELAY_CARD))
        case Type.DRAINING:
            _, until = as_list(fields, 2)
            return Draining(as_int(until, 0, LIMIT_CLOCK))
        case Type.REFUSED:
            _, reason, until = as_list(fields, 3)
            return Refused(Refusal(as_int(reason, 0, len(Refusal) - 1)), as_int(until, 0, LIMIT_CLOCK))
        case _:
            raise wrong("no such message of a relay")


def cost(raws: Sequence[bytes]) -> int:
    """Return how much credit (KiB) these frames take."""
    return sum(-(-len(raw) // KIB) for raw in raws)


def fitting(sizes: Sequence[int], credit: int) -> int:
    """Return how many of the next frames, of these sizes (bytes), go into one batch under so much credit (KiB)."""
    taken = total = 0
    for size in sizes:
        total += size
        if total > min(LIMIT_BATCH, credit * KIB):
            break
        taken += 1
    return taken


def _type(fields: list[Value]) -> int | None:
    return as_int(fields[0], 0, 255) if fields else None


def _cursor(value: Value) -> bytes:
    return as_bytes(value, most=LIMIT_CURSOR)


def _hash(value: Value) -> bytes:
    found = as_bytes(value, most=ID)
    if len(found) not in {0, ID}:
        raise wrong("half a hash")
    return found


def _raws(value: Value, most: int) -> tuple[bytes, ...]:
    return tuple(as_bytes(raw, most=FrameClass.LARGE.size) for raw in as_list(value, most=most))
