"""Relays in words: how each stands with this machine, what is wrong with one, what its operator says of it.

docs/spec/control.md (commons row); DESIGN §1, *Honest status*. Pure; a relay has the community's word for a name, and
what its operator says is quoted as a claim.
"""

from collections.abc import Mapping

from tertulia.tui.guard import int_of, line_of, rows_of

Value = Mapping[str, object]

STANDS = {
    "fed": "reachable, it feeds this machine",
    "connected": "reachable",
    "away": "not reached just now",
    "draining": "reachable, but about to close",
}


def standing(relay: Value) -> str:
    """How a relay stands, in words; a refusal with its reason."""
    state = line_of(relay, "state")
    if reason := state.removeprefix("refused: ") if state.startswith("refused: ") else "":
        return f"it does not serve this machine ({reason})"
    return STANDS.get(state, state)


def relay_lines(relay: Value) -> list[str]:
    """A relay by name and how it stands; then what is wrong with it, and what its operator says."""
    lines = [f"Relay {line_of(relay, 'name')}: {standing(relay)}."]
    return lines + [words for key in ("problem", "card") if (words := line_of(relay, key))]


def lan_line(row: Value) -> str:
    """Whether this machine looks for members on its local network; nothing while it does not."""
    lan = line_of(row, "lan")
    if lan in {"", "off"}:
        return ""
    if lan != "on":
        return lan
    near = int_of(row, "nearby")
    found = f"{near} found" if near else "nobody found yet"
    return f"It looks for members on the network this machine is on: {found}."


def community_lines(row: Value) -> list[str]:
    """A community's reach, its relays, and who can see this machine's address."""
    relayed = line_of(row, "reach") == "relayed"
    lines = ["Reached through relays alone."] if relayed else []
    lines += [line for relay in rows_of(row, "relays") for line in relay_lines(relay)]
    if sees := line_of(row, "sees"):
        lines.append(sees)
    elif not relayed:
        lines.append("Devices connect directly: they see each other's network address.")
    if lan := lan_line(row):
        lines.append(lan)
    said = [line_of(row, key) for key in ("way", "switched", "error")]
    return lines + [words for words in said if words and words not in lines]
