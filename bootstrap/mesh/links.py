"""The links between neighbours: messages that take their time, get lost, come twice or in another order, or not at all.

docs/guide/mesh.md, *What goes wrong*. Invariants: what arrives is what was sent; a message crosses no partition,
neither one there was when it left nor one there is when it arrives; troubles end when they are told to, but for the
delay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.dice import Dice
    from tertulia.bootstrap.mesh.loop import Loop
    from tertulia.bootstrap.mesh.scenario import Links as Quality


@dataclass(slots=True)
class Links:
    """All the links there are. `apart` is one side of the partition of the moment."""

    loop: Loop
    dice: Dice
    quality: Quality
    apart: frozenset[int] = frozenset()
    counts: Counter[str] = field(default_factory=Counter)

    def connected(self, one: int, other: int) -> bool:
        """Whether no partition runs between these two."""
        return (one in self.apart) == (other in self.apart)

    def send(self, sender: int, receiver: int, arrive: Callable[[], None]) -> None:
        """Have `arrive` called at the receiver's: once, later, twice or never."""
        quality, draw = self.quality, self.dice.random
        self.counts["sent"] += 1
        if not self.connected(sender, receiver):
            self.counts["parted"] += 1
            return
        if quality.loss and draw() < quality.loss:
            self.counts["lost"] += 1
            return
        self._deliver(sender, receiver, arrive)
        if quality.duplicate and draw() < quality.duplicate:
            self.counts["doubled"] += 1
            self._deliver(sender, receiver, arrive)

    def _deliver(self, sender: int, receiver: int, arrive: Callable[[], None]) -> None:
        quality, draw = self.quality, self.dice.random
        wait = quality.delay + int((2 * draw() - 1) * quality.jitter)
        if quality.late and draw() < quality.late:
            self.counts["late"] += 1
            wait += int(draw() * quality.late_by)

        def arrived() -> None:
            if self.connected(sender, receiver):
                arrive()

        self.loop.after(max(1, wait), arrived)

    def part(self, side: Collection[int]) -> None:
        """Let the network fall in two: these and the others. Nobody: it is whole again."""
        self.apart = frozenset(side)

    def mend(self) -> None:
        """From now on messages only take their time."""
        self.apart = frozenset()
        self.quality = replace(self.quality, loss=0.0, duplicate=0.0, late=0.0)
