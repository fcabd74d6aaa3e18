"""The locked profile: nothing is shown but a place for the passphrase.

Issue 2, point 1. A wrong passphrase says so and changes nothing. The title of the terminal and of dialogues stay away:
whoever looks at a locked screen learns only that Tertulia is here.
"""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Input

from tertulia.protocol.control import LocalError
from tertulia.tui.screens.form import Form
from tertulia.tui.widgets.field import Field
from tertulia.tui.widgets.words import Words


class LockScreen(Form):
    """Asks for the passphrase; `reason` says why, when it was not the person's own doing."""

    heading = "Locked"
    hint = "Enter unlocks · Ctrl+Q quits"

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self._reason = reason

    def parts(self) -> Iterable[Widget]:
        """The reason and one field."""
        yield Words(self._reason, classes="explanation")
        yield Field("passphrase", "Passphrase", secret=True, most=1024)

    async def submit(self) -> None:
        """Unlock; the field forgets what was typed whatever comes of it."""
        field = self.query_one("#passphrase", Input)
        passphrase, field.value = field.value, ""
        if not passphrase:
            return
        self.busy("Unlocking …")
        try:
            await self.face.link.call("unlock", passphrase=passphrase)
        except LocalError:
            field.focus()
            raise
        await self.face.route()

    def action_back(self) -> None:
        """There is nothing behind a lock."""
