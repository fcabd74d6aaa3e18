"""Gone frames: valid, seen, and not kept, because the neighbour who brought them was over its quota.

Spec: docs/spec/sync.md, *Gone*. A node says of every day of minutes how many frames are gone and their fingerprint,
and which to who asks; both sides leave them out of a session, so that archives of different quota come to rest.
Invariants: what is gone is never counted as held; it is not asked of a neighbour twice a day; every table is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.fingerprint import addend, fingerprint
from tertulia.protocol.ids import FrameId
from tertulia.protocol.range_index import Index, Place, key_of, place_of

DAY: Final = 24 * 60
"""Minutes in the days by which gone frames are told; day 0 begins at minute 0."""
LIMIT_GONE: Final = 8_192
"""Gone frames that are remembered; and that a peer may tell of."""
LIMIT_GONE_DAY: Final = 4_096
"""Those of them with minutes of one day."""
LIMIT_GONE_NEIGHBOUR: Final = 1_024
"""Frames of one neighbour that become gone on one day; the session that brings another one ends."""
LIMIT_GONE_NEIGHBOURS: Final = 256
"""Neighbours of whom frames become gone on one day; the session with one more ends."""
LIMIT_TRIED: Final = 16
"""Neighbours remembered for each gone frame as tried; beyond it the one tried first is forgotten."""
LIMIT_RETRIED: Final = 64
"""Gone frames asked of one neighbour in one session."""


@dataclass(frozen=True, slots=True)
class GoneDay:
    """What a node says first: on this day of minutes so many frames are gone, and this is their fingerprint."""

    day: int
    count: int
    fingerprint: bytes


class Gone:
    """The frames that are gone here. Not safe for several threads."""

    __slots__ = ("_day", "_index", "_spent", "_tried")

    def __init__(self) -> None:
        self._index = Index()
        self._tried: dict[FrameId, dict[str, int]] = {}  # neighbour → the day of arrival on which it was tried last
        self._spent: dict[str, int] = {}  # frames of each neighbour that became gone on day `_day`
        self._day = 0

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, place: Place) -> bool:
        return place in self._index

    def add(self, place: Place, neighbour: str, day: int) -> bool:
        """Note a valid frame that `neighbour` brought on arrival day `day`, over its quota.

        False if that is one too many, and nothing was noted: the session with the neighbour ends. A frame may be noted
        again, for another neighbour or day.
        """
        if day != self._day:
            self._day, self._spent = day, {}
        if self.tried(place, neighbour, day):
            return True
        spent = self._spent.get(neighbour, 0)
        if spent == LIMIT_GONE_NEIGHBOUR or not self._room(place):
            return False
        if not spent and len(self._spent) == LIMIT_GONE_NEIGHBOURS:
            return False
        self._spent[neighbour] = spent + 1
        self._index.add(*place)
        self._try(place, neighbour, day)
        return True

    def restore(self, day: int, spent: Mapping[str, int], tried: Mapping[Place, Iterable[str]]) -> None:
        """Take over, into an empty one, what was held on arrival day `day`: see `spent_by` and `tried_by`."""
        self._day, self._spent = day, dict(spent)
        for place, neighbours in tried.items():
            self._index.add(*place)
            self._tried[place[1]] = dict.fromkeys(neighbours, day)

    def spent_by(self, neighbour: str, day: int) -> int:
        """Return how many frames of a neighbour became gone on `day`."""
        return self._spent.get(neighbour, 0) if day == self._day else 0

    def tried_by(self, place: Place, day: int) -> tuple[str, ...]:
        """Return with whom a gone frame was tried on `day`, first to last."""
        return tuple(neighbour for neighbour, last in self._tried.get(place[1], {}).items() if last == day)

    def lacked(self, place: Place, neighbour: str, day: int) -> None:
        """Note that `neighbour`, asked on `day`, does not hold this gone frame."""
        if place in self._index:
            self._try(place, neighbour, day)

    def tried(self, place: Place, neighbour: str, day: int) -> bool:
        """Tell whether the frame was had of, or asked of, `neighbour` on `day`."""
        return self._tried.get(place[1], {}).get(neighbour) == day

    def kept(self, place: Place) -> None:
        """Note that a frame is held after all."""
        if self._index.discard(*place):
            del self._tried[place[1]]

    def evict(self, floor: int) -> None:
        """Forget what has a minute below `floor`."""
        for key in list(self._index.keys(0, self._index.rank(key_of(floor, b"")))):
            self.kept(place_of(key))

    def to_retry(self, neighbour: str, day: int, reach: range, theirs: AbstractSet[Place]) -> tuple[Place, ...]:
        """Return at most `LIMIT_RETRIED` gone frames to ask of `neighbour` on `day`, the newest first.

        They have a minute in `reach`, are not gone there too (`theirs`), and were not tried there on that day.
        """
        lower, upper = (self._index.rank(key_of(minute, b"")) for minute in (reach.start, reach.stop))
        found: list[Place] = []
        for key in reversed(list(self._index.keys(lower, max(lower, upper)))):
            place = place_of(key)
            if place not in theirs and not self.tried(place, neighbour, day):
                found.append(place)
                if len(found) == LIMIT_RETRIED:
                    break
        return tuple(found)

    def days(self) -> tuple[GoneDay, ...]:
        """Return every day that has gone frames, ascending."""
        found, lower = [], 0
        while lower < len(self._index):
            day = place_of(self._index.key_at(lower))[0] // DAY
            upper = self._index.rank(key_of((day + 1) * DAY, b""))
            found.append(GoneDay(day, upper - lower, self._index.fingerprint(lower, upper)))
            lower = upper
        return tuple(found)

    def of_day(self, day: int) -> tuple[Place, ...]:
        """Return the places that are gone on one day, ascending."""
        lower, upper = self._ranks(day)
        return tuple(place_of(key) for key in self._index.keys(lower, upper))

    def _ranks(self, day: int) -> tuple[int, int]:
        return self._index.rank(key_of(day * DAY, b"")), self._index.rank(key_of((day + 1) * DAY, b""))

    def _room(self, place: Place) -> bool:
        """Whether there is room for it, or it is there."""
        if place in self._index:
            return True
        lower, upper = self._ranks(place[0] // DAY)
        return len(self._index) < LIMIT_GONE and upper - lower < LIMIT_GONE_DAY

    def _try(self, place: Place, neighbour: str, day: int) -> None:
        tried = self._tried.setdefault(place[1], {})
        tried.pop(neighbour, None)  # so that the first is the one tried longest ago
        tried[neighbour] = day
        if len(tried) > LIMIT_TRIED:
            del tried[next(iter(tried))]


class Told:
    """The frames that are gone at one peer, as far as it told; kept between sessions, so that little is told again."""

    __slots__ = ("_days",)

    def __init__(self) -> None:
        self._days: dict[int, tuple[GoneDay, frozenset[Place]]] = {}

    def unknown(self, days: Iterable[GoneDay]) -> tuple[int, ...]:
        """Take what a peer says it has gone, forget what that no longer says, return the days to ask for."""
        said = {each.day: each for each in days}
        self._days = {day: known for day, known in self._days.items() if said.get(day) == known[0]}
        return tuple(day for day in said if day not in self._days)

    def learn(self, said: GoneDay, places: tuple[Place, ...]) -> None:
        """Take the places of a day. Raises RemoteError(ID) if they are not what the peer said before."""
        total = sum(addend(frame) for _, frame in places)
        if len(places) != said.count or fingerprint(total, said.count) != said.fingerprint:
            raise RemoteError(RejectReason.ID, "other gone frames than said")
        self._days[said.day] = (said, frozenset(places))

    def places(self) -> frozenset[Place]:
        """Return all of them: left out of our side of a session, and never counted as held there."""
        return frozenset(place for _, places in self._days.values() for place in places)
