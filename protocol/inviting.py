"""The inviter's side: invites handed out, knocks that came, admissions and welcomes.

Implements docs/spec/invite.md and PROTOCOL §4. A knock is admitted at once while the invite's uses and time remain,
unless the invite asks; all knocks gathered in two seconds become one admission. Every knock gets an answer: a
welcome with the checkpoint and the secrets, or a refusal that says which reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tertulia.protocol import hpke
from tertulia.protocol.card import Card, card_hash, knock_info
from tertulia.protocol.charter import LIMIT_MEMBERS
from tertulia.protocol.dialogue import Standing
from tertulia.protocol.effects import SetTimer, Table, View
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.event import CONTROL, Kind
from tertulia.protocol.fold import checkpoint_of
from tertulia.protocol.ids import DialogueId, PersonaId
from tertulia.protocol.invite import Fault
from tertulia.protocol.knock import LIMIT_KNOCK, Knock, knock_id, knock_keys
from tertulia.protocol.newcomer import Newcomer
from tertulia.protocol.outbox import Entry, lane_of_keys
from tertulia.protocol.persona import persona_id
from tertulia.protocol.recogniser import ALWAYS, OnKnock, Trial
from tertulia.protocol.roster import Admit
from tertulia.protocol.shape import as_bytes, as_int, as_list
from tertulia.protocol.welcome import Welcome, refusal, welcome_keys

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.item import Item
    from tertulia.protocol.share import Share
    from tertulia.protocol.turn import Turn

GATHER_MS: Final = 2_000
"""How long knocks are gathered before one admission takes them all."""
LIMIT_NEWCOMERS: Final = 16
"""Newcomers of one admission."""
LIMIT_KNOCKS: Final = 256
"""Knocks remembered for one invite; more are not looked at."""
LIMIT_ROW: Final = 64 * 1024
"""Bytes of one vault row of an invite or a knock."""
MINUTES_PER_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Inviting:
    """An invite of mine: its card, and the key that opens knocks on it."""

    id: bytes
    dialogue: DialogueId
    secret: bytes = field(repr=False)
    hpke_seed: bytes = field(repr=False)
    card: Card = field(repr=False)

    def encode(self) -> bytes:
        """Its vault row."""
        return encode([self.dialogue, self.secret, self.hpke_seed, self.card.to_item().body])


class KnockState(IntEnum):
    """What has become of a knock."""

    HELD = 1
    GATHERED = 2
    ADMITTED = 3
    WELCOMED = 4
    REFUSED = 5


TAKEN: Final = (KnockState.GATHERED, KnockState.ADMITTED, KnockState.WELCOMED)


@dataclass(frozen=True, slots=True)
class Knocking:
    """A knock on one of my invites."""

    id: bytes
    invite: bytes
    dialogue: DialogueId
    plaintext: bytes = field(repr=False)
    knock: Knock = field(repr=False)
    state: KnockState
    time: int

    def persona(self, dialogue: DialogueId) -> PersonaId:
        """Who it would be in the dialogue."""
        return persona_id(dialogue, self.knock.keys)

    def encode(self) -> bytes:
        """Its vault row."""
        return encode([self.invite, self.dialogue, self.plaintext, int(self.state), self.time])


def load_invites(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Inviting]:
    """Raises: RemoteError when a row is not one of ours."""
    found = {}
    for key, row in rows:
        dialogue, secret, seed, card = as_list(decode(row, LIMIT_ROW), 4)
        found[key] = Inviting(
            key, DialogueId(as_bytes(dialogue, 32)), as_bytes(secret, 16), as_bytes(seed, 96), Card.from_value(card)
        )
    return found


def load_knocks(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Knocking]:
    """Raises: RemoteError when a row is not one of ours."""
    found = {}
    for key, row in rows:
        invite, dialogue, plaintext, state, time = as_list(decode(row, LIMIT_ROW), 5)
        text = as_bytes(plaintext)
        found[key] = Knocking(
            key,
            as_bytes(invite, 32),
            DialogueId(as_bytes(dialogue, 32)),
            text,
            Knock.read(text),
            KnockState(as_int(state, 1, 5)),
            as_int(time, 0, 1 << 62),
        )
    return found


def trial(invite: Inviting) -> Trial:
    """Knocks on this invite."""
    return Trial(knock_keys(invite.secret), ALWAYS, OnKnock(invite.id))


def take_knock(core: Core, turn: Turn, invite_key: bytes, item: Item) -> None:
    """Somebody knocks.

    Raises: RemoteError when the knock is not sealed to this invite's card or is malformed.
    """
    invite = core.invites[invite_key]
    before = [knock for knock in core.knocks.values() if knock.invite == invite_key]
    plaintext = hpke.unseal(invite.hpke_seed, knock_info(invite.card), as_bytes(item.body, most=LIMIT_KNOCK))
    if plaintext is None:
        raise RemoteError(RejectReason.SEAL)
    knock = Knock.verified(plaintext, invite.card)
    key = knock_id(plaintext)
    if key in core.knocks or len(before) >= LIMIT_KNOCKS:
        return
    dialogue = core.dialogues[invite.dialogue]
    found = Knocking(key, invite_key, invite.dialogue, plaintext, knock, KnockState.HELD, turn.now)
    if found.persona(invite.dialogue) in dialogue.state.members:
        return
    fault = Fault.REFUSED if dialogue.standing is not Standing.IN else obstacle(core, invite)
    if fault is None and invite.card.expires <= turn.minute:
        fault = Fault.EXPIRED
    if fault is not None:
        answer(core, turn, found, fault)
    elif invite.card.ask:
        keep(core, turn, found)
    else:
        gather(core, turn, found)


def obstacle(core: Core, invite: Inviting) -> Fault | None:
    """Why nobody more can come in by this invite, if so; a knock that came in time may be held as long as one likes."""
    taken = sum(knock.state in TAKEN for knock in core.knocks.values() if knock.invite == invite.id)
    if taken >= invite.card.uses:
        return Fault.USED_UP
    people = len(core.dialogues[invite.dialogue].state.roster) + _on_the_way(core, invite.dialogue)
    return Fault.FULL if people >= LIMIT_MEMBERS else None


def _on_the_way(core: Core, dialogue: DialogueId) -> int:
    return sum(knock.dialogue == dialogue and knock.state is KnockState.GATHERED for knock in core.knocks.values())


def keep(core: Core, turn: Turn, knock: Knocking) -> None:
    """Write a knock as it now stands."""
    core.knocks[knock.id] = knock
    turn.put(Table.KNOCK, knock.id, knock.encode())
    turn.changed(View.KNOCKS)


def gather(core: Core, turn: Turn, knock: Knocking) -> None:
    """This knock is to be part of the next admission."""
    keep(core, turn, replace(knock, state=KnockState.GATHERED))
    turn.emit(SetTimer(f"admit:{knock.dialogue.hex()}", turn.now + GATHER_MS))


def answer(core: Core, turn: Turn, knock: Knocking, fault: Fault) -> None:
    """Refuse a knock and tell the guest which reason."""
    keep(core, turn, replace(knock, state=KnockState.REFUSED))
    _send(core, turn, knock, refusal(fault))


def admit_gathered(core: Core, turn: Turn, key: DialogueId) -> None:
    """Admit everybody gathered, in one signed act of at most sixteen."""
    dialogue = core.own(key)
    gathered = [knock for knock in core.knocks.values() if knock.dialogue == key and knock.state is KnockState.GATHERED]
    now, later = gathered[:LIMIT_NEWCOMERS], gathered[LIMIT_NEWCOMERS:]
    if not now or dialogue.standing is not Standing.IN:
        return
    body = Admit(tuple(_newcomer(core, knock) for knock in now))
    dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
    for knock in now:
        keep(core, turn, replace(knock, state=KnockState.ADMITTED))
    if later:
        turn.emit(SetTimer(f"admit:{key.hex()}", turn.now))


def _newcomer(core: Core, knock: Knocking) -> Newcomer:
    said = knock.knock
    return Newcomer(
        keys=said.keys,
        session=said.session,
        prekeys=said.prekeys[:1],  # what a welcome is sealed to; with more, sixteen would not fit one event
        nickname=said.nickname,
        card_hash=card_hash(core.invites[knock.invite].card),
        knock_id=knock.id,
    )


def welcome(core: Core, turn: Turn, dialogue: Dialogue, knock_key: bytes, shares: tuple[Share, ...]) -> None:
    """Hand a newcomer the checkpoint and the secrets of the epochs they may open."""
    knock = core.knocks[knock_key]
    checkpoint = checkpoint_of(dialogue.state, dialogue.me)
    keep(core, turn, replace(knock, state=KnockState.WELCOMED))
    _send(core, turn, knock, Welcome(checkpoint.to_value(), shares))


def _send(core: Core, turn: Turn, knock: Knocking, words: Welcome) -> None:
    commons = core.dialogues[knock.dialogue].commons
    lane = lane_of_keys(welcome_keys(knock.knock.welcome_secret))
    core.outbox.queue(turn, Entry(commons, lane, (words.to_item(),)))


def expire(core: Core, turn: Turn) -> None:
    """Forget invites, with their keys and knocks, once no knock on them can arrive any more."""
    if not core.time.is_sure:
        return
    for key, invite in tuple(core.invites.items()):
        if invite.card.expires + invite.card.retention_days * MINUTES_PER_DAY < turn.minute:
            del core.invites[key]
            turn.erase(Table.INVITE, key)
            for knock in [knock for knock in core.knocks.values() if knock.invite == key]:
                del core.knocks[knock.id]
                turn.erase(Table.KNOCK, knock.id)
    core.keys_changed()
