"""What happens to a core: frozen values handed to `core.handle(input, now)`.

Implements the machine of docs/spec/README.md. Everything a core can learn arrives here: frames that the
carrier has already checked, answers to its own effects, time, reachability, and what a person asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tertulia.protocol.body import Words
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.commons_card import Relay, SignedCard, Stewards
    from tertulia.protocol.commons_chain import Chain
    from tertulia.protocol.facilitation import Deed
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import CommonsId, DialogueId, EventId, FrameId, PersonaId, RoomId
    from tertulia.protocol.invite import Invite
    from tertulia.protocol.stance import Value


@dataclass(frozen=True, slots=True)
class FrameArrived:
    """A frame whose structure, window and commons MAC the carrier has checked, and which it has archived."""

    commons: CommonsId
    frame: Frame


@dataclass(frozen=True, slots=True)
class FrameKept:
    """A peer holds this frame of ours: it listed it or acknowledged it. `peer` only tells peers apart."""

    frame: FrameId
    peer: str


@dataclass(frozen=True, slots=True)
class HpkeSealed:
    """The ciphertexts for the `HpkeSeal` effect of the same job, in its order."""

    job: int
    sealed: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer set under this name has run out."""

    name: str


@dataclass(frozen=True, slots=True)
class Reachable:
    """How many peers of a commons have passed hello and a first sync; 0 means offline."""

    commons: CommonsId
    peers: int


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """A neighbour's clock (ms since the Unix epoch), as its hello showed it just now."""

    neighbour: str
    clock: int


@dataclass(frozen=True, slots=True)
class CommonsAdded:
    """This node now carries this commons (or knows it better: a repeated id replaces the record)."""

    commons: Commons


@dataclass(frozen=True, slots=True)
class NewDialogue:
    """Found a dialogue under the charter of a preset; `keep` in days, 0: as long as the community does.

    `quorum`: how many facilitators must sign a removal, a change of roles or what is harsh; None: as the preset has it.
    """

    title: str
    commons: CommonsId
    nick: str
    quorum: int | None = None
    preset: str = "conversation"
    languages: tuple[str, ...] = ()
    simulation: bool = False
    keep: int = 0


@dataclass(frozen=True, slots=True)
class MakeInvite:
    """Publish an invite card; `expires` in minutes since the Unix epoch; `ask` holds knocks for the person."""

    dialogue: DialogueId
    uses: int
    expires: int
    ask: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """Knock with this invite until admitted or refused."""

    invite: Invite
    nick: str


@dataclass(frozen=True, slots=True)
class SayText:
    """Say this in a room of the dialogue, off the record; in the plenary where none is named."""

    dialogue: DialogueId
    text: str
    room: RoomId | None = None


@dataclass(frozen=True, slots=True)
class Utter:
    """Say, propose or revise this in a room, or take this stance there: else where what it is about stands."""

    dialogue: DialogueId
    words: Words
    room: RoomId | None = None


@dataclass(frozen=True, slots=True)
class Endorse:
    """Endorse an outcome on the record, or have a reservation; `name` is how one signs."""

    dialogue: DialogueId
    outcome: EventId
    value: Value
    reason: str
    name: str


@dataclass(frozen=True, slots=True)
class AdmitKnock:
    """Admit the person behind this held knock."""

    knock: bytes


@dataclass(frozen=True, slots=True)
class RefuseKnock:
    """Refuse the person behind this held knock and tell them."""

    knock: bytes


@dataclass(frozen=True, slots=True)
class RemoveMember:
    """Remove a member: their authority ends at once; what others have seen of them stays."""

    dialogue: DialogueId
    member: PersonaId


@dataclass(frozen=True, slots=True)
class SetRole:
    """Propose that a member facilitate, or no more."""

    dialogue: DialogueId
    member: PersonaId
    facilitator: bool


@dataclass(frozen=True, slots=True)
class SignAct:
    """Sign what somebody else proposed."""

    dialogue: DialogueId
    act: EventId


@dataclass(frozen=True, slots=True)
class Facilitate:
    """Do this to a room, the plenary where none is named, or propose it; `text` is why, or what is announced.

    `subject`: the member or the event it is about; `minutes`: for how long a round is open.
    """

    dialogue: DialogueId
    deed: Deed
    text: str
    subject: bytes = b""
    minutes: int = 0
    room: RoomId | None = None


@dataclass(frozen=True, slots=True)
class OpenBreakout:
    """Open a room for these members, or propose it; `minutes` until its end, 0: until it is closed."""

    dialogue: DialogueId
    title: str
    members: tuple[PersonaId, ...]
    rapporteur: PersonaId
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class OpenCorridor:
    """Ask these members aside for so many minutes."""

    dialogue: DialogueId
    members: tuple[PersonaId, ...]
    minutes: int


