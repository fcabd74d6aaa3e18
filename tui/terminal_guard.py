"""The last filter before the terminal: no line that Textual draws keeps a character that acts on a terminal.

research/tui.md §2, layer 2. Returned by the app's `get_line_filters`, so it sees every widget, toast and overlay. A
line holds no newline of its own; one that came with a text becomes a space.
"""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tertulia.tui.guard import strip_line


class TerminalGuard(LineFilter):
    """Strips every segment of a line."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002  (Textual's signature)
        """The same segments without what acts on a terminal."""
        return [
            segment if _harmless(segment.text) else Segment(strip_line(segment.text), segment.style, None)
            for segment in segments
        ]


def _harmless(text: str) -> bool:
    return text.isascii() and text.isprintable()
