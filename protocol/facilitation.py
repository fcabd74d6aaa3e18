"""Facilitation: what facilitators do to a room, as one kind of body and a table of deeds.

Implements docs/spec/events.md, section Act, which prints `DEEDS` (a test holds them equal). What is done is an act like
a removal: proposed once, signed by as many as the table says, judged in the past of whoever speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum, unique
from typing import Final

from tertulia.protocol.crypto import PROOF
from tertulia.protocol.cut import Cut
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.ids import RoomId
from tertulia.protocol.prekey import LIMIT_MINUTE
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list, as_text, wrong

LIMIT_ACT: Final = 4 * 1024
"""Bytes of the body of an act event."""
LIMIT_REASON: Final = 512
"""Characters of the reason for an act, or of what it announces."""


@unique
class Deed(IntEnum):
    """What is done."""

    PAUSE = 1
    RESUME = 2
    MUTE = 3
    UNMUTE = 4
    CLOSE = 5
    FOLD = 6
    UNFOLD = 7
    ITEM = 8
    ROUND = 9
    CUT = 10
    END = 11
    GIVE = 12
    FIX = 13
    DROP = 14
    SEAL = 15


@unique
class About(StrEnum):
    """To what in the room."""

    ROOM = "the room"
    MEMBER = "a member"
    EVENT = "an event"


@dataclass(frozen=True, slots=True)
class Rule:
    """`harsh`: as many facilitators sign as the charter's quorum says, else one; `lifts` what it ends.

    What does not stand by itself is done where there is something of the first that it lifts, and leaves nothing.
    """

    about: About
    harsh: bool
    what: str
    lifts: tuple[Deed, ...] = ()
    stands: bool = True


DEEDS: Final[Mapping[Deed, Rule]] = {
    Deed.PAUSE: Rule(About.ROOM, False, "nobody speaks there but who is given the floor from then on", (Deed.GIVE,)),
    Deed.RESUME: Rule(About.ROOM, False, "ends every pause that it knew of", (Deed.PAUSE, Deed.GIVE), stands=False),
    Deed.MUTE: Rule(About.MEMBER, True, "they do not speak there"),
    Deed.UNMUTE: Rule(About.MEMBER, True, "ends every mute of theirs that it knew of", (Deed.MUTE,), stands=False),
    Deed.CLOSE: Rule(About.ROOM, True, "nobody speaks there any more"),
    Deed.FOLD: Rule(About.EVENT, True, "shown folded, with the reason; nothing is lost"),
    Deed.UNFOLD: Rule(About.EVENT, True, "ends every fold of it that it knew of", (Deed.FOLD,), stands=False),
    Deed.ITEM: Rule(About.ROOM, False, "announces an item of the agenda"),
    Deed.ROUND: Rule(About.ROOM, False, "opens a round: everybody speaks once within its window", (Deed.ROUND,)),
    Deed.CUT: Rule(About.ROOM, True, "stances are counted up to here"),
    Deed.END: Rule(About.ROOM, False, "ends every round that it knew of", (Deed.ROUND,), stands=False),
    Deed.GIVE: Rule(About.MEMBER, False, "they have the floor, also in a pause or a round", (Deed.GIVE,)),
    Deed.FIX: Rule(About.EVENT, False, "puts what was proposed for it on the agenda"),
    Deed.DROP: Rule(About.EVENT, False, "takes it off the agenda", (Deed.FIX,), stands=False),
    Deed.SEAL: Rule(About.EVENT, True, "an outcome is what was agreed on, as it stands here"),
}
"""Who may do it, to what, and what it does."""
CLOSED: Final = frozenset({Deed.FOLD, Deed.UNFOLD, Deed.CUT, Deed.SEAL})
"""What is done in a closed room too."""
BOUNDED: Final = frozenset({Deed.CUT, Deed.SEAL})
"""What is about the words of a room up to a cut."""


@dataclass(frozen=True, slots=True)
class Steer:
    """A deed in `room` to `subject` (a member or an event; none where it is about the room).

    `text` is the reason, or what is announced; a round's window is the minutes `opens` to `closes`, else both are 0.
    `upto` is what a cut or a seal counts, of everything else None; `proof` the persona's signature under a seal.
    """

    deed: Deed
    room: RoomId
    subject: bytes
    text: str = field(repr=False)
    opens: int = 0
    closes: int = 0
    upto: Cut | None = None
    proof: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """CBOR `[deed, room, subject or empty, text, opens, closes]`; of a cut and a seal, and what it counts."""
        more: list[Value] = [] if self.upto is None else [self.upto.to_value()]
        if self.deed is Deed.SEAL:
            more.append(self.proof)
        return encode([int(self.deed), self.room, self.subject, self.text, self.opens, self.closes, *more])


def decode_act(body: bytes) -> Steer | None:
    """Read the body of an act event; None for a deed that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_ACT))
    if not fields:
        raise wrong("no deed")
    number = as_int(fields[0], 1, 2**16 - 1)
    if number > max(Deed):
        return None
    deed = Deed(number)
    room, subject, text, opens, closes, *more = as_list(fields[1:], 5 + (deed in BOUNDED) + (deed is Deed.SEAL))
    whom = as_bytes(subject, 0) if DEEDS[deed].about is About.ROOM else as_id(subject)
    reason = as_text(text, LIMIT_REASON)
    if not reason.strip():
        raise wrong("no reason")
    first = as_int(opens, 0, LIMIT_MINUTE)
    last = as_int(closes, 0, LIMIT_MINUTE)
    if (first >= last) if deed is Deed.ROUND else (first or last):
        raise wrong("not a window")
    upto = Cut.from_value(more[0]) if more else None
    proof = as_bytes(more[1], PROOF) if deed is Deed.SEAL else b""
    return Steer(deed, RoomId(as_id(room)), whom, reason, first, last, upto, proof)
