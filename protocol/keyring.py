"""Which group secrets a member may seal under and which it can open with; making and erasing them.

Implements docs/spec/keys.md (epochs, doors) on top of `protocol.epoch`'s bytes. An epoch is usable for sending
only when its recipients equal the roster under every control event held, it is not voided, its secret is held,
and it is younger than a day; mine and facilitators' go before others', who may have shared theirs with some only.
A door is derived from the first epoch of a roster and outlives that epoch's secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.protocol import epoch as epochs
from tertulia.protocol.effects import Table
from tertulia.protocol.epoch import Epoch
from tertulia.protocol.event import CONTROL, Event, Kind
from tertulia.protocol.ids import EpochId, EventId, PersonaId, RoomId
from tertulia.protocol.lineage import past
from tertulia.protocol.prekey import Prekey, is_live
from tertulia.protocol.roster import Announce
from tertulia.protocol.share import HpkeRequest, Share, share_context, share_plaintext

if TYPE_CHECKING:
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.state import EpochFact
    from tertulia.protocol.turn import Turn

LIMIT_PARENT_EPOCHS: Final = 4
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 24
MINUTES_PER_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Recipient:
    """Someone a secret is shared with: their persona and the prekey it is sealed to."""

    persona: PersonaId
    prekey: Prekey


@dataclass(frozen=True, slots=True)
class EpochJob:
    """An epoch whose shares are being sealed outside the core."""

    epoch: Epoch
    secret: bytes = field(repr=False)
    recipients: tuple[Recipient, ...]


def usable(dialogue: Dialogue, minute: int, room: RoomId | None = None) -> Epoch | None:
    """The epoch to send under at this minute in a room: a trusted one, no ancestor of another such, then the lowest id.

    Who keeps the room speaks under no other. Nobody is steered by an epoch that was shared with some only, unless there
    is nothing else; who cannot open that one asks for it (answering.py).
    """
    state = dialogue.state
    fit = {
        fact.epoch.id
        for fact in state.epochs.values()
        if _is_for(dialogue, fact, room)
        and fact.epoch.id in dialogue.secrets
        and epochs.may_seal(fact.epoch.created, minute)
    }
    trusted = {key for key in fit if _is_trusted(dialogue, key)}
    if trusted or keeps(dialogue, room):
        fit = trusted
    newest = fit - _ancestors(dialogue, fit)
    return state.epochs[min(newest)].epoch if newest else None


def _is_for(dialogue: Dialogue, fact: EpochFact, room: RoomId | None) -> bool:
    """Whether an epoch is for those who take part now in a breakout, or, where none is named, for everybody."""
    state, made_in = dialogue.state, fact.epoch.room
    right = made_in == room if room is not None and state.is_apart(room) else not state.is_apart(made_in)
    return right and not fact.voided and fact.epoch.roster_hash == state.roster_hash_of(made_in)


def keeps(dialogue: Dialogue, room: RoomId | None = None) -> bool:
    """Whether it is for me to make epochs in a room: I facilitate, or report back from it."""
    member = dialogue.member
    return member is not None and (member.facilitator or _reports(dialogue, room, dialogue.me))


def _reports(dialogue: Dialogue, room: RoomId | None, persona: PersonaId) -> bool:
    found = None if room is None else dialogue.state.rooms.get(room)
    return found is not None and found.breakout is not None and found.breakout.rapporteur == persona


def _is_trusted(dialogue: Dialogue, epoch: EpochId) -> bool:
    """Whether I made it, and know with whom I shared it; or a facilitator did, who is trusted with the roster, or whom
    they named to report back from that room.
    """
    made = dialogue.state.epochs[epoch].epoch
    facilitates = dialogue.state.members[made.sealer].facilitator
    return made.sealer == dialogue.me or facilitates or _reports(dialogue, made.room, made.sealer)


def _ancestors(dialogue: Dialogue, of: set[EpochId]) -> set[EpochId]:
    facts = dialogue.state.epochs
    found: set[EpochId] = set()
    walk = set(of)
    while walk:
        parents = {parent for key in walk if key in facts for parent in facts[key].epoch.parents}
        walk = parents - found
        found |= parents
    return found


def has_epoch(
    dialogue: Dialogue, sealer: PersonaId | None = None, since: int = 0, room: RoomId | None = None
) -> bool:
    """Whether any epoch, mine to open or not, was made for the present roster of a room; by this sealer, since then."""
    return any(
        _is_for(dialogue, fact, room) and sealer in {None, fact.epoch.sealer} and fact.epoch.created >= since
        for fact in dialogue.state.epochs.values()
    )


def can_let_in(dialogue: Dialogue) -> bool:
    """Whether I hold a secret that opens a door of the present roster, to share with who has none."""
    facts = dialogue.state.epochs
    return any(opens_a_door(dialogue, facts[key]) for key in dialogue.secrets.keys() & facts.keys())


def roots(dialogue: Dialogue, epoch: EpochId) -> frozenset[EpochId]:
    """The epochs that open the doors behind which this one stands; itself where it opens one. Empty where unknown.

    Epochs of breakouts open none: what goes behind a door is for everybody.
    """
    facts = dialogue.state.epochs
    if dialogue.rooted[0] is not facts:
        common = {key: fact for key, fact in facts.items() if not dialogue.state.is_apart(fact.epoch.room)}
        dialogue.rooted = facts, rooted(common, dialogue.state.retention_days * MINUTES_PER_DAY // 3)
    return dialogue.rooted[1].get(epoch, frozenset())


def rooted(facts: Mapping[EpochId, EpochFact], life: int) -> dict[EpochId, frozenset[EpochId]]:
    """For each epoch those that open its doors: the first of its roster, and the first made so many minutes after it.

    So a door is never much older than secrets are kept, and whoever comes back can still be given one.
    """
    found: dict[EpochId, frozenset[EpochId]] = {}
    for key in facts:
        walk = [key]
        while walk:
            here = facts[walk[-1]].epoch
            same = {p for p in here.parents if p in facts and facts[p].epoch.roster_hash == here.roster_hash}
            open_ones = same - found.keys()
            if open_ones:  # ids are hashes over the parents' ids: this ends
                walk.extend(open_ones)
                continue
            before = frozenset().union(*(found[parent] for parent in same))
            old = all(facts[root].epoch.created + life <= here.created for root in before)
            found[here.id] = frozenset({here.id}) if old else before
            walk.pop()
    return found


def door_of(dialogue: Dialogue, epoch: EpochId) -> EpochId | None:
    """The epoch whose door stands for this epoch's roster, if I hold that door."""
    return _best(dialogue, (root for root in roots(dialogue, epoch) if root in dialogue.doors))


