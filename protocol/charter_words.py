"""The charter in words: the card that a person reads before they accept, line by line.

Implements docs/spec/control.md (charter). Every line says one rule, from the body alone; nothing is promised that the
protocol does not hold.
"""

from __future__ import annotations

from typing import Final

from tertulia.protocol.charter import Charter
from tertulia.protocol.presets import CONVERSATION, OPEN_GRADE, PRESETS
from tertulia.protocol.terms import Door
from tertulia.protocol.text import clean_name

WATERMARK: Final = "SIMULATION"


def card(charter: Charter) -> tuple[str, ...]:
    """The rules, a sentence or two each, in a fixed order; the first says what kind of dialogue it is."""
    terms = charter.terms
    kind = "A conversation" if charter.preset == CONVERSATION else charter.preset.replace("track-", "Track ")
    days = "a day" if charter.retention_days == 1 else f"{charter.retention_days} days"
    lines = [
        f"{kind}: {PRESETS[charter.preset].whom}.",
        "Members see names. A leaked copy proves nothing.",
        "What is said may also be put on the record: then a copy proves who said it."
        if charter.grade == OPEN_GRADE
        else "Everything said is off the record.",
        "Whoever has an invite may join."
        if terms.join is Door.INVITED
        else "Whoever has an invite may knock; a facilitator lets them in.",
        "Everybody who has accepted these rules may speak.",
        f"{_facilitators(terms.facilitators)} {_quorum(charter.quorum)}",
        f"What is said is kept for {days} at most, by everybody who is honest.",
    ]
    if terms.languages:
        lines.append(f"Languages: {', '.join(terms.languages)}.")
    if terms.personal:
        lines.append("Everybody speaks in a personal capacity, for no institution.")
    lines.append("An outcome binds those who endorse it." if terms.binding else "An outcome binds nobody.")
    if terms.block:
        lines.append("A member may block a proposal, with a reason.")
    if terms.hidden:
        lines.append("You see the stances of others after you have taken your own.")
    if terms.simulation:
        lines.append(f"{WATERMARK}: this is an exercise; nothing of it leaves as if it were real.")
    return tuple(lines)


def shown_title(charter: Charter | None) -> str:
    """The title as a screen shows it: nobody takes an exercise for the real thing. Empty without a charter."""
    if charter is None:
        return ""
    title = clean_name(charter.title)
    return f"{WATERMARK}: {title}" if charter.terms.simulation else title


def _facilitators(count: int) -> str:
    return "One person facilitates." if count == 1 else f"At least {count} people facilitate."


def _quorum(count: int) -> str:
    if count == 1:
        return "One of them can remove somebody, mute, fold or close."
    return f"{count} of them must sign to remove somebody, mute, fold or close; fewer than that, two thirds of all."
