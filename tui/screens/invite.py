"""Inviting somebody: how many, how long, then a QR that fits 80x24 and the same as text, to copy.

Issue 2, point 1; PROTOCOL §4. Copying writes to the terminal's clipboard (OSC 52) and never reads it. Where the QR does
not fit, the text remains.
"""

from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import LocalError
from tertulia.tui.duration import in_words, minutes
from tertulia.tui.face import Face
from tertulia.tui.guard import line_of
from tertulia.tui.widgets.qr import Qr
from tertulia.tui.widgets.words import Words

TEXT_WIDTH = 30
"""Cells the text beside the QR needs."""


class InviteScreen(ModalScreen[None]):
    """An invite to one dialogue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", show=False),
        Binding("c", "copy", "Copy", show=False),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "OptionList"

    def __init__(self, dialogue: str, title: str) -> None:
        super().__init__()
        self._dialogue = dialogue
        self._title = title
        self._uses = 1
        self._expires = "7d"
        self._ask = False
        self._invite = ""

    def compose(self) -> ComposeResult:
        """The choices, and where the invite will stand."""
        with VerticalScroll(classes="card", id="invite-choices"):
            yield Words(f"Invite somebody to “{self._title}”", classes="heading")
            yield OptionList(id="choices", markup=False, compact=True)
            yield Words(
                "An invite carries the community's address. Whoever holds it can use it: send it by a way you trust.",
                classes="explanation",
            )
            yield Words("", id="problem")
            yield Words("Enter chooses · Esc goes back", classes="hint")
        with Horizontal(id="invite-made"):
            yield Qr(id="qr")
            with VerticalScroll(id="invite-words"):
                yield Words("", id="made", classes="heading")
                yield Words("", id="text")
                yield Words("", id="lifetime", classes="explanation")
                yield Words("c copies · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """First the choices; the default makes an invite for one person at once."""
        self.query_one("#invite-made").display = False
        self.query_one("#problem", Words).say("")
        self._show_choices(0)

    def _show_choices(self, highlighted: int) -> None:
        who = "one person" if self._uses == 1 else f"{self._uses} people"
        door = "I let them in myself" if self._ask else "my device lets them in"
        choices = self.query_one("#choices", OptionList)
        choices.set_options([
            Option("Make the invite", id="make"),
            Option(f"For {who}", id="uses"),
            Option(f"For {in_words(minutes(self._expires))}", id="expires"),
            Option(f"When they knock: {door}", id="ask"),
        ])
        choices.highlighted = highlighted

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Make it, or change one of the choices."""
        event.stop()
        match event.option.id:
            case "make":
                self.make()
            case "uses":
                self._uses = {1: 5, 5: 25, 25: 1}[self._uses]
            case "expires":
                self._expires = {"7d": "30m", "30m": "1d", "1d": "7d"}[self._expires]
            case _:
                self._ask = not self._ask
        if event.option.id != "make":
            self._show_choices(event.option_index)

    @work(exclusive=True)
    async def make(self) -> None:
        """Ask the node for the invite and show it."""
        lifetime = minutes(self._expires)
        face = cast("Face", self.app)
        try:
            result = await face.link.call(
                "invite", dialogue=self._dialogue, uses=self._uses, expires_minutes=lifetime, ask=self._ask
            )
        except LocalError as wrong:
            problem = wrong.problem
            self.query_one("#problem", Words).say(f"{problem.error} {problem.safe} {problem.next}")
            return
        self._invite = line_of(result, "invite")
        self.query_one("#made", Words).say(f"“{self._title}”")
        self.query_one("#qr", Qr).encode(self._invite)
        self.query_one("#invite-choices").display = False
        self.query_one("#invite-made").display = True
        self.set_focus(None)
        self._fit()

    def on_resize(self) -> None:
        """The code may or may not fit now."""
        self._fit()

    def _fit(self) -> None:
        if not self._invite:
            return
        fits = self.query_one("#qr", Qr).fit(self.size.width - TEXT_WIDTH, self.size.height)
        times = "once" if self._uses == 1 else f"for {self._uses} people"
        how = "Let them scan this, or send the text" if fits else "Too small a screen for the QR: send the text"
        self.query_one("#text", Words).say(_grouped(self._invite) if fits else self._invite)
        self.query_one("#lifetime", Words).say(
            f"{how} by a way you trust. It works {times}, for {in_words(minutes(self._expires))}."
        )

    def action_copy(self) -> None:
        """Put the invite on the clipboard."""
        if self._invite and not isinstance(self.focused, Input):
            face = cast("Face", self.app)
            face.copy_to_clipboard(self._invite)
            face.say("The invite is on the clipboard, if this terminal allows it.")


def _grouped(text: str) -> str:
    """In groups of four, easier to compare and to read aloud; a decoder skips the spaces."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))
