"""What opens above the talk screen: going elsewhere, beginning something, inviting, people, knocks, leaving, status.

research/tui.md §7. Each is a key and a slash command; what cannot be done is told in the screen's own notice line. The
talk screen gives the views, and says what is open.
"""

from typing import cast

from textual import work
from textual.screen import Screen
from textual.timer import Timer

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.commands import PANIC_HINT, PANIC_WORD
from tertulia.tui.face import Face
from tertulia.tui.guard import line_of, rows_of
from tertulia.tui.idle import idle_words, minutes_of
from tertulia.tui.link import Following
from tertulia.tui.phrases import clock_words, community, join_title, knock_words, status_lines, waiting_knocks
from tertulia.tui.room_words import Value, corridor_line, room_line
from tertulia.tui.screens.card import CardScreen
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.contacts import ContactsScreen
from tertulia.tui.screens.invite import InviteScreen
from tertulia.tui.screens.people import PeopleScreen
from tertulia.tui.widgets.dialogues import JOIN
from tertulia.tui.widgets.words import Words

NOTICE_SECONDS = 8.0
IDLE_ANSWERS = [("5", "After 5 minutes"), ("15", "After 15 minutes"), ("60", "After an hour"), ("off", "Never")]


class TalkActions(Screen[None]):
    """The views of a sitting and what can be done with them."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ""
        self._noticed: Timer | None = None
        self._dialogues = Following("dialogues", {}, lambda _view: self._draw_soon("dialogues"))
        self._joins = Following("joins", {}, lambda _view: self._draw_soon("joins"))
        self._knocks = Following("knocks", {}, lambda _view: self._draw_soon("knocks"))
        self._contacts = Following("contacts", {}, lambda _view: self._draw_soon("contacts"))
        self._people: Following | None = None

    def _draw_soon(self, what: str) -> None:
        raise NotImplementedError

    def _go_to(self, chosen: str) -> None:
        raise NotImplementedError

    def open_room(self, row: Value) -> None:
        """Show what is said in a room; the talk screen does."""
        raise NotImplementedError

    @property
    def face(self) -> Face:
        """The app, as screens know it."""
        return cast("Face", self.app)

    def _tell(self, problem: Problem) -> None:
        self.notice(f"{problem.error} {problem.safe} {problem.next}")

    def notice(self, text: str) -> None:
        """Something in passing, in a place of its own that covers nothing."""
        self.query_one("#notice", Words).say(text)
        if self._noticed is not None:
            self._noticed.stop()
        self._noticed = self.set_timer(NOTICE_SECONDS, lambda: self.query_one("#notice", Words).say(""))

    @work(exclusive=True, group="above")
    async def action_go(self) -> None:
        """Choose another dialogue."""
        rows = [(row.id, line_of(row.value, "title")) for row in self._dialogues.view.rows]
        rows += [
            (JOIN + row.id, f"{join_title(row.value)} (waiting)")
            for row in self._joins.view.rows
            if row.value.get("state") != "admitted"
        ]
        rows.sort(key=lambda row: row[0] == self._open)
        self._go_to(await self.app.push_screen_wait(Choice("Go to", [] if rows else ["No dialogue yet."], rows)))

    @work(exclusive=True, group="above")
    async def choose_room(self) -> None:
        """Choose a room of the open dialogue: those one is in can be gone to, the others are said."""
        if not self._open:
            self.notice("No dialogue is open.")
            return
        try:
            result = await self.face.link.call("rooms", dialogue=self._open)
        except LocalError as wrong:
            self._tell(wrong.problem)
            return
        rows = rows_of(result, "rooms")
        others = [room_line(row) for row in rows if not row.get("mine")]
        others += [corridor_line(row) for row in rows_of(result, "corridors")]
        mine = {line_of(row, "room"): row for row in rows if row.get("mine")}
        answers = [(key, room_line(row)) for key, row in mine.items()]
        chosen = await self.app.push_screen_wait(Choice("Rooms", others, answers))
        if chosen:
            self.open_room(mine[chosen])

    @work(exclusive=True, group="above")
    async def action_new(self) -> None:
        """Begin something."""
        from tertulia.tui.screens.begin import BeginScreen  # it opens forms, which open this screen

        await self.app.push_screen_wait(BeginScreen())

    def action_invite(self) -> None:
        """Invite somebody to the open dialogue."""
        row = self._dialogues.view.get(self._open)
        if row is None:
            self.notice("Open a dialogue first: an invite leads into one.")
        elif row.value.get("state") == "in":
            self.app.push_screen(InviteScreen(self._open, line_of(row.value, "title")))

    def action_people(self) -> None:
        """Show who is in the open dialogue."""
        row = self._dialogues.view.get(self._open)
        if row is not None and self._people is not None:
            self.app.push_screen(PeopleScreen(self._open, line_of(row.value, "title"), self._people))

    @work(exclusive=True, group="above")
    async def action_contacts(self) -> None:
        """Show whom I keep; what was begun or joined there is opened."""
        row = self._dialogues.view.get(self._open)
        here = (self._open, line_of(row.value, "title")) if row is not None else ("", "")
        self._go_to(await self.app.push_screen_wait(ContactsScreen(self._contacts, here)) or "")

    @work(exclusive=True, group="above")
    async def action_knocks(self) -> None:
        """Answer who knocks, one after another."""
        rows = waiting_knocks(self._knocks.view.rows)
        if not rows:
            self.notice("Nobody asks to join just now.")
            return
        row = rows[0]
        nick = line_of(row.value, "nick")
        answer = await self.app.push_screen_wait(
            Choice(
                f"{knock_words(row.value)}",
                [f"Code {line_of(row.value, 'code')}: if {nick} reads out the same one, it is really them."],
                [("later", "Later"), ("admit", f"Let {nick} in"), ("refuse", "Do not let them in")],
            )
        )
        if answer not in {"admit", "refuse"}:
            return
        try:
            await self.face.link.call(answer, knock=row.id)
        except LocalError as wrong:
            self._tell(wrong.problem)

    @work(exclusive=True, group="above")
    async def leave(self) -> None:
        """Leave the open dialogue, after asking."""
        row = self._dialogues.view.get(self._open)
        if row is None or row.value.get("state") != "in":
            return
        answer = await self.app.push_screen_wait(
            Choice(
                f"Leave “{line_of(row.value, 'title')}”?",
                ["You will read nothing new of it. What was said stays on this machine."],
                [("stay", "Stay"), ("leave", "Leave it")],
            )
        )
        if answer == "leave":
            try:
                await self.face.link.call("leave", dialogue=row.id)
            except LocalError as wrong:
                self._tell(wrong.problem)

    @work(exclusive=True, group="above")
    async def confirm_clock(self) -> None:
        """Ask whether this machine's clock is right, while that is in doubt."""
        words = clock_words(self.face.status)
        if not words:
            self.notice("This machine's clock is not in doubt.")
            return
        answers = [("", "I am not sure"), ("right", "It is right")]
        if await self.app.push_screen_wait(Choice("Is the clock right?", [words], answers)) == "right":
            try:
                await self.face.link.call("clock.confirm")
            except LocalError as wrong:
                self._tell(wrong.problem)

    @work(exclusive=True, group="above")
    async def show_all_status(self) -> None:
        """Say how things are, in full."""
        keeps = bool(self.face.status.get("keep"))
        lines = [*status_lines(self.face.status), idle_words(self.face.idle_minutes, keeps=keeps)]
        await self.app.push_screen_wait(Choice("How things are", lines, [("", "Good")]))

    @work(exclusive=True, group="above")
    async def show_community(self) -> None:
        """Open the card of the community, asking which one where there are several."""
        rows = rows_of(self.face.status, "commons")
        chosen = line_of(rows[0], "commons") if rows else ""
        if len(rows) > 1:
            answers = [(line_of(row, "commons"), community(row)) for row in rows]
            chosen = await self.app.push_screen_wait(Choice("Which community?", [], answers))
        if chosen:
            await self.app.push_screen_wait(CardScreen(chosen))
        elif not rows:
            self.notice("You are in no community yet.")

    @work(exclusive=True, group="above")
    async def choose_idle(self, rest: str) -> None:
        """Set after how long it locks by itself, as typed or chosen."""
        try:
            if not rest:
                words = idle_words(self.face.idle_minutes, keeps=bool(self.face.status.get("keep")))
                rest = await self.app.push_screen_wait(Choice("Lock by itself", [words], IDLE_ANSWERS))
            if rest:
                self.face.set_idle(minutes_of(rest))
                self.notice(idle_words(self.face.idle_minutes, keeps=bool(self.face.status.get("keep"))))
        except LocalError as wrong:
            self._tell(wrong.problem)

    def panic(self, rest: str) -> None:
        """Destroy the profile when the word is there; nothing else is asked."""
        if rest == PANIC_WORD:
            self.face.destroy()
        else:
            self.notice(PANIC_HINT)
