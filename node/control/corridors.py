"""What a client may have a node do with corridors: step aside, agree, talk, and end them.

docs/spec/control.md, docs/spec/corridor.md. One is named by its id or the start of it, or by
nothing while there is but one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from tertulia.node.control.params import Answer, Params, number, text, texts
from tertulia.protocol import views, views_corridors
from tertulia.protocol.inputs import AnswerCorridor, InCorridor, OpenCorridor

if TYPE_CHECKING:
    from tertulia.node.service import Service

MINUTES: Final = 60
"""How long a corridor lasts unless said."""


class CorridorMethods:
    """The methods about corridors."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "corridor.list": self._list,
            "corridor.open": self._open,
            "corridor.answer": self._answer,
            "corridor.say": self._say,
            "corridor.close": self._close,
        }

    def _which(self, params: Params) -> bytes:
        return views_corridors.resolve_corridor(self._service.core, text(params, "corridor"))

    async def _list(self, params: Params) -> Answer:
        core = self._service.core
        dialogue = views.resolve_dialogue(core, text(params, "dialogue")) if "dialogue" in params else None
        return {"corridors": list(views_corridors.corridors(core, dialogue))}

    async def _open(self, params: Params) -> Answer:
        core = self._service.core
        dialogue = views.resolve_dialogue(core, text(params, "dialogue"))
        members = tuple(views.resolve_member(core, dialogue, name) for name in texts(params, "members"))
        return await self._service.ask(OpenCorridor(dialogue, members, number(params, "minutes", MINUTES)))

    async def _answer(self, params: Params) -> Answer:
        return await self._service.ask(AnswerCorridor(self._which(params), bool(params["agree"])))

    async def _say(self, params: Params) -> Answer:
        return await self._service.ask(InCorridor(self._which(params), text(params, "text")))

    async def _close(self, params: Params) -> Answer:
        return await self._service.ask(InCorridor(self._which(params), None))
