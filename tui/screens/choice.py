"""A question with a few answers, above whatever is open: quit, leave, remove, whom to let in, where to go.

Goals, People: Enter accepts the first answer, Esc takes none. What it says may hold names from peers, so nothing of it
is markup.
"""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tertulia.tui.guard import strip_line
from tertulia.tui.widgets.words import Words


class Choice(ModalScreen[str]):
    """Gives the id of the chosen answer, or an empty text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "none", "Back", show=False)]
    AUTO_FOCUS: ClassVar[str | None] = "OptionList"

    def __init__(self, heading: str, lines: Sequence[str], answers: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._heading = heading
        self._lines = lines
        self._answers = answers

    def compose(self) -> ComposeResult:
        """Heading, sentences, answers."""
        with VerticalScroll(classes="card"):
            yield Words(self._heading, classes="heading")
            for line in self._lines:
                yield Words(line, classes="explanation")
            options = [Option(strip_line(words), id=answer) for answer, words in self._answers]
            yield OptionList(*options, markup=False, compact=True)
            yield Words("Enter chooses · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """The first answer is the default."""
        answers = self.query_one(OptionList)
        answers.highlighted = 0 if self._answers else None

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Give the answer."""
        event.stop()
        self.dismiss(str(event.option.id))

    def action_none(self) -> None:
        """Give none."""
        self.dismiss("")
