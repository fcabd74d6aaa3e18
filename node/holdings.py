"""What one commons' archive holds, by place: kept in step with the disk, compared in sync, and what is gone beside it.

Spec: docs/spec/sync.md, *The index*, *Quota*, *Gone*; PROTOCOL.md §9. Read from the archive before it is first used, a
page at a time in a worker thread. Invariants: a place is here if and only if its frame is on the disk; what is over a
neighbour's quota is neither; nothing but place, arrival and quota decides. Gone and quota outlive a restart.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.offered import Offered
from tertulia.node.quota import DAILY, LINE_FACTOR, Allowance, Quota, day_of, is_line
from tertulia.node.store.ledger import GoneFrame, Kept, Ledger, Note, Spent
from tertulia.protocol.gone import LIMIT_GONE_NEIGHBOUR, Gone, GoneDay, Told
from tertulia.protocol.ids import FrameId
from tertulia.protocol.range_index import Index, Place
from tertulia.protocol.sync_messages import Verdict

if TYPE_CHECKING:
    from tertulia.node.shelf import Shelf
    from tertulia.protocol.frame import Frame
    from tertulia.protocol.ids import CommonsId
    from tertulia.protocol.sync_terms import Terms

LIMIT_PAGE: Final = 10_000
"""Places read at once from the archive."""
LIMIT_CAME: Final = 1_024
"""Peers of which it is remembered from which line they came; also once they are gone, for their frames may wait."""
LIMIT_GONE_LINE: Final = LINE_FACTOR * LIMIT_GONE_NEIGHBOUR
"""Frames of all neighbours of one line that become gone on one day."""
LIMIT_TOLD: Final = 64
"""Peers of which it is remembered what is gone with them; the one heard of longest ago is forgotten."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of frames that came: the verdict on each, in their order, and how many are new."""

    verdicts: tuple[Verdict, ...]
    fresh: int


