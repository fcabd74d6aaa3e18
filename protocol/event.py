"""Events: what members do and say, each a node of its room's DAG, authenticated by a session key.

Implements docs/spec/events.md, sections Header and Event. id = H(header); the header names the hash of the salted body;
the proof signs the id. An `Event` that exists has been verified: shape, limits, body hash and signature. Whether it
takes effect is decided by the fold alone. Versions and kinds we do not know are read, kept and carried all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.body import VERSION, Body, Kind, read_body
from tertulia.protocol.crypto import PROOF, digest, sign, signing_public, verify
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import ID, ActorId, DialogueId, EventId, RoomId
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.prekey import LIMIT_MINUTE
from tertulia.protocol.room_hash import element_of
from tertulia.protocol.shape import as_bytes, as_id, as_ids, as_int, as_list, wrong

CONTROL: Final = RoomId(bytes(ID))
"""The control room: where authority lives. Its events have parents only."""
SALT: Final = 16
"""Bytes of the salt in front of a body, without which an erased body could be guessed from its hash."""
LIMIT_PARENTS: Final = 4
LIMIT_CONTROL: Final = 8
LIMIT_SEQ: Final = 2**32 - 1
LIMIT_LAMPORT: Final = 2**53 - 1
LIMIT_KIND: Final = 2**16 - 1
LIMIT_HEADER: Final = 1024
"""Bytes of an encoded header."""
LIMIT_BODY: Final = 64 * 1024
"""Bytes of a body of any kind."""
_FIELDS: Final = 11
_LIMIT_FIELDS: Final = 32


@dataclass(frozen=True, slots=True)
class Header:
    """What an event's id is the hash of. `parents` and `control` ascend; `tick` is the author's claimed minute."""

    version: int
    dialogue: DialogueId
    room: RoomId
    kind: int
    seq: int
    parents: tuple[EventId, ...]
    control: tuple[EventId, ...]
    lamport: int
    tick: int
    actor: ActorId
    body_hash: bytes

    def encode(self) -> bytes:
        """CBOR of the eleven fields in their order."""
        return encode([
            self.version,
            self.dialogue,
            self.room,
            self.kind,
            self.seq,
            self.parents,
            self.control,
            self.lamport,
            self.tick,
            self.actor,
            self.body_hash,
        ])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """A verified event. Two are equal when their ids are; `body` is None once it was erased.

    Computed once: `content`, the body as read; `order`, its place (lamport, id) among all; `element`, its share of the
    room's hash.
    """

    id: EventId
    header: Header = field(compare=False)
    raw: bytes = field(compare=False, repr=False)
    salt: bytes = field(compare=False, repr=False)
    body: bytes | None = field(compare=False, repr=False)
    proof: bytes = field(compare=False, repr=False)
    content: Body = field(init=False, compare=False, repr=False)
    order: tuple[int, EventId] = field(init=False, compare=False, repr=False)
    element: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        header = self.header
        object.__setattr__(self, "content", read_body(header.version, header.kind, self.body))
        object.__setattr__(self, "order", (header.lamport, self.id))
        object.__setattr__(self, "element", element_of(self.id))

    def erased(self) -> Event:
        """This event without its body: header and proof still verify, so what follows it stands."""
        return Event(self.id, self.header, self.raw, self.salt, None, self.proof)


def make(  # noqa: PLR0913 - a header has that many fields, each named at the call
    *,
    dialogue: DialogueId,
    room: RoomId,
    kind: Kind,
    seq: int,
    parents: Iterable[EventId],
    control: Iterable[EventId],
    lamport: int,
    tick: int,
    session_seed: bytes,
    salt: bytes,
    body: bytes,
) -> Event:
    """Sign an event. `parents` and `control` are put in order; `tick` is a minute, `salt` 16 fresh random bytes.

    Raises ValueError for what no reader would take: it would be lost with everybody but its author.
    """
    actor = ActorId(signing_public(session_seed))
    header = Header(
        VERSION,
        dialogue,
        room,
        int(kind),
        seq,
        tuple(sorted(set(parents))),
        tuple(sorted(set(control))),
        lamport,
        tick,
        actor,
        body_hash(salt, body),
    )
    raw = header.encode()
    name = _event_id(raw)
    proof = sign(session_seed, Label.EVENT_PROOF, name)
    try:
        _read_header(raw)
        _check_body(header, salt, body)
    except RemoteError as refused:
        raise ValueError(f"an event nobody would take ({refused})") from refused
    return Event(name, header, raw, salt, body, proof)


def to_item(event: Event) -> Item:
    """The item that carries an event: `[header, salt, body or null, proof]`."""
    return Item(ItemType.EVENT, [event.raw, event.salt, event.body, event.proof])


def from_value(value: Value, *, erasable: bool = False) -> Event:
    """Read and verify the body of an EVENT item.

    `erasable` allows an event whose body is gone, as our own vault may hold it; from a peer every event comes whole.
    Raises RemoteError: SHAPE, SIZE, ENCODING, VERSION; ID where the body is not the one named; PROOF.
    """
    head, salted, said, proved = as_list(value, 4)
    raw = as_bytes(head, most=LIMIT_HEADER)
    header = _read_header(raw)
    salt, proof = as_bytes(salted, SALT), as_bytes(proved, PROOF)
    body = None if said is None and erasable else as_bytes(said, most=LIMIT_BODY)
    if body is not None:
        _check_body(header, salt, body)
    name = _event_id(raw)
    if not verify(header.actor, Label.EVENT_PROOF, name, proof):
        raise RemoteError(RejectReason.PROOF, "event")
    return Event(name, header, raw, salt, body, proof)


def body_hash(salt: bytes, body: bytes) -> bytes:
    """H of salt (16 bytes) ‖ body."""
    return digest(Label.EVENT_BODY, salt + body)


def _event_id(raw: bytes) -> EventId:
    return EventId(digest(Label.EVENT_ID, raw))


def _check_body(header: Header, salt: bytes, body: bytes) -> None:
    if len(salt) != SALT or len(body) > LIMIT_BODY:
        raise RemoteError(RejectReason.SIZE, "body")
    if body_hash(salt, body) != header.body_hash:
        raise RemoteError(RejectReason.ID, "body")


def _read_header(raw: bytes) -> Header:
    """Read a header; a later version may have more fields after the eleven, which the id still covers."""
    fields = as_list(decode(raw, LIMIT_HEADER), most=_LIMIT_FIELDS)
    version = as_int(fields[0] if fields else None, 0, LIMIT_KIND)
    if version < VERSION:
        raise RemoteError(RejectReason.VERSION, "event")
    if len(fields) < _FIELDS or (version == VERSION and len(fields) > _FIELDS):
        raise wrong("a header of another length")
    _, dialogue, room, kind, seq, parents, control, lamport, tick, actor, hashed = fields[:_FIELDS]
    header = Header(
        version,
        DialogueId(as_id(dialogue)),
        RoomId(as_id(room)),
        as_int(kind, 1, LIMIT_KIND),
        as_int(seq, 1, LIMIT_SEQ),
        tuple(EventId(parent) for parent in as_ids(parents, LIMIT_PARENTS)),
        tuple(EventId(head) for head in as_ids(control, LIMIT_CONTROL)),
        as_int(lamport, 1, LIMIT_LAMPORT),
        as_int(tick, 0, LIMIT_MINUTE),
        ActorId(as_id(actor)),
        as_id(hashed),
    )
    _check_place(header)
    return header


def _check_place(header: Header) -> None:
    """In the control room no control heads, and only a charter without parents; elsewhere at least one control head."""
    if header.room == CONTROL:
        if header.control:
            raise wrong("control heads in the control room")
        if not header.parents and header.kind != Kind.CHARTER:
            raise wrong("a control event from nowhere")
    elif not header.control:
        raise wrong("a room event without control heads")


__all__ = [
    "CONTROL",
    "LIMIT_BODY",
    "LIMIT_CONTROL",
    "LIMIT_HEADER",
    "LIMIT_KIND",
    "LIMIT_LAMPORT",
    "LIMIT_PARENTS",
    "LIMIT_SEQ",
    "SALT",
    "Event",
    "Header",
    "Kind",
    "body_hash",
    "from_value",
    "make",
    "to_item",
]
