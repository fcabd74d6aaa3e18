"""What a client may have a node do about how a dialogue is run: its charter, who facilitates, what they do together.

docs/spec/control.md. Each method resolves what a person named and asks the core, which refuses in three sentences.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from tertulia.node.control.params import Answer, Params, number, text, texts
from tertulia.node.control.rooms import room_of
from tertulia.protocol import views, views_acts, views_matters
from tertulia.protocol.errors import LocalError, Problem
from tertulia.protocol.facilitation import DEEDS, About, Deed
from tertulia.protocol.inputs import AcceptRules, Facilitate, NewDialogue, SetRole, SignAct
from tertulia.protocol.presets import CONVERSATION

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.ids import CommonsId, DialogueId


UNKNOWN_DEED: Final = Problem(
    "Facilitators can do no such thing.",
    "Nothing was done.",
    "They pause, resume, close; mute, unmute, give the floor; fold, unfold; announce an item, fix or drop one; "
    "open a round and end it; and cut.",
)


class CouncilMethods:
    """The methods about rules, roles and acts."""

    def __init__(self, service: Service, which: Callable[[Params], CommonsId]) -> None:
        self._service, self._which = service, which
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "dialogue.new": self._new,
            "charter": self._charter,
            "accept": self._accept,
            "act": self._act,
            "acts": self._acts,
            "role": self._role,
            "cosign": self._cosign,
        }

    def _dialogue(self, params: Params) -> DialogueId:
        return views.resolve_dialogue(self._service.core, text(params, "dialogue"))

    async def _new(self, params: Params) -> Answer:
        track = text(params, "track") if "track" in params else ""
        command = NewDialogue(
            text(params, "title"),
            self._which(params),
            self._service.core.nick,
            number(params, "quorum", 1) if "quorum" in params else None,
            f"track-{track}" if track else CONVERSATION,
            texts(params, "languages"),
            bool(params.get("simulation", False)),
            number(params, "keep", 0),
        )
        return await self._service.ask(command)

    async def _charter(self, params: Params) -> Answer:
        return views.charter(self._service.core, self._dialogue(params))

    async def _accept(self, params: Params) -> Answer:
        return await self._service.ask(AcceptRules(self._dialogue(params)))

    async def _act(self, params: Params) -> Answer:
        core, dialogue = self._service.core, self._dialogue(params)
        deed = next((deed for deed in Deed if deed.name.lower() == text(params, "deed")), None)
        if deed is None:
            raise LocalError(UNKNOWN_DEED)
        subject: bytes = b""
        match DEEDS[deed].about:
            case About.MEMBER:
                subject = views.resolve_member(core, dialogue, str(params.get("member", "")))
            case About.EVENT if deed in {Deed.FIX, Deed.DROP}:
                subject = views_matters.resolve_matter(core, dialogue, str(params.get("message", "")))
            case About.EVENT:
                subject = views_acts.resolve_said(core, dialogue, str(params.get("message", "")))
            case About.ROOM:
                pass
        minutes = number(params, "minutes", 0)
        room = room_of(core, dialogue, params)
        return await self._service.ask(Facilitate(dialogue, deed, text(params, "reason"), subject, minutes, room))

    async def _acts(self, params: Params) -> Answer:
        return {"acts": list(views_acts.acts(self._service.core, self._dialogue(params)))}

    async def _role(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        member = views.resolve_member(self._service.core, dialogue, text(params, "member"))
        return await self._service.ask(SetRole(dialogue, member, bool(params["facilitator"])))

    async def _cosign(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        act = views_acts.resolve_act(self._service.core, dialogue, text(params, "act"))
        return await self._service.ask(SignAct(dialogue, act))
