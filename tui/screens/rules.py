"""The rules of a dialogue on a page: read before the first word, accepted here.

docs/spec/events.md, section Charter: nobody speaks before they have accepted. Esc leaves without accepting; one reads
along then.
"""

from __future__ import annotations

from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import LocalError
from tertulia.tui.face import Face
from tertulia.tui.rules_words import ACCEPTED, NOT_ACCEPTED, rules_lines
from tertulia.tui.widgets.words import Words


class RulesScreen(ModalScreen[None]):
    """Rules, guidelines, and one question where it is still open."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back", show=False)]
    AUTO_FOCUS: ClassVar[str | None] = "OptionList"

    def __init__(self, dialogue: str) -> None:
        super().__init__()
        self._dialogue = dialogue

    def compose(self) -> ComposeResult:
        """The rules as lines, then what one can answer."""
        with VerticalScroll(classes="card tall"):
            yield Words("The rules here", classes="heading")
            yield Words("", id="lines", classes="explanation")
            yield Words("", id="said")
            yield Words("", id="problem")
            yield OptionList(markup=False, compact=True)
            yield Words("Enter chooses · ↑↓ PgDn scroll · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Ask the node."""
        for name in ("said", "problem"):
            self.query_one(f"#{name}", Words).say("")
        self.load()

    @property
    def _face(self) -> Face:
        return cast("Face", self.app)

    @work(exclusive=True, group="rules")
    async def load(self) -> None:
        """Show the rules, and the question while it is open."""
        try:
            result = await self._face.link.call("charter", dialogue=self._dialogue)
        except LocalError as wrong:
            self._problem(wrong)
            return
        accepted = bool(result.get("accepted"))
        self.query_one("#lines", Words).say("\n".join(rules_lines(result)))
        self.query_one("#said", Words).say(ACCEPTED if accepted else NOT_ACCEPTED)
        answers = [("back", "Good")] if accepted else [("back", "Not yet"), ("accept", "I accept these rules")]
        options = self.query_one(OptionList)
        options.set_options([Option(words, id=answer) for answer, words in answers])
        options.highlighted = 0

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Accept, or go back."""
        event.stop()
        if event.option.id == "accept":
            self.accept()
        else:
            self.dismiss()

    @work(exclusive=True, group="rules")
    async def accept(self) -> None:
        """Accept the rules."""
        try:
            await self._face.link.call("accept", dialogue=self._dialogue)
        except LocalError as wrong:
            self._problem(wrong)
        else:
            self.dismiss()

    def _problem(self, wrong: LocalError) -> None:
        problem = wrong.problem
        self.query_one("#problem", Words).say(f"{problem.error} {problem.safe} {problem.next}")
