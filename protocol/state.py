"""The state of a dialogue: what everybody who holds the same events agrees on.

Implements docs/spec/events.md, section State. A `State` is a value, made by `fold` alone and never edited. Whoever
holds the same events has an equal one, and the same `hash` as a newcomer whose checkpoint covers what they lack.
Mappings and tuples are in a fixed order that the field says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from tertulia.protocol.ancestry import ANCIENT
from tertulia.protocol.charter import Charter
from tertulia.protocol.epoch import Epoch, roster_hash
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.ids import ActorId, DialogueId, EpochId, EventId, PersonaId, RoomId
from tertulia.protocol.persona import PersonaKeys
from tertulia.protocol.prekey import Prekey
from tertulia.protocol.room_hash import Tally
from tertulia.protocol.roster import Introduce, Remove, Role

if TYPE_CHECKING:
    from tertulia.protocol.act import Need, Proposal
    from tertulia.protocol.citing import Citing
    from tertulia.protocol.ground import Ground
    from tertulia.protocol.room import Breakout
    from tertulia.protocol.rounds import Turns
    from tertulia.protocol.steering import Steering


@unique
class NoOp(StrEnum):
    """Why an event changes nothing. It is kept and carried, counts as a parent and in the sums all the same."""

    UNKNOWN = "unknown"  # a kind, version, op or form that we do not know
    MALFORMED = "malformed"  # its body breaks the spec of its kind
    ERASED = "erased"  # its body is gone, and only that would tell
    LAMPORT = "lamport"  # its lamport is wrong, or it builds on an event whose lamport is; never named as a parent
    WRONG_ROOM = "wrong-room"  # of a kind that belongs elsewhere
    NO_ROOM = "no-room"  # its author could not know of such a room, or knew that it is closed
    SECOND_CHARTER = "second-charter"  # the dialogue has its charter
    NOT_A_MEMBER = "not-a-member"  # its author was not in, as far as the author could know
    SESSION_ENDED = "session-ended"  # its author had already gone on to the next session key
    NOT_A_FACILITATOR = "not-a-facilitator"  # only a facilitator may do this
    ONESELF = "oneself"  # nobody removes themselves: they leave
    NO_CHANGE = "no-change"  # it asks for what is so already, or is about nobody who is in
    NO_ACT = "no-act"  # it signs what its author could not know
    SIGNED = "signed"  # its author had signed that before
    DECIDED = "decided"  # enough had signed it before
    NOT_LATEST = "not-latest"  # it does not follow all that its author had signed
    VOID = "void"  # its author's power ended by somebody who had not heard of it
    ALREADY_IN = "already-in"  # everybody it admits was in
    ROSTER_FULL = "roster-full"  # the charter's number of people was reached
    KEY_TAKEN = "key-taken"  # the session key it names is somebody's already
    OTHER_CHARTER = "other-charter"  # it accepts rules that are not this dialogue's
    TOO_MANY_ROOMS = "too-many-rooms"
    PAUSED = "paused"  # its author knew that the room is paused
    MUTED = "muted"  # its author knew that they are muted there
    SPOKEN = "spoken"  # its author had spoken in a round that they knew to be open
    NOT_ACCEPTED = "not-accepted"  # its author had not accepted the charter
    NOT_IN_ROOM = "not-in-room"  # the room is for others than its author
    REMOVED_AUTHOR = "removed-author"  # said by someone removed, unknown to the remover, named by nobody who remains


@unique
class Status(StrEnum):
    """How somebody stands to the roster."""

    IN = "in"
    LEFT = "left"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Member:
    """A persona that is or was on the roster.

    `session` is the current session key, `sessions` all from the first; `prekeys` has one per retention class, newest
    first; `joined` is the claimed minute of the admission; `told_by` who vouches for it when we came later.
    """

    id: PersonaId
    keys: PersonaKeys
    nickname: str = field(repr=False)
    session: ActorId
    sessions: tuple[ActorId, ...]
    prekeys: tuple[Prekey, ...]
    status: Status
    facilitator: bool
    accepted: bool
    admitted_by: EventId
    joined: int
    card_hash: bytes
    knock_id: bytes
    told_by: PersonaId | None


@dataclass(frozen=True, slots=True)
class EpochFact:
    """An epoch that was announced by `event`. Nobody seals under a voided one; what was sealed still opens."""

    epoch: Epoch
    event: EventId
    voided: bool


@dataclass(frozen=True, slots=True)
class Introduction:
    """A session introduced by `persona` in `event`: its MACs are there to be checked."""

    event: EventId
    persona: PersonaId
    body: Introduce


@dataclass(frozen=True, slots=True)
class AlarmFact:
    """In `event`, `author` says that introduction `subject_event`, said to be by `subject`, is not genuine."""

    event: EventId
    author: PersonaId
    subject_event: EventId
    subject: PersonaId


@unique
class Outcome(StrEnum):
    """What became of a proposal."""

    PENDING = "pending"
    DONE = "done"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class ActFact:
    """What `event` proposed: it takes effect once as many as `need` says have signed; `signers` begins with who did."""

    event: EventId
    body: Proposal
    need: Need
    signers: tuple[PersonaId, ...]
    outcome: Outcome

    @property
    def target(self) -> PersonaId | None:
        """Whom it takes in power: who is removed, or whose role changes."""
        return self.body.member if isinstance(self.body, Remove | Role) else None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a room whose author is known. Shown where `reason` is None; `gap`: something it names is missing."""

    event: EventId
    author: PersonaId
    reason: NoOp | None
    gap: bool


