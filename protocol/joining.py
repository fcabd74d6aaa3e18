"""The guest's side: from an invite to a seat, however long the inviter is away.

Implements docs/spec/invite.md and PROTOCOL §4. LOOKING for the card, then KNOCKED, then ADMITTED or REFUSED. Each step
is one vault row, so the join goes on at every later start. Nothing of the guest's is sent before the card has proved
to be the one the invite names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tertulia.protocol import keyring, retelling
from tertulia.protocol.card import Card, card_keys
from tertulia.protocol.charter import charter_hash
from tertulia.protocol.checkpoint import Checkpoint
from tertulia.protocol.crypto import digest
from tertulia.protocol.dialogue import Dialogue, Standing
from tertulia.protocol.effects import Table, View
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.epoch import first_minute
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, LIMIT_LAMPORT
from tertulia.protocol.ids import CommonsId, DialogueId
from tertulia.protocol.invite import Fault
from tertulia.protocol.knock import Knock, knock_item, knock_keys, make_knock, short_code
from tertulia.protocol.labels import Label
from tertulia.protocol.outbox import Entry, lane_of_keys
from tertulia.protocol.persona import Persona, new_persona, persona_id
from tertulia.protocol.prekey import PrekeySecret, new_prekey
from tertulia.protocol.recogniser import ALWAYS, OnCard, OnWelcome, Trial
from tertulia.protocol.rotation import keys_timer, speak_up
from tertulia.protocol.sending import send_control, send_room
from tertulia.protocol.session import Session, new_session
from tertulia.protocol.shape import as_bytes, as_int, as_list, as_text
from tertulia.protocol.share import open_share, share_context
from tertulia.protocol.welcome import Welcome, welcome_keys

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.crypto import Entropy
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.event import Event
    from tertulia.protocol.item import Item
    from tertulia.protocol.state import EpochFact
    from tertulia.protocol.turn import Turn

LIMIT_ROW: Final = 64 * 1024
"""Bytes of one vault row of a join."""
LIMIT_TEXT: Final = 1_024
LIMIT_LAMPORT_TOLD: Final = LIMIT_LAMPORT // 2
"""Highest lamport that a welcome may tell of: there must be room to go on."""
WELCOME_SECRET: Final = 32


@dataclass(frozen=True, slots=True)
class KnockJob:
    """Sealing my knock to the inviter's card."""

    join: bytes


class JoinState(IntEnum):
    """How far a join has come."""

    LOOKING = 1
    KNOCKED = 2
    ADMITTED = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """The keys I knocked with, and the knock they made."""

    persona: Persona = field(repr=False)
    session: Session = field(repr=False)
    prekey: PrekeySecret = field(repr=False)
    knock: Knock = field(repr=False)

    def to_value(self) -> Value:
        """The private halves and the knock's plaintext."""
        return [
            self.persona.sign_seed,
            self.persona.box_secret,
            [self.session.seed, self.session.start, self.session.end],
            [self.prekey.box_secret, self.prekey.hpke_seed, self.prekey.born, self.prekey.retention_days],
            self.knock.encoded(),
        ]

    @classmethod
    def from_value(cls, value: Value) -> Candidate:
        """Raises: RemoteError when the row is not one of ours."""
        sign, box, session, prekey, knock = as_list(value, 5)
        seed, start, end = as_list(session, 3)
        secret, hpke_seed, born, days = as_list(prekey, 4)
        return cls(
            Persona(as_bytes(sign, 32), as_bytes(box, 32)),
            Session(as_bytes(seed, 32), as_int(start, 0, 1 << 40), as_int(end, 0, 1 << 40)),
            PrekeySecret(as_bytes(secret, 32), as_bytes(hpke_seed, 96), as_int(born, 0, 1 << 40), as_int(days, 1, 365)),
            Knock.read(as_bytes(knock)),
        )


@dataclass(frozen=True, slots=True)
class Joining:
    """One invite of somebody else's that I hold."""

    id: bytes
    commons: CommonsId
    secret: bytes = field(repr=False)
    nick: str
    state: JoinState
    card: Card | None = field(default=None, repr=False)
    mine: Candidate | None = field(default=None, repr=False)
    dialogue: DialogueId | None = None
    fault: str = ""
    compared: str = ""
    """The short code, once the knock it was made of is forgotten."""

    def encode(self) -> bytes:
        """Its vault row."""
        return encode([
            self.commons,
            self.secret,
            self.nick,
            int(self.state),
            None if self.card is None else self.card.to_item().body,
            None if self.mine is None else self.mine.to_value(),
            self.dialogue,
            self.fault,
            self.compared,
        ])  # fmt: skip

    @property
    def code(self) -> str:
        """The short code that guest and inviter compare; empty before the knock."""
        if self.card is None or self.mine is None:
            return self.compared
        return short_code(self.card, self.mine.knock)


