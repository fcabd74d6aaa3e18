"""What some events descend from, among those that are held.

Implements docs/spec/events.md, section Header: an event names its parents, of the same room. Nothing is judged here,
and what is not held ends the walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tertulia.protocol.event import Event
from tertulia.protocol.ids import EventId


def past(held: Mapping[EventId, Event], of: Iterable[EventId]) -> set[EventId]:
    """These events and all they descend from by their parents, as far as they are held."""
    found: set[EventId] = set()
    walk = set(of) & held.keys()
    while walk:
        found |= walk
        walk = {parent for here in walk for parent in held[here].header.parents}
        walk = (walk & held.keys()) - found
    return found