@dataclass(frozen=True, slots=True)
class Room:
    """A room: `log` and `heads` in order (lamport, id), `tally` over everything in it, `turns` taken in its rounds;
    `members` who takes part now.

    `breakout` is what opened it where that is not everybody.
    """

    id: RoomId
    title: str = field(repr=False)
    log: tuple[Entry, ...]
    heads: tuple[EventId, ...]
    missing: frozenset[EventId]
    tally: Tally
    members: frozenset[PersonaId]
    breakout: Breakout | None = None
    turns: Turns = field(default_factory=dict)

    @property
    def sum(self) -> bytes:
        """The room's hash, 256 bytes."""
        return self.tally.sum


@dataclass(frozen=True, slots=True)
class State:
    """Everything a dialogue's events come to. `charter` is None only where neither it nor a checkpoint is held.

    `members` is in the order of admission, `rooms` in that of opening, `epochs` in that of announcement, `acts` in that
    of proposal; `steering` is how each room stands. `waiting` are
    events that cannot be judged yet, `missing` the control events they wait for. `control_hash` covers the control
    room alone, `hash` everything.
    """

    dialogue: DialogueId | None
    charter: Charter | None
    charter_body: bytes = field(repr=False)
    charter_hash: bytes
    members: Mapping[PersonaId, Member]
    actors: Mapping[ActorId, PersonaId]
    roster: frozenset[PersonaId]
    roster_hash: bytes
    epochs: Mapping[EpochId, EpochFact]
    rooms: Mapping[RoomId, Room]
    control_heads: tuple[EventId, ...]
    noops: Mapping[EventId, NoOp]
    equivocations: Mapping[PersonaId, frozenset[EventId]]
    introductions: tuple[Introduction, ...]
    alarms: tuple[AlarmFact, ...]
    acts: tuple[ActFact, ...]
    steering: Mapping[RoomId, Steering]
    waiting: frozenset[EventId]
    missing: frozenset[EventId]
    control_hash: bytes
    hash: bytes
    citing: Citing = field(repr=False, compare=False)
    ground: Ground | None = field(repr=False, compare=False)
    _rosters: dict[frozenset[EventId], frozenset[PersonaId]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Rosters that were asked for: most of what is said names the same control heads."""

    @property
    def title(self) -> str:
        """What the dialogue is called; empty without a charter."""
        return "" if self.charter is None else self.charter.title

    @property
    def retention_days(self) -> int:
        """For how long what is said here is kept; 0 without a charter."""
        return 0 if self.charter is None else self.charter.retention_days

    @property
    def frame_class(self) -> FrameClass:
        """The one size of this dialogue's frames of speech."""
        return FrameClass.SMALL if self.charter is None else self.charter.frame_class

    @property
    def alarmed(self) -> frozenset[tuple[EventId, PersonaId]]:
        """Which introduction has been called false by whom."""
        return frozenset((alarm.subject_event, alarm.author) for alarm in self.alarms)

    @property
    def lamports(self) -> Mapping[RoomId, int]:
        """The greatest lamport of each room, the control room's included."""
        return self.citing.lamports

    def is_before(self, event: EventId, other: EventId) -> bool:
        """Whether the author of control event `other` had seen control event `event`."""
        assert self.ground is not None, "there are control events, so there is a charter"
        ancestry = self.ground.authority.ancestry
        return bool(ancestry.mark(event) & ancestry.past_of(other))

    def is_apart(self, room: RoomId) -> bool:
        """Say whether a room is for some of the members only."""
        found = self.rooms.get(room)
        return found is not None and found.breakout is not None

    def roster_hash_of(self, room: RoomId) -> bytes:
        """The roster hash of those who take part in a room now."""
        return roster_hash(self.rooms[room].members) if self.is_apart(room) else self.roster_hash

    def room_roster_at(self, room: RoomId, heads: Iterable[EventId]) -> frozenset[PersonaId]:
        """Who took part in a room, as far as somebody knew who names these control heads."""
        found = self.rooms.get(room)
        people = self.roster_at(heads)
        return people if found is None or found.breakout is None else people.intersection(found.breakout.members)

    def roster_at(self, heads: Iterable[EventId]) -> frozenset[PersonaId]:
        """Who was in, as far as somebody knew who names these control heads."""
        assert self.ground is not None, "there are control events, so there is a charter"
        asked = frozenset(heads)
        if asked not in self._rosters:
            ancestry = self.ground.authority.ancestry
            past = ANCIENT
            for head in asked:
                past |= ancestry.past_of(head)
            self._rosters[asked] = self.ground.authority.roster(past)
        return self._rosters[asked]

    def next_seq(self, actor: ActorId, room: RoomId) -> int:
        """The number of this session key's next event in a room."""
        return self.citing.next_seq(actor, room)

    def cite(self, room: RoomId, actor: ActorId | None = None) -> tuple[tuple[EventId, ...], tuple[EventId, ...], int]:
        """What a new event by `actor` names: parents, control heads, lamport.

        Where there are more heads than fit, first those without which its author's own standing or a change of the
        roster would not be in its past, then the lowest (lamport, id).
        """
        return self.citing.cite(room, actor)

    def knows(self, event: EventId) -> bool:
        """Say whether an event is held or covered by the checkpoint."""
        return self.citing.knows(event)

    def last_of(self, member: PersonaId) -> tuple[tuple[RoomId, ActorId, int, EventId], ...]:
        """The last event held of each of a member's sessions in each room: what their removal names."""
        return self.citing.last_of(member)