def _best(dialogue: Dialogue, doors: Iterable[EpochId]) -> EpochId | None:
    """Of several doors the one that most can open: a trusted one whose secret is still shared out, then the newest."""
    facts = dialogue.state.epochs
    ranked = (
        (not (_is_trusted(dialogue, door) and door in dialogue.secrets), -facts[door].epoch.created, door)
        for door in doors
    )
    return min(ranked, default=(True, 0, None))[2]


def current_door(dialogue: Dialogue) -> EpochId | None:
    """The door that the present roster stands behind, if I hold it: a trusted epoch's before any other's."""
    state = dialogue.state
    doors = {
        door_of(dialogue, fact.epoch.id)
        for fact in state.epochs.values()
        if not fact.voided and fact.epoch.roster_hash == state.roster_hash
    }
    return _best(dialogue, (door for door in doors if door is not None))


def spoken_door(dialogue: Dialogue) -> EpochId | None:
    """The door to speak behind for who will hold no later one: the present roster's, or else the one before."""
    door = current_door(dialogue)
    return next((door_of(dialogue, key) for key in frontier(dialogue)), None) if door is None else door


def frontier(dialogue: Dialogue, room: RoomId | None = None) -> tuple[EpochId, ...]:
    """The epochs that a new one supersedes: those that are nobody's parent; mine first, then facilitators', then lowest
    ids, at most four.

    Their doors are where the new one is made known, so only those count behind whose door I can speak, and one is
    superseded only by somebody who knew of it: else a member could cut all others off by an announcement of nothing.
    In a breakout they are made known behind the door of all, and those count whose secret I hold.
    """
    every = {key: fact for key, fact in dialogue.state.epochs.items() if not fact.voided}
    if room is not None and dialogue.state.is_apart(room):
        facts = {key: fact for key, fact in every.items() if fact.epoch.room == room and key in dialogue.secrets}
    else:
        facts = {key: fact for key, fact in every.items() if door_of(dialogue, key) is not None}
    superseded = {
        parent
        for fact in facts.values()
        for parent in fact.epoch.parents
        if parent in facts and dialogue.state.is_before(facts[parent].event, fact.event)
    }
    newest = sorted(
        (facts[key].epoch.sealer != dialogue.me, not _is_trusted(dialogue, key), key)
        for key in facts
        if key not in superseded
    )
    return tuple(key for _mine, _trusted, key in newest[:LIMIT_PARENT_EPOCHS])


def live_prekey(dialogue: Dialogue, persona: PersonaId, minute: int) -> Prekey | None:
    """The newest prekey of a member that may still be sealed to."""
    days = dialogue.state.retention_days
    prekeys = dialogue.state.members[persona].prekeys
    return next((key for key in prekeys if key.retention_days == days and is_live(key, minute)), None)


def prepare(dialogue: Dialogue, turn: Turn, room: RoomId | None = None) -> EpochJob:
    """Draw a fresh secret for the present roster of a room; its shares are then sealed by the driver."""
    state = dialogue.state
    place = dialogue.plenary if room is None else room
    secret = turn.entropy(SECRET_BYTES)
    epoch = epochs.make_epoch(
        dialogue=dialogue.id,
        room=place,
        parents=frontier(dialogue, place),
        roster_hash=state.roster_hash_of(place),
        sealer=dialogue.me,
        commitment=epochs.commitment(secret),
        created=turn.minute,
    )
    found = (
        (persona, live_prekey(dialogue, persona, turn.minute))
        for persona in sorted(state.rooms[place].members)
        if persona != dialogue.me
    )
    recipients = tuple(Recipient(persona, prekey) for persona, prekey in found if prekey is not None)
    return EpochJob(epoch, secret, recipients)


