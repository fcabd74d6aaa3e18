"""What a client may have a node do about questionnaires: ask, answer, list, ask for release, give what may leave.

docs/spec/control.md, docs/spec/method.md. A question is one line, its options after it, parted by bars.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tertulia.node.control.params import Answer, Params, text, texts, word
from tertulia.protocol import views, views_surveys
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.inputs import Utter
from tertulia.protocol.refusal import refuse
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.survey import LIMIT_OPTION, LIMIT_QUESTION, Answers, Question, Release, Survey
from tertulia.protocol.text import clean

if TYPE_CHECKING:
    from tertulia.node.service import Service
    from tertulia.protocol.ids import DialogueId


class SurveyMethods:
    """The methods about questionnaires."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.all: dict[str, Callable[[Params], Awaitable[Answer]]] = {
            "survey": self._open,
            "answer": self._answer,
            "surveys": self._surveys,
            "release": self._release,
            "evaluation": self._evaluation,
        }

    def _dialogue(self, params: Params) -> DialogueId:
        return views.resolve_dialogue(self._service.core, text(params, "dialogue"))

    async def _open(self, params: Params) -> Answer:
        asked = tuple(_question(line) for line in texts(params, "questions"))
        title, said = clean(text(params, "title"), LIMIT_TITLE).strip(), clean(word(params, "text"), LIMIT_SAY_TEXT)
        survey = Survey(title, said.strip(), word(params, "lang"), asked)
        return await self._service.ask(Utter(self._dialogue(params), survey))

    async def _answer(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        matter = views_surveys.survey_named(self._service.core, dialogue, text(params, "id"))
        chosen = texts(params, "choices")
        if not all(choice.isdecimal() and len(choice) < 3 for choice in chosen):
            raise refuse("An answer is the number of an option, 0 for none.", "Give one for each question.")
        return await self._service.ask(Utter(dialogue, Answers(matter.event, tuple(map(int, chosen)))))

    async def _surveys(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        return {"dialogue": dialogue.hex(), "surveys": list(views_surveys.surveys(self._service.core, dialogue))}

    async def _release(self, params: Params) -> Answer:
        dialogue = self._dialogue(params)
        pack = views_surveys.counted(self._service.core, dialogue, text(params, "id"))
        said = clean(word(params, "text"), LIMIT_SAY_TEXT).strip()
        release = Release(pack.survey.event, pack.hash, said, word(params, "lang"))
        return await self._service.ask(Utter(dialogue, release))

    async def _evaluation(self, params: Params) -> Answer:
        return dict(views_surveys.evaluation(self._service.core, self._dialogue(params), text(params, "id")))


def _question(line: str) -> Question:
    """One line: the question, then its options, parted by bars."""
    asked, *options = (part.strip() for part in line.split("|"))
    return Question(clean(asked, LIMIT_QUESTION), tuple(clean(option, LIMIT_OPTION) for option in options))
