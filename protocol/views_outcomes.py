"""What clients see of outcomes: drafts and what is sealed, what stands against them, and what was to be done.

Implements docs/spec/control.md (outcomes, actions), on top of docs/spec/method.md. Pure functions of the core, like
`views`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol import concluding
from tertulia.protocol.charter import LIMIT_TITLE
from tertulia.protocol.facilitation import Deed, Steer
from tertulia.protocol.ids import EventId
from tertulia.protocol.method.rules import What
from tertulia.protocol.method.sealing import rests_on, unanswered
from tertulia.protocol.method.weighing import tally
from tertulia.protocol.on_record import LIMIT_NAME
from tertulia.protocol.outcome import Conclusion
from tertulia.protocol.propose import Action
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.stance import OBJECTIONS
from tertulia.protocol.state import Outcome
from tertulia.protocol.text import clean, clean_line, clean_name
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import PREFIX, Row, names_of, unclear

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.ids import DialogueId
    from tertulia.protocol.method.matters import Matter, Matters
    from tertulia.protocol.views import Names


def outcomes(core: Core, key: DialogueId) -> tuple[Row, ...]:
    """Every note and joint statement of a dialogue that was not withdrawn, in order; the sealed ones as sealed."""
    dialogue = core.dialogues[key]
    names = names_of(dialogue.state)
    found = (one for one in dialogue.matters.matters.values() if isinstance(one.content, Conclusion))
    return tuple(_outcome(dialogue, matter, names) for matter in found if not matter.is_withdrawn)


def _outcome(dialogue: Dialogue, drafted: Matter, names: Names) -> Row:
    found = concluding.sealed(dialogue, drafted.event)
    matters = dialogue.matters if found is None else found[1].matters
    matter = matters.matters[drafted.event]
    content, count = matter.content, tally(matter)
    mine = drafted.votes.get(dialogue.me)
    assert isinstance(content, Conclusion), "only those are listed"
    return {
        "id": matter.event.hex(),
        "form": content.form.value,
        "author": names[matter.author],
        "title": clean_line(content.title, LIMIT_TITLE),
        "text": clean(content.text, LIMIT_SAY_TEXT),
        "lang": clean_name(content.lang),
        "time": dialogue.events[matter.event].header.tick * MS_PER_MINUTE,
        "state": _state(dialogue, drafted.event) if found is None else "sealed",
        "act": "" if found is None else found[0].event.hex(),
        "provisional": found is None or not found[1].line.whole,
        "cited": [one.event.hex() for one in rests_on(matters, matter)],
        "endorse": count.endorse,
        "reserve": count.reserve,
        "mine": "" if mine is None else mine.value.value,
        "on_record": [
            {"name": clean_line(signed.name, LIMIT_NAME), "value": value, "reason": clean(reason, LIMIT_SAY_TEXT)}
            for signed, value, reason in ((one.open, one.value.value, one.reason) for one in matter.votes.values())
            if signed is not None
        ],
        "against": [_objection(matters, event, names) for event in unanswered(matters, matter)],
        "attached": [_objection(matters, event, names) for event in matters.attached.get(matter.event, ())],
        "minority": _beside(matters, matter, What.MINORITY),
        "translations": _beside(matters, matter, What.TRANSLATION),
    }


def _state(dialogue: Dialogue, outcome: EventId) -> str:
    """A draft; or a seal was proposed; or agreed on, but not all of it is here, or an objection stands against it."""
    if any(not sealing.line.whole for sealing in concluding.seals_of(dialogue, outcome)):
        return "incomplete"
    seals = [act for act in dialogue.state.acts if isinstance(act.body, Steer) and act.body.deed is Deed.SEAL]
    found = {act.outcome for act in seals if isinstance(act.body, Steer) and act.body.subject == outcome}
    if Outcome.DONE in found:
        return "unanswered"
    return "proposed" if Outcome.PENDING in found else "draft"


def _objection(matters: Matters, event: EventId, names: Names) -> Row:
    """An objection as it was last put; the words are gone where its author took another stance since."""
    for matter in matters.matters.values():
        for who, position in matter.votes.items():
            if position.event == event:
                answers = [matters.matters[answer].text for answer in matters.answers.get(event, ())]
                return {
                    "id": event.hex(),
                    "about": matter.event.hex(),
                    "author": names[who],
                    "reason": clean(position.reason, LIMIT_SAY_TEXT),
                    "answers": [clean(answer, LIMIT_SAY_TEXT) for answer in answers],
                }
    return {"id": event.hex(), "about": "", "author": "", "reason": "", "answers": []}


def _beside(matters: Matters, outcome: Matter, what: What) -> list[Row]:
    found = (matters.matters[event] for event in outcome.beside)
    return [
        {"lang": clean_name(one.content.lang), "text": clean(one.text, LIMIT_SAY_TEXT)}
        for one in found
        if one.what is what and not one.is_withdrawn
    ]


def actions(core: Core, key: DialogueId, minute: int) -> tuple[Row, ...]:
    """What was to be done, the earliest deadline first: `due` says overdue, or that it is time to look at it again."""
    dialogue = core.dialogues[key]
    names = names_of(dialogue.state)
    found = [
        (matter, matter.content)
        for matter in dialogue.matters.matters.values()
        if isinstance(matter.content, Action) and not matter.is_withdrawn
    ]
    return tuple(
        {
            "id": matter.event.hex(),
            "title": clean_name(content.title),
            "text": clean(matter.text, LIMIT_SAY_TEXT),
            "owner": names.get(content.owner, content.owner.hex()[:8]),
            "mine": content.owner == dialogue.me,
            "deadline": content.deadline * MS_PER_MINUTE,
            "review": content.review * MS_PER_MINUTE,
            "due": due(content, minute),
        }
        for matter, content in sorted(found, key=lambda one: (one[1].deadline, one[0].event))
    )


def due(action: Action, minute: int) -> str:
    """`overdue` after its deadline, `review` after the time to look at it again, else nothing."""
    if action.review and action.review <= minute:
        return "review"
    return "overdue" if action.deadline and action.deadline <= minute else ""


def resolve_objection(core: Core, key: DialogueId, text: str) -> EventId:
    """The objection a person means: its id or the start of it.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip().lower()
    every = core.dialogues[key].matters.matters.values()
    positions = [one for matter in every for one in matter.votes.values() if one.value in OBJECTIONS]
    found = [one.event for one in positions if len(wanted) >= PREFIX and one.event.hex().startswith(wanted)]
    if len(found) != 1:
        raise unclear("objection", len(found))
    return found[0]