def load(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Joining]:
    """Raises: RemoteError when a row is not one of ours."""
    found = {}
    for key, row in rows:
        values = [*as_list(decode(row, LIMIT_ROW), most=9), ""][:9]  # before the code was kept there were eight
        commons, secret, nick, state, card, mine, dialogue, fault, compared = as_list(values, 9)
        found[key] = Joining(
            key,
            CommonsId(as_bytes(commons, 32)),
            as_bytes(secret, 16),
            as_text(nick, LIMIT_TEXT),
            JoinState(as_int(state, 1, 4)),
            None if card is None else Card.from_value(card),
            None if mine is None else Candidate.from_value(mine),
            None if dialogue is None else DialogueId(as_bytes(dialogue, 32)),
            as_text(fault, LIMIT_TEXT),
            as_text(compared, LIMIT_TEXT),
        )
    return found


def join_id(secret: bytes) -> bytes:
    """The 32-byte name under which both sides keep an invite: a hash of its secret."""
    return digest(Label.INVITE_NAME, secret)


def begin(core: Core, turn: Turn, commons: CommonsId, secret: bytes, nick: str) -> Joining:
    """Hold an invite and look for its card; one held already goes on as it is."""
    key = join_id(secret)
    if key in core.joins:
        return core.joins[key]
    join = Joining(key, commons, secret, nick, JoinState.LOOKING)
    _keep(core, turn, join)
    core.rescan(turn, commons, 0)
    return join


def _keep(core: Core, turn: Turn, join: Joining) -> None:
    core.joins[join.id] = join
    turn.put(Table.JOIN, join.id, join.encode())
    turn.changed(View.JOINS)
    core.keys_changed()


def trials(join: Joining) -> Iterator[Trial]:
    """What this join is waiting for."""
    if join.state is JoinState.LOOKING and join.card is None:
        yield Trial(card_keys(join.secret), ALWAYS, OnCard(join.id))
    if join.state is JoinState.KNOCKED and join.mine is not None:
        yield Trial(welcome_keys(join.mine.knock.welcome_secret), ALWAYS, OnWelcome(join.id))


def take_card(core: Core, turn: Turn, key: bytes, item: Item) -> None:
    """The card: check that it is the one, draw my keys, and have the knock sealed.

    Raises: RemoteError when it is not the card this invite names.
    """
    join = core.joins[key]
    if join.card is not None:  # twice in one frame
        return
    try:
        card = Card.from_item(item, join.secret)
    except RemoteError:
        _keep(core, turn, replace(join, fault=Fault.FALSE_CARD.value))
        raise
    _rename(core, turn, join.commons, card)
    join = replace(join, fault="")
    known = core.dialogues.get(card.dialogue)
    if known is not None and known.standing is Standing.IN:
        _keep(core, turn, replace(join, card=card, state=JoinState.ADMITTED, dialogue=card.dialogue))
        return
    if card.expires <= turn.minute:
        _keep(core, turn, replace(join, card=card, state=JoinState.REFUSED, fault=Fault.EXPIRED.value))
        return
    mine = _candidate(turn.entropy, turn.minute, card, join.nick)
    _keep(core, turn, replace(join, card=card, mine=mine))
    core.seal(turn, KnockJob(key), (mine.knock.request(card),))


def _candidate(entropy: Entropy, minute: int, card: Card, nick: str) -> Candidate:
    persona = new_persona(entropy)
    session = new_session(entropy, minute)
    prekey = new_prekey(entropy, minute, card.retention_days)
    rules = charter_hash(card.charter)
    knock = make_knock(card, persona, session, (prekey.public,), nick, entropy(WELCOME_SECRET), rules)
    return Candidate(persona, session, prekey, knock)


def _rename(core: Core, turn: Turn, key: CommonsId, card: Card) -> None:
    """The card says what the community calls itself, and whose word counts in it; what is known already stays."""
    commons = core.commons[key]
    told = replace(commons, name=commons.name or card.commons_name, stewards=commons.stewards or card.stewards)
    if told != commons:
        core.commons[key] = told
        turn.put(Table.COMMONS, key, encode(core.commons[key].to_value()))
        turn.changed(View.STATUS)


