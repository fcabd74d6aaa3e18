"""The names of things: 32-byte ids, one type for each kind of thing.

Spec: docs/spec/README.md, *Ids*. An id is a hash or a public key; it says nothing by itself. Inside `protocol` ids are
bytes, everywhere else lowercase hex. The type checker keeps one kind from being taken for another.
"""

from __future__ import annotations

from typing import Final, NewType

DialogueId = NewType("DialogueId", bytes)
RoomId = NewType("RoomId", bytes)
EventId = NewType("EventId", bytes)
PersonaId = NewType("PersonaId", bytes)
ActorId = NewType("ActorId", bytes)
"""The public half of a session key: who an event says it is from."""
EpochId = NewType("EpochId", bytes)
FrameId = NewType("FrameId", bytes)
ItemId = NewType("ItemId", bytes)
CommonsId = NewType("CommonsId", bytes)
PrekeyId = NewType("PrekeyId", bytes)

ID: Final = 32
"""Bytes in every id."""
