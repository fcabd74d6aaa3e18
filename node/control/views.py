"""Views: rows that clients follow, told as snapshots and then as what changed.

DESIGN.md §2, docs/spec/control.md. Invariants: rows are computed from the core as last committed; change numbers only
grow, also across restarts, so an old cursor is never taken for a recent one; a feed remembers at most `LIMIT_DELTAS`
changes, older cursors get a snapshot; while the profile is locked every view but the status is empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from tertulia.node.control.rooms import room_of
from tertulia.node.redaction import log_crash
from tertulia.node.service import State
from tertulia.protocol import views, views_contacts
from tertulia.protocol.control import LIMIT_ROWS, Delta, Row, Snapshot
from tertulia.protocol.effects import View
from tertulia.protocol.ids import DialogueId, RoomId
from tertulia.protocol.methods import check_watch

if TYPE_CHECKING:
    from tertulia.node.control.methods import Methods
    from tertulia.protocol.encoding import Value

TOGETHER_SECONDS: Final = 0.02
"""Changes that follow each other this closely are told together."""
REST: Final = 3
"""Where making the rows takes long (much is watched, or the machine is busy), what comes in so many times as long is
told together too: rows never take more than a quarter of the node's time."""
LONGEST_TOGETHER_SECONDS: Final = 0.5
LIMIT_DELTAS: Final = 256
"""Changes a feed remembers for clients that come back."""
LIMIT_FEEDS: Final = 64
"""Feeds kept for clients that may come back."""
LAST: Final = 200
LIMIT_LAST: Final = 2_000
"""Messages a client may ask to see of a dialogue at once."""
LIMIT_GROWTH: Final = 2_000
"""Messages that may be added to what was asked for before the oldest are let go."""

Deliver = Callable[[Snapshot | Delta], None]


class Key(NamedTuple):
    """What a feed shows."""

    view: View
    dialogue: DialogueId | None = None
    last: int = 0
    room: RoomId | None = None


@dataclass(slots=True)
class Change:
    """One step of a feed."""

    number: int
    upserts: tuple[Row, ...]
    removes: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Watch:
    """One client's interest in a feed, under the id it chose."""

    id: int
    deliver: Deliver


@dataclass(slots=True, eq=False)
class Feed:
    """A view as it was last told."""

    key: Key
    change: int
    oldest: int
    rows: dict[str, Row] = field(default_factory=dict, repr=False)
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=LIMIT_DELTAS), repr=False)
    watches: list[Watch] = field(default_factory=list, repr=False)
    dirty: bool = True

    def first(self, watch: Watch, cursor: int | None) -> Snapshot | Delta:
        """What a client is told first: what changed since its cursor, or everything."""
        if cursor is None or not self.oldest <= cursor <= self.change:
            return Snapshot(watch.id, self.change, tuple(self.rows.values()))
        changed: dict[str, Row | None] = {}
        for change in self.changes:
            if change.number > cursor:
                changed.update(dict.fromkeys(change.removes))
                changed.update((row.id, row) for row in change.upserts)
        upserts = tuple(row for row in changed.values() if row is not None)
        removes = tuple(name for name, row in changed.items() if row is None)
        return Delta(watch.id, self.change, upserts, removes)

    def step(self, rows: dict[str, Row], number: int) -> bool:
        """Take the rows as they are now. False when nothing changed."""
        self.dirty = False
        upserts = tuple(row for row in rows.values() if self.rows.get(row.id) != row)
        removes = tuple(name for name in self.rows if name not in rows)
        if not upserts and not removes:
            return False
        self.rows, self.change = rows, number
        if len(self.changes) == LIMIT_DELTAS:
            self.oldest = self.changes[0].number
        self.changes.append(Change(number, upserts, removes))
        return True

    def tell(self) -> None:
        """Tell every client the last step."""
        last = self.changes[-1]
        whole = len(last.upserts) > LIMIT_ROWS or len(last.removes) > LIMIT_ROWS
        for watch in tuple(self.watches):
            if whole:
                watch.deliver(Snapshot(watch.id, self.change, tuple(self.rows.values())))
            else:
                watch.deliver(Delta(watch.id, last.number, last.upserts, last.removes))


