"""What a client may have a node say by the method: in forms, stances, proposals, and what they came to.

docs/spec/control.md, docs/spec/method.md. What a person wrote is cleaned here; the core judges whether it has effect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.control.params import Answer, Params, number, text, word
from tertulia.node.control.rooms import room_of
from tertulia.protocol import views, views_history, views_matters, views_proceedings, views_rooms
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.ids import EventId
from tertulia.protocol.inputs import SayText, Utter
from tertulia.protocol.propose import (
    LIMIT_FLOOR,
    Action,
    AgendaItem,
    Amendment,
    Floor,
    Proposal,
    Propose,
    ProposeForm,
    Take,
)
from tertulia.protocol.refusal import refuse
from tertulia.protocol.revise import Edit, Withdraw
from tertulia.protocol.say import FORMS, LIMIT_SAY_TEXT, LIMIT_VOICE, Form, Say
from tertulia.protocol.stance import VALUES, Stance
from tertulia.protocol.stance import Value as StanceValue
from tertulia.protocol.text import clean

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.body import Words
    from tertulia.protocol.ids import DialogueId

PUT: Final = (ProposeForm.PROPOSAL, ProposeForm.ACTION, ProposeForm.AGENDA)


class SpeechMethods:
    """The methods about what is said and where people stand."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "say": self._say,
            "edit": self._edit,
            "withdraw": self._withdraw,
            "stance": self._stance,
            "propose": self._propose,
            "amend": self._amend,
            "take": self._take,
            "matters": self._matters,
            "history": self._history,
            "floor": self._floor,
            "proceedings": self._proceedings,
        }

    def _dialogue(self, params: Params) -> DialogueId:
        return views.resolve_dialogue(self._service.core, text(params, "dialogue"))

    def _target(self, dialogue: DialogueId, named: str) -> EventId:
        return views_matters.resolve_matter(self._service.core, dialogue, named)

    async def _say(self, params: Params) -> Answer:
        dialogue, form = self._dialogue(params), word(params, "form", Form.MESSAGE)
        if form not in FORMS:
            raise refuse("There is no such form of saying something.", f"Choose one of {', '.join(sorted(FORMS))}.")
        if form == Form.MESSAGE and not params.keys() & {"target", "lang", "voice"}:
            room = room_of(self._service.core, dialogue, params)
            return await self._service.ask(SayText(dialogue, text(params, "text"), room))
        target = self._about(dialogue, form, text(params, "target")) if "target" in params else None
        voice = clean(word(params, "voice"), LIMIT_VOICE)
        return await self._utter(dialogue, Say(form, _said(params), word(params, "lang"), target, voice), params)

    def _about(self, dialogue: DialogueId, form: str, named: str) -> EventId:
        """What something is about; a report: the event that opened a breakout."""
        if form == Form.REPORT:
            return EventId(views_rooms.resolve_room(self._service.core, dialogue, named))
        return self._target(dialogue, named)

    async def _edit(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        target = self._target(dialogue, text(params, "id"))
        return await self._utter(dialogue, Edit(target, self._next(dialogue, target), _said(params)))

    async def _withdraw(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        target = self._target(dialogue, text(params, "id"))
        return await self._utter(dialogue, Withdraw(target, self._next(dialogue, target)))

    async def _stance(self, params: Params) -> Answer:
        dialogue, value = self._dialogue(params), text(params, "value")
        if value not in VALUES:
            raise refuse("There is no such stance.", f"Choose one of {', '.join(sorted(VALUES))}.")
        reason = clean(word(params, "reason"), LIMIT_SAY_TEXT).strip()
        stance = Stance(self._target(dialogue, text(params, "id")), StanceValue(value), reason)
        return await self._utter(dialogue, stance)

    async def _propose(self, params: Params) -> Answer:
        dialogue, form = self._dialogue(params), word(params, "form", ProposeForm.PROPOSAL)
        said, lang = clean(text(params, "text"), LIMIT_SAY_TEXT + 1).strip(), word(params, "lang")
        words = clean(text(params, "title"), LIMIT_TITLE).strip(), said, lang
        body: Propose
        match form:
            case ProposeForm.PROPOSAL:
                body = Proposal(*words, _minute(params, "closes"))
            case ProposeForm.ACTION:
                owner = views.resolve_member(self._service.core, dialogue, word(params, "owner"))
                body = Action(*words, owner, _minute(params, "deadline"), _minute(params, "review"))
            case ProposeForm.AGENDA:
                body = AgendaItem(*words, number(params, "minutes", 0))
            case _:
                raise refuse("Nothing like that can be proposed.", f"Choose one of {', '.join(PUT)}.")
        return await self._utter(dialogue, body, params)

    async def _amend(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        version = self._target(dialogue, text(params, "id"))
        return await self._utter(dialogue, Amendment(version, _said(params), word(params, "lang")))

    async def _take(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        return await self._utter(dialogue, Take(self._target(dialogue, text(params, "id"))))

    async def _matters(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        rows = list(views_matters.matters(self._service.core, dialogue))
        return {"dialogue": dialogue.hex(), "provisional": any(row["provisional"] for row in rows), "matters": rows}

    async def _history(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        said = self._target(dialogue, text(params, "id"))
        versions = views_history.history(self._service.core.dialogues[dialogue], said)
        return {"dialogue": dialogue.hex(), "id": said.hex(), "versions": versions}

    async def _floor(self, params: Params) -> Answer:
        on = clean(word(params, "text"), LIMIT_FLOOR).strip()
        return await self._utter(self._dialogue(params), Floor(on, word(params, "lang")))

    async def _proceedings(self, params: Params) -> Answer:
        return views_proceedings.proceedings(self._service.core, self._dialogue(params))

    async def _utter(self, dialogue: DialogueId, words: Words, where: Params | None = None) -> Answer:
        room = None if where is None else room_of(self._service.core, dialogue, where)
        return await self._service.ask(Utter(dialogue, words, room))

    def _next(self, dialogue: DialogueId, target: EventId) -> int:
        """The counter of the next revision of something."""
        revisions = self._service.core.dialogues[dialogue].matters.matters[target].revisions
        return revisions[-1].counter + 1 if revisions else 1


def _minute(params: Params, name: str) -> int:
    """A time given in ms, as a minute; 0 where none was."""
    return max(0, number(params, name, 0)) // MS_PER_MINUTE


def _said(params: Params) -> str:
    """Somebody's words. Raises LocalError where there are none."""
    said = clean(text(params, "text"), LIMIT_SAY_TEXT + 1).strip()
    if not said:
        raise refuse("There is nothing to send.", "Write something first.")
    return said