@dataclass(frozen=True, slots=True)
class InCorridor:
    """Say this in a corridor; without a text, end it."""

    corridor: bytes
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerCorridor:
    """Come along into a corridor that one is asked to, or not."""

    corridor: bytes
    agree: bool


@dataclass(frozen=True, slots=True)
class AcceptRules:
    """The person has read the rules and guidelines of the dialogue, and accepts them."""

    dialogue: DialogueId


@dataclass(frozen=True, slots=True)
class LeaveDialogue:
    """Leave for good; what one has said stays with the others."""

    dialogue: DialogueId


@dataclass(frozen=True, slots=True)
class MarkSeen:
    """The person has looked at the dialogue: nothing that has arrived so far is unread."""

    dialogue: DialogueId


@dataclass(frozen=True, slots=True)
class MarkChecked:
    """The person has compared the short code with this member."""

    dialogue: DialogueId
    member: PersonaId


@dataclass(frozen=True, slots=True)
class RevealMe:
    """Show these members who I am; everybody who is in, where none is named. It cannot be taken back."""

    dialogue: DialogueId
    members: frozenset[PersonaId] = frozenset()


@dataclass(frozen=True, slots=True)
class Verify:
    """The person looks at a member's safety number; `same`: they compared it, and it was the same."""

    dialogue: DialogueId
    member: PersonaId
    same: bool = False


@dataclass(frozen=True, slots=True)
class KeepContact:
    """Keep a member of a dialogue as a contact, under a name that nobody else ever sees."""

    dialogue: DialogueId
    member: PersonaId
    name: str


@dataclass(frozen=True, slots=True)
class NameContact:
    """Call the contact with this root otherwise."""

    root: bytes
    name: str


@dataclass(frozen=True, slots=True)
class ForgetContact:
    """Keep the contact with this root no longer."""

    root: bytes


@dataclass(frozen=True, slots=True)
class OfferInvite:
    """Send the contact with this root an invite of mine, as text, and the title of what it leads to."""

    root: bytes
    invite: str = field(repr=False)
    title: str


@dataclass(frozen=True, slots=True)
class DismissOffer:
    """Say no to an invite of a contact; they are not told."""

    offer: bytes


@dataclass(frozen=True, slots=True)
class SetReceipts:
    """Tell others what has been received, or stop telling them."""

    on: bool


@dataclass(frozen=True, slots=True)
class ConfirmClock:
    """This machine's clock is right: what is past its time may be erased."""


@dataclass(frozen=True, slots=True)
class KeepSteward:
    """Hold this steward's key of a commons (32 bytes, fresh), unless one is held."""

    commons: CommonsId
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReviseCard:
    """Change the card of a commons, as one of its stewards; None leaves a part as it is."""

    commons: CommonsId
    relays: tuple[Relay, ...] | None = None
    seeds: tuple[Relay, ...] | None = None
    stewards: Stewards | None = None


@dataclass(frozen=True, slots=True)
class SignProposal:
    """Agree, as a steward, to the proposed card of this id."""

    commons: CommonsId
    card: bytes


Acquaint = RevealMe | Verify | KeepContact | NameContact | ForgetContact | OfferInvite | DismissOffer
"""Commands about who people are."""

Command = (
    NewDialogue
    | MakeInvite
    | Join
    | SayText
    | Utter
    | Endorse
    | AdmitKnock
    | RefuseKnock
    | RemoveMember
    | SetRole
    | SignAct
    | Facilitate
    | OpenBreakout
    | OpenCorridor
    | InCorridor
    | AnswerCorridor
    | AcceptRules
    | LeaveDialogue
    | MarkSeen
    | MarkChecked
    | Acquaint
    | SetReceipts
    | KeepSteward
    | ReviseCard
    | SignProposal
    | ConfirmClock
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A person's command; answered by exactly one `Reply` or `Refuse` with the same id."""

    id: int
    command: Command


@dataclass(frozen=True, slots=True)
class CardFollowed:
    """The node follows this chain of a commons' cards; also said once at each unlock."""

    commons: CommonsId
    chain: Chain


@dataclass(frozen=True, slots=True)
class CardProposed:
    """A commons' card that lacks signatures was met."""

    commons: CommonsId
    card: SignedCard


Input = (
    FrameArrived
    | FrameKept
    | HpkeSealed
    | TimerFired
    | Reachable
    | ClockSeen
    | CommonsAdded
    | CardFollowed
    | CardProposed
    | Ask
)
