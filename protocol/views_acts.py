"""What clients see of acts: who proposed what, who has signed, and what became of it.

Implements docs/spec/control.md (acts), on top of docs/spec/events.md, section Acts. Pure functions of the core, like
`views`; names are as everywhere on the screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol.facilitation import DEEDS, LIMIT_REASON, About, Steer
from tertulia.protocol.ids import EventId, PersonaId
from tertulia.protocol.room import Breakout
from tertulia.protocol.roster import Remove, Role
from tertulia.protocol.text import clean
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import PREFIX, Row, names_of, unclear

if TYPE_CHECKING:
    from tertulia.protocol.act import Proposal
    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import DialogueId
    from tertulia.protocol.state import ActFact


def acts(core: Core, key: DialogueId) -> tuple[Row, ...]:
    """Everything that was proposed in a dialogue, in order: `need` signatures make it so, `signers` has who signed."""
    dialogue = core.dialogues[key]
    names = names_of(dialogue.state)
    return tuple(
        {
            "act": act.event.hex(),
            "kind": _kind(act.body),
            "member": "" if (whom := _whom(act)) is None else whom.hex(),
            "nick": "" if whom is None else names.get(whom, whom.hex()[:8]),
            "message": act.body.subject.hex() if isinstance(act.body, Steer) and whom is None else "",
            "reason": clean(act.body.text, LIMIT_REASON) if isinstance(act.body, Steer) else "",
            "closes": act.body.closes * MS_PER_MINUTE if isinstance(act.body, Steer) else 0,
            "state": act.outcome.value,
            "need": act.need.count,
            "signers": [names[persona] for persona in act.signers],
            "signed": dialogue.me in act.signers,
        }
        for act in dialogue.state.acts
    )


def _whom(act: ActFact) -> PersonaId | None:
    """Whom it is about."""
    if isinstance(act.body, Steer) and DEEDS[act.body.deed].about is About.MEMBER:
        return PersonaId(act.body.subject)
    return act.target


def _kind(body: Proposal) -> str:
    """What it does, in a word."""
    match body:
        case Remove():
            return "remove"
        case Role(facilitator=True):
            return "facilitator"
        case Role():
            return "member"
        case Steer(deed):
            return deed.name.lower()
        case Breakout():
            return "breakout"
        case _:
            return "settle"


def resolve_said(core: Core, key: DialogueId, text: str) -> EventId:
    """What was said in a dialogue that a person means: its id or the start of it.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip().lower()
    logs = (room.log for room in core.dialogues[key].state.rooms.values())
    said = [entry.event for log in logs for entry in log if entry.reason is None]
    found = [event for event in said if len(wanted) >= PREFIX and event.hex().startswith(wanted)]
    if len(found) != 1:
        raise unclear("message", len(found))
    return found[0]


def resolve_act(core: Core, key: DialogueId, text: str) -> EventId:
    """The act a person means: its id or the start of it.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip().lower()
    every = core.dialogues[key].state.acts
    found = [act.event for act in every if len(wanted) >= PREFIX and act.event.hex().startswith(wanted)]
    if len(found) != 1:
        raise unclear("proposal", len(found))
    return found[0]
