"""An invite's QR on the screen: white on black whatever the theme, because cameras are less forgiving than eyes.

research/tui.md §4. It takes exactly the cells the code needs and hides itself where they are not there.
"""

from textual.content import Content
from textual.widgets import Static

from tertulia.tui.qr import qr_lines


class Qr(Static):
    """The code of one text."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__("", markup=False, id=id)
        self.cells = (0, 0)
        self.display = False

    def encode(self, text: str) -> None:
        """Draw the code of this text."""
        lines = qr_lines(text)
        self.cells = (len(lines[0]), len(lines))
        self.update(Content.styled("\n".join(lines), "#ffffff on #000000"))

    def fit(self, width: int, height: int) -> bool:
        """Show the code if these cells hold it; whether they do."""
        self.display = bool(self.cells[0]) and self.cells[0] <= width and self.cells[1] <= height
        return self.display
