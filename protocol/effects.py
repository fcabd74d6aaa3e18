"""What the core asks its driver to do: frozen values, never calls.

Implements the machine of docs/spec/README.md: `core.handle(input, now) -> tuple[Effect, ...]`.
`Put` and `Erase` of one batch are committed in one transaction before any other effect of the batch
runs; if the commit fails, none of them runs and the core's overlay is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.errors import Problem
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import CommonsId, DialogueId
    from tertulia.protocol.share import HpkeRequest


class Table(StrEnum):
    """The vault's tables. Keys and values are opaque to the store; the core alone reads them."""

    PROFILE = "profile"
    COMMONS = "commons"
    DIALOGUE = "dialogue"
    EVENT = "event"
    CHECKPOINT = "checkpoint"
    PERSONA = "persona"
    SESSION = "session"
    PREKEY = "prekey"
    EPOCH = "epoch"
    DOOR = "door"
    INVITE = "invite"
    JOIN = "join"
    KNOCK = "knock"
    OUTBOX = "outbox"
    FRAME = "frame"
    PART = "part"
    SHARE = "share"
    RECEIPT = "receipt"
    STEWARD = "steward"
    LOST = "lost"
    CORRIDOR = "corridor"
    IDENTITY = "identity"
    CONTACT = "contact"
    SHOWN = "shown"
    OFFER = "offer"


class View(StrEnum):
    """What a client can watch; an effect names the view that has changed."""

    STATUS = "status"
    DIALOGUES = "dialogues"
    MESSAGES = "messages"
    PEOPLE = "people"
    KNOCKS = "knocks"
    JOINS = "joins"
    CONTACTS = "contacts"


@dataclass(frozen=True, slots=True)
class Put:
    """Write one vault row, replacing any row with the same key."""

    table: Table
    key: bytes
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erase:
    """Delete one vault row; a missing row is fine."""

    table: Table
    key: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """Archive this frame (idempotent), then hand it to the commons' neighbours."""

    commons: CommonsId
    frame: Frame


@dataclass(frozen=True, slots=True)
class Rescan:
    """Feed archived frames with minutes in [first, last] to the core again: a key for them has arrived."""

    commons: CommonsId
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class HpkeSeal:
    """Run the randomised HPKE sealing outside the core and answer with `HpkeSealed(job, …)`."""

    job: int
    requests: tuple[HpkeRequest, ...]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `TimerFired(name)` at `at` (ms since the Unix epoch); replaces a timer of the same name."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class ClearTimer:
    """Forget the timer of this name, if any."""

    name: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to `Ask(id, …)`; sent only after the batch's rows are on disk."""

    id: int
    value: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The refusal of `Ask(id, …)`, in three sentences for a person."""

    id: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class Changed:
    """A view's rows have changed; `dialogue` is None for views that are not about one dialogue."""

    view: View
    dialogue: DialogueId | None = None


Effect = Put | Erase | Publish | Rescan | HpkeSeal | SetTimer | ClearTimer | Reply | Refuse | Changed