def requests(
    dialogue: Dialogue, turn: Turn, epoch: Epoch, secret: bytes, recipients: tuple[Recipient, ...]
) -> tuple[HpkeRequest, ...]:
    """What the driver must seal so that each recipient can open this epoch; I am the sender of every share."""
    out = []
    for to in recipients:
        context = share_context(epoch, dialogue.me, to.persona, to.prekey.id)
        inner = share_plaintext(
            dialogue.persona.box_secret, to.prekey.box, turn.entropy(NONCE_BYTES), context, secret
        )
        out.append(HpkeRequest(to.prekey.hpke, context, inner))
    return tuple(out)


def shares(
    dialogue: Dialogue, epoch: Epoch, recipients: tuple[Recipient, ...], sealed: tuple[bytes, ...]
) -> tuple[Share, ...]:
    """The shares the driver has sealed, in the recipients' order."""
    pairs = zip(recipients, sealed, strict=True)
    return tuple(Share(epoch.id, dialogue.me, to.prekey.id, box) for to, box in pairs)


def announce(dialogue: Dialogue, turn: Turn, job: EpochJob) -> Event:
    """Record the epoch in the control room and hold its secret."""
    epoch = job.epoch
    body = Announce(epoch.room, epoch.parents, epoch.roster_hash, epoch.commitment, epoch.created)
    event = dialogue.author(turn, CONTROL, Kind.ROSTER, body.encode())
    hold(dialogue, turn, dialogue.state.epochs[epoch.id], job.secret)
    return event


def hold(dialogue: Dialogue, turn: Turn, fact: EpochFact, secret: bytes) -> None:
    """Keep an epoch's secret, and its door when it is the first epoch of its roster."""
    key = fact.epoch.id
    dialogue.secrets[key] = secret
    turn.put(Table.EPOCH, dialogue.id + key, secret)
    if key in roots(dialogue, key):
        dialogue.doors[key] = epochs.door_secret(secret)
        turn.put(Table.DOOR, dialogue.id + key, dialogue.doors[key])


def opens_a_door(dialogue: Dialogue, fact: EpochFact) -> bool:
    """Whether holding this epoch's secret lets me through the door of the present roster."""
    return fact.epoch.roster_hash == dialogue.state.roster_hash and fact.epoch.id in roots(dialogue, fact.epoch.id)


def unheard(dialogue: Dialogue, since: EventId | None) -> tuple[Event, ...]:
    """The control events held that are not in the past of `since`: what those behind an older door may lack."""
    known = past(dialogue.events, () if since is None else (since,))
    control = (event for event in dialogue.events.values() if event.header.room == CONTROL and event.id not in known)
    return tuple(sorted(control, key=lambda event: (event.header.lamport, event.id)))


def expire(dialogue: Dialogue, turn: Turn, days: int) -> bool:
    """Erase what is past its time: secrets after so many days, doors so many after their roster ended, prekeys."""
    state = dialogue.state
    horizon = turn.minute - days * MINUTES_PER_DAY
    gone = [key for key in dialogue.secrets if key in state.epochs and state.epochs[key].epoch.created < horizon]
    for key in gone:
        del dialogue.secrets[key]
        turn.erase(Table.EPOCH, dialogue.id + key)
    stale = [key for key in dialogue.doors if _door_ended(dialogue, key) < horizon]
    for key in stale:
        del dialogue.doors[key]
        turn.erase(Table.DOOR, dialogue.id + key)
    old = [key for key, secret in dialogue.prekeys.items() if not is_live(secret.public, turn.minute)]
    for prekey in old:
        dialogue.forget_prekey(turn, prekey)
    return bool(gone or stale or old)


def _door_ended(dialogue: Dialogue, door: EpochId) -> int:
    """The minute another roster's epoch, or a newer door, superseded this door; far in the future while it stands."""
    facts = dialogue.state.epochs
    if door not in facts:
        return 1 << 40
    roster = facts[door].epoch.roster_hash
    if roster == dialogue.state.roster_hash:  # it stands, until I hold another that is newer
        newer = (facts[other].epoch for other in dialogue.doors if other in facts)
        times = [one.created for one in newer if one.roster_hash == roster and one.created > facts[door].epoch.created]
        return min(times, default=1 << 40)
    later = [
        fact.epoch.created
        for fact in facts.values()
        if fact.epoch.roster_hash != roster
        and not dialogue.state.is_apart(fact.epoch.room)
        and any(parent in facts and facts[parent].epoch.roster_hash == roster for parent in fact.epoch.parents)
    ]
    return max(later, default=1 << 40)
