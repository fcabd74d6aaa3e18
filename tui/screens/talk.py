"""Talking: the dialogues, the open one's messages, who will see what is written, and how things are.

DESIGN §3, research/tui.md §7. One pane below 60 columns, two up to 110, then the people as a third. It follows the
node's views and draws at most fifteen times a second (four over SSH), so that a flood of messages cannot stall a key.
"""

import os
from contextlib import suppress
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import OptionList

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui import commands
from tertulia.tui.client import Params
from tertulia.tui.commands import COMMANDS
from tertulia.tui.contact_words import offered
from tertulia.tui.guard import int_of, line_of
from tertulia.tui.link import Following
from tertulia.tui.method_commands import METHOD_COMMANDS
from tertulia.tui.phrases import (
    audience,
    counted,
    join_title,
    join_words,
    knock_words,
    lacking,
    status_words,
    waiting_knocks,
)
from tertulia.tui.room_words import Value, is_plenary, room_audience, room_name
from tertulia.tui.screens.contacts import ContactsScreen
from tertulia.tui.screens.people import PeopleScreen
from tertulia.tui.screens.talk_method import LOOK_SECONDS, READ_ALONG, TalkMethod
from tertulia.tui.widgets.composer import Composer
from tertulia.tui.widgets.dialogues import JOIN, DialogueList
from tertulia.tui.widgets.messages import MessageList
from tertulia.tui.widgets.people import PeopleList
from tertulia.tui.widgets.words import Words

WINDOW = 200
"""Messages asked for at first; as many more each time the reader comes to the oldest."""
LIMIT_WINDOW = 10_000
DRAW_SECONDS = 0.25 if os.environ.get("SSH_CONNECTION") else 1 / 15

NO_DIALOGUE = "No dialogue yet.\n\nCtrl+N begins one, or takes an invite."


