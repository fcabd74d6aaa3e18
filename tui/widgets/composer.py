"""Where a citizen writes: Enter sends, Ctrl+J begins a new line, a slash begins a command.

research/tui.md §7. It grows with the text up to five lines; ↑ in an empty one chooses a message. The sentence on who
will see the text stands above it at all times and belongs to the talk screen.
"""

from textual import events
from textual.message import Message
from textual.widgets import TextArea

LIMIT_TEXT = 32_768
"""Characters of one message that can be typed; the node has the last word on what a message may hold."""


class Composer(TextArea):
    """The text being written."""

    class Sent(Message):
        """The person pressed Enter on this text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class WantsMessages(Message):
        """The person pressed ↑ in an empty composer."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            id=id,
            soft_wrap=True,
            tab_behavior="focus",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Write here. Enter sends.",
        )
        self.cursor_blink = False

    def on_key(self, event: events.Key) -> None:
        """Keys that mean something else here than in a TextArea, which gets all others after this."""
        match event.key:
            case "enter":
                event.stop()
                event.prevent_default()
                text, self.text = self.text, ""  # at once: what is typed next belongs to the next message
                self.post_message(self.Sent(text))
            case "ctrl+j" | "shift+enter" | "alt+enter":
                event.stop()
                event.prevent_default()
                self.insert("\n")
            case "up" if not self.text:
                event.stop()
                event.prevent_default()
                self.post_message(self.WantsMessages())
            case _ if event.is_printable and len(self.text) >= LIMIT_TEXT:
                event.stop()
                event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """Cut what would be too long; Textual then hands the paste on to TextArea by itself."""
        event.text = event.text[: max(LIMIT_TEXT - len(self.text), 0)]