class Views:
    """All feeds of one node."""

    def __init__(self, methods: Methods) -> None:
        self._methods, self._service = methods, methods.service
        self._feeds: dict[Key, Feed] = {}
        self._change = self._service.clock()
        self._some = trio.Event()
        self._service.on_shown.append(self._shown)

    def watch(
        self, number: int, view: str, params: Mapping[str, Value], cursor: int | None, deliver: Deliver
    ) -> Callable[[], None]:
        """Follow a view from now on; `deliver` must not wait. Returns what ends it. Raises LocalError."""
        check_watch(view, params)
        key = self._key(View(view), params)
        feed = self._feeds.pop(key, None)
        if feed is None:
            self._change += 1
            feed = Feed(key, self._change, self._change)
            feed.rows = self._rows(feed)
            feed.dirty = False
        self._feeds[key] = feed
        self._forget_idle()
        if feed.dirty and self._refresh(feed):
            feed.tell()  # this step is behind us then: who watches already would never hear of it
        watch = Watch(number, deliver)
        deliver(feed.first(watch, cursor))
        feed.watches.append(watch)

        def end() -> None:
            if watch in feed.watches:
                feed.watches.remove(watch)

        return end

    def _forget_idle(self) -> None:
        idle = [key for key, feed in self._feeds.items() if not feed.watches]
        for key in idle[: max(0, len(self._feeds) - LIMIT_FEEDS)]:
            del self._feeds[key]

    def _key(self, view: View, params: Mapping[str, Value]) -> Key:
        if view not in {View.MESSAGES, View.PEOPLE}:
            return Key(view)
        dialogue = views.resolve_dialogue(self._service.core, str(params["dialogue"]))
        last = params.get("last", LAST) if view is View.MESSAGES else 0
        most = min(max(0, last), LIMIT_LAST) if isinstance(last, int) else LAST
        return Key(view, dialogue, most, room_of(self._service.core, dialogue, params))

    # Changes --------------------------------------------------------------------------------------------------------

    def _shown(self, view: View, dialogue: DialogueId | None) -> None:
        for feed in self._feeds.values():
            if feed.key.view is view and dialogue in {None, feed.key.dialogue}:
                feed.dirty = True
        self._some.set()

    async def run(self) -> None:
        """Tell clients what changes, until cancelled."""
        took = 0.0
        while True:
            await self._some.wait()
            await trio.sleep(min(max(TOGETHER_SECONDS, REST * took), LONGEST_TOGETHER_SECONDS))
            self._some = trio.Event()
            began = trio.current_time()
            for feed in tuple(self._feeds.values()):
                if feed.dirty and feed.watches and self._refresh(feed):
                    feed.tell()
            took = trio.current_time() - began

    def _refresh(self, feed: Feed) -> bool:
        self._change += 1
        try:
            return feed.step(self._rows(feed), self._change)
        except Exception as broken:  # noqa: BLE001 - the boundary: a row that cannot be made must not end the node
            log_crash(broken)
            feed.dirty = False
            return False

    # Rows -----------------------------------------------------------------------------------------------------------

    def _rows(self, feed: Feed) -> dict[str, Row]:
        return {row.id: row for row in self._list(feed)}

    def _list(self, feed: Feed) -> list[Row]:
        key = feed.key
        if key.view is View.STATUS:
            return [Row("status", (0,), self._methods.status())]
        if self._service.state is not State.UNLOCKED:
            return []
        core = self._service.core
        match key.view:
            case View.DIALOGUES:
                return [_row(value, "dialogue", -_int(value["last"])) for value in views.dialogues(core)]
            case View.KNOCKS:
                return [_row(value, "knock", _int(value["time"])) for value in views.knocks(core)]
            case View.JOINS:
                return [_row(value, "join", str(value["title"])) for value in views.joins(core)]
            case View.CONTACTS:
                return [_row(value, "contact", str(value["name"])) for value in views_contacts.contacts(core)]
            case View.PEOPLE | View.MESSAGES:
                pass
        if key.dialogue is None or key.dialogue not in core.dialogues:
            return []
        if key.view is View.PEOPLE:
            return [_row(value, "member", str(value["nick"])[:32]) for value in views.people(core, key.dialogue)]
        return self._messages(feed, key.dialogue)

    def _messages(self, feed: Feed, dialogue: DialogueId) -> list[Row]:
        """The last messages; once told, they stay while newer ones come, up to `LIMIT_GROWTH`.

        While fewer than asked for were told, these were all, and what comes late may stand before the first of them.
        """
        most, since = feed.key.last, None
        if len(feed.rows) <= most + LIMIT_GROWTH:
            if feed.rows and len(feed.rows) >= most:
                lamport, name = min(row.order for row in feed.rows.values())
                since = _int(lamport), str(name)
            if feed.rows:
                most = len(feed.rows) + LIMIT_GROWTH
        rows = views.messages(self._service.core, dialogue, most, since, feed.key.room)
        return [Row(str(value["id"]), order, value) for order, value in rows]


def _row(value: dict[str, Value], name: str, order: int | str) -> Row:
    number = str(value[name])
    return Row(number, (order[:32] if isinstance(order, str) else order, number), value)


def _int(value: Value) -> int:
    assert isinstance(value, int)
    return value
