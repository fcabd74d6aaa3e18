"""Who you are here: a nickname, and a passphrase typed twice.

Issue 2, point 1. The passphrase goes to the node and nowhere else; the fields forget it at once. The slow hashing
starts while the next page is filled in.
"""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Input

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.screens.community import CommunityScreen
from tertulia.tui.screens.form import Form
from tertulia.tui.screens.join import JoinScreen
from tertulia.tui.widgets.field import Field

KEPT = "Nothing was kept yet."


class PersonScreen(Form):
    """Nickname and passphrase; `purpose` is where to go next: "join" or "community"."""

    heading = "Who are you here?"
    step = "Step 2 of 3"

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self._purpose = purpose

    def parts(self) -> Iterable[Widget]:
        """Nickname, passphrase, passphrase again."""
        yield Field("nick", "Nickname", "Only people you invite see it.", most=64)
        yield Field(
            "passphrase",
            "Passphrase",
            "Locks everything on this machine. Four or more random words are good; nobody can reset it.",
            secret=True,
            most=1024,
        )
        yield Field("again", "The same again", secret=True, most=1024)

    async def submit(self) -> None:
        """Check the two passphrases and go on while the node makes the profile."""
        if not self.value("nick").strip():
            self.query_one("#nick", Input).focus()
            raise LocalError(Problem("A nickname is missing.", KEPT, "Any name will do."))
        if not self.value("passphrase"):
            self.query_one("#passphrase", Input).focus()
            raise LocalError(Problem("A passphrase is missing.", KEPT, "Type one you can remember."))
        if self.value("passphrase") != self.value("again"):
            self.query_one("#again", Input).value = ""
            self.query_one("#again", Input).focus()
            raise LocalError(Problem("The two passphrases differ.", KEPT, "Type the second one again."))
        self.face.begin(self.value("nick").strip(), self.value("passphrase"))
        for name in ("passphrase", "again"):
            self.query_one(f"#{name}", Input).value = ""
        self.query_one("#passphrase", Input).focus()
        following = JoinScreen(first=True) if self._purpose == "join" else CommunityScreen(first=True)
        self.face.push_screen(following)
