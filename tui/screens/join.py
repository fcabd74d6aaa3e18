"""Joining: paste the invite, press Enter, and either be in or have knocked.

Issue 2, point 1; PROTOCOL §4. A knock is answered when the inviter's device is next online; the talk screen shows how
it stands, and every later start goes on.
"""

from collections.abc import Iterable

from textual.widget import Widget

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.guard import line_of
from tertulia.tui.screens.form import Form
from tertulia.tui.widgets.field import Field


class JoinScreen(Form):
    """Where an invite is pasted. `first` when the profile is being made meanwhile."""

    heading = "Paste your invite"
    promise = (
        "Joining shows your network address to the community's devices, your nickname to the dialogue's people alone."
    )

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.step = "Step 3 of 3" if first else ""

    def parts(self) -> Iterable[Widget]:
        """The invite."""
        yield Field(
            "invite",
            "Invite",
            "One line of letters and digits. Paste it: Ctrl+V, or Ctrl+Shift+V in most terminals.",
            most=1024,
        )

    async def submit(self) -> None:
        """Wait for the profile, knock, and go to where the answer appears."""
        invite = self.value("invite").strip()
        if not invite:
            raise LocalError(
                Problem("There is no invite yet.", "Nothing was sent.", "Paste the line you were sent.")
            )
        self.busy("Locking your profile with your passphrase …")
        await self.face.begun()
        self.busy("Reading the invite and knocking …")
        result = await self.face.link.call("join", invite=invite)
        await self.face.open_talk(line_of(result, "dialogue"), line_of(result, "join"))
