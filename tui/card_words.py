"""A community's card in words: its version, its relays, its stewards, and what waits for their signatures.

docs/spec/commons.md, docs/spec/control.md (card). Pure. The verb and the screen say the same.
"""

from collections.abc import Mapping
from typing import Final

from tertulia.tui.guard import int_of, line_of, rows_of, strip_line
from tertulia.tui.phrases import counted
from tertulia.tui.when import moment_of

Value = Mapping[str, object]

ALL_NEEDED: Final = (
    "If one of these keys is lost, nobody can change the card any more: add stewards, and let fewer than all decide."
)
CONTESTED: Final = (
    "Another card was met that stewards of an earlier one have signed. This machine does not follow it. Compare the "
    "keys above with a steward whom you trust."
)


def card_lines(card: Value) -> list[str]:
    """The answer of `commons.card` as lines."""
    lines = [f"“{line_of(card, 'name')}” has no card yet."]
    if line_of(card, "state") != "none":
        end = moment_of(int_of(card, "expires"))
        late = ", which is past: a steward must renew it" if line_of(card, "state") == "expired" else ""
        lines = [f"“{line_of(card, 'name')}”, version {int_of(card, 'version')} of its card, until {end}{late}."]
        lines += [listed("Relay", row) for row in rows_of(card, "relays")]
        lines += [listed("Seed", row) for row in rows_of(card, "seeds")]
        mine = line_of(card, "steward")
        lines.append(f"{int_of(card, 'quorum')} of these stewards decide:")
        keys = texts(card, "stewards")
        lines += [f"  {key}{' (you)' if key == mine else ''}" for key in keys]
        if int_of(card, "quorum") == len(keys):
            lines.append(ALL_NEEDED)
    if card.get("contested"):
        lines.append(CONTESTED)
    for row in rows_of(card, "proposals"):
        lines.append(f"Proposed: {line_of(row, 'card')[:12]}, lacking {missing(row)}; it lists:")
        lines += [f"  {listed('Relay', relay)}" for relay in rows_of(row, "relays")]
        lines.append(f"  {int_of(row, 'quorum')} of {len(texts(row, 'stewards'))} stewards would decide.")
    return lines


def missing(row: Value) -> str:
    """How many signatures a proposed card lacks."""
    return counted(int_of(row, "lacking"), "signature", "signatures")


def is_steward(card: Value) -> bool:
    """Whether this profile's key is among the stewards; without a card, whoever makes the first one becomes it."""
    return line_of(card, "state") == "none" or line_of(card, "steward") in texts(card, "stewards")


def listed(kind: str, row: Value) -> str:
    """A relay or a seed, with its addresses."""
    places = ", ".join(texts(row, "addresses"))
    return f"{kind} {line_of(row, 'name') or line_of(row, 'peer')}  {places}".rstrip()


def texts(row: Value, key: str) -> list[str]:
    """A list of texts in a node's row, stripped."""
    found = row.get(key)
    return [strip_line(str(one)) for one in found] if isinstance(found, list | tuple) else []
