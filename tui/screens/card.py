"""A community's card: its version, its relays and how each stands, its stewards; what a steward can do about it.

docs/spec/commons.md; DESIGN §8. Others see the list and what waits for signatures. Nothing here takes a barer reach.
"""

from collections.abc import Coroutine, Iterable
from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.card_words import card_lines, is_steward, missing
from tertulia.tui.client import Params
from tertulia.tui.face import Face
from tertulia.tui.guard import int_of, line_of, rows_of, strip_line
from tertulia.tui.phrases import counted
from tertulia.tui.relay_words import community_lines
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.form import Form
from tertulia.tui.widgets.field import Field
from tertulia.tui.widgets.words import Words

OLDER = "Invites made from now on lead to a relay; older ones lead to this machine, which no longer answers."


class CardScreen(ModalScreen[None]):
    """One community's card; `commons` is its id."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back", show=False)]
    AUTO_FOCUS: ClassVar[str | None] = "OptionList"

    def __init__(self, commons: str) -> None:
        super().__init__()
        self._commons = commons
        self._card: Params = {}

    def compose(self) -> ComposeResult:
        """What it says, then what one can do."""
        with VerticalScroll(classes="card tall"):
            yield Words("Community", classes="heading")
            yield OptionList(markup=False, compact=True)
            yield Words("", id="said")
            yield Words("", id="problem")
            yield Words("", id="lines", classes="explanation")
            yield Words("Enter chooses · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Ask the node."""
        self.query_one("#said", Words).say("")
        self.query_one("#problem", Words).say("")
        self.load()

    @property
    def _face(self) -> Face:
        return cast("Face", self.app)

    @work(exclusive=True, group="card")
    async def load(self) -> None:
        """Show the card as it is now."""
        await self._try(self._load())

    async def _load(self) -> None:
        self._card = await self._face.link.call("commons.card", commons=self._commons)
        rows = rows_of(await self._face.link.call("commons.list"), "commons")
        row = next((row for row in rows if line_of(row, "commons") == self._commons), {})
        lines = [*community_lines(row), *card_lines(self._card)]
        self.query_one("#lines", Words).say("\n".join(lines))
        actions = self.query_one(OptionList)
        kept = actions.highlighted or 0
        actions.set_options([Option(strip_line(words), id=answer) for answer, words in self._actions()])
        actions.highlighted = min(kept, actions.option_count - 1)
        self.query_one(VerticalScroll).scroll_home(animate=False, immediate=True)

    def _actions(self) -> Iterable[tuple[str, str]]:
        if is_steward(self._card):
            yield "add", "Add a relay …"
            for relay in rows_of(self._card, "relays"):
                yield f"remove:{line_of(relay, 'peer')}", f"Take {line_of(relay, 'name')} off the list …"
            for row in rows_of(self._card, "proposals"):
                yield f"sign:{line_of(row, 'card')}", f"Sign {line_of(row, 'card')[:12]}: it lacks {missing(row)} …"
            if line_of(self._card, "state") != "none":
                yield "renew", "Give the card another half year"
        yield "back", "Back"

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Do it, or ask for what it needs."""
        event.stop()
        chosen, _, which = str(event.option.id).partition(":")
        match chosen:
            case "add":
                self.add()
            case "remove":
                words = str(event.option.prompt).removesuffix(" …")
                self.ask("commons.relays.remove", f"{words}?", "Members no longer connect to it.", relay=which)
            case "sign":
                self.ask("commons.sign", "Sign this card?", "Have you looked at the relays it lists?", card=which)
            case "renew":
                self.ask("commons.renew", "Give the card another half year?", "It lists what it lists now.")
            case _:
                self.dismiss()

    @work(exclusive=True, group="card")
    async def add(self) -> None:
        """Ask for the address, then show what became of it."""
        form = RelayForm(self._commons)
        await self.app.push_screen_wait(form)
        if form.said:
            self.query_one("#said", Words).say(form.said)
        await self._try(self._load())

    @work(exclusive=True, group="card")
    async def ask(self, method: str, heading: str, line: str, **params: str) -> None:
        """Ask once, then do it and say what became of it."""
        answers = [("", "No"), ("yes", "Yes")]
        if await self.app.push_screen_wait(Choice(heading, [line], answers)) == "yes":
            await self._try(self._change(method, params))

    async def _change(self, method: str, params: dict[str, str]) -> None:
        result = await self._face.link.call(method, commons=self._commons, **params)
        self.query_one("#said", Words).say(revised(result))
        await self._load()

    async def _try(self, doing: Coroutine[object, object, None]) -> None:
        problem = self.query_one("#problem", Words)
        problem.say("")
        try:
            await doing
        except LocalError as wrong:
            problem.say(f"{wrong.problem.error} {wrong.problem.safe} {wrong.problem.next}")


class RelayForm(Form):
    """The address of a relay, pasted, and the community's word for it. `said` is what became of it."""

    heading = "Add a relay"
    promise = "Members connect to the listed relays alone, and only those see their addresses."
    hint = "Enter on the last line lists it · Esc goes back"

    def __init__(self, commons: str) -> None:
        super().__init__()
        self._commons = commons
        self.said = ""

    def parts(self) -> Iterable[Widget]:
        """Address and word."""
        yield Field("address", "Its address", "Paste it as its operator has it, ending in /p2p/…", most=512)
        yield Field("words", "What you call it", "The community sees this word on every screen.", most=64)

    async def submit(self) -> None:
        """List it on the card."""
        address, words = "".join(self.value("address").split()), self.value("words").strip()
        if not address or not words:
            self.query_one("#words" if address else "#address", Input).focus()
            raise LocalError(Problem("Both are needed.", "Nothing was changed.", "Fill it in, then press Enter."))
        self.busy("Signing the card …")
        result = await self.face.link.call(
            "commons.relays.add", address=address, words=words, commons=self._commons
        )
        self.said = f"{revised(result)} {OLDER}"
        self.dismiss()


def revised(result: Params) -> str:
    """What became of a change to a card."""
    if line_of(result, "state") == "published":
        return "Published: the community follows it as the news spreads."
    lacking = int_of(result, "lacking")
    return f"Only proposed: {counted(lacking, 'more steward has', 'more stewards have')} to sign it."
