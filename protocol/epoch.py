"""Epochs: a random secret per roster and day, under which a room speaks.

Implements docs/spec/keys.md, sections Epoch and Door. An epoch is a fact in the control room (its secret is not); any
number live side by side and none supersedes another by force. From the secret come, one-way, the keys of the room's
frames and the door: what members still share when the secret has been erased. Which epoch to use is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tertulia.protocol.crypto import KEY, derive, digest, equal
from tertulia.protocol.encoding import encode
from tertulia.protocol.frame import FrameKeys, frame_keys
from tertulia.protocol.ids import DialogueId, EpochId, PersonaId, RoomId
from tertulia.protocol.labels import Label

SECRET: Final = KEY
"""Bytes of an epoch's secret, drawn at random."""
SEAL_MINUTES: Final = 24 * 60
"""How long after its creation honest members seal under an epoch."""
LIMIT_EPOCH_PARENTS: Final = 4
"""Epochs that one epoch names as those it supersedes."""
CLOCKS_APART: Final = 3 * 60
"""Minutes by which the clock of one who speaks behind a door may be behind that of whoever made its epoch, and more."""
_BEFORE: Final = 60
_AFTER: Final = 25 * 60


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch as everybody may know it. `parents` ascending; `created` is the sealer's minute, not part of the id."""

    id: EpochId
    dialogue: DialogueId
    room: RoomId
    parents: tuple[EpochId, ...]
    roster_hash: bytes
    sealer: PersonaId
    commitment: bytes
    created: int


def make_epoch(
    dialogue: DialogueId,
    room: RoomId,
    parents: Iterable[EpochId],
    roster_hash: bytes,
    sealer: PersonaId,
    commitment: bytes,
    created: int,
) -> Epoch:
    """The epoch those facts name: parents are put in order and their id is computed."""
    ordered = tuple(sorted(set(parents)))
    name = epoch_id(dialogue, room, ordered, roster_hash, sealer, commitment)
    return Epoch(name, dialogue, room, ordered, roster_hash, sealer, commitment, created)


def epoch_id(
    dialogue: DialogueId,
    room: RoomId,
    parents: tuple[EpochId, ...],
    roster_hash: bytes,
    sealer: PersonaId,
    commitment: bytes,
) -> EpochId:
    """H of CBOR [dialogue, room, parents, roster hash, sealer, commitment]. Parents as given: ascending and unique."""
    return EpochId(digest(Label.EPOCH_ID, encode([dialogue, room, parents, roster_hash, sealer, commitment])))


def roster_hash(personas: Iterable[PersonaId]) -> bytes:
    """H of the ids in ascending order, each once, one after the other."""
    return digest(Label.EPOCH_ROSTER, b"".join(sorted(set(personas))))


def commitment(secret: bytes) -> bytes:
    """What the announcement says of the secret, so that every member can see they hold the same."""
    return digest(Label.EPOCH_COMMIT, secret)


def commits_to(commitment_said: bytes, secret: bytes) -> bool:
    """Say whether the secret is the one committed to."""
    return equal(commitment(secret), commitment_said)


def epoch_keys(secret: bytes) -> FrameKeys:
    """The keys of the frames that carry the room's ordinary events."""
    return frame_keys(Label.EPOCH_FRAME, secret)


def door_secret(secret: bytes) -> bytes:
    """The door behind an epoch that is the first of its roster: 32 bytes, one-way, kept when the secret is erased."""
    return derive(Label.EPOCH_DOOR, secret)


def door_keys(door: bytes) -> FrameKeys:
    """The keys of the frames that carry shares, prekeys, introductions and control events."""
    return frame_keys(Label.DOOR_FRAME, door)


def window(created: int) -> tuple[int, int]:
    """The first and last frame minute at which the epoch's keys are tried: from creation - 1 h to creation + 25 h."""
    return created - _BEFORE, created + _AFTER


def first_minute(created: int) -> int:
    """The first minute whose frames must be looked at again when an epoch of this creation can be opened.

    Its own frames bear no earlier minute than its creation; where clocks differ, what is sealed behind its door does.
    """
    return max(0, created - CLOCKS_APART)


def may_seal(created: int, minute: int) -> bool:
    """Say whether an honest member still seals under an epoch of this creation in this minute."""
    return created <= minute < created + SEAL_MINUTES