class Holdings:
    """The places of one commons."""

    def __init__(self, shelf: Shelf, commons: CommonsId, allowance: Allowance = DAILY) -> None:
        self.wanted: set[FrameId] = set()
        """What a session has asked for and not got yet: no other session asks for it meanwhile."""
        self.offered = Offered()
        """What peers are about to give us."""
        self._shelf, self._commons = shelf, commons
        self._index = Index()
        self._gone = Gone()
        self._quota = Quota(allowance)
        self._full: dict[str, int] = {}
        self._lines: OrderedDict[str, str] = OrderedDict()
        self._gone_lines: dict[str, int] = {}
        self._gone_day = 0
        self._told: OrderedDict[str, Told] = OrderedDict()
        self._loading = trio.Lock()
        self._loaded = False

    def allow(self, allowance: Allowance) -> None:
        """From now on keep so much of each neighbour on a day."""
        self._quota.allowance = allowance

    def came(self, peer: str, line: str) -> None:
        """`peer` came from this line (`quota.line_of`): what it brings is charged there as well."""
        self._lines[peer] = sys.intern(line)  # one string for all who come from there
        self._lines.move_to_end(peer)
        if len(self._lines) > LIMIT_CAME:
            self._lines.popitem(last=False)

    def line(self, neighbour: str) -> str:
        """The line from which a neighbour came, or empty."""
        return self._lines.get(neighbour, "")

    async def ready(self) -> None:
        """Wait until it is known what the archive holds. Raises StoreError."""
        async with self._loading:
            if self._loaded:
                return
            places: list[Place] = []
            after: Place = (0, FrameId(b""))
            while page := await self._shelf.places(self._commons, after, LIMIT_PAGE):
                places += page
                after = page[-1]
            self._restore(await self._shelf.ledger(self._commons))
            self._index = await trio.to_thread.run_sync(Index, places)
            self._loaded = True

    # Coming and going -----------------------------------------------------------------------------------------------

    async def take(self, arriving: Sequence[tuple[Frame, str]], now: int) -> Taken:
        """Archive frames that have been checked, each with who brought it, as far as quotas go. Raises StoreError."""
        await self.ready()
        day = day_of(now)
        charged: dict[FrameId, tuple[Frame, str]] = {}
        verdicts: list[Verdict] = []
        for frame, neighbour in arriving:
            place = frame.minute, frame.id
            if place in self._index or frame.id in charged:
                verdicts.append(Verdict.KEPT)
            elif self._quota.charge(neighbour, len(frame.raw), day, self.line(neighbour)):
                charged[frame.id] = frame, neighbour
                verdicts.append(Verdict.KEPT)
            else:
                verdicts.append(self._let_go(place, neighbour, day))
        kept: set[FrameId] = set()
        try:
            notes = self._notes(arriving, verdicts, day)
            if charged or notes:
                kept = await self._shelf.add(self._commons, [frame for frame, _ in charged.values()], now, notes)
                for frame, _ in charged.values():
                    self._index.add(frame.minute, frame.id)
                    self._gone.kept((frame.minute, frame.id))
                    self.offered.came(frame.id)
        finally:
            for frame, neighbour in charged.values():
                if frame.id not in kept:
                    self._quota.refund(neighbour, len(frame.raw), day, self.line(neighbour))
        return Taken(tuple(verdicts), len(kept))

    def _notes(self, arriving: Sequence[tuple[Frame, str]], verdicts: Sequence[Verdict], day: int) -> list[Note]:
        """What is to be remembered of frames charged or let go: absolute values, so that the last one counts."""
        notes: list[Note] = []
        brought: dict[str, None] = {}
        for (frame, neighbour), verdict in zip(arriving, verdicts, strict=True):
            place = frame.minute, frame.id
            if verdict is Verdict.GONE:
                notes.append(GoneFrame(*place, day, self._gone.tried_by(place, day)))
                brought[neighbour] = None
            elif verdict is Verdict.KEPT and place not in self._index:
                if place in self._gone:
                    notes.append(Kept(frame.id))
                brought[neighbour] = None
        spent: dict[str, Spent] = {}
        for neighbour in brought:
            account, frames, size = self._quota.account(neighbour, day)
            spent[account] = Spent(account, day, frames, size, self._gone.spent_by(account, day))
            if account != neighbour and (over := self._gone.spent_by(neighbour, day)):
                spent[neighbour] = Spent(neighbour, day, 0, 0, over)
            if line := self.line(neighbour):
                account, frames, size = self._quota.account(line, day)
                spent[account] = Spent(account, day, frames, size, self._gone_by(account, day))
        return [*notes, *spent.values()]

    def _restore(self, ledger: Ledger) -> None:
        """Go on with what was noted before the last stop. Of another day only what is gone still counts."""
        day = ledger.spent[0].day if ledger.spent else 0
        self._quota.restore(day, {one.neighbour: (one.frames, one.size) for one in ledger.spent if one.frames})
        self._gone_day = day
        self._gone_lines = {one.neighbour: one.gone for one in ledger.spent if one.gone and is_line(one.neighbour)}
        self._gone.restore(
            day,
            {one.neighbour: one.gone for one in ledger.spent if one.gone and not is_line(one.neighbour)},
            {(one.minute, one.frame): one.tried if one.day == day else () for one in ledger.gone},
        )

    def _let_go(self, place: Place, neighbour: str, day: int) -> Verdict:
        account = self._quota.account(line, day)[0] if (line := self.line(neighbour)) else ""
        known = self._gone.tried(place, neighbour, day)
        over = self._gone_by(account, day)
        if (known or over < LIMIT_GONE_LINE) and self._gone.add(place, neighbour, day):
            if account and not known:
                self._gone_lines[account] = over + 1
            return Verdict.GONE
        self._full = {name: noted for name, noted in self._full.items() if noted == day}
        self._full[neighbour] = day
        return Verdict.REFUSED

    def _gone_by(self, line: str, day: int) -> int:
        """How many frames of all neighbours of one line became gone on `day`."""
        if day != self._gone_day:
            self._gone_day, self._gone_lines = day, {}
        return self._gone_lines.get(line, 0)

    async def evict(self, floor: int) -> int:
        """Drop everything of a minute below `floor`; return how many frames. Raises StoreError."""
        await self.ready()
        dropped = await self._shelf.evict(self._commons, floor)
        self._index.evict(max(floor, 0))
        self._gone.evict(max(floor, 0))
        return dropped

    # What a session asks --------------------------------------------------------------------------------------------

    def __contains__(self, place: Place) -> bool:
        return place in self._index

    def __len__(self) -> int:
        return len(self._index)

    def told(self, peer: str) -> Told:
        """What is gone with a peer, as far as it told."""
        told = self._told.setdefault(peer, Told())
        self._told.move_to_end(peer)
        if len(self._told) > LIMIT_TOLD:
            self._told.popitem(last=False)
        return told

    def view(self, peer: str, terms: Terms) -> Index:
        """What is compared with a peer: what is held under the terms, without what is gone with it."""
        reach = terms.reach
        return self._index.view(reach.start, reach.stop, self.told(peer).places())

    def gone_days(self) -> tuple[GoneDay, ...]:
        """The days of which frames are gone here."""
        return self._gone.days()

    def gone_of(self, day: int) -> tuple[Place, ...]:
        """What is gone here of one day."""
        return self._gone.of_day(day)

    def is_full(self, peer: str, now: int) -> bool:
        """Tell whether all that a peer could bring today would be refused."""
        return self._full.get(peer) == day_of(now) and not self._has_room(peer, day_of(now))

    def _has_room(self, peer: str, day: int) -> bool:
        return self._quota.has_room(peer, day, self.line(peer))

    def to_retry(self, peer: str, terms: Terms, now: int) -> tuple[Place, ...]:
        """What is gone here and worth asking this peer for today."""
        day = day_of(now)
        if not self._has_room(peer, day):
            return ()
        return self._gone.to_retry(peer, day, terms.reach, self.told(peer).places())

    def lacked(self, peer: str, places: Sequence[Place], now: int) -> None:
        """The peer was asked for these, and does not hold them."""
        for place in places:
            self._gone.lacked(place, peer, day_of(now))

    async def lacking(self, ids: Sequence[FrameId]) -> list[FrameId]:
        """Those of these frames that are not on the disk. Raises StoreError."""
        return await self._shelf.run(lambda archive: archive.lacking(self._commons, ids))
