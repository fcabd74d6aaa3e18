"""All keys and commands, and the few words that need saying about what Tertulia does and does not do.

Goals, People: everything is reachable by keyboard; every key has a command for terminals that swallow it.
"""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tertulia.tui.commands import COMMANDS
from tertulia.tui.method_commands import METHOD_COMMANDS
from tertulia.tui.widgets.words import Words

NARROW = 60
"""Cells below which a table would break its lines."""
MORE = (
    ("Enter", "send"),
    ("Ctrl+J", "new line"),
    ("↑", "choose a message; Enter: reply, edit, withdraw, its history; o opens a fold; c copies"),
    ("Tab", "next part of the screen"),
    ("Home End", "in the messages: oldest, newest"),
    ("Shift+mouse", "select with the terminal's own mouse"),
)


class HelpScreen(ModalScreen[None]):
    """The help page."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,enter,q", "dismiss", "Back", show=False)]

    def compose(self) -> ComposeResult:
        """A table of keys, then the words."""
        with VerticalScroll(classes="card tall"):
            yield Words("Keys and commands", classes="heading")
            wide = self.app.size.width >= NARROW
            for command in COMMANDS:
                key = f"{command.key:<13}/{command.name:<9}" if wide else f"{command.key} /{command.name}:".strip()
                yield Words(f"{key} {command.meaning}", classes="row")
            yield Words("")
            for command in METHOD_COMMANDS:
                yield Words(f"/{command.name:<12}{command.meaning}" if wide else f"/{command.name}: {command.meaning}")
            yield Words("")
            for key, meaning in MORE:
                yield Words(f"{key:<13}{meaning}" if wide else f"{key}: {meaning}", classes="row")
            yield Words("")
            yield Words(
                "Stored means: on this machine's disk. Sent means: another device has it. "
                "Not audited: do not stake a life on it.",
                classes="explanation",
            )
            yield Words("Esc goes back", classes="hint")
