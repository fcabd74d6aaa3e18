"""The second guard of the terminal: strips what could act on it from any text about to be shown.

DESIGN §2, research/tui.md §2. The first guard cleans a peer's text where it is decoded (`tertulia.protocol.text`);
this one trusts nobody, the first guard included. What passes holds no C0 or C1 control but the newline, no
bidirectional control, no line separator, no tag character, and a tab is a space; Persian joiners and emoji stay.
"""

import re
from collections.abc import Mapping

_ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f"  # C0 without newline, DEL, C1 (which holds the 8-bit CSI and OSC)
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, embeddings, overrides, isolates
    "\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f]"  # separators, annotations, tags
)


def strip_text(text: str) -> str:
    """The text without anything that acts on a terminal; newlines stay."""
    return _ACTING.sub("", text.replace("\t", " "))


def strip_line(text: str) -> str:
    """The text as one line: newlines become spaces."""
    return strip_text(text.replace("\n", " "))


def text_of(row: Mapping[str, object], name: str) -> str:
    """A text field of a node's row, stripped; empty when absent or of another type."""
    value = row.get(name)
    return strip_text(value) if isinstance(value, str) else ""


def line_of(row: Mapping[str, object], name: str) -> str:
    """A one-line text field of a node's row, stripped; empty when absent or of another type."""
    value = row.get(name)
    return strip_line(value) if isinstance(value, str) else ""


def int_of(row: Mapping[str, object], name: str) -> int:
    """A number of a node's row; 0 when absent or of another type."""
    value = row.get(name)
    return value if isinstance(value, int) else 0


def rows_of(result: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """A list of rows in a node's result; empty when absent or of another type."""
    value = result.get(name)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list | tuple) else []


def lines_of(row: Mapping[str, object], name: str) -> list[str]:
    """A list of one-line texts of a node's row, each stripped; empty when absent or of another type."""
    value = row.get(name)
    return [strip_line(one) for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []
