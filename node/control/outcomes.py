"""What a client may have a node do to conclude: drafts, endorsements, dissent, seals, and the file for strangers.

docs/spec/control.md, docs/spec/outcome.md. What a person wrote is cleaned here; the core judges whether it has effect.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tertulia.node.clock import MS_PER_MINUTE
from tertulia.node.control.params import Answer, Params, text, texts
from tertulia.protocol import concluding, views, views_matters, views_outcomes
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.errors import LocalError, Problem
from tertulia.protocol.facilitation import Deed
from tertulia.protocol.inputs import Endorse, Facilitate, Utter
from tertulia.protocol.outcome import Answer as Reply
from tertulia.protocol.outcome import Attach, Conclusion, Minority
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.stance import Stance, Value
from tertulia.protocol.text import clean

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.ids import DialogueId, EventId


class OutcomeMethods:
    """The methods about outcomes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "outcome.draft": self._draft,
            "outcome.endorse": self._endorse,
            "outcome.minority": self._minority,
            "outcome.answer": self._answer,
            "outcome.attach": self._attach,
            "outcome.seal": self._seal,
            "outcome.list": self._list,
            "outcome.export": self._export,
            "actions": self._actions,
        }

    def _dialogue(self, params: Params) -> DialogueId:
        return views.resolve_dialogue(self._service.core, text(params, "dialogue"))

    def _target(self, dialogue: DialogueId, named: str) -> EventId:
        return views_matters.resolve_matter(self._service.core, dialogue, named)

    def _objection(self, dialogue: DialogueId, params: Params) -> EventId:
        return views_outcomes.resolve_objection(self._service.core, dialogue, text(params, "objection"))

    async def _draft(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        cited = tuple(sorted({self._target(dialogue, named) for named in texts(params, "cites")}))
        title, joint = clean(text(params, "title"), LIMIT_TITLE).strip(), bool(params.get("joint", False))
        words = Conclusion(joint, title, _said(params), _word(params, "lang"), cited)
        return await self._service.ask(Utter(dialogue, words))

    async def _endorse(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        outcome, reason = self._target(dialogue, text(params, "id")), clean(_word(params, "reason"), LIMIT_SAY_TEXT)
        value = Value.RESERVE if params.get("reserve", False) else Value.ENDORSE
        if "name" in params:
            return await self._service.ask(Endorse(dialogue, outcome, value, reason.strip(), text(params, "name")))
        return await self._service.ask(Utter(dialogue, Stance(outcome, value, reason.strip())))

    async def _minority(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        outcome = self._target(dialogue, text(params, "id"))
        return await self._service.ask(Utter(dialogue, Minority(outcome, _said(params), _word(params, "lang"))))

    async def _answer(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        words = Reply(self._objection(dialogue, params), _said(params), _word(params, "lang"))
        return await self._service.ask(Utter(dialogue, words))

    async def _attach(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        words = Attach(self._target(dialogue, text(params, "id")), self._objection(dialogue, params))
        return await self._service.ask(Utter(dialogue, words))

    async def _seal(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        subject = self._target(dialogue, text(params, "id"))
        reason = _word(params, "reason", "This is what we agreed on.")
        return await self._service.ask(Facilitate(dialogue, Deed.SEAL, reason, subject))

    async def _list(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        rows = list(views_outcomes.outcomes(self._service.core, dialogue))
        return {"dialogue": dialogue.hex(), "outcomes": rows}

    async def _export(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        outcome = self._target(dialogue, text(params, "id"))
        data = concluding.export(self._service.core, dialogue, outcome, rules=bool(params.get("rules", False)))
        path = Path(text(params, "path"))
        try:
            await trio.to_thread.run_sync(_write, path, data)
        except OSError as failed:
            raise LocalError(
                Problem(
                    f"The file could not be written: {failed.strerror}.",
                    "Nothing was changed.",
                    "Name a new file in a folder that you may write to.",
                )
            ) from failed
        return {"path": str(path), "bytes": len(data)}

    async def _actions(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        rows = views_outcomes.actions(self._service.core, dialogue, self._service.clock() // MS_PER_MINUTE)
        return {"dialogue": dialogue.hex(), "actions": list(rows)}


def _write(path: Path, data: bytes) -> None:
    """Write a new file that only its owner reads: whom it is for is theirs to decide."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _word(params: Params, name: str, default: str = "") -> str:
    return text(params, name) if name in params else default


def _said(params: Params) -> str:
    return clean(text(params, "text"), LIMIT_SAY_TEXT + 1).strip()