def knock_sealed(core: Core, turn: Turn, key: bytes, ciphertext: bytes) -> None:
    """The knock can go out; from now on the welcome is looked for."""
    join = replace(core.joins[key], state=JoinState.KNOCKED)
    _keep(core, turn, join)
    core.outbox.queue(turn, Entry(join.commons, lane_of_keys(knock_keys(join.secret)), (knock_item(ciphertext),)))


def resume(core: Core, turn: Turn, join: Joining) -> None:
    """After a restart: the sealing of the knock may have been lost with the process."""
    if join.state is JoinState.LOOKING and join.card is not None and join.mine is not None:
        core.seal(turn, KnockJob(join.id), (join.mine.knock.request(join.card),))


def take_welcome(core: Core, turn: Turn, key: bytes, item: Item) -> None:
    """The inviter's answer: a seat, or a reason.

    Raises: RemoteError when it is not a welcome to the dialogue of the card, for me.
    """
    join = core.joins[key]
    welcome = Welcome.from_item(item)
    if join.card is None or join.mine is None:  # a join that waits for a welcome has both
        raise RemoteError(RejectReason.SHAPE)
    if welcome.fault is not None:
        _keep(core, turn, replace(join, state=JoinState.REFUSED, fault=welcome.fault.value))
        return
    checkpoint = Checkpoint.from_value(welcome.checkpoint)
    dialogue = _seat(join, join.card, join.mine, checkpoint)
    opened = _opened(dialogue, join.mine.prekey, welcome)
    if not any(keyring.opens_a_door(dialogue, fact) for fact, _secret in opened):
        raise RemoteError(RejectReason.SEAL, "welcome without a door")
    before = core.dialogues.get(dialogue.id)
    core.adopt(turn, dialogue)
    dialogue.hold_checkpoint(turn, checkpoint)
    dialogue.hold_session(turn, join.mine.session)
    dialogue.hold_prekey(turn, join.mine.prekey)
    for fact, secret in opened:
        keyring.hold(dialogue, turn, fact, secret)
        core.rescan(turn, dialogue.commons, first_minute(fact.epoch.created))
    _keep(core, turn, replace(join, state=JoinState.ADMITTED, dialogue=dialogue.id, mine=None, compared=join.code))
    if before is not None:
        _tell_unsaid(core, turn, dialogue, retelling.unsaid(before, checkpoint))
    charter = dialogue.state.charter
    speak_up(core, turn, dialogue, accepts=charter is not None and not charter.is_read_first)
    keys_timer(turn, dialogue)


def _tell_unsaid(core: Core, turn: Turn, dialogue: Dialogue, events: Iterable[Event]) -> None:
    """I am in again: queue what I wrote before and nobody may have, but for what still waits."""
    for event in events:
        if not core.outbox.is_waiting(event.id):
            send = send_control if event.header.room == CONTROL else send_room
            send(core, turn, dialogue, event)


def _seat(join: Joining, card: Card, mine: Candidate, checkpoint: Checkpoint) -> Dialogue:
    me = mine.persona.id(card.dialogue)
    dialogue = Dialogue(
        id=card.dialogue,
        commons=join.commons,
        persona=mine.persona,
        me=me,
        session=mine.session,
        checkpoint=checkpoint,
    )
    state = dialogue.state
    seated = state.members.get(me)
    inviter = persona_id(card.dialogue, card.inviter)
    if not state.rooms or not state.control_heads or max(state.lamports.values()) > LIMIT_LAMPORT_TOLD:
        raise RemoteError(RejectReason.SHAPE, "a checkpoint that nobody could go on from")
    if (
        checkpoint.dialogue != card.dialogue
        or seated is None
        or seated.session != mine.session.actor
        or inviter not in state.members
        or checkpoint.told_by != inviter
    ):
        raise RemoteError(RejectReason.SHAPE, "welcome")
    return dialogue


def _opened(dialogue: Dialogue, prekey: PrekeySecret, welcome: Welcome) -> list[tuple[EpochFact, bytes]]:
    """The secrets in the welcome that open and are what their announcements committed to."""
    facts = dialogue.state.epochs
    found = []
    for share in welcome.shares:
        sender = dialogue.state.members.get(share.sender)
        if share.epoch not in facts or sender is None or share.prekey != prekey.public.id:
            continue
        fact = facts[share.epoch]
        context = share_context(fact.epoch, share.sender, dialogue.me, share.prekey)
        secret = open_share(share, prekey, sender.keys, context, fact.epoch.commitment)
        if secret is not None:
            found.append((fact, secret))
    return found


def words(state: JoinState) -> str:
    """The state as the control socket says it."""
    return {JoinState.LOOKING: "looking", JoinState.KNOCKED: "knocked", JoinState.ADMITTED: "admitted"}.get(
        state, "refused"
    )
