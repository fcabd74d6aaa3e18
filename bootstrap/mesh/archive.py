"""The frames that a modelled citizen keeps, in the order they came and by the minutes they bear.

docs/spec/carrying.md; PROTOCOL §9. A frame has a `place` that chance has given it, the same for everybody, where the
wire format has the frame's id: HPKE draws its own randomness, so ids differ from run to run, and nothing here may
depend on them. Invariants: a frame is here once; spans of minutes with equal sums hold the same frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.frame import Frame

SPAN: Final = 120
"""Minutes whose frames are compared by one sum."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A frame somebody has brought into the world; there is one of these for each."""

    number: int
    place: int
    frame: Frame = field(repr=False)
    genuine: bool
    """Its commons' MAC is right, which everybody finds alike."""


@dataclass(slots=True)
class Archive:
    """`rows` by arrival (None where evicted), `spans` by minute."""

    rows: list[Carried | None] = field(default_factory=list)
    spans: dict[int, dict[int, Carried]] = field(default_factory=dict)
    sums: dict[int, int] = field(default_factory=dict)
    evicted: int = 0

    def __contains__(self, one: Carried) -> bool:
        return one.place in self.spans.get(one.frame.minute // SPAN, ())

    def __iter__(self) -> Iterator[Carried]:
        return (one for one in self.rows if one is not None)

    def add(self, one: Carried) -> bool:
        """Keep a frame; False when it was here."""
        span = one.frame.minute // SPAN
        held = self.spans.setdefault(span, {})
        if one.place in held:
            return False
        held[one.place] = one
        self.sums[span] = self.sums.get(span, 0) + one.place
        self.rows.append(one)
        return True

    def evict(self, before: int) -> None:
        """Drop frames whose minute is below `before`."""
        old = {span for span in self.spans if span * SPAN < before}
        if not old:
            return
        for number, one in enumerate(self.rows):
            if one is not None and one.frame.minute < before:
                self.rows[number] = None
                self.evicted += 1
                span = one.frame.minute // SPAN
                del self.spans[span][one.place]
                self.sums[span] -= one.place
        for span in old:
            if not self.spans[span]:
                del self.spans[span], self.sums[span]

    def outline(self, first: int) -> dict[int, int]:
        """The sum of every span with minutes from `first` on."""
        return {span: total for span, total in self.sums.items() if (span + 1) * SPAN > first}

    def differing(self, outline: Mapping[int, int], first: int) -> set[int]:
        """The spans from `first` on in which whoever sent this outline holds other frames."""
        mine = self.outline(first)
        return {span for span in mine.keys() | outline.keys() if mine.get(span) != outline.get(span)}

    def listing(self, spans: Iterable[int]) -> dict[int, Carried]:
        """The frames of these spans by their place."""
        return {place: one for span in sorted(spans) for place, one in self.spans.get(span, {}).items()}

    def between(self, first: int, last: int) -> list[int]:
        """The rows with minutes in [first, last], in the order of arrival."""
        return [
            number for number, one in enumerate(self.rows) if one is not None and first <= one.frame.minute <= last
        ]
