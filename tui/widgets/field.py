"""One question of a form: what is asked, who sees the answer, and where it is typed.

research/tui.md §6 (gurk): every question says in one line who sees what is typed. The cursor does not blink; the
answer is never validated while it is being typed, only when the person goes on.
"""

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from tertulia.tui.widgets.words import Words


class Line(Input):
    """An input that takes a pasted text whole: a mail program may have broken it into lines."""

    def on_paste(self, event: events.Paste) -> None:
        """Make it one line; Textual, which keeps only the first of several, then hands it on to Input."""
        if not self.password:
            event.text = " ".join(event.text.split())


class Field(Vertical):
    """A label, an explanation and an input whose id is `name`."""

    def __init__(
        self, name: str, label: str, explanation: str = "", *, value: str = "", secret: bool = False, most: int = 256
    ) -> None:
        super().__init__(id=f"field-{name}")
        self._label = label
        self._explanation = explanation
        self.input = Line(value, password=secret, id=name, max_length=most, select_on_focus=False, compact=True)
        self.input.cursor_blink = False

    def compose(self) -> ComposeResult:
        """Label, input, explanation."""
        yield Words(self._label, classes="label")
        yield self.input
        if self._explanation:
            yield Words(self._explanation, classes="explanation")

    @property
    def value(self) -> str:
        """What has been typed."""
        return self.input.value
