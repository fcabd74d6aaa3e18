"""What was stated and proposed, on a page: where people stand, and one key to take a stance.

docs/spec/method.md: the unheard first, the strongest objection beside what is popular, others' stances hidden before
one's own where the charter says so. Where a reason is owed it is asked for here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import LocalError
from tertulia.tui.face import Face
from tertulia.tui.guard import line_of, rows_of, strip_text
from tertulia.tui.matter_words import NOTHING, PROVISIONAL, body, head
from tertulia.tui.widgets.words import Words

LOOK_SECONDS = 2.0
"""How often an open page asks where people stand: no view has it."""
REASONED = {"disagree", "block"}
"""Stances on a proposal or an amendment that need a reason."""


class MattersScreen(ModalScreen[None]):
    """Statements, stories, proposals and all else that people stand to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", show=False),
        Binding("a", "stand('agree')", "Agree", show=False),
        Binding("d", "stand('disagree')", "Disagree", show=False),
        Binding("p", "stand('pass')", "Pass", show=False),
        Binding("b", "stand('block')", "Block", show=False),
        Binding("h", "stand('heard')", "Heard", show=False),
        Binding("s", "stand('needs-source')", "Needs a source", show=False),
        Binding("m", "write('amend')", "Amend", show=False),
        Binding("q", "write('ask')", "Question", show=False),
        Binding("t", "take", "Take the amendment", show=False),
        Binding("w", "withdraw", "Withdraw", show=False),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "OptionList"

    def __init__(self, dialogue: str, write: Callable[[str], None]) -> None:
        super().__init__()
        self._dialogue = dialogue
        self._write = write
        self._rows: list[dict[str, object]] = []
        self._owed: tuple[str, str] | None = None
        """A stance that waits for its reason: (matter, value)."""

    def compose(self) -> ComposeResult:
        """The list, what became of the last key, a line for a reason."""
        with Vertical(classes="card tall wide"):
            yield Words("What was stated and proposed", classes="heading")
            yield OptionList(markup=False)
            yield Words("", id="said", classes="explanation")
            yield Words("", id="problem")
            yield Input(placeholder="Why? Enter sends it, Esc drops it", id="reason", max_length=2048)
            yield Words("a agree · d disagree · p pass · b block · h heard · s needs a source", classes="hint")
            yield Words("m amend · t take an amendment · q ask · w withdraw · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Show where people stand, and go on asking."""
        self.query_one("#reason", Input).display = False
        self._tell("")
        self.look()
        self.set_interval(LOOK_SECONDS, self.look)

    @property
    def _face(self) -> Face:
        return cast("Face", self.app)

    @property
    def _chosen(self) -> dict[str, object] | None:
        option = self.query_one(OptionList).highlighted_option
        return next((row for row in self._rows if option is not None and line_of(row, "id") == option.id), None)

    @work(exclusive=True, group="look")
    async def look(self) -> None:
        """Ask where people stand."""
        with suppress(LocalError):  # a node that has gone is said elsewhere, and asked again
            await self._look()

    async def _look(self) -> None:
        result = await self._face.link.call("matters", dialogue=self._dialogue)
        rows = rows_of(result, "matters")
        options = self.query_one(OptionList)
        if (rows == self._rows and options.option_count) or not self.is_attached:
            return
        kept = options.highlighted_option.id if options.highlighted_option is not None else None
        self._rows = rows
        options.set_options([Option(_words(row), id=line_of(row, "id")) for row in rows] or [Option(NOTHING)])
        places = [line_of(row, "id") for row in rows]
        options.highlighted = places.index(kept) if kept in places else 0

    def action_stand(self, value: str) -> None:
        """Take this stance on what is highlighted; ask for a reason where one is owed."""
        row = self._chosen
        if row is None:
            return
        if value in REASONED and line_of(row, "what") in {"proposal", "amendment"}:
            self._owed = line_of(row, "id"), value
            reason = self.query_one("#reason", Input)
            reason.value, reason.display = "", True
            reason.focus()
            return
        self.call_node("stance", "Taken.", id=line_of(row, "id"), value=value)

    @on(Input.Submitted, "#reason")
    def reasoned(self, event: Input.Submitted) -> None:
        """Send the stance with its reason."""
        event.stop()
        if self._owed is not None and event.value.strip():
            matter, value = self._owed
            self.call_node("stance", "Taken.", id=matter, value=value, reason=event.value)
            self._drop_reason()

    def _drop_reason(self) -> None:
        self._owed = None
        self.query_one("#reason", Input).display = False
        self.query_one(OptionList).focus()

    def action_leave(self) -> None:
        """Drop the reason that is being written, or go back."""
        if self._owed is not None:
            self._drop_reason()
        else:
            self.dismiss()

    def action_take(self) -> None:
        """Take the highlighted amendment to my proposal."""
        if (row := self._chosen) is not None:
            self.call_node("take", "Taken: the proposal has its text now.", id=line_of(row, "id"))

    def action_withdraw(self) -> None:
        """Take back what I put."""
        if (row := self._chosen) is not None:
            self.call_node("withdraw", "Withdrawn.", id=line_of(row, "id"))

    def action_write(self, command: str) -> None:
        """Go back to the composer with a command begun: a text is written there."""
        if (row := self._chosen) is not None:
            self.dismiss()
            self._write(f"/{command} {line_of(row, 'id')[:8]} ")

    @work(exclusive=True, group="do")
    async def call_node(self, method: str, done: str, **params: str) -> None:
        """Ask the node for it and say what became of it."""
        self._tell("")
        try:
            await self._face.link.call(method, dialogue=self._dialogue, **params)
            await self._look()
        except LocalError as wrong:
            self.query_one("#problem", Words).say(f"{wrong.problem.error} {wrong.problem.safe} {wrong.problem.next}")
        else:
            self._tell(f"{done} {PROVISIONAL}")

    def _tell(self, said: str) -> None:
        self.query_one("#said", Words).say(said)
        self.query_one("#problem", Words).say("")


def _words(row: dict[str, object]) -> str:
    """One matter as a few lines."""
    return strip_text("\n".join([head(row), *(f"  {line}" for line in body(row))]))
