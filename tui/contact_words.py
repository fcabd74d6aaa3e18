"""Who people are, in words: what they have shown, the number to compare, what changed; the contacts one keeps.

docs/spec/control.md, member and contact rows; docs/spec/identity.md. Pure; names in a row may come from peers and are
stripped. The screens, the plain client and the verbs say the same.
"""

from collections.abc import Mapping, Sequence

from tertulia.protocol.control import Row
from tertulia.tui.guard import line_of, rows_of

Value = Mapping[str, object]

SHOWING = (
    "They will know that you here are the same person as wherever else you show it, and can keep you as a contact. "
    "Nobody else sees that you did. A copy that leaks proves nothing: they could have made it. "
    "It cannot be taken back."
)
"""What showing who one is means, said before it is done."""
SHOWN = "They learn who you are when their device is next online."
COMPARE = "Compare it where nobody can forge the voice or the face: on the telephone, or face to face."
NOT_SHOWN = "They have not shown you who they are."


def identity_words(row: Value) -> str:
    """What a member has shown of who they are, for the line below their name; empty where nothing."""
    name = line_of(row, "contact")
    known = f"your contact {name}" if name else "has shown who they are"
    match row.get("identity"):
        case "changed":
            return "key changed: look before you write"
        case "verified":
            return f"{known}, verified"
        case "shown":
            return known
        case _:
            return ""


def identity_lines(row: Value) -> list[str]:
    """What there is to read about who a member is, before one decides anything."""
    lines = [changed] if (changed := line_of(row, "changed")) else []
    if number := line_of(row, "number"):
        lines.append(f"Safety number: {number}")
        if row.get("identity") != "verified":
            lines.append(COMPARE)
    elif row.get("identity"):
        lines.append("They have shown you who they are. Show it too, and a number to compare appears.")
    elif row.get("shown"):
        lines.append("They know who you are; they have not shown you who they are.")
    return lines


def identity_answers(row: Value, name: str) -> list[tuple[str, str]]:
    """What can be done about who a member is: (answer, its words)."""
    answers = [] if row.get("shown") else [("reveal", f"Show {name} who I am …")]
    if line_of(row, "number") and row.get("identity") != "verified":
        answers.append(("same", "We compared safety numbers, they are the same"))
    if row.get("identity") and not line_of(row, "contact"):
        answers.append(("keep", f"Keep {name} as a contact …"))
    return answers


def contact_words(row: Value) -> str:
    """How a contact stands, in a few words."""
    called, offers = line_of(row, "called"), rows_of(row, "offers")
    notes = [f"calls themselves {called}"] if called != line_of(row, "name") else []
    notes.append("key changed" if row.get("changed") else "verified" if row.get("verified") else "not verified")
    if not row.get("met"):
        notes.append("does not know who you are")
    notes += [f"invites you to “{line_of(offer, 'title')}”" for offer in offers]
    return ", ".join(notes)


def offered(rows: Sequence[Row]) -> str:
    """The invite of a contact that waits, for a line of the screen; empty where none does."""
    waiting = [(row, offer) for row in rows for offer in rows_of(row.value, "offers")]
    if not waiting:
        return ""
    row, offer = waiting[0]
    more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return f"{line_of(row.value, 'name')} invites you to “{line_of(offer, 'title')}”{more} · Ctrl+K answers"
