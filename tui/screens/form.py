"""What the screens that ask something share: a step, a title, fields, one line for problems, Enter goes on.

Goals, People: every question can be answered by keyboard, Enter accepts, and a problem is one sentence in place. While
something runs the form says what, and takes no second answer.
"""

from collections.abc import Iterable
from typing import ClassVar, cast

from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.face import Face
from tertulia.tui.widgets.field import Field
from tertulia.tui.widgets.words import Words


class Form(Screen[None]):
    """A page of questions. Subclasses give `heading`, `step`, `parts` and `submit`.

    `promise` is who will see what once the page is sent: it stands below the questions on every size of screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        # Priority, and no message in between: what is typed right after Enter or Tab must land in the next field, never
        # in this one, which may be readable while the next is for a passphrase.
        Binding("enter", "go_on", "Go on", show=False, priority=True),
        Binding("tab", "step(1)", "Next", show=False, priority=True),
        Binding("shift+tab", "step(-1)", "Before", show=False, priority=True),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "Input"

    heading = ""
    step = ""
    promise = ""
    hint = "Enter goes on · Esc goes back · Ctrl+Q quits"

    def compose(self) -> ComposeResult:
        """Step, title, parts, problem."""
        with VerticalScroll(classes="page"):
            yield Words(self.step, classes="step")
            yield Words(self.heading, classes="heading")
            yield from self.parts()
            yield Words("", id="busy")
            yield Words("", id="problem")
        if self.promise:
            yield Words(self.promise, classes="promise")
        yield Words(self.hint, classes="hint")

    def parts(self) -> Iterable[Widget]:
        """The fields and words between title and problem line."""
        raise NotImplementedError

    async def submit(self) -> None:
        """Everything is filled in: do it. A LocalError is shown in place."""
        raise NotImplementedError

    @property
    def face(self) -> Face:
        """The app, as screens know it."""
        return cast("Face", self.app)

    def on_mount(self) -> None:
        """No problem and no work yet."""
        self.query_one("#busy", Words).display = False
        self.query_one("#problem", Words).display = False
        self.call_after_refresh(self.show_beginning)

    def show_beginning(self) -> None:
        """Scroll to the top, or as far down as the field in use needs on a small screen."""
        self.query_one(".page").scroll_home(animate=False, immediate=True)
        if self.focused is not None:
            self.focused.scroll_visible(animate=False, immediate=True)

    def value(self, name: str) -> str:
        """What was typed into the field of this name."""
        return self.query_one(f"#field-{name}", Field).value

    def action_go_on(self) -> None:
        """Enter: to the next field, or submit after the last."""
        inputs = list(self.query(Input))
        if self.focused not in inputs:
            raise SkipAction  # a list of choices has its own Enter
        index = inputs.index(self.focused)
        if index + 1 < len(inputs):
            self.set_focus(inputs[index + 1])
        else:
            self.start()

    def action_step(self, by: int) -> None:
        """Tab: to what comes next on the page, or to what came before; at once."""
        if by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def start(self) -> None:
        """Submit once; a second Enter while it runs does nothing."""
        if not any(worker.group == "submit" and worker.is_running for worker in self.workers):
            self.run_worker(self._submit(), group="submit", exit_on_error=True)

    async def _submit(self) -> None:
        self.query_one("#problem", Words).say("")
        try:
            await self.submit()
        except LocalError as wrong:
            if self.is_attached:
                self.query_one("#busy", Words).say("")
                self.show_problem(wrong.problem)

    def busy(self, sentence: str) -> None:
        """Say what is being done."""
        line = self.query_one("#busy", Words)
        line.say(sentence)
        self.call_after_refresh(line.scroll_visible, animate=False, immediate=True)

    def show_problem(self, problem: Problem) -> None:
        """Say what went wrong, what is safe and what to do, and let the person go on typing."""
        line = self.query_one("#problem", Words)
        line.say(f"{problem.error} {problem.safe} {problem.next}")
        self.call_after_refresh(line.scroll_visible, animate=False, immediate=True)

    def action_back(self) -> None:
        """Back to where this page was opened from."""
        self.dismiss()
