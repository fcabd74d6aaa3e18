"""Rooms in words, for the verbs, the plain client and the screen.

docs/spec/control.md (room row). Who is in a room is said before its name is used, because that is who reads it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tertulia.tui.guard import int_of, line_of, strip_line
from tertulia.tui.phrases import counted
from tertulia.tui.when import moment_of

Value = Mapping[str, object]


def is_plenary(row: Value) -> bool:
    """Whether this is the room for everybody."""
    return line_of(row, "form") == "plenary"


def room_name(row: Value) -> str:
    """What to call a room."""
    return "Plenary" if is_plenary(row) else line_of(row, "title")


def room_line(row: Value) -> str:
    """A room in a line: its name, who is in it, how it stands, and what was reported back."""
    if is_plenary(row):
        return f"{line_of(row, 'room')[:8]}  Plenary: everybody"
    notes = [] if row.get("mine") else ["you are not in it"]
    if line_of(row, "state") == "over":
        notes.append("over")
    elif closes := int_of(row, "closes"):
        notes.append(f"until {moment_of(closes)}")
    reports = row.get("reports")
    if isinstance(reports, list | tuple) and reports:
        notes.append(counted(len(reports), "report", "reports"))
    who = f"{', '.join(people(row)) or 'nobody'}; {line_of(row, 'rapporteur')} reports back"
    rest = f"  ({', '.join(notes)})" if notes else ""
    return f"{line_of(row, 'room')[:8]}  {room_name(row)}: {who}{rest}"


def corridor_line(row: Value) -> str:
    """A corridor of one's own in a line."""
    state = {"asked": f"{line_of(row, 'opener')} asks you aside", "waiting": "not all have agreed"}
    stands = state.get(line_of(row, "state"), "open")
    until = moment_of(int_of(row, "closes"))
    return f"{line_of(row, 'corridor')[:8]}  Corridor of {', '.join(people(row))}: {stands}, until {until}"


def people(row: Value) -> list[str]:
    """The names of those in a room."""
    names = row.get("members")
    return [strip_line(str(name)) for name in names] if isinstance(names, list | tuple) else []


def room_audience(row: Value) -> str:
    """Who will see what is written in a breakout, and what a leaked copy of it would prove."""
    count = len(people(row))
    return f"Off the record, in {room_name(row)}: only the {count} people in it can read this. One leak proves nothing."
