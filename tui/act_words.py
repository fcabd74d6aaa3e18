"""What people of a dialogue decide together, in words: who proposed what, who has signed, how many are missing.

docs/spec/control.md, acts; docs/spec/events.md, section Acts. Pure; names in a row come from peers and are stripped.
The screens, the plain client and the verbs say the same.
"""

from collections.abc import Mapping, Sequence

from tertulia.tui.guard import int_of, line_of, strip_line
from tertulia.tui.phrases import counted

Value = Mapping[str, object]

WHAT = {
    "remove": "remove {nick}",
    "facilitator": "make {nick} a facilitator",
    "member": "let {nick} facilitate no more",
    "settle": "settle what has happened so far",
    "pause": "pause the room",
    "resume": "resume the room",
    "mute": "mute {nick}",
    "unmute": "let {nick} speak again",
    "close": "close the room",
    "fold": "fold message {message}",
    "unfold": "unfold message {message}",
    "item": "now on the agenda",
    "round": "open a round",
    "cut": "count stances up to here",
    "end": "end the round",
    "give": "give {nick} the floor",
    "fix": "put {message} on the agenda",
    "drop": "take {message} off the agenda",
    "seal": "seal outcome {message}",
}
BECAME = {"done": "done", "void": "without effect"}


def what(row: Value) -> str:
    """What an act does, and why where that was said: “remove Omar”, “pause the room: lunch”."""
    words = WHAT.get(line_of(row, "kind"), "{nick}")
    done = words.format(nick=line_of(row, "nick"), message=line_of(row, "message")[:8])
    reason = line_of(row, "reason")
    return f"{done}: {reason}" if reason else done


def signers(row: Value) -> list[str]:
    """Who has signed, the proposer first."""
    names = row.get("signers")
    return [strip_line(str(name)) for name in names] if isinstance(names, list | tuple) else []


def pending(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """The acts that still wait for signatures; those I have not signed first."""
    return sorted((row for row in rows if line_of(row, "state") == "pending"), key=lambda row: bool(row.get("signed")))


def lacking(row: Value) -> str:
    """How many signatures are missing: “1 signature is missing”."""
    number = max(int_of(row, "need") - len(signers(row)), 0)
    return f"{counted(number, 'signature', 'signatures')} {'is' if number == 1 else 'are'} missing"


def proposal(row: Value) -> tuple[str, str]:
    """A pending act as a heading and what stands below it."""
    names = signers(row)
    mine = "you signed" if row.get("signed") else "you have not signed"
    return f"Proposed: {what(row)}", f"by {names[0] if names else 'somebody'} · {lacking(row)} · {mine}"


def only_proposed(result: Value, rows: Sequence[Value]) -> str:
    """What to say after proposing or signing something that waits for others; `rows` are the dialogue's acts."""
    act = next((row for row in rows if line_of(row, "act") == line_of(result, "act")), None)
    if act is None:
        return "Only proposed: others must sign it too."
    return f"Only proposed: {what(act)}. Nothing changes until others sign: {lacking(act)}."
