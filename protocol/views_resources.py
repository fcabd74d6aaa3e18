"""What clients see of a dialogue's resources: what there is, from whom, how large; and which one a person means.

Implements docs/spec/control.md (rows). Names are cleaned, and made fit to be a file's: no path is in one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tertulia.protocol.dialogue import Standing
from tertulia.protocol.resource import LIMIT_MEDIA, LIMIT_RESOURCE_NAME, Resource
from tertulia.protocol.text import clean
from tertulia.protocol.turn import MS_PER_MINUTE
from tertulia.protocol.views import PREFIX, names_of, unclear

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import CommonsId, DialogueId, EventId, PersonaId

MINUTES_PER_DAY: Final = 24 * 60
NAMELESS: Final = "file"
UNFIT: Final = frozenset('/\\:*?"<>|\n')
"""Characters that no file's name has here."""


def file_name(name: str) -> str:
    """A peer's name for a file as one that can stand in any folder: no path, nothing hidden, nothing invisible."""
    kept = "".join("_" if char in UNFIT else char for char in clean(name, LIMIT_RESOURCE_NAME)).strip(" .")
    return kept or NAMELESS


def standing(dialogue: Dialogue) -> Iterator[tuple[EventId, PersonaId, Resource]]:
    """The resources of a dialogue's rooms, in their order."""
    for room in dialogue.state.rooms.values():
        for entry in room.log:
            content = dialogue.events[entry.event].content
            if entry.reason is None and isinstance(content, Resource):
                yield entry.event, entry.author, content


def live(core: Core, key: DialogueId) -> frozenset[EventId]:
    """The resources that a dialogue keeps still, by the minutes their authors claim and the time believed."""
    dialogue = core.dialogues[key]
    minute = core.time.known // MS_PER_MINUTE - core.retention(dialogue) * MINUTES_PER_DAY
    return frozenset(
        event for event, _author, _resource in standing(dialogue) if dialogue.events[event].header.tick >= minute
    )


def resources(core: Core, key: DialogueId) -> tuple[dict[str, Value], ...]:
    """One row a resource; whether this machine has all of it is the node's to say."""
    dialogue = core.dialogues[key]
    names = names_of(dialogue.state)
    here = live(core, key)
    return tuple(
        {
            "id": event.hex(),
            "author": names[author],
            "member": author.hex(),
            "name": file_name(resource.name),
            "media": clean(resource.media, LIMIT_MEDIA),
            "size": resource.size,
            "time": dialogue.events[event].header.tick * MS_PER_MINUTE,
        }
        for event, author, resource in standing(dialogue)
        if event in here
    )


def resolve_resource(core: Core, key: DialogueId, text: str) -> tuple[EventId, Resource]:
    """The resource a person means: its name, its id, or the start of it.

    Raises: LocalError when it is none or several.
    """
    wanted = text.strip()
    found = [
        (event, resource)
        for event, _author, resource in standing(core.dialogues[key])
        if file_name(resource.name) == wanted
        or (len(wanted) >= PREFIX and event.hex().startswith(wanted.lower()))
    ]
    if len(found) != 1:
        raise unclear("resource", len(found))
    return found[0]


def servable(core: Core, commons: CommonsId) -> Iterator[Resource]:
    """What may be asked for in a commons: the resources of the dialogues there that I am in."""
    for dialogue in core.dialogues.values():
        if dialogue.commons == commons and dialogue.standing is Standing.IN:
            here = live(core, dialogue.id)
            for event, _author, resource in standing(dialogue):
                if event in here:
                    yield resource
