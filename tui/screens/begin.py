"""Beginning something: a dialogue in one's community, an invite, or another community.

DESIGN §3: the screen says community; a dialogue is held in exactly one.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.guard import line_of, rows_of
from tertulia.tui.screens.community import CommunityScreen
from tertulia.tui.screens.form import Form
from tertulia.tui.screens.join import JoinScreen
from tertulia.tui.widgets.field import Field
from tertulia.tui.widgets.words import Words


class BeginScreen(Form):
    """A title to begin a dialogue with, and the other ways to begin."""

    heading = "Begin a dialogue"
    hint = "Enter begins it · Tab for the other ways · Esc goes back"

    def parts(self) -> Iterable[Widget]:
        """The title, and what else one can begin."""
        if self._communities:
            yield Field("title", "What you will talk about", most=64)
        yield Words("", classes="explanation")
        yield OptionList(*self._ways(), markup=False, compact=True)

    AUTO_FOCUS: ClassVar[str | None] = "Input, OptionList"

    @property
    def _communities(self) -> Sequence[dict[str, object]]:
        return rows_of(self.face.status, "commons")

    def _ways(self) -> Iterable[Option]:
        if len(self._communities) > 1:
            for row in self._communities:
                name = line_of(row, "name") or "the community of your invite"
                yield Option(f"Begin it in {name}", id=f"in:{line_of(row, 'commons')}")
        yield Option("I have an invite", id="join")
        yield Option("Start a community", id="community")

    async def submit(self) -> None:
        """Begin the dialogue in the only community, or say that one must be chosen."""
        if len(self._communities) > 1:
            self.query_one(OptionList).focus()
            raise LocalError(Problem("You are in several communities.", "Nothing was begun.", "Choose one below."))
        await self._begin_in("")

    async def _begin_in(self, commons: str) -> None:
        title = self.value("title").strip()
        if not title:
            raise LocalError(Problem("A title is missing.", "Nothing was begun.", "Type one, then press Enter."))
        self.busy("Beginning …")
        where = {"commons": commons} if commons else {}
        begun = await self.face.link.call("dialogue.new", title=title, **where)
        await self.face.open_talk(line_of(begun, "dialogue"), invite=True)

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Another way to begin."""
        event.stop()
        match str(event.option.id):
            case "join":
                self.face.push_screen(JoinScreen(first=False))
            case "community":
                self.face.push_screen(CommunityScreen(first=False))
            case place:
                self.run_worker(self._submit_in(place.removeprefix("in:")), group="submit")

    async def _submit_in(self, commons: str) -> None:
        try:
            await self._begin_in(commons)
        except LocalError as wrong:
            self.show_problem(wrong.problem)
