"""What waits to be sent, and what was sent but is not yet known to be with a peer.

Implements docs/spec/core.md §4. An item is sealed into frames only when it can be sent (PROTOCOL §1: after
syncing), so it waits here in the clear inside the vault; the frames then wait until a peer is known to hold them.
An entry or frame leaves only in the same transaction that records its successor or its keeping.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tertulia.protocol import frame as frames
from tertulia.protocol.crypto import digest
from tertulia.protocol.effects import Publish, Table
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.frame import Frame, FrameClass, FrameKeys
from tertulia.protocol.ids import CommonsId, EventId, FrameId
from tertulia.protocol.item import Item, ItemType, pack, split
from tertulia.protocol.item import from_value as item_from_value
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_int, as_list

if TYPE_CHECKING:
    from tertulia.protocol.commons import Commons
    from tertulia.protocol.turn import Turn

LIMIT_ENTRY: Final = 1 << 20
"""Bytes of one entry's row."""
LIMIT_PORTION: Final = LIMIT_ENTRY // 2
"""Bytes of items in one entry; more are shared out over several. The largest item fits."""
LIMIT_CARRIED: Final = 4_096
"""Frames of ours whose keeping by further peers is still counted; older ones stay at the last count."""
NONCE_BYTES: Final = 24
KEY_BYTES: Final = 8


