"""Roster events: who is in, which keys are theirs, and which epochs were made.

Implements docs/spec/events.md, section Roster. A body is `[op, …]`; an op that we do not know is no error, it is kept
and carried like an unknown kind. What each op may change, and when it changes nothing, is decided in `authority`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, unique
from itertools import pairwise
from typing import Final, TypeAlias

from tertulia.protocol.crypto import PROOF
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.epoch import LIMIT_EPOCH_PARENTS
from tertulia.protocol.ids import ActorId, EpochId, EventId, PersonaId, RoomId
from tertulia.protocol.newcomer import LIMIT_PREKEYS, Newcomer
from tertulia.protocol.prekey import LIMIT_MINUTE, Prekey
from tertulia.protocol.session import INTRODUCTION_MAC
from tertulia.protocol.shape import as_bytes, as_id, as_ids, as_int, as_list, wrong

LIMIT_OP: Final = 2**16 - 1
LIMIT_ROSTER: Final = 64 * 1024
"""Bytes of the body of a roster event."""
LIMIT_NEWCOMERS: Final = 30
"""People admitted by one event."""
LIMIT_LASTS: Final = 512
"""Sessions per room whose last event a removal names."""
LIMIT_MACS: Final = 256
"""Recipients of one introduction."""
LIMIT_SEQ: Final = 2**32 - 1


@unique
class Op(IntEnum):
    """What a roster event does."""

    ADMIT = 1
    LEAVE = 2
    REMOVE = 3
    INTRODUCE = 4
    PREKEYS = 5
    ANNOUNCE = 6
    ROLE = 7
    COSIGN = 8
    SETTLE = 9


@dataclass(frozen=True, slots=True)
class Admit:
    """The facilitator takes people in."""

    newcomers: tuple[Newcomer, ...]

    def encode(self) -> bytes:
        """CBOR `[1, [newcomer, …]]`."""
        return encode([Op.ADMIT, [newcomer.to_value() for newcomer in self.newcomers]])


@dataclass(frozen=True, slots=True)
class Leave:
    """A member goes."""

    def encode(self) -> bytes:
        """CBOR `[2]`."""
        return encode([Op.LEAVE])


Lasts: TypeAlias = tuple[tuple[RoomId, ActorId, int, EventId], ...]
"""The last event of each of somebody's sessions in each room: `(room, actor, seq, event)`, ascending."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take `member` off the roster, when as many as the charter says have signed.

    `last` has what the signer knows of them: all up to there stays.
    """

    member: PersonaId
    last: Lasts = ()

    def encode(self) -> bytes:
        """CBOR `[3, member, [[room, actor, seq, event], …]]`."""
        return encode([Op.REMOVE, self.member, self.last])


@dataclass(frozen=True, slots=True)
class Introduce:
    """A session key names the next one, `key`, which lives from minute `start` to `end`.

    `macs` has a 16-byte MAC for each recipient, ascending; `state_hash` is the control hash at the signer's heads.
    Neither changes the state: a MAC that fails is an alarm.
    """

    key: ActorId
    start: int
    end: int
    macs: tuple[tuple[PersonaId, bytes], ...] = field(repr=False)
    state_hash: bytes

    def encode(self) -> bytes:
        """CBOR `[4, key, start, end, [[recipient, mac], …], state hash]`."""
        return encode([Op.INTRODUCE, self.key, self.start, self.end, self.macs, self.state_hash])


@dataclass(frozen=True, slots=True)
class Prekeys:
    """A member's new prekeys: the newest of a retention class is the one to seal to."""

    prekeys: tuple[Prekey, ...]

    def encode(self) -> bytes:
        """CBOR `[5, [prekey, …]]`."""
        return encode([Op.PREKEYS, [prekey.to_value() for prekey in self.prekeys]])


@dataclass(frozen=True, slots=True)
class Announce:
    """A member made an epoch of `room`: all of it but the secret. `parents` ascending; `created` is their minute."""

    room: RoomId
    parents: tuple[EpochId, ...]
    roster_hash: bytes
    commitment: bytes
    created: int

    def encode(self) -> bytes:
        """CBOR `[6, room, [epoch, …], roster hash, commitment, created]`."""
        return encode([Op.ANNOUNCE, self.room, self.parents, self.roster_hash, self.commitment, self.created])