class TalkScreen(TalkMethod):
    """Everything after unlocking."""

    AUTO_FOCUS: ClassVar[str | None] = "Composer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g", "go", "Go to", priority=True),
        Binding("ctrl+n", "new", "New", priority=True),
        Binding("ctrl+r", "invite", "Invite", priority=True),
        Binding("ctrl+t", "people", "People", priority=True),
        Binding("ctrl+k", "contacts", "Contacts", priority=True),
        Binding("ctrl+o", "knocks", "Who knocks", priority=True),
    ]

    def __init__(self, dialogue: str = "", join: str = "", *, invite: bool = False) -> None:
        super().__init__()
        self._open = dialogue
        self._join = join
        self._invite_at_once = invite
        self._window = WINDOW
        self._first_unread: str | None = None
        self._drafts: dict[str, str] = {}
        self._timer: Timer | None = None
        self._dirty: set[str] = set()
        self._messages: Following | None = None
        self._room: Value = {}

    def compose(self) -> ComposeResult:
        """Dialogues, messages, people; the composer; the status line."""
        with Horizontal(id="panes"):
            with Vertical(id="side"):
                yield Words("tertulia", classes="wordmark")
                yield DialogueList(id="dialogues")
            with Vertical(id="middle"):
                with Horizontal(id="top"):
                    yield Words("", id="talk-title")
                    yield Words("", id="count")
                yield Words("", id="knocking")
                yield Words("", id="round")
                yield MessageList(id="messages")
                yield Words(NO_DIALOGUE, id="nothing")
                yield Words("", id="behind")
            with Vertical(id="people-side"):
                yield Words("People", classes="label")
                yield PeopleList(id="people")
        yield Words("", id="notice")
        yield Words("", id="audience")
        yield Words("", id="completion")
        yield Composer(id="composer")
        yield Words("", id="status")
        yield Words("^G go  ^N new  ^R invite  ^T people  ^L lock  ^Q quit  F1 help", id="keys")

    def on_mount(self) -> None:
        """Follow what is on the screen."""
        self.set_interval(LOOK_SECONDS, self.look_round)
        for words in ("knocking", "round", "behind", "completion", "notice"):
            self.query_one(f"#{words}", Words).say("")
        self.query_one("#people", PeopleList).can_focus = False
        self.show_status()
        for following in (self._dialogues, self._joins, self._knocks, self._contacts):
            self.face.link.follow(following)
        if self._open:
            self.open_dialogue(self._open)
        else:
            self._show_nothing()

    def on_unmount(self) -> None:
        """Let go of the views."""
        for following in (self._dialogues, self._joins, self._knocks, self._contacts, self._messages, self._people):
            if following is not None:
                self.face.link.unfollow(following)

    # Drawing, at a calm pace -----------------------------------------------------------------------------------------

    def _draw_soon(self, what: str) -> None:
        self._dirty.add(what)
        if self._timer is None and self.is_attached:
            self._draw()
            self._timer = self.set_timer(DRAW_SECONDS, self._paced)

    def _paced(self) -> None:
        self._timer = None
        if self._dirty:
            self._draw()
            self._timer = self.set_timer(DRAW_SECONDS, self._paced)

    def _draw(self) -> None:
        dirty, self._dirty = self._dirty, set()
        if dirty & {"dialogues", "joins"}:
            self._draw_dialogues()
        if dirty & {"knocks", "contacts"}:
            self._draw_knocks()
        if dirty & {"messages", "dialogues"}:
            self._draw_messages()
        if dirty & {"people", "dialogues"}:
            self._draw_people()

    def _draw_dialogues(self) -> None:
        rows = self._dialogues.view.rows
        if not self._open:
            joined = self._joins.view.get(self._join)
            admitted = line_of(joined.value, "dialogue") if joined is not None else ""
            if admitted and self._dialogues.view.get(admitted) is not None:
                self.open_dialogue(admitted)
            elif not self._join and rows:
                self.open_dialogue(max(rows, key=lambda row: int_of(row.value, "last")).id)
        self.query_one(DialogueList).show(rows, self._joins.view.rows, self._open or JOIN + self._join)
        if not self._open:
            self._show_nothing()
        elif self._invite_at_once and self._dialogues.view.get(self._open) is not None:
            self._invite_at_once = False
            self.action_invite()

    def _draw_knocks(self) -> None:
        knocks = waiting_knocks(self._knocks.view.rows)
        words = knock_words(knocks[0].value) if knocks else ""
        more = f" (and {len(knocks) - 1} more)" if len(knocks) > 1 else ""
        asked = f"{words}{more} · Ctrl+O answers" if knocks else offered(self._contacts.view.rows)
        self.query_one("#knocking", Words).say(asked)
        if isinstance(self.app.screen, ContactsScreen):
            self.app.screen.refresh_contacts()

    def _draw_messages(self) -> None:
        if self._messages is None:
            return
        rows = self._messages.view.rows
        if self._first_unread is None and self._messages.view.is_known:
            row = self._dialogues.view.get(self._open)
            unread = self._unread_at_opening if row is not None else 0
            others = [each.id for each in rows if not each.value.get("mine")]
            self._first_unread = others[-unread] if 0 < unread <= len(others) else ""
        self.query_one(MessageList).show(rows, self._first_unread or "")
        row = self._dialogues.view.get(self._open)
        if row is not None and int_of(row.value, "unread") and self.app.app_focus:
            self.mark_seen(self._open)

    @work(exclusive=True, group="seen")
    async def mark_seen(self, dialogue: str) -> None:
        """Tell the node that these messages have been on the screen."""
        with suppress(LocalError):  # said again with the next message
            await self.face.link.call("seen", dialogue=dialogue)

    def _draw_people(self) -> None:
        row = self._dialogues.view.get(self._open)
        here = f" / {room_name(self._room)}" if self._room else ""
        people = int_of(row.value, "people") if row is not None else 1
        if self._people is not None and self._people.view.is_known:
            people = sum(each.value.get("status") == "in" for each in self._people.view.rows)
            self.query_one("#people", PeopleList).show(self._people.view.rows)
            if isinstance(self.app.screen, PeopleScreen):
                self.app.screen.refresh_people()
        state = line_of(row.value, "state") if row is not None else "in"
        self.query_one("#talk-title", Words).update(line_of(row.value, "title") + here if row is not None else "")
        holes = lacking(row.value) if row is not None else ""
        self.query_one("#count", Words).update(counted(people, "person", "people") + (f" · {holes}" if holes else ""))
        talking = state == "in"
        words = audience(people, self.size.width) if talking else ENDED.get(state, ENDED["left"])
        if talking and self._room:
            words = room_audience(self._room)
        if talking and row is not None and row.value.get("accepted") is False:
            words = READ_ALONG
            self.ask_to_accept()
        self.query_one("#audience", Words).say(words if self._open else "")
        self.query_one(Composer).display = talking and bool(self._open)

    def on_resize(self) -> None:
        """Some sentences have a short form for narrow screens."""
        if self._open:
            self._draw_people()
        self.show_status()

    def show_status(self, problem: Problem | None = None) -> None:
        """The status line: the node's state, or why there is none."""
        if problem is not None:
            self.query_one("#status", Words).update(f"{problem.error} {problem.safe} Starting it again …")
        else:
            self.query_one("#status", Words).update(status_words(self.face.status, self.size.width))

    def _show_nothing(self) -> None:
        """No dialogue is open: say what is awaited, or how to begin."""
        joined = self._joins.view.get(self._join)
        words = NO_DIALOGUE if joined is None else f"{join_title(joined.value)}\n\n{join_words(joined.value)}"
        if joined is None and self._join:
            words = "Knocking …"
        self.query_one("#nothing", Words).update(words)
        self.query_one("#nothing").display = True
        self.query_one(MessageList).display = False
        self.query_one(Composer).display = False
        self.query_one("#audience", Words).say("")
        self.query_one("#talk-title", Words).update("")
        self.query_one("#count", Words).update("")

    # Opening a dialogue ----------------------------------------------------------------------------------------------

    def open_dialogue(self, dialogue: str) -> None:
        """Show this dialogue's messages and people."""
        composer = self.query_one(Composer)
        self._drafts[self._open] = composer.text
        for following in (self._messages, self._people):
            if following is not None:
                self.face.link.unfollow(following)
        row = self._dialogues.view.get(dialogue)
        self._unread_at_opening = int_of(row.value, "unread") if row is not None else 0
        self._open, self._join, self._window, self._first_unread, self._room = dialogue, "", WINDOW, None, {}
        composer.text = self._drafts.pop(dialogue, "")
        messages = self.query_one(MessageList)
        messages.forget()
        messages.display = True
        self.query_one("#nothing").display = False
        self._follow_messages()
        self.query_one("#round", Words).say("")
        self.look_round()
        self._people = self.face.link.follow(
            Following("people", {"dialogue": dialogue}, lambda _view: self._draw_soon("people"))
        )
        self._draw_people()
        self._draw_soon("dialogues")
        composer.focus()

    def open_room(self, row: Value) -> None:
        """Show what is said in one of the dialogue's rooms; what is written goes there."""
        if self._messages is not None:
            self.face.link.unfollow(self._messages)
        self._room = {} if is_plenary(row) else row
        self._window, self._first_unread = WINDOW, ""
        self.query_one(MessageList).forget()
        self._follow_messages()
        self._draw_people()
        self._draw_soon("messages")

    def _follow_messages(self) -> None:
        params: Params = {"dialogue": self._open, "last": self._window, **self._where()}
        self._messages = self.face.link.follow(
            Following("messages", params, lambda _view: self._draw_soon("messages"))
        )

    def _where(self) -> dict[str, str]:
        """The room that is open, for a call; nothing in the plenary."""
        return {"room": line_of(self._room, "room")} if self._room else {}

    @on(MessageList.AtTop)
    def older(self) -> None:
        """Ask for older messages, if there may be any."""
        if self._messages is None or len(self._messages.view.rows) < self._window or self._window >= LIMIT_WINDOW:
            return
        self.face.link.unfollow(self._messages)
        self._window = min(self._window + WINDOW, LIMIT_WINDOW)
        self._follow_messages()

    @on(MessageList.Behind)
    def behind(self, event: MessageList.Behind) -> None:
        """Say how many messages came below what is read."""
        self.query_one("#behind", Words).say(f"↓ {event.count} new · End goes there" if event.count else "")

    @on(MessageList.Back)
    def write(self) -> None:
        """The keyboard goes back to the composer."""
        self.query_one(Composer).focus()

    @on(MessageList.Copied)
    def copy(self, event: MessageList.Copied) -> None:
        """Put a message on the clipboard."""
        self.face.copy_to_clipboard(event.text)
        self.notice("Copied, if this terminal allows it.")

    @on(MessageList.Asked)
    def asked(self, event: MessageList.Asked) -> None:
        """Say where a message has got to, and what can be done about it."""
        self.about_message(event.id)

    @on(Composer.WantsMessages)
    def read(self) -> None:
        """The keyboard goes to the messages."""
        self.query_one(MessageList).choose_last()

    @on(OptionList.OptionSelected, "#dialogues")
    def selected(self, event: OptionList.OptionSelected) -> None:
        """Open what was chosen in the list."""
        event.stop()
        self._go_to(str(event.option.id))

    def _go_to(self, chosen: str) -> None:
        if chosen.startswith(JOIN):
            self._drafts[self._open] = self.query_one(Composer).text
            self._open, self._join = "", chosen.removeprefix(JOIN)
            self._draw_soon("joins")
        elif chosen:
            self.open_dialogue(chosen)

    # Writing ---------------------------------------------------------------------------------------------------------

    @on(Composer.Changed)
    def complete(self) -> None:
        """Show the commands that begin as typed."""
        parsed = commands.parse(self.query_one(Composer).text)
        name = "" if parsed is None else parsed[0]
        found = commands.beginning_with(name, (*COMMANDS, *METHOD_COMMANDS) if name else COMMANDS)
        words = [f"/{found[0].name}: {found[0].meaning}"] if len(found) == 1 else [f"/{each.name}" for each in found]
        self.query_one("#completion", Words).say("" if parsed is None else "   ".join(words))

    @on(Composer.Sent)
    def sent(self, event: Composer.Sent) -> None:
        """Enter: a command, or a message."""
        command = commands.parse(event.text)
        if command is not None:
            self.run_command(*command)
        elif event.text.strip() and self._open:
            self.say(self._open, event.text)

    @work(group="say")
    async def say(self, dialogue: str, text: str) -> None:
        """Say it; what was typed comes back if the node does not take it."""
        composer = self.query_one(Composer)
        try:
            await self.face.link.call("say", dialogue=dialogue, text=commands.message_of(text), **self._where())
        except LocalError as wrong:
            if self._open == dialogue and not composer.text:
                composer.text = text
                composer.move_cursor(composer.document.end)
            self._tell(wrong.problem)

    def run_command(self, name: str, rest: str = "") -> None:
        """What a slash command does: the same as its key."""
        match name:
            case "go" | "new" | "invite" | "people" | "contacts" | "knocks":
                self.call_later(getattr(self, f"action_{name}"))
            case "leave":
                self.leave()
            case "room":
                self.choose_room()
            case "clock":
                self.confirm_clock()
            case "status":
                self.show_all_status()
            case "community":
                self.show_community()
            case "idle":
                self.choose_idle(rest)
            case "panic":
                self.panic(rest)
            case "lock" | "help" | "quit":
                self.app.call_later(self.app.run_action, f"app.{name}")
            case _ if self.method_command(name, rest):
                pass
            case _:
                near = commands.nearest(name)
                hint = f"Did you mean /{near}?" if near else "/help lists them all."
                self.notice(f"There is no command /{name[:20]}. {hint} Two slashes begin a message with one.")



ENDED = {
    "left": "You have left this dialogue. What was said until then stays on this machine.",
    "removed": "You were removed from this dialogue. What you had received stays on this machine.",
}
