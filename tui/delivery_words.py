"""Where one's own message has got to, in full: on this machine, kept by which relays, received by whom.

docs/spec/receipts.md, docs/spec/control.md (delivery). What is on this machine, with how many peers, and received by
whom are never mixed. The verb and the screen say the same.
"""

from collections.abc import Mapping

from tertulia.tui.block import kept_by
from tertulia.tui.guard import int_of, line_of, strip_line
from tertulia.tui.phrases import counted

Value = Mapping[str, object]


def delivery_lines(message: Value) -> list[str]:
    """The answer of `delivery` as sentences."""
    got, waits = _names(message, "received"), _names(message, "waiting")
    lines = [_where(message)]
    if members := int_of(message, "members"):
        lines.append(f"Received by {len(got)} of {members}: {', '.join(got) or 'nobody yet'}.")
    if waits:
        lines.append(f"Nothing heard from {', '.join(waits)}.")
    return lines


def _where(message: Value) -> str:
    if message.get("alone"):
        return "On this machine only: nobody else was in the dialogue when you said it, so it goes to nobody."
    if line_of(message, "state") == "stored":
        return "On this machine only; it is sent when others are reachable."
    if kept := kept_by(message):
        return f"Sent, and {kept}."
    held = counted(int_of(message, "peers"), "other machine", "other machines")
    return f"Sent. Held by {held}, counted since this node started." if message.get("mine") else "Sent."


def _names(message: Value, key: str) -> list[str]:
    names = message.get(key)
    return [strip_line(str(name)) for name in names] if isinstance(names, list | tuple) else []
