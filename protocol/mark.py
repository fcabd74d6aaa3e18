"""Mark events: what a member lets the others know without words.

Implements docs/spec/events.md, section Mark. `accept`: I have read these rules and accept them; before it nobody
speaks. `alarm`: the MAC of an introduction addressed to me does not verify; everybody sees it, the state stays. `lack`:
what I cannot open or have not got, and whom I ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final, TypeAlias

from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.ids import EpochId, EventId, PersonaId
from tertulia.protocol.shape import as_id, as_ids, as_int, as_list, wrong

LIMIT_MARK_BODY: Final = 4 * 1024
"""Bytes of the body of a mark event."""
LIMIT_ASKED: Final = 30
"""Members whom one lack asks: all there can be."""
LIMIT_LACKING: Final = 24
"""Epochs, and events, that one lack names."""
LIMIT_CUT: Final = 8
"""Events up to which one lack says that it holds all."""


@unique
class MarkOp(IntEnum):
    """What a mark says."""

    ACCEPT = 1
    ALARM = 2
    LACK = 3


@dataclass(frozen=True, slots=True)
class Accept:
    """The member accepts the charter with this hash."""

    charter_hash: bytes

    def encode(self) -> bytes:
        """CBOR `[1, charter hash]`."""
        return encode([MarkOp.ACCEPT, self.charter_hash])


@dataclass(frozen=True, slots=True)
class Alarm:
    """The introduction `event`, said to be by `subject`, carried a wrong MAC for the author of this alarm."""

    event: EventId
    subject: PersonaId

    def encode(self) -> bytes:
        """CBOR `[2, event, subject]`."""
        return encode([MarkOp.ALARM, self.event, self.subject])


@dataclass(frozen=True, slots=True)
class Lack:
    """The author cannot open `epochs`, has not got the `events` that others name, and asks these members for them.

    `cut` are events of the room up to which the author holds all there is; None: no speech is asked for. Without
    `events` but with a cut, everything after it is asked for. All ascending.
    """

    asked: tuple[PersonaId, ...]
    epochs: tuple[EpochId, ...] = ()
    events: tuple[EventId, ...] = ()
    cut: tuple[EventId, ...] | None = None

    def encode(self) -> bytes:
        """CBOR `[3, [persona, …], [epoch, …], [event, …], [event, …] or null]`."""
        return encode([MarkOp.LACK, self.asked, self.epochs, self.events, self.cut])


MarkAct: TypeAlias = Accept | Alarm | Lack


def decode_mark(body: bytes) -> MarkAct | None:
    """Read the body of a mark event; None for an op that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE.
    """
    fields = as_list(decode(body, LIMIT_MARK_BODY))
    if not fields:
        raise wrong("no op")
    op, *rest = fields
    match as_int(op, 1, 2**16 - 1):
        case MarkOp.ACCEPT:
            (charter,) = as_list(rest, 1)
            return Accept(as_id(charter))
        case MarkOp.ALARM:
            event, subject = as_list(rest, 2)
            return Alarm(EventId(as_id(event)), PersonaId(as_id(subject)))
        case MarkOp.LACK:
            return _lack(rest)
        case _:
            return None


def _lack(rest: list[Value]) -> Lack:
    asked, epochs, events, cut = as_list(rest, 4)
    return Lack(
        tuple(PersonaId(persona) for persona in as_ids(asked, LIMIT_ASKED)),
        tuple(EpochId(epoch) for epoch in as_ids(epochs, LIMIT_LACKING)),
        tuple(EventId(event) for event in as_ids(events, LIMIT_LACKING)),
        None if cut is None else tuple(EventId(event) for event in as_ids(cut, LIMIT_CUT)),
    )
