"""What clients see of the method: everything said and put forward in a dialogue, and where people stand.

Implements docs/spec/control.md (matters), on top of docs/spec/method.md. Pure functions of the core, like `views`.
Where the charter hides stances, a row has none before one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol.method.rules import Rules, What
from tertulia.protocol.method.weighing import is_shown, strongest_objection, tally, unheard_first
from tertulia.protocol.propose import Action, AgendaItem, Proposal
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.survey import Survey
from tertulia.protocol.text import clean, clean_name
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import PREFIX, Row, names_of, unclear

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.ids import DialogueId, EventId
    from tertulia.protocol.method.matters import Matter
    from tertulia.protocol.views import Names

TALK = frozenset({What.MESSAGE, What.REPLY, What.QUESTION, What.SCRIBE, What.AUTOMATED, What.FLOOR})
"""What is read where it was said, or in the queue, and is in no list of matters."""


def matters(core: Core, key: DialogueId) -> tuple[Row, ...]:
    """Statements, the least heard first; then all else in order, but what is plain talk."""
    dialogue = core.dialogues[key]
    names, found = names_of(dialogue.state), dialogue.matters
    first = unheard_first(found)
    rest = (event for event, matter in found.matters.items() if matter.what not in TALK and event not in set(first))
    return tuple(_matter(dialogue, found.matters[event], names) for event in (*first, *rest))


def _matter(dialogue: Dialogue, matter: Matter, names: Names) -> Row:
    content = matter.content
    shown = is_shown(Rules.of(dialogue.state.charter), matter, dialogue.me)
    count = tally(matter)
    mine = matter.votes.get(dialogue.me)
    objection = strongest_objection(dialogue.matters, matter) if shown else None
    return {
        "id": matter.event.hex(),
        "what": matter.what.value,
        "author": names[matter.author],
        "member": matter.author.hex(),
        "title": clean_name(content.title) if isinstance(content, Proposal | Action | AgendaItem | Survey) else "",
        "text": clean(matter.text, LIMIT_SAY_TEXT),
        "lang": clean_name(content.lang),
        "time": dialogue.events[matter.event].header.tick * MS_PER_MINUTE,
        "about": "" if matter.target is None else matter.target.hex(),
        "edited": matter.is_edited,
        "withdrawn": matter.is_withdrawn,
        "mine": "" if mine is None else mine.value.value,
        "hidden": not shown,
        "cut": "" if matter.cut is None else matter.cut.hex(),
        "provisional": matter.is_provisional,
        "agree": count.agree if shown else 0,
        "disagree": count.disagree if shown else 0,
        "pass": count.passed if shown else 0,
        "block": count.block if shown else 0,
        "heard": count.heard,
        "needs_source": len(matter.needing),
        "disputed": len(matter.disputing),
        "beside": [event.hex() for event in matter.beside],
        "versions": [event.hex() for event in matter.versions],
        "objector": "" if objection is None else names[objection[0]],
        "objection": "" if objection is None else clean(objection[1].reason, LIMIT_SAY_TEXT),
        "owner": names.get(content.owner, content.owner.hex()[:8]) if isinstance(content, Action) else "",
        "deadline": content.deadline * MS_PER_MINUTE if isinstance(content, Action) else 0,
        "review": content.review * MS_PER_MINUTE if isinstance(content, Action) else 0,
    }


def resolve_matter(core: Core, key: DialogueId, text: str) -> EventId:
    """What a person means of all that was said: its id or the start of it.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip().lower()
    every = core.dialogues[key].matters.matters
    found = [event for event in every if len(wanted) >= PREFIX and event.hex().startswith(wanted)]
    if len(found) != 1:
        raise unclear("word", len(found))
    return found[0]
