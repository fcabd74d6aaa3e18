"""One batch: inputs handled on a staged overlay of the core, and what must be done about them.

DESIGN.md §2, the batch loop. Invariants: the core the batch started from is never touched; rows come out apart from all
other effects, to be committed first; an input on which the core breaks is left out, named, and harms no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.node.redaction import log_crash
from tertulia.protocol.effects import Effect, Erase, Put

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.inputs import Input

LIMIT_BATCH: Final = 256
"""Inputs of one batch."""
BATCH_SECONDS: Final = 0.020
"""A batch that has been handled for this long takes no further input."""

Row = Put | Erase


@dataclass(slots=True)
class Batch:
    """Inputs handled so far, and what came out. Adopt `overlay` only after `rows` are on the disk."""

    base: Core = field(repr=False)
    overlay: Core = field(init=False, repr=False)
    inputs: list[tuple[Input, int]] = field(default_factory=list, repr=False)
    broken: list[Input] = field(default_factory=list, repr=False)
    """What was left out, because the core broke on it."""
    rows: list[Row] = field(default_factory=list, repr=False)
    effects: list[Effect] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.overlay = self.base.stage()

    def start(self, now: int) -> None:
        """Begin with what the core does when it is loaded."""
        self._part(self.overlay.start(now))

    def take(self, given: Input, now: int) -> None:
        """Handle one input at `now` (ms). One that the core breaks on is left out, as if it had never come."""
        if self._handle(given, now):
            self.inputs.append((given, now))
            return
        self.broken.append(given)
        # The overlay may be half changed: begin again with those that went well.
        self._begin_again()
        for one, at in tuple(self.inputs):
            if not self._handle(one, at):
                self.inputs.remove((one, at))
                self.broken.append(one)

    def settle(self, now: int) -> bool:
        """Do what follows from the inputs together. False if the core broke: then nothing of this batch may be used."""
        try:
            effects = self.overlay.settle(now)
        except Exception as broken:  # noqa: BLE001 - the boundary: see `_handle`
            log_crash(broken)
            return False
        self._part(effects)
        return True

    def _begin_again(self) -> None:
        self.overlay = self.base.stage()
        self.rows.clear()
        self.effects.clear()

    def _handle(self, given: Input, now: int) -> bool:
        try:
            effects = self.overlay.handle(given, now)
        except Exception as broken:  # noqa: BLE001 - the boundary: our mistake in the core costs one input, not the node
            log_crash(broken)
            return False
        self._part(effects)
        return True

    def _part(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Put | Erase):
                self.rows.append(effect)
            else:
                self.effects.append(effect)
