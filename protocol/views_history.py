"""What became of something said: its words as they are now, and all it ever said, on request.

Implements docs/spec/control.md (messages, history), on top of docs/spec/method.md, What wins. Pure functions of what a
dialogue holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol.event import Kind
from tertulia.protocol.say import LIMIT_SAY_TEXT
from tertulia.protocol.text import clean
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.protocol.dialogue import Dialogue
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.ids import EventId
    from tertulia.protocol.method.matters import Matter

LIMIT_VERSIONS: Final = 256
"""Versions of one thing said that a client is shown: the first, and the latest."""


def revised(dialogue: Dialogue) -> dict[EventId, Matter]:
    """What was edited or withdrawn; where nobody has, at little cost."""
    if all(event.header.kind != Kind.REVISE for event in dialogue.events.values()):
        return {}
    return {event: matter for event, matter in dialogue.matters.matters.items() if matter.revisions}


def history(dialogue: Dialogue, said: EventId) -> list[Value]:
    """All versions of something said, the first one first: `{text, time, withdrawn}` each, times in ms as claimed."""
    matter = dialogue.matters.matters[said]
    first: Value = _version(dialogue, said, matter.content.text)
    later = [_version(dialogue, revision.event, revision.text) for revision in matter.revisions]
    return [first, *later[1 - LIMIT_VERSIONS :]]


def _version(dialogue: Dialogue, event: EventId, text: str | None) -> Value:
    time = dialogue.events[event].header.tick * MS_PER_MINUTE
    version: dict[str, Value] = {"text": clean(text or "", LIMIT_SAY_TEXT), "time": time, "withdrawn": text is None}
    return version
