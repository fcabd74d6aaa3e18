"""What clients see of questionnaires: what is asked, one's own answers, and counts that are about nobody.

Implements docs/spec/control.md (surveys, evaluation), on top of docs/spec/method.md. Counts are shown once a cut has
the survey: before that they change with every answer, and the change would tell whose it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol.method.evaluating import Pack, evaluate, is_released
from tertulia.protocol.refusal import refuse
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.survey import Survey
from tertulia.protocol.text import clean, clean_name
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import Row, names_of
from tertulia.protocol.views_matters import resolve_matter

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import DialogueId
    from tertulia.protocol.method.matters import Matter


def surveys(core: Core, key: DialogueId) -> tuple[Row, ...]:
    """Every survey that is not withdrawn, in order."""
    dialogue = core.dialogues[key]
    names = names_of(dialogue.state)
    return tuple(
        _survey(dialogue, matter, names[matter.author])
        for matter in dialogue.matters.matters.values()
        if isinstance(matter.content, Survey) and not matter.is_withdrawn
    )


def _survey(dialogue: Dialogue, matter: Matter, author: str) -> Row:
    asked = matter.content
    assert isinstance(asked, Survey)
    pack = None if matter.is_provisional else pack_of(dialogue, matter)
    questions: list[Value] = []
    for number, question in enumerate(asked.questions):
        counts: list[Value] = [] if pack is None else list(pack.counts[number])
        options: list[Value] = [clean_name(option) for option in question.options]
        questions.append({"question": clean_name(question.text), "options": options, "counts": counts})
    mine = matter.answers.get(dialogue.me)
    return {
        "id": matter.event.hex(),
        "author": author,
        "title": clean_name(asked.title),
        "text": clean(asked.text, LIMIT_SAY_TEXT),
        "lang": clean_name(asked.lang),
        "time": dialogue.events[matter.event].header.tick * MS_PER_MINUTE,
        "questions": questions,
        "mine": [] if mine is None else list(mine.choices),
        "answered": None if pack is None else pack.answered,
        "counted": pack is not None,
        "pack": "" if pack is None else pack.hash.hex(),
        "released": pack is not None and _released(dialogue, pack),
    }


def pack_of(dialogue: Dialogue, matter: Matter) -> Pack:
    """The evaluation of a survey that is counted."""
    charter = dialogue.state.charter
    return evaluate(dialogue.id, matter, simulation=charter is not None and charter.terms.simulation)


def survey_named(core: Core, key: DialogueId, text: str) -> Matter:
    """The survey that a person means. Raises: LocalError when it is none, or not a survey."""
    matter = core.dialogues[key].matters.matters[resolve_matter(core, key, text)]
    if not isinstance(matter.content, Survey):
        raise refuse("That is not a survey.", "List the surveys to see their ids.")
    return matter


def counted(core: Core, key: DialogueId, text: str) -> Pack:
    """The evaluation of the survey that a person means. Raises: LocalError while it is not counted."""
    matter = survey_named(core, key, text)
    if matter.is_provisional:
        raise refuse(
            "The answers are not counted yet, so nobody would have the same numbers.",
            "Ask the facilitators for a cut.",
        )
    return pack_of(core.dialogues[key], matter)


def evaluation(core: Core, key: DialogueId, text: str) -> Row:
    """What may leave the room. Raises: LocalError while it is not counted, or the room has not agreed."""
    pack = counted(core, key, text)
    dialogue = core.dialogues[key]
    if not _released(dialogue, pack):
        raise refuse(
            "The room has not agreed that this leaves it: more than half must say so, and nobody may block it.",
            "Propose its release, and ask for stances.",
        )
    row = _survey(dialogue, pack.survey, "")
    return {name: row[name] for name in ("id", "title", "questions", "answered", "pack")} | {
        "dialogue": key.hex(), "simulation": pack.simulation, "bytes": pack.encode().hex(),
    }  # fmt: skip


def _released(dialogue: Dialogue, pack: Pack) -> bool:
    return is_released(dialogue.matters, pack, len(dialogue.state.members))
