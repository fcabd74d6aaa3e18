"""Starting a community: its name, its first dialogue, and the address that goes into every invite.

Issue 2, point 1; PROTOCOL §4. The address is proposed by the node and published only when the person presses Enter on
this page, which says who will see it.
"""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Input

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.client import Params
from tertulia.tui.guard import line_of
from tertulia.tui.screens.form import Form
from tertulia.tui.widgets.field import Field


class CommunityScreen(Form):
    """A community and its first dialogue. `first` when the profile is being made meanwhile."""

    heading = "Start a community"
    promise = "Whoever holds an invite sees the address in it; the community's devices see it when they connect."
    hint = "Enter on the last line publishes the address and starts · Esc goes back"

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.step = "Step 3 of 3" if first else ""
        self._proposed = ""
        self._commons = ""

    def parts(self) -> Iterable[Widget]:
        """Name, first dialogue, address."""
        yield Field("name", "Name of the community", "Its members see it.", most=64)
        yield Field("title", "First dialogue", "What you will talk about.", value="First conversation", most=64)
        yield Field(
            "address",
            "Address in every invite",
            "Guests find this machine by it. Enter publishes it.",
        )

    def on_mount(self) -> None:
        """Ask the node where it would listen."""
        super().on_mount()
        self.run_worker(self._propose(), group="propose")

    async def _propose(self) -> None:
        try:
            await self.face.begun()
            self._proposed = line_of(await self.face.link.call("commons.propose"), "listen")
        except LocalError as wrong:
            if self.is_attached:
                self.show_problem(wrong.problem)
            return
        address = self.query_one("#address", Input)
        if not address.value:
            address.value = self._proposed
            self.call_after_refresh(self.show_beginning)  # a field that changes scrolls itself into view

    async def submit(self) -> None:
        """Start the community, begin the dialogue, show its invite."""
        name, title, address = (self.value(field).strip() for field in ("name", "title", "address"))
        if not name or not title:
            self.query_one("#title" if name else "#name", Input).focus()
            raise LocalError(Problem("A name is missing.", "Nothing was published.", "Give it one, then press Enter."))
        self.busy("Locking your profile with your passphrase …")
        await self.face.begun()
        if not address:
            await self._propose()
            raise LocalError(
                Problem("The address was empty.", "Nothing was published.", "Look at the one now proposed.")
            )
        self.busy("Starting the community …")
        if not self._commons:  # a second try after the dialogue failed must not start a second community
            self._commons = line_of(await self._begin(name, address), "commons")
        begun = await self.face.link.call("dialogue.new", title=title, commons=self._commons)
        await self.face.open_talk(line_of(begun, "dialogue"), invite=True)

    async def _begin(self, name: str, address: str) -> Params:
        """Listen where the person said; where this machine has no such address, behind it, on the same port."""
        try:
            return await self.face.link.call("commons.new", name=name, listen=address)
        except LocalError:
            if address == self._proposed:
                raise
        here, port = self._proposed.rpartition("/")[0], address.rpartition("/")[2]
        where: Params = {"listen": f"{here}/{port}", "announce": [address]}
        return await self.face.link.call("commons.new", name=name, **where)
