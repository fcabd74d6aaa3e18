"""What a client sees of one's own corridors; there is nothing to see of anybody else's.

Implements docs/spec/control.md (corridor row) and docs/spec/corridor.md. Pure functions of the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.protocol.corridor import LIMIT_CORRIDOR_TEXT
from tertulia.protocol.text import clean
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import PREFIX, Row, names_of, unclear

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.corridors import Corridor
    from tertulia.protocol.ids import DialogueId


def corridors(core: Core, key: DialogueId | None = None) -> tuple[Row, ...]:
    """My corridors, of one dialogue or of all."""
    return tuple(_row(core, one) for one in core.corridors.values() if key in {None, one.dialogue})


def _row(core: Core, found: Corridor) -> Row:
    dialogue = core.dialogues[found.dialogue]
    names = names_of(dialogue.state)
    said = sorted(found.said, key=lambda one: (one.tick, one.author, one.number))
    return {
        "corridor": found.id.hex(),
        "dialogue": found.dialogue.hex(),
        "opener": names[found.opener],
        "members": [names[one] for one in found.members],
        "state": found.stage.name.lower(),
        "closes": found.closes * MS_PER_MINUTE,
        "messages": [
            {
                "author": names[one.author],
                "text": clean(one.text or "", LIMIT_CORRIDOR_TEXT),
                "time": one.tick * MS_PER_MINUTE,
                "mine": one.author == dialogue.me,
            }
            for one in said
        ],
    }


def resolve_corridor(core: Core, text: str) -> bytes:
    """The corridor a person means: its id or the start of it; the only one where nothing is said.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip().lower()
    found = [
        name for name in core.corridors if not wanted or (len(wanted) >= PREFIX and name.hex().startswith(wanted))
    ]
    if len(found) != 1:
        raise unclear("corridor", len(found))
    return found[0]
