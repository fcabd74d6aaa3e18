"""The first screen: *I have an invite* (first and default), *Start a community*.

Issue 2, point 1. Before the first connection it says who can see one's address (DESIGN §1, promise 3).
"""

from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tertulia.tui.face import Face
from tertulia.tui.screens.person import PersonScreen
from tertulia.tui.widgets.words import Words


class OpeningScreen(Screen[None]):
    """Where a new citizen begins."""

    AUTO_FOCUS: ClassVar[str | None] = "OptionList"

    def compose(self) -> ComposeResult:
        """Two choices and what to know before either."""
        with VerticalScroll(classes="page"):
            yield Words("tertulia", classes="wordmark")
            yield Words("A gathering for conversation, without a server.", id="tagline", classes="tagline")
            yield OptionList(
                Option("I have an invite", id="join"),
                Option("Start a community", id="community"),
                id="choices",
                markup=False,
                compact=True,
            )
            yield Words(
                "Only members of a dialogue can read it. Devices of the community you join see your network address "
                "and when you send; they cannot see what or to whom.",
                classes="explanation",
            )
        yield Words("Enter goes on · ↑ ↓ choose · Ctrl+Q quits", classes="hint")

    def on_mount(self) -> None:
        """The first choice is the default."""
        self.query_one(OptionList).highlighted = 0

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Go on to who the person is."""
        event.stop()
        face = cast("Face", self.app)
        face.push_screen(PersonScreen(str(event.option.id)))
