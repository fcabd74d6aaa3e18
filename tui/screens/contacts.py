"""The people one keeps, under names of one's own: talk with one, take what they invite to, invite one here.

docs/spec/identity.md, Contacts and Offer. Enter opens a conversation, so Ctrl+K and Enter talk with the first of them;
what a contact invites to is asked about before anything else. Nothing here tells anybody a name.
"""

from collections.abc import Iterable
from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import LocalError, Row
from tertulia.tui.client import Params
from tertulia.tui.contact_words import contact_words
from tertulia.tui.face import Face
from tertulia.tui.guard import line_of, rows_of
from tertulia.tui.link import Following
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.form import Form
from tertulia.tui.widgets.dialogues import JOIN
from tertulia.tui.widgets.field import Field
from tertulia.tui.widgets.words import Words

NOBODY = (
    "You keep nobody yet. In a dialogue press Ctrl+T, Enter on somebody, and show them who you are; once they have "
    "done so too, you can keep them here."
)


class ContactsScreen(ModalScreen[str]):
    """Gives the dialogue to open (or what one waits to be let into), or an empty text. `here` is the open one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+k", "none", "Back", show=False),
        Binding("i", "invite", "Invite", show=False),
        Binding("r", "rename", "Rename", show=False),
        Binding("f", "forget", "Forget", show=False),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "OptionList"

    def __init__(self, contacts: Following, here: tuple[str, str]) -> None:
        super().__init__()
        self._contacts = contacts
        self._here = here

    def compose(self) -> ComposeResult:
        """A heading and the list."""
        with Vertical(classes="card tall"):
            yield Words("Contacts", classes="heading")
            yield OptionList(markup=False, compact=True)
            yield Words("", id="said", classes="explanation")
            yield Words("", id="problem")
            invite = " · i invites here" if self._here[0] else ""
            yield Words(f"Enter talks{invite} · r renames · f forgets · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Show whom one keeps."""
        self.query_one("#problem", Words).say("")
        self.refresh_contacts()

    def on_screen_resume(self) -> None:
        """What changed while a question stood above is shown."""
        self.refresh_contacts()

    def refresh_contacts(self) -> None:
        """Show the view as it is; what is highlighted stays so."""
        for found in self.query(OptionList):  # none before the first paint
            kept = found.highlighted  # its place: a new name may sort it elsewhere
            found.set_options([_option(row) for row in self._contacts.view.rows])
            last = len(self._contacts.view.rows) - 1
            found.highlighted = min(kept or 0, last) if last >= 0 else None
            self.query_one("#said", Words).say("" if self._contacts.view.rows else NOBODY)

    @property
    def _face(self) -> Face:
        return cast("Face", self.app)

    @property
    def _chosen(self) -> Row | None:
        option = self.query_one(OptionList).highlighted_option
        return None if option is None else self._contacts.view.get(str(option.id))

    @on(OptionList.OptionSelected)
    def selected(self, event: OptionList.OptionSelected) -> None:
        """Talk with them, or answer what they invite to."""
        event.stop()
        row = self._contacts.view.get(str(event.option.id))
        if row is not None:
            self.talk(row)

    @work(exclusive=True, group="ask")
    async def talk(self, row: Row) -> None:
        """Open the conversation with this contact; an invite of theirs that waits comes first."""
        offers = rows_of(row.value, "offers")
        answer = await self._about(row, offers[0]) if offers else "talk"
        if answer == "join":
            result = await self._do("join", invite=line_of(offers[0], "invite"))
            if result is not None:
                inside = line_of(result, "dialogue")
                self.dismiss(inside or JOIN + line_of(result, "join"))
        elif answer == "decline":
            await self._do("contacts.dismiss", offer=line_of(offers[0], "offer"))
        elif answer == "talk":
            result = await self._do("contacts.talk", contact=row.id)
            if result is not None:
                self.dismiss(line_of(result, "dialogue"))

    async def _about(self, row: Row, offer: dict[str, object]) -> str:
        name, title = line_of(row.value, "name"), line_of(offer, "title")
        talk = f"Talk with {name} instead"
        answers = [("join", "Join"), ("later", "Later"), ("decline", "No, thanks"), ("talk", talk)]
        lines = ["Who is in it sees the nickname of your profile. If you say no, they are not told."]
        return await self.app.push_screen_wait(Choice(f"{name} invites you to “{title}”", lines, answers))

    @work(exclusive=True, group="ask")
    async def action_invite(self) -> None:
        """Invite who is highlighted to the open dialogue."""
        row = self._chosen
        if row is None or not self._here[0]:
            return
        if await self._do("contacts.invite", contact=row.id, dialogue=self._here[0]) is not None:
            name = line_of(row.value, "name")
            said = f"{name} is invited to “{self._here[1]}”. It reaches them if they keep you as a contact too."
            self.query_one("#said", Words).say(said)

    def action_rename(self) -> None:
        """Call who is highlighted otherwise."""
        row = self._chosen
        if row is not None:
            self.app.push_screen(NameScreen("", row.id, line_of(row.value, "name")))

    @work(exclusive=True, group="ask")
    async def action_forget(self) -> None:
        """Keep who is highlighted no longer, after asking."""
        row = self._chosen
        if row is None:
            return
        name = line_of(row.value, "name")
        lines = ["Your name for them is erased, and their invites reach you no more. They are not told."]
        answers = [("back", "No, keep them"), ("forget", f"Forget {name}")]
        if await self.app.push_screen_wait(Choice(f"Forget {name}?", lines, answers)) == "forget":
            await self._do("contacts.forget", contact=row.id)

    async def _do(self, method: str, **params: str) -> Params | None:
        """Ask the node for it; nothing where it says no, which is shown."""
        problem = self.query_one("#problem", Words)
        problem.say("")
        try:
            return await self._face.link.call(method, **params)
        except LocalError as wrong:
            problem.say(f"{wrong.problem.error} {wrong.problem.safe} {wrong.problem.next}")
            return None

    def action_none(self) -> None:
        """Open nothing else."""
        self.dismiss("")


class NameScreen(Form):
    """What one calls somebody: a member of a dialogue to keep, or a contact (then there is no dialogue)."""

    heading = "What do you call them?"

    def __init__(self, dialogue: str, whom: str, name: str) -> None:
        super().__init__()
        self._dialogue, self._whom, self._known = dialogue, whom, name

    def parts(self) -> Iterable[Widget]:
        """One name."""
        yield Field("name", "Your name for them", "Only you ever see it.", value=self._known, most=40)

    async def submit(self) -> None:
        """Keep them under it."""
        name = self.value("name")
        if self._dialogue:
            await self.face.link.call("contacts.add", dialogue=self._dialogue, member=self._whom, name=name)
        else:
            await self.face.link.call("contacts.rename", contact=self._whom, name=name)
        self.dismiss()


def _option(row: Row) -> Option:
    words = Content(f"{line_of(row.value, 'name')}\n") + Content.styled(contact_words(row.value), "$text-muted")
    return Option(words, id=row.id)
