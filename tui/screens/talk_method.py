"""The method above the talk screen: what one can do about a message; matters, proceedings, rules; slash commands.

research/dialogue.md; docs/spec/control.md. The commands stand in `method_commands`; what they ask for and the node
refuses is said in the screen's notice line, and a command that was refused comes back into the composer.
"""

from __future__ import annotations

from contextlib import suppress

from textual import work

from tertulia.protocol.control import LocalError
from tertulia.tui.delivery_words import delivery_lines
from tertulia.tui.guard import line_of, text_of
from tertulia.tui.link import Following
from tertulia.tui.method_commands import IN_ROOMS, asking
from tertulia.tui.phrases import instead
from tertulia.tui.proceeding_words import open_round, proceeding_lines
from tertulia.tui.rules_words import version_lines
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.matters import MattersScreen
from tertulia.tui.screens.rules import RulesScreen
from tertulia.tui.screens.talk_actions import TalkActions
from tertulia.tui.widgets.composer import Composer
from tertulia.tui.widgets.messages import MessageList
from tertulia.tui.widgets.words import Words

LOOK_SECONDS = 3.0
"""How often it is asked whether a round is open: no view has it."""
READ_ALONG = "You read along: nobody speaks here before accepting the rules. /rules shows them."
VIEWS = {"matters", "proceedings", "rules", "history"}
"""Commands that open something."""


class TalkMethod(TalkActions):
    """What is asked and shown of the method in the open dialogue."""

    _messages: Following | None = None
    _asked: frozenset[str] = frozenset()
    """Dialogues whose rules were shown by themselves once."""

    def _where(self) -> dict[str, str]:
        raise NotImplementedError

    def ask_to_accept(self) -> None:
        """Show the rules of the open dialogue, once a sitting by themselves."""
        if self._open not in self._asked:
            self._asked |= {self._open}
            self.show_rules()

    @work(exclusive=True, group="round")
    async def look_round(self) -> None:
        """Say above the messages whether a round is open, and whose turn it is."""
        dialogue = self._open
        with suppress(LocalError):  # a node that has gone is said elsewhere, and asked again
            words = open_round(await self.face.link.call("proceedings", dialogue=dialogue)) if dialogue else ""
            if dialogue == self._open and self.is_attached:
                self.query_one("#round", Words).say(words)

    def method_command(self, name: str, rest: str) -> bool:
        """Do what a command of the method asks; False where it is none."""
        try:
            known = name in VIEWS or asking(name, rest) is not None
        except LocalError as wrong:
            self._tell(wrong.problem)
            self._give_back(f"/{name} {rest}".rstrip())
            return True
        if known and not self._open:
            self.notice("No dialogue is open. Ctrl+G goes to one.")
        elif name == "history":
            self.show_history(rest)
        elif known:
            self._view(name) if name in VIEWS else self.ask_for(name, rest)
        return known

    def _view(self, name: str) -> None:
        match name:
            case "matters":
                self.app.push_screen(MattersScreen(self._open, self._write_about))
            case "rules":  # also “/rules accept”: it is asked there, below the rules
                self.show_rules()
            case _:
                self.show_proceedings()

    def _give_back(self, line: str) -> None:
        """What was typed comes back, unless something else stands there by now."""
        composer = self.query_one(Composer)
        if not composer.text:
            composer.text = line
            composer.move_cursor(composer.document.end)

    def _write_about(self, command: str) -> None:
        """Let the person go on writing a command that the page began."""
        composer = self.query_one(Composer)
        composer.text = command
        composer.move_cursor(composer.document.end)
        composer.focus()

    @work(group="say")
    async def ask_for(self, name: str, rest: str) -> None:
        """Ask the node; what was typed comes back if it does not take it."""
        asked = asking(name, rest)
        assert asked is not None, "it was looked up before"
        try:
            where = self._where() if asked.method in IN_ROOMS else {}
            await self.face.link.call(asked.method, dialogue=self._open, **where, **asked.params)
        except LocalError as wrong:
            self._tell(wrong.problem)
            self._give_back(f"/{name} {rest}".rstrip())
        else:
            self.notice(asked.done)

    @work(exclusive=True, group="above")
    async def show_rules(self) -> None:
        """The rules and guidelines, to be accepted where they are not yet."""
        await self.app.push_screen_wait(RulesScreen(self._open))

    @work(exclusive=True, group="above")
    async def show_proceedings(self) -> None:
        """The round, the agenda, the queue; asking for the floor is an answer away."""
        try:
            lines = proceeding_lines(await self.face.link.call("proceedings", dialogue=self._open))
        except LocalError as wrong:
            self._tell(wrong.problem)
            return
        answers = [("", "Good"), ("floor", "Ask for the floor")]
        if await self.app.push_screen_wait(Choice("How it is run", lines, answers)) == "floor":
            self.ask_for("floor", "")

    @work(exclusive=True, group="above")
    async def show_history(self, message: str) -> None:
        """Everything something said ever was."""
        try:
            told = await self.face.link.call("history", dialogue=self._open, id=message)
        except LocalError as wrong:
            self._tell(wrong.problem)
            return
        lines = [line.strip() for line in version_lines(told)]
        await self.app.push_screen_wait(Choice("What it said, and when", lines, [("", "Good")]))

    @work(exclusive=True, group="above")
    async def about_message(self, message: str) -> None:
        """Where a message has got to, and what one can do about it."""
        row = self._messages.view.get(message) if self._messages is not None else None
        try:
            lines = delivery_lines(await self.face.link.call("delivery", message=message))
        except LocalError as wrong:
            self._tell(wrong.problem)
            return
        answers = [("", "Good")]
        if row is not None:
            answers += _answers(row.value)
        answer = await self.app.push_screen_wait(Choice("This message", lines, answers))
        short = message[:8]
        match answer:
            case "open":
                self.query_one(MessageList).open(message)
            case "history":
                self.show_history(message)
            case "withdraw" | "heard" | "doubt":
                self.ask_for(answer, short)
            case "edit" if row is not None:
                self._write_about(f"/edit {short} {text_of(row.value, 'text')}")
            case "reply" | "ask" | "source" | "translate" | "correct" | "fold":
                self._write_about(f"/{answer} {short} ")
            case _:
                pass


def _answers(row: dict[str, object] | object) -> list[tuple[str, str]]:
    """What can be done about this message, in the order of how often one wants to."""
    assert isinstance(row, dict), "rows hold maps"
    form, mine = line_of(row, "form"), bool(row.get("mine"))
    gone = bool(instead(row, opened=True))
    found = [("open", "Open or fold it")] if line_of(row, "folded") else []
    if not gone and form == "story":
        found += [] if mine else [("heard", "I have heard it")]
        found += [("ask", "Ask about it")]
    elif not gone and form != "statement":
        found += [("reply", "Reply"), ("ask", "Ask about it"), ("source", "Give a source")]
        found += [] if mine else [("doubt", "Ask for a source")]
    if not gone:
        found += [("translate", "Translate it"), *([("correct", "Correct it")] if form != "story" else [])]
    if row.get("edited") or row.get("withdrawn"):
        found.append(("history", "What it was before"))
    if mine and not gone:
        found += [*([("edit", "Edit it")] if form != "statement" else []), ("withdraw", "Withdraw it")]
    return found
