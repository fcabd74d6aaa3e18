"""What is on the screen before the node has answered, and when it cannot be had.

DESIGN §2: the interface paints first and the node starts meanwhile; a problem is told in sentences and tried again.
"""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen

from tertulia.protocol.control import Problem
from tertulia.tui.widgets.words import Words


class WaitingScreen(Screen[None]):
    """The first paint."""

    def __init__(self) -> None:
        super().__init__()
        self._words = "Opening …"

    def compose(self) -> ComposeResult:
        """A name and a sentence."""
        with VerticalScroll(classes="page"):
            yield Words("tertulia", classes="wordmark")
            yield Words(self._words, id="waiting", classes="tagline")
        yield Words("Ctrl+Q quits", classes="hint")

    def show_problem(self, problem: Problem) -> None:
        """Say why the node cannot be had."""
        self._words = f"{problem.error} {problem.safe} {problem.next} Trying again …"
        for words in self.query("#waiting").results(Words):  # none before the first paint
            words.say(self._words)