@dataclass(frozen=True, slots=True)
class Role:
    """Make a member a facilitator, or no more than a member."""

    member: PersonaId
    facilitator: bool

    def encode(self) -> bytes:
        """CBOR `[7, member, 1 or 0]`."""
        return encode([Op.ROLE, self.member, int(self.facilitator)])


@dataclass(frozen=True, slots=True)
class Cosign:
    """Sign what `act` proposed. Where that removes somebody, `last` says what this signer knows of them.

    Where it seals an outcome, `proof` is their persona's signature under its record.
    """

    act: EventId
    last: Lasts = ()
    proof: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """CBOR `[8, act, [[room, actor, seq, event], …]]`; under a seal, and the proof."""
        return encode([Op.COSIGN, self.act, self.last, *([self.proof] if self.proof else [])])


@dataclass(frozen=True, slots=True)
class Settle:
    """Declare settled what is in the past of this event, whose control hash is `state_hash`: no removal voids it."""

    state_hash: bytes

    def encode(self) -> bytes:
        """CBOR `[9, state hash]`."""
        return encode([Op.SETTLE, self.state_hash])


RosterAct: TypeAlias = Admit | Leave | Remove | Introduce | Prekeys | Announce | Role | Cosign | Settle


def decode_roster(body: bytes) -> RosterAct | None:
    """Read the body of a roster event; None for an op that we do not know.

    Raises RemoteError: SIZE, ENCODING, SHAPE, KEY.
    """
    fields = as_list(decode(body, LIMIT_ROSTER))
    if not fields:
        raise wrong("no op")
    op, *rest = fields
    match as_int(op, 1, LIMIT_OP):
        case Op.ADMIT:
            (newcomers,) = as_list(rest, 1)
            return Admit(tuple(Newcomer.from_value(entry) for entry in as_list(newcomers, most=LIMIT_NEWCOMERS)))
        case Op.LEAVE:
            as_list(rest, 0)
            return Leave()
        case Op.REMOVE:
            member, last = as_list(rest, 2)
            return Remove(PersonaId(as_id(member)), _lasts(last))
        case Op.INTRODUCE:
            return _introduce(rest)
        case Op.PREKEYS:
            (prekeys,) = as_list(rest, 1)
            return Prekeys(tuple(Prekey.from_value(prekey) for prekey in as_list(prekeys, most=LIMIT_PREKEYS)))
        case Op.ANNOUNCE:
            return _announce(rest)
        case Op.ROLE:
            member, facilitator = as_list(rest, 2)
            return Role(PersonaId(as_id(member)), bool(as_int(facilitator, 0, 1)))
        case Op.COSIGN:
            act, last, *proof = as_list(rest, max(2, min(len(rest), 3)))
            return Cosign(EventId(as_id(act)), _lasts(last), as_bytes(proof[0], PROOF) if proof else b"")
        case Op.SETTLE:
            (state_hash,) = as_list(rest, 1)
            return Settle(as_id(state_hash))
        case _:
            return None


def _lasts(value: Value) -> Lasts:
    lasts = []
    for entry in as_list(value, most=LIMIT_LASTS):
        room, actor, seq, event = as_list(entry, 4)
        lasts.append((RoomId(as_id(room)), ActorId(as_id(actor)), as_int(seq, 1, LIMIT_SEQ), EventId(as_id(event))))
    if any(before[:2] >= after[:2] for before, after in pairwise(lasts)):
        raise wrong("sessions not in order")
    return tuple(lasts)


def _introduce(rest: list[Value]) -> Introduce:
    key, start, end, macs, state_hash = as_list(rest, 5)
    pairs = [as_list(pair, 2) for pair in as_list(macs, most=LIMIT_MACS)]
    as_ids([recipient for recipient, _ in pairs], LIMIT_MACS)
    first = as_int(start, 0, LIMIT_MINUTE)
    return Introduce(
        ActorId(as_id(key)),
        first,
        as_int(end, first, LIMIT_MINUTE),
        tuple((PersonaId(as_id(recipient)), as_bytes(mac, INTRODUCTION_MAC)) for recipient, mac in pairs),
        as_id(state_hash),
    )


def _announce(rest: list[Value]) -> Announce:
    room, parents, roster, commitment, created = as_list(rest, 5)
    return Announce(
        RoomId(as_id(room)),
        tuple(EpochId(parent) for parent in as_ids(parents, LIMIT_EPOCH_PARENTS)),
        as_id(roster),
        as_id(commitment),
        as_int(created, 0, LIMIT_MINUTE),
    )
