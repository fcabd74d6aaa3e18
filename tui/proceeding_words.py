"""How a dialogue is run just now, in words: what is paused, whose turn it is, who waits for the floor, the agenda.

docs/spec/control.md, proceedings. Pure; what peers chose in a row is stripped.
"""

from collections.abc import Mapping

from tertulia.tui.guard import int_of, line_of, rows_of, strip_line
from tertulia.tui.when import moment_of

Value = Mapping[str, object]


def names(row: Value, field: str) -> str:
    """A list of names as “Ruth, Omar and Ada”."""
    found = row.get(field)
    listed = [strip_line(str(name)) for name in found] if isinstance(found, list | tuple) else []
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def proceeding_lines(row: Value) -> list[str]:
    """Everything, a line each."""
    lines = ["The room is closed."] if row.get("closed") else []
    if row.get("paused"):
        lines.append("The room is paused: who has the floor speaks.")
    if muted := names(row, "muted"):
        lines.append(f"Muted: {muted}.")
    if floor := names(row, "floor"):
        lines.append(f"The floor: {floor}.")
    for one in rows_of(row, "rounds"):
        lines += round_lines(one)
    if item := line_of(row, "item"):
        lines.append(f"Now: {item}")
    agenda = rows_of(row, "agenda")
    for title, fixed in (("Agenda", True), ("Proposed for the agenda", False)):
        items = [one for one in agenda if bool(one.get("fixed")) is fixed]
        lines += [f"{title}:", *(f"  {_item(one)}" for one in items)] if items else []
    queue = rows_of(row, "queue")
    lines += ["Asking for the floor:", *(f"  {_asking(one)}" for one in queue)] if queue else []
    return lines or ["No round is open, nobody asks for the floor, and nothing is on the agenda."]


def round_lines(row: Value) -> list[str]:
    """One round: whether it is my turn, who has spoken, who is awaited and until when."""
    about = line_of(row, "about")
    if not row.get("open"):
        spoken = names(row, "spoken")
        return [f"The round “{about}” is over{f'; spoken have {spoken}' if spoken else ''}."]
    until = moment_of(int_of(row, "closes"))
    lines = [f"Round “{about}”: everybody speaks once, awaited until {until}."]
    lines.append("  It is your turn." if row.get("turn") else "  You have had your turn.")
    if spoken := names(row, "spoken"):
        lines.append(f"  Spoken: {spoken}.")
    return [*lines, f"  Awaited: {names(row, 'awaited')}."]


def open_round(row: Value) -> str:
    """One line for above the composer: an open round and whether it is my turn; empty where none is."""
    rounds = [one for one in rows_of(row, "rounds") if one.get("open")]
    if not rounds:
        return ""
    turn = "your turn" if rounds[0].get("turn") else "you have spoken"
    return f"Round “{line_of(rounds[0], 'about')}”: {turn}; awaited: {names(rounds[0], 'awaited')}"


def _item(row: Value) -> str:
    length = f", {int_of(row, 'minutes')} minutes" if int_of(row, "minutes") else ""
    return f"{line_of(row, 'id')[:8]}  {line_of(row, 'title')} ({line_of(row, 'author')}{length})"


def _asking(row: Value) -> str:
    about = line_of(row, "about")
    return f"{line_of(row, 'id')[:8]}  {line_of(row, 'author')}{f': {about}' if about else ''}"
