"""Plain words on the screen: the only widget the face uses for text that may come from a peer.

research/tui.md §2. Nothing in it is markup and nothing in it acts on the terminal, whatever it is given; the line
filter of the app stands behind it all the same.
"""

from textual.content import Content
from textual.visual import VisualType
from textual.widgets import Static

from tertulia.tui.guard import strip_text


class Words(Static):
    """A text, stripped and never read as markup."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(strip_text(text), markup=False, id=id, classes=classes)

    def say(self, text: str) -> None:
        """Show this text instead; an empty one takes no room."""
        self.update(strip_text(text))
        self.display = bool(text)

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Show plain text or ready-made content, never markup."""
        super().update(Content(strip_text(content)) if isinstance(content, str) else content, layout=layout)
