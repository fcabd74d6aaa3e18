"""One turn of the core: the time it happens at, where its randomness comes from, what it decides to do.

Implements docs/spec/core.md. A turn is handed down through the core's rooms (dialogue, inviting, joining,
outbox); each of them appends effects in the order they must be seen. Nothing else is shared between rooms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.protocol.effects import Changed, Erase, Put, Table, View

if TYPE_CHECKING:
    from tertulia.protocol.crypto import Entropy
    from tertulia.protocol.effects import Effect
    from tertulia.protocol.ids import DialogueId

MS_PER_MINUTE: Final = 60_000

@dataclass(slots=True)
class Turn:
    """`now` in milliseconds since the Unix epoch; `effects` grows as the turn goes on."""

    now: int
    entropy: Entropy
    effects: list[Effect] = field(default_factory=list)
    _told: set[Changed] = field(default_factory=set)

    @property
    def minute(self) -> int:
        """Whole minutes since the Unix epoch."""
        return self.now // MS_PER_MINUTE

    def emit(self, *effects: Effect) -> None:
        """Append effects."""
        self.effects.extend(effects)

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Write a vault row with this batch."""
        self.effects.append(Put(table, key, value))

    def erase(self, table: Table, key: bytes) -> None:
        """Delete a vault row with this batch."""
        self.effects.append(Erase(table, key))

    def changed(self, view: View, dialogue: DialogueId | None = None) -> None:
        """Tell watchers of a view, once a turn."""
        effect = Changed(view, dialogue)
        if effect not in self._told:
            self._told.add(effect)
            self.effects.append(effect)
