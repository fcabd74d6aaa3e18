"""What was stated, told and proposed, in words: who put it, where people stand, the strongest objection beside it.

docs/spec/control.md, matters; docs/spec/method.md. Pure; what peers chose in a row is stripped. The screen, the plain
client and the verbs say the same.
"""

from collections.abc import Mapping

from tertulia.tui.guard import int_of, line_of, text_of
from tertulia.tui.when import moment_of

Value = Mapping[str, object]

COUNTS = ("agree", "disagree", "pass", "block", "heard")
PROVISIONAL = "What does not say counted is provisional: what arrives later may change it."
NOTHING = "Nothing has been stated or proposed yet."
STANCE = {
    "agree": "You agree", "disagree": "You disagree", "pass": "You pass", "block": "You block it",
    "heard": "You have heard it",
}  # fmt: skip


def head(row: Value) -> str:
    """What it is, whose, and what it is called: “proposal · Ruth: A pilot (version 2)”."""
    title = line_of(row, "title")
    words = f"{line_of(row, 'what')} · {line_of(row, 'author')}{f': {title}' if title else ''}"
    if row.get("withdrawn"):
        return f"{words} (withdrawn)"
    notes = ["edited"] if row.get("edited") else []
    versions = row.get("versions")
    if line_of(row, "what") == "proposal" and isinstance(versions, list | tuple) and len(versions) > 1:
        notes.append(f"version {len(versions)}")
    return f"{words} ({', '.join(notes)})" if notes else words


def standing(row: Value) -> str:
    """Where people stand, in one line."""
    counts = ", ".join(f"{int_of(row, name)} {name}" for name in COUNTS if int_of(row, name))
    if not row.get("provisional"):
        counts = f"counted: {counts or 'no stance'}"
    words = "others' stances show after yours" if row.get("hidden") else counts or "no stance yet"
    mine = STANCE.get(line_of(row, "mine"))
    return f"{mine}; {words}" if mine else words


def body(row: Value) -> list[str]:
    """Its words and what goes with them, a line each; nothing of what was withdrawn."""
    if row.get("withdrawn"):
        return []
    lines = text_of(row, "text").split("\n")
    if owner := line_of(row, "owner"):
        review = f", looked at again {moment_of(int_of(row, 'review'))}" if int_of(row, "review") else ""
        until = f" until {moment_of(int_of(row, 'deadline'))}" if int_of(row, "deadline") else ""
        lines.append(f"{owner} does it{until}{review}")
    lines.append(standing(row))
    if doubts := int_of(row, "needs_source"):
        lines.append(f"{doubts} ask for a source")
    if disputed := int_of(row, "disputed"):
        lines.append(f"disputed by {disputed}")
    if objector := line_of(row, "objector"):
        lines.append(f"strongest objection, by {objector}: {line_of(row, 'objection')}")
    return lines


def matter_lines(row: Value) -> list[str]:
    """All of it, the id it can be named by first."""
    return [f"{line_of(row, 'id')[:8]}  {head(row)}", *(f"    {line}" for line in body(row))]