class LaneKind(IntEnum):
    """Which keys an entry is to be sealed under."""

    ROOM = 1
    """The usable epoch, when it is sent, of the breakout whose id is `key`; of the plenary where there is none."""
    DOOR = 2
    """The door of the present roster when it is sent."""
    OLD_DOOR = 3
    """The door named by `key` (an epoch id)."""
    KEYS = 4
    """The tag and AEAD keys that `key` is made of: an invite's or a welcome's."""
    PAIR = 5
    """Between me and the member whose persona id is `key`."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Where an entry goes; `dialogue` is empty for KEYS lanes."""

    kind: LaneKind
    dialogue: bytes = b""
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """Items that go out together, in one lane of one commons."""

    commons: CommonsId
    lane: Lane
    items: tuple[Item, ...] = field(repr=False)

    def encode(self) -> bytes:
        """The entry's vault row."""
        lane: Value = [int(self.lane.kind), self.lane.dialogue, self.lane.key]
        return encode([self.commons, lane, [[item.type, item.body] for item in self.items]])

    @classmethod
    def decode(cls, row: bytes) -> Entry:
        """Raises: RemoteError when the row is not one of ours."""
        commons, lane, items = as_list(decode(row, LIMIT_ENTRY), 3)
        kind, dialogue, key = as_list(lane, 3)
        return cls(
            CommonsId(as_bytes(commons, 32)),
            Lane(LaneKind(as_int(kind, 1, 5)), as_bytes(dialogue), as_bytes(key)),
            tuple(item_from_value(item) for item in as_list(items)),
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame of ours that no peer is known to hold yet, and the events inside it."""

    commons: CommonsId
    raw: bytes = field(repr=False)
    dialogue: bytes
    events: tuple[EventId, ...]

    def encode(self) -> bytes:
        """The frame's vault row."""
        return encode([self.commons, self.raw, self.dialogue, list(self.events)])

    @classmethod
    def decode(cls, row: bytes) -> Sent:
        """Raises: RemoteError when the row is not one of ours."""
        commons, raw, dialogue, events = as_list(decode(row, LIMIT_ENTRY), 4)
        ids = tuple(EventId(as_bytes(event, 32)) for event in as_list(events))
        return cls(CommonsId(as_bytes(commons, 32)), as_bytes(raw), as_bytes(dialogue), ids)


def event_ids(items: Iterable[Item]) -> tuple[EventId, ...]:
    """The ids of the whole events among these items, from their headers: an item never carries the id itself."""
    heads = (as_list(item.body, 4)[0] for item in items if item.type == ItemType.EVENT)
    return tuple(EventId(digest(Label.EVENT_ID, as_bytes(head))) for head in heads)


def _portions(items: Iterable[Item]) -> list[tuple[Item, ...]]:
    """The items in their order, in groups that one row holds."""
    groups: list[tuple[Item, ...]] = []
    left = 0
    for item in items:
        size = len(item.encoded())
        if not groups or size > left:
            groups.append(())
            left = LIMIT_PORTION
        groups[-1] = (*groups[-1], item)
        left -= size
    return groups


@dataclass(frozen=True, slots=True)
class Outbox:
    """Entries in the order they were queued, frames by id, and for each event how many peers hold it."""

    entries: dict[int, Entry] = field(default_factory=dict)
    sent: dict[FrameId, Sent] = field(default_factory=dict)
    waiting: dict[EventId, int] = field(default_factory=dict)
    peers: dict[EventId, frozenset[str]] = field(default_factory=dict)
    carried: dict[FrameId, Sent] = field(default_factory=dict)

    def branch(self) -> Outbox:
        """A copy that may be changed without this one noticing."""
        return replace(
            self,
            entries=dict(self.entries),
            sent=dict(self.sent),
            waiting=dict(self.waiting),
            peers=dict(self.peers),
            carried=dict(self.carried),
        )

    @property
    def unsent(self) -> int:
        """Entries and frames that no other machine is known to hold."""
        return len(self.entries) + len(self.sent)

    def is_waiting(self, event: EventId) -> bool:
        """Whether some frame or entry with this event has not reached any peer."""
        return self.waiting.get(event, 0) > 0

    def wait(self, events: Iterable[EventId], by: int) -> None:
        """Count `by` more (or fewer) entries and frames in which these events wait for a peer."""
        for event in events:
            self.waiting[event] = self.waiting.get(event, 0) + by
            if self.waiting[event] <= 0:
                del self.waiting[event]

    def queue(self, turn: Turn, entry: Entry) -> None:
        """Keep an entry until it can be sealed; as several where one row would not hold it."""
        for items in _portions(entry.items):
            number = max(self.entries, default=0) + 1
            portion = replace(entry, items=items)
            self.entries[number] = portion
            self.wait(event_ids(items), +1)
            turn.put(Table.OUTBOX, number.to_bytes(KEY_BYTES, "big"), portion.encode())

    def drop(self, turn: Turn, number: int) -> None:
        """Forget an entry: it was sealed, or its dialogue is over."""
        entry = self.entries.pop(number)
        self.wait(event_ids(entry.items), -1)
        turn.erase(Table.OUTBOX, number.to_bytes(KEY_BYTES, "big"))

    def seal(
        self,
        turn: Turn,
        numbers: Sequence[int],
        commons: Commons,
        keys: FrameKeys,
        frame_class: FrameClass,
        rider: Item | None = None,
    ) -> bool:
        """Seal these entries, which share a lane, into as few frames as hold them, and publish those.

        `rider` goes along where it costs no further frame; says whether it did.
        """
        batch = [self.entries[number] for number in numbers]
        pieces: list[Item] = []
        origin: dict[int, tuple[EventId, ...]] = {}
        for entry in batch:
            for item in entry.items:
                parts = split(item, frame_class)
                for part in parts:
                    origin[id(part)] = event_ids([item])
                pieces.extend(parts)
        minute = frames.publication_minute(turn.now)
        groups = pack(pieces, frame_class)
        fuller = groups if rider is None else pack([*pieces, rider], frame_class)
        rides = rider is not None and len(fuller) == len(groups)
        if rides:
            origin[id(rider)] = ()
        for group in fuller if rides else groups:
            nonce = turn.entropy(NONCE_BYTES)
            frame = frames.seal(commons.key, keys, frame_class, minute, nonce, group)
            events = tuple(dict.fromkeys(event for item in group for event in origin[id(item)]))
            self._remember(turn, frame, Sent(commons.id, frame.raw, batch[0].lane.dialogue, events))
        for number in numbers:
            self.drop(turn, number)
        return rides

    def send(
        self, turn: Turn, commons: Commons, keys: FrameKeys, frame_class: FrameClass, dialogue: bytes, item: Item
    ) -> None:
        """Seal this one at once, and publish it: it never waits in the clear."""
        minute = frames.publication_minute(turn.now)
        for group in pack(split(item, frame_class), frame_class):
            frame = frames.seal(commons.key, keys, frame_class, minute, turn.entropy(NONCE_BYTES), group)
            self._remember(turn, frame, Sent(commons.id, frame.raw, dialogue, ()))

    def _remember(self, turn: Turn, frame: Frame, sent: Sent) -> None:
        self.sent[frame.id] = sent
        self.wait(sent.events, +1)
        turn.put(Table.FRAME, frame.id, sent.encode())
        turn.emit(Publish(sent.commons, frame))

    def kept(self, turn: Turn, frame: FrameId, peer: str) -> Sent | None:
        """A peer holds this frame; gives what was in it when that is news."""
        sent = self.sent.pop(frame, None)
        if sent is not None:
            self.wait(sent.events, -1)
            turn.erase(Table.FRAME, frame)
            self.carried[frame] = replace(sent, raw=b"")
            if len(self.carried) > LIMIT_CARRIED:
                self._forget(next(iter(self.carried)))
        known = self.carried.get(frame)
        if known is None:
            return None
        news = False
        for event in known.events:
            if peer not in self.peers.get(event, frozenset()):
                self.peers[event] = self.peers.get(event, frozenset()) | {peer}
                news = True
        return known if news or sent is not None else None

    def _forget(self, frame: FrameId) -> None:
        for event in self.carried.pop(frame).events:
            self.peers.pop(event, None)


def load(entries: Iterable[tuple[bytes, bytes]], sent: Iterable[tuple[bytes, bytes]]) -> Outbox:
    """The outbox as the vault holds it.

    Raises: RemoteError when a row is not one of ours.
    """
    box = Outbox()
    for key, row in entries:
        entry = Entry.decode(row)
        box.entries[int.from_bytes(key, "big")] = entry
        box.wait(event_ids(entry.items), +1)
    for key, row in sent:
        frame = Sent.decode(row)
        box.sent[FrameId(key)] = frame
        box.wait(frame.events, +1)
    return box


def lane_of_keys(keys: FrameKeys) -> Lane:
    """Sealed under these very keys: an invite's or a welcome's."""
    return Lane(LaneKind.KEYS, key=keys.tag + keys.aead)


def keys_of_lane(lane: Lane) -> FrameKeys:
    """The keys of a KEYS lane."""
    return FrameKeys(lane.key[:32], lane.key[32:])
