"""What a client may have a node do with rooms: list them, split people into breakouts.

docs/spec/control.md, docs/spec/events.md (Room). Where a method takes a room, it is named by its title, its
id or the start of it; left out, it is the plenary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tertulia.node.control.params import Answer, Params, number, text, texts
from tertulia.protocol import views, views_corridors, views_rooms
from tertulia.protocol.inputs import OpenBreakout

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import DialogueId, RoomId


def room_of(core: Core, dialogue: DialogueId, params: Params) -> RoomId | None:
    """The room that a call names; None where it names none, or the plenary. Raises LocalError."""
    if "room" not in params:
        return None
    found = views_rooms.resolve_room(core, dialogue, text(params, "room"))
    return None if found == core.dialogues[dialogue].plenary else found


class RoomMethods:
    """The methods about rooms."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {"rooms": self._rooms, "room.open": self._open}

    async def _rooms(self, params: Params) -> Answer:
        core = self._service.core
        dialogue = views.resolve_dialogue(core, text(params, "dialogue"))
        rows = views_rooms.rooms(core, dialogue, self._service.clock())
        mine = views_corridors.corridors(core, dialogue)
        return {"dialogue": dialogue.hex(), "rooms": list(rows), "corridors": list(mine)}

    async def _open(self, params: Params) -> Answer:
        core = self._service.core
        dialogue = views.resolve_dialogue(core, text(params, "dialogue"))
        members = tuple(views.resolve_member(core, dialogue, name) for name in texts(params, "members"))
        named = text(params, "rapporteur") if "rapporteur" in params else ""
        first = next(iter(members), core.dialogues[dialogue].me)
        rapporteur = views.resolve_member(core, dialogue, named) if named else first
        command = OpenBreakout(dialogue, text(params, "title"), members, rapporteur, number(params, "minutes", 0))
        return await self._service.ask(command)
