"""The core machine: everything one unlocked citizen's node decides, without doing any of it.

Implements docs/spec/core.md. Inputs go in (`handle`), effects come out; `settle` runs once after a batch of inputs
and does what follows from them: folding, epochs, welcomes, the outbox. A batch is handled on `stage()`, a
copy-on-write overlay; the driver commits the rows, then adopts the overlay, or forgets it when the commit failed.
Nothing here reads a clock, draws randomness of its own, or raises because of what a peer sent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from tertulia.protocol import (
    asking,
    commands,
    contact,
    contacting,
    corridors,
    delivery,
    duties,
    inviting,
    joining,
    outbox,
    revealing,
    stewarding,
    timekeeping,
)
from tertulia.protocol import dialogue as dialogues
from tertulia.protocol import parts as parts_of
from tertulia.protocol.commons import Commons
from tertulia.protocol.commons import from_value as commons_from_value
from tertulia.protocol.corridor import corridor_keys
from tertulia.protocol.crypto import Entropy
from tertulia.protocol.dialogue import Dialogue, Rows
from tertulia.protocol.effects import Effect, HpkeSeal, Put, Refuse, Rescan, SetTimer, Table, View
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError, RejectReason, RemoteError
from tertulia.protocol.event import CONTROL
from tertulia.protocol.event import from_value as event_from_value
from tertulia.protocol.frame import open as open_frame
from tertulia.protocol.ids import CommonsId, DialogueId, EventId, FrameId
from tertulia.protocol.inputs import (
    Ask,
    CardFollowed,
    CardProposed,
    ClockSeen,
    CommonsAdded,
    FrameArrived,
    FrameKept,
    HpkeSealed,
    Input,
    Reachable,
    TimerFired,
)
from tertulia.protocol.item import Assembly, Item, ItemType
from tertulia.protocol.recogniser import (
    ALWAYS,
    InDialogue,
    OnCard,
    OnContact,
    OnCorridor,
    OnKnock,
    OnWelcome,
    Recogniser,
    Target,
    Trial,
    door_trial,
    epoch_trial,
    pair_trial,
)
from tertulia.protocol.shape import as_text
from tertulia.protocol.share import Share
from tertulia.protocol.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tertulia.protocol.duties import Job
    from tertulia.protocol.share import HpkeRequest

NICK: Final = b"nick"
CLOCK: Final = b"clock"
"""The profile row with the time believed last."""
CLOCK_TIMER: Final = "clock"
OFF: Final = encode(False)
LIMIT_OPENED: Final = 8_192
"""Frames remembered as opened, so that a rescan does not open them again."""
LIMIT_PROFILE_ROW: Final = 4_096
NEWEST: Final = 90
"""Minutes ahead of now that a rescan reaches: the widest a frame may be dated."""


@dataclass(slots=True)
class Core:
    """One citizen's protocol state. Change it only through `handle` and `settle`, on an overlay from `stage`."""

    entropy: Entropy = field(repr=False)
    nick: str = ""
    receipts: bool = True
    commons: dict[CommonsId, Commons] = field(default_factory=dict)
    reachable: dict[CommonsId, int] = field(default_factory=dict)
    dialogues: dict[DialogueId, Dialogue] = field(default_factory=dict)
    invites: dict[bytes, inviting.Inviting] = field(default_factory=dict)
    stewarding: dict[CommonsId, stewarding.Stewarding] = field(default_factory=dict)
    knocks: dict[bytes, inviting.Knocking] = field(default_factory=dict)
    joins: dict[bytes, joining.Joining] = field(default_factory=dict)
    knowing: contact.Knowing = field(default_factory=contact.Knowing)
    offers: dict[bytes, contacting.Offering] = field(default_factory=dict)
    corridors: dict[bytes, corridors.Corridor] = field(default_factory=dict)
    outbox: outbox.Outbox = field(default_factory=outbox.Outbox)
    assemblies: dict[bytes, Assembly] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    rejects: Counter[RejectReason] = field(default_factory=Counter)
    dirty: set[DialogueId] = field(default_factory=set)
    heard: dict[DialogueId, list[EventId]] = field(default_factory=dict)
    """Control events that came in since the last `settle`."""
    opened: dict[FrameId, None] = field(default_factory=dict)
    next_job: int = 1
    time: timekeeping.Timekeeping = field(default_factory=timekeeping.Timekeeping)
    noted: int = 0
    """The time believed (ms) that was written down last."""
    _owned: set[DialogueId] = field(default_factory=set)
    _recogniser: Recogniser | None = None

    @classmethod
    def load(cls, rows: Rows, entropy: Entropy) -> Core:
        """The core as the vault holds it.

        Raises: RemoteError or KeyError when rows are not what this program wrote.
        """
        profile = dict(rows.get(Table.PROFILE, ()))
        found = cls(entropy, nick=as_text(decode(profile[NICK], LIMIT_PROFILE_ROW), LIMIT_PROFILE_ROW))
        found.receipts = profile.get(commands.RECEIPTS) != OFF
        found.time = timekeeping.read(profile.get(CLOCK))
        found.noted = found.time.known
        for _key, value in rows.get(Table.COMMONS, ()):
            commons = commons_from_value(decode(value, LIMIT_PROFILE_ROW))
            found.commons[commons.id] = commons
        found.dialogues = dialogues.load(rows)
        found.outbox = outbox.load(rows.get(Table.OUTBOX, ()), rows.get(Table.FRAME, ()))
        found.invites = inviting.load_invites(rows.get(Table.INVITE, ()))
        found.knocks = inviting.load_knocks(rows.get(Table.KNOCK, ()))
        found.stewarding = stewarding.load(rows.get(Table.STEWARD, ()))
        found.joins = joining.load(rows.get(Table.JOIN, ()))
        found.knowing = contact.load(rows)
        found.offers = contacting.load(rows.get(Table.OFFER, ()))
        found.corridors = corridors.load(rows.get(Table.CORRIDOR, ()))
        found.assemblies = parts_of.load(rows.get(Table.PART, ()))
        return found

    def stage(self) -> Core:
        """An overlay to handle a batch on; this core does not notice what happens to it."""
        return Core(
            entropy=self.entropy,
            nick=self.nick,
            receipts=self.receipts,
            commons=dict(self.commons),
            reachable=dict(self.reachable),
            dialogues=dict(self.dialogues),
            invites=dict(self.invites),
            stewarding=dict(self.stewarding),
            knocks=dict(self.knocks),
            joins=dict(self.joins),
            knowing=self.knowing.branch(),
            offers=dict(self.offers),
            corridors=dict(self.corridors),
            outbox=self.outbox.branch(),
            assemblies=dict(self.assemblies),
            jobs=dict(self.jobs),
            rejects=self.rejects.copy(),
            dirty=set(self.dirty),
            opened=dict(self.opened),
            next_job=self.next_job,
            time=self.time,
            noted=self.noted,
            _recogniser=self._recogniser,
        )

    def own(self, dialogue: DialogueId) -> Dialogue:
        """This dialogue, ready to be changed in this overlay; it will be settled."""
        self.dirty.add(dialogue)
        if dialogue not in self._owned:
            self._owned.add(dialogue)
            self.dialogues[dialogue] = self.dialogues[dialogue].branch()
        return self.dialogues[dialogue]

    def adopt(self, turn: Turn, dialogue: Dialogue) -> None:
        """Hold a dialogue that was just founded or joined."""
        known = self.dialogues.get(dialogue.id)
        if known is not None:
            self.own(dialogue.id).give_up_keys(turn)
            dialogue.remember(known)
        dialogue.hold_self(turn)
        dialogue.hold_persona(turn)
        self.dialogues[dialogue.id] = dialogue
        self._owned.add(dialogue.id)
        self.dirty.add(dialogue.id)
        self.keys_changed()
        turn.changed(View.DIALOGUES)

    def keys_changed(self) -> None:
        """What there is to try on a frame has changed."""
        self._recogniser = None

    def seal(self, turn: Turn, job: Job, requests: tuple[HpkeRequest, ...]) -> None:
        """Have the driver seal for this job; `HpkeSealed` goes on with it."""
        self.jobs[self.next_job] = job
        turn.emit(HpkeSeal(self.next_job, requests))
        self.next_job += 1

    def rescan(self, turn: Turn, commons: CommonsId, first: int) -> None:
        """Look again at what was archived from this minute on: a key for it has come."""
        self.keys_changed()
        turn.emit(Rescan(commons, max(0, first), turn.minute + NEWEST))

    def start(self, now: int) -> tuple[Effect, ...]:
        """What is due after loading: republish what no peer is known to hold, go on with joins and admissions."""
        turn = Turn(now, self.entropy)
        self.believe(turn, self.time.look(now))
        turn.emit(SetTimer(CLOCK_TIMER, now + timekeeping.LOOK_MS))
        duties.resume(self, turn)
        return (*turn.effects, *self.settle(now))

    def handle(self, input: Input, now: int) -> tuple[Effect, ...]:  # noqa: A002 - the design's word
        """Take one input at `now` (ms since the Unix epoch)."""
        turn = Turn(now, self.entropy)
        self.believe(turn, self.time.look(now))
        match input:
            case FrameArrived():
                self._frame(turn, input)
            case FrameKept():
                self._kept(turn, input)
            case HpkeSealed():
                duties.sealed(self, turn, input)
            case TimerFired() if input.name == CLOCK_TIMER:
                turn.emit(SetTimer(CLOCK_TIMER, now + timekeeping.LOOK_MS))
            case TimerFired():
                duties.timer(self, turn, input.name)
            case Reachable():
                self.reachable[input.commons] = input.peers
                turn.changed(View.STATUS)
            case CommonsAdded():
                self.commons[input.commons.id] = input.commons
                turn.put(Table.COMMONS, input.commons.id, encode(input.commons.to_value()))
                turn.changed(View.STATUS)
            case CardFollowed():
                stewarding.followed(self, turn, input.commons, input.chain)
            case CardProposed():
                stewarding.proposed(self, turn, input.commons, input.card)
            case ClockSeen():
                self.believe(turn, self.time.hear(input.neighbour, input.clock, now))
            case Ask():
                try:
                    commands.carry_out(self, turn, input)
                except LocalError as error:
                    turn.emit(Refuse(input.id, error.problem))
            case _:
                assert_never(input)
        return tuple(turn.effects)

    def believe(self, turn: Turn, time: timekeeping.Timekeeping) -> None:
        """Take this for the time; what was held back while it was in doubt is done when it no longer is."""
        before, self.time = self.time, time
        if time.is_worth_noting(self.noted):
            self.noted = time.known
            turn.put(Table.PROFILE, CLOCK, time.encode())
        if before != time and (before.doubted or time.doubted):
            turn.changed(View.STATUS)
        if time.is_sure and (not before.is_sure or time.is_back_from(before)):
            duties.catch_up(self, turn)

    def settle(self, now: int) -> tuple[Effect, ...]:
        """Do what follows from the batch: once, after its last input and before its commit."""
        turn = Turn(now, self.entropy)
        duties.settle(self, turn)
        return tuple(turn.effects)

    def _kept(self, turn: Turn, input: FrameKept) -> None:  # noqa: A002
        known = self.outbox.kept(turn, input.frame, input.peer)
        if known is not None:
            turn.changed(View.STATUS)
            if known.dialogue in self.dialogues:
                turn.changed(View.MESSAGES, DialogueId(known.dialogue))

    def _frame(self, turn: Turn, input: FrameArrived) -> None:  # noqa: A002
        if input.frame.id in self.opened:
            return
        trial = self.recogniser.recognise(input.commons, input.frame)
        if trial is None:
            return
        try:
            items = open_frame(trial.keys, input.frame)
        except RemoteError as error:
            self.rejects[error.reason] += 1
            return
        for item in items:
            self._item_or_reject(turn, trial.target, item)
        self.opened[input.frame.id] = None
        if len(self.opened) > LIMIT_OPENED:
            del self.opened[next(iter(self.opened))]

    def _item_or_reject(self, turn: Turn, target: Target, item: Item) -> None:
        try:
            self._item(turn, target, item)
        except RemoteError as error:
            self.rejects[error.reason] += 1

    def _item(self, turn: Turn, target: Target, item: Item) -> None:
        if item.type == ItemType.PART:
            whole = parts_of.add(self.assemblies, turn, parts_of.lane(target), item)
            if whole is None:
                return
            item = whole
        match target:
            case InDialogue():
                self._for_dialogue(turn, target, item)
            case OnCorridor() if item.type == ItemType.CORRIDOR:
                corridors.take_words(self, turn, target.corridor, item)
            case OnCard() if item.type == ItemType.CARD:
                joining.take_card(self, turn, target.join, item)
            case OnWelcome() if item.type == ItemType.WELCOME:
                joining.take_welcome(self, turn, target.join, item)
            case OnKnock() if item.type == ItemType.KNOCK:
                inviting.take_knock(self, turn, target.invite, item)
            case OnContact() if item.type == ItemType.OFFER and self.knowing.mine is not None:
                contacting.take(self, turn, target, self.knowing.mine, item)
            case OnCorridor() | OnCard() | OnWelcome() | OnKnock() | OnContact():
                self.rejects[RejectReason.SHAPE] += 1
            case _:
                assert_never(target)

    def _for_dialogue(self, turn: Turn, target: InDialogue, item: Item) -> None:
        key = target.dialogue
        if item.type == ItemType.EVENT:
            event = event_from_value(item.body)
            if event.header.dialogue != key:
                raise RemoteError(RejectReason.ID, "event of another dialogue")
            room = event.header.room
            if room != target.room if target.room else self.dialogues[key].is_known_apart(room):
                raise RemoteError(RejectReason.ID, "event of another room")
            if event.id not in self.dialogues[key].events:
                self.own(key).accept(turn, event)
                if event.header.room == CONTROL:
                    self.heard.setdefault(key, []).append(event.id)
        elif item.type == ItemType.SHARE:
            share = Share.from_value(item.body)
            if share.prekey in self.dialogues[key].prekeys and share.epoch not in self.dialogues[key].secrets:
                duties.take_share(self, turn, self.own(key), share)
        elif item.type == ItemType.RECEIPT:
            delivery.take_receipt(self, turn, key, item)
        elif item.type == ItemType.REVEAL:
            revealing.take(self, turn, key, item)
        elif item.type == ItemType.ASIDE:
            corridors.take_aside(self, turn, key, item)
        elif item.type == ItemType.RETOLD:
            for event in asking.take_retold(self, turn, key, item):
                self.own(key).accept(turn, event)

    def retention(self, dialogue: Dialogue) -> int:
        """For how many days what is said in a dialogue can be kept: the shorter of the room's time and the commons'."""
        return min(dialogue.state.retention_days, self.commons[dialogue.commons].retention_days)

    @property
    def recogniser(self) -> Recogniser:
        """Everything there is to try on a frame."""
        if self._recogniser is None:
            trials: dict[CommonsId, list[Trial]] = {}
            for commons, trial in self._trials():
                trials.setdefault(commons, []).append(trial)
            self._recogniser = Recogniser({commons: tuple(found) for commons, found in trials.items()})
        return self._recogniser

    def _trials(self) -> Iterator[tuple[CommonsId, Trial]]:
        for dialogue in self.dialogues.values():
            facts = dialogue.state.epochs
            for key, secret in dialogue.secrets.items():
                if key in facts:
                    epoch = facts[key].epoch
                    room = epoch.room if dialogue.state.is_apart(epoch.room) else None
                    yield dialogue.commons, epoch_trial(dialogue.id, secret, epoch.created, room)
            for door in dialogue.doors.values():
                yield dialogue.commons, door_trial(dialogue.id, door)
            for keys in dialogue.pairs.values():
                yield dialogue.commons, pair_trial(dialogue.id, keys)
        for corridor in self.corridors.values():
            if corridor.secret:
                keys = corridor_keys(corridor.secret)
                yield self.dialogues[corridor.dialogue].commons, Trial(keys, ALWAYS, OnCorridor(corridor.id))
        for invite in self.invites.values():
            yield self.dialogues[invite.dialogue].commons, inviting.trial(invite)
        for join in self.joins.values():
            for trial in joining.trials(join):
                yield join.commons, trial
        yield from contacting.trials(self)


def fresh(nick: str) -> tuple[Put, ...]:
    """The first rows of a new vault."""
    return (Put(Table.PROFILE, NICK, encode(nick)),)

