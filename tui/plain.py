"""The plain client: one line after another on the same socket, for screen readers, braille and slow links.

Issue 2, point 2; research/tui.md §4 and §7. It announces `[Title] Nick: text` as messages arrive, in every dialogue;
what is typed is said in the open one; slash commands do the rest. Nothing is redrawn, the terminal's own cursor stays,
and every line passes the guard.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tertulia.protocol.control import LocalError, Notice, Problem, Row
from tertulia.tui.card_words import card_lines
from tertulia.tui.cli import ask
from tertulia.tui.client import Client, Params
from tertulia.tui.commands import DESTROYED, PANIC_HINT, PANIC_WORD, Command, message_of, nearest, parse
from tertulia.tui.duration import in_words
from tertulia.tui.guard import int_of, line_of, rows_of, strip_text, text_of
from tertulia.tui.launch import attach
from tertulia.tui.lines import Lines
from tertulia.tui.link import Following, Link
from tertulia.tui.method_commands import METHOD_COMMANDS
from tertulia.tui.phrases import (
    audience,
    counted,
    holes,
    instead,
    join_title,
    join_words,
    knock_words,
    member_words,
    said_how,
    status_lines,
    waiting_knocks,
)
from tertulia.tui.plain_method import Place, method_command, proposals, told_as
from tertulia.tui.plain_people import ABOUT_PEOPLE, CONTACTS, about_person, with_contacts
from tertulia.tui.profile import Profile
from tertulia.tui.relay_words import community_lines
from tertulia.tui.room_words import Value, corridor_line, is_plenary, room_audience, room_line, room_name
from tertulia.tui.view import View

WINDOW = 200
INVITE_MINUTES = 7 * 24 * 60

PLAIN_COMMANDS = (
    Command("dialogues", "", "list the dialogues, each with its number"),
    Command("open", "", "open one: /open 2, or /open and its title"),
    Command("read", "", "read the last messages again: /read 20"),
    Command("room", "", "the rooms of the open dialogue; /room and a title goes to one, /room plenary goes back"),
    Command("people", "", "who is here"),
    Command("check", "", "say that you compared codes with somebody: /check and their name"),
    *ABOUT_PEOPLE,
    *CONTACTS,
    Command("invite", "", "make an invite for one person, for 7 days"),
    Command("join", "", "join with an invite: /join and its text"),
    Command("new", "", "begin a dialogue: /new and its title"),
    Command("knocks", "", "who asks to join"),
    Command("admit", "", "let in who knocked first"),
    Command("refuse", "", "do not let in who knocked first"),
    Command("status", "", "how things are"),
    Command("clock", "", "say that this machine's clock is right"),
    Command("lock", "", "lock, and end this client"),
    Command("panic", "", "destroy this profile for ever, asking nothing: /panic destroy"),
    Command("proposals", "", "what was proposed here and waits for signatures"),
    Command("sign", "", "sign the first proposal that waits for you"),
    Command("community", "", "relays and stewards of your communities"),
    *METHOD_COMMANDS,
    Command("help", "", "this list"),
    Command("quit", "", "quit; the node locks and ends unless it was told to keep receiving"),
)


@dataclass(slots=True)
class Plain:
    """One sitting of the plain client. `out` takes one finished line."""

    link: Link
    out: Callable[[str], None]
    opened: str = ""
    room: Value = field(default_factory=dict)
    joining: str = ""
    dialogues: Following = field(init=False)
    joins: Following = field(init=False)
    knocks: Following = field(init=False)
    _messages: dict[str, Following] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _first: set[str] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    known: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Follow what is announced."""
        self.dialogues = self.link.follow(Following("dialogues", {}, self._dialogues_changed))
        self.joins = self.link.follow(Following("joins", {}, self._joins_changed))
        self.knocks = self.link.follow(Following("knocks", {}, self._knocks_changed))

    def say(self, text: str) -> None:
        """One line for the person."""
        self.out(strip_text(text).replace("\n", " "))

    def tell(self, problem: Problem) -> None:
        """A problem as a line."""
        self.say(f"{problem.error} {problem.safe} {problem.next}")

    # What arrives ----------------------------------------------------------------------------------------------------

    def _dialogues_changed(self, view: View) -> None:
        for row in view.rows:
            if row.id not in self._messages:
                follow = Following("messages", {"dialogue": row.id, "last": WINDOW}, self._announcer(row.id))
                self._messages[row.id] = self.link.follow(follow)
        if not self.opened and view.rows:
            self.open(max(view.rows, key=lambda row: int_of(row.value, "last")))
        self.known.set()

    def _announcer(self, dialogue: str, title: str = "", key: str = "") -> Callable[[View], None]:
        key = key or dialogue

        def announce(view: View) -> None:
            fresh = [row for row in view.rows if told_as(row) not in self._told]
            self._told.update(told_as(row) for row in fresh)
            if key not in self._first:  # what was there before is read with /read, not announced
                self._first.add(key)
                return
            for row in fresh:
                self._announce(title or self.title(dialogue), row)
            if fresh:
                self._mark_seen(dialogue)

        return announce

    def _mark_seen(self, dialogue: str) -> None:
        async def mark() -> None:
            with suppress(LocalError):  # said again with the next message
                await self.link.call("seen", dialogue=dialogue)

        task = asyncio.create_task(mark())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _announce(self, title: str, row: Row, *, named: bool = False) -> None:
        """Say a message; `named`: with the beginning of its id, for commands that are about one."""
        mark = f"{row.id[:8]} " if named else ""
        for hole in holes(row.value):
            self.say(f"[{title}] {hole}")
        name = "You" if row.value.get("mine") else line_of(row.value, "author")
        notes = ["arrived late"] if row.value.get("late") else []
        notes += said_how(row.value)
        note = f" ({', '.join(notes)})" if notes else ""
        why = instead(row.value)
        for line in [f"({why})"] if why else text_of(row.value, "text").split("\n"):
            self.say(f"[{title}] {mark}{name}{note}: {line}")

    def _joins_changed(self, view: View) -> None:
        for row in view.rows:
            key = f"join {row.id} {line_of(row.value, 'state')} {line_of(row.value, 'problem')}"
            if key in self._told:
                continue
            self._told.add(key)
            if row.value.get("state") != "admitted" or row.id == self.joining:
                self.say(f"{join_title(row.value)}: {join_words(row.value)}")
            admitted = self.dialogues.view.get(line_of(row.value, "dialogue"))
            if row.id == self.joining and admitted is not None:
                self.joining = ""
                self.open(admitted)

    def _knocks_changed(self, view: View) -> None:
        for row in waiting_knocks(view.rows):
            if f"knock {row.id}" not in self._told:
                self._told.add(f"knock {row.id}")
                self.say(f"{knock_words(row.value)}. Code {line_of(row.value, 'code')}. /admit or /refuse")

    def title(self, dialogue: str) -> str:
        """What a dialogue is called."""
        row = self.dialogues.view.get(dialogue)
        return line_of(row.value, "title") if row is not None else dialogue[:8]

    def open(self, row: Row) -> None:
        """Make this the dialogue that typed lines are said in; say who will see them."""
        self._in_room({})
        self.opened = row.id
        people = int_of(row.value, "people")
        self.say(f"Open: {line_of(row.value, 'title')}, {counted(people, 'person', 'people')}. {audience(people, 80)}")

    # What is typed ---------------------------------------------------------------------------------------------------

    async def take(self, line: str) -> bool:
        """Do what a line asks; False ends the sitting."""
        command = parse(line)
        try:
            if command is not None:
                return await self._command(*command)
            if line.strip():
                await self._say(message_of(line))
        except LocalError as wrong:
            self.tell(wrong.problem)
        return True

    async def _say(self, text: str) -> None:
        if not self.opened:
            self.say("No dialogue is open. /dialogues lists them; /help lists all commands.")
            return
        await self.link.call("say", dialogue=self.opened, text=text, **self._where())

    async def _command(self, name: str, rest: str) -> bool:
        match name:
            case "quit" | "q":
                return False
            case "lock":
                await self.link.call("lock")
                return False
            case "panic":
                return await self._panic(rest)
            case "community":
                for row in rows_of(await self.link.call("commons.list"), "commons"):
                    card = await self.link.call("commons.card", commons=line_of(row, "commons"))
                    for line in [*community_lines(row), *card_lines(card)]:
                        self.say(line)
            case "help":
                for command in PLAIN_COMMANDS:
                    self.say(f"/{command.name}: {command.meaning}")
            case "dialogues" | "go":
                self._list()
            case "open":
                self._open_named(rest)
            case "read":
                self._read(int(rest) if rest.isdigit() else 20)
            case "status":
                for line in status_lines(await self.link.call("status")):
                    self.say(line)
            case "clock":
                await self.link.call("clock.confirm")
                self.say("The clock is taken for right: what is past its time is erased.")
            case "contacts" | "talk" | "accept":
                await with_contacts(self, name, rest)
            case "people" | "invite" | "check" | "proposals" | "sign" | "reveal" | "verify" | "same" | "keep" | "room":
                await self._about_opened(name, rest)
            case "join":
                result = await self.link.call("join", invite=rest)
                self.joining = line_of(result, "join")
                self._joins_changed(self.joins.view)
            case "new":
                result = await self.link.call("dialogue.new", title=rest)
                self.say(f"“{line_of(result, 'title')}” has begun. /open it, then /invite somebody.")
            case "knocks" | "admit" | "refuse":
                await self._door(name)
            case _ if self.opened and await method_command(self.link, self.say, self._place, name, rest):
                pass
            case _:
                near = nearest(name, PLAIN_COMMANDS)
                hint = f"Did you mean /{near}?" if near else "/help lists them all."
                self.say(f"There is no command /{name[:20]}. {hint}")
        return True

    def _list(self) -> None:
        for number, row in enumerate(self.dialogues.view.rows, 1):
            here = ", open" if row.id == self.opened else ""
            self.say(f"{number}: {line_of(row.value, 'title')}, {int_of(row.value, 'unread')} unread{here}")
        if not self.dialogues.view.rows:
            self.say("No dialogue yet. /join and an invite, or /new and a title.")

    def _open_named(self, name: str) -> None:
        rows = self.dialogues.view.rows
        found = [row for row in rows if line_of(row.value, "title").casefold() == name.casefold()]
        if name.isdigit() and 1 <= int(name) <= len(rows):
            found = [rows[int(name) - 1]]
        if len(found) == 1:
            self.open(found[0])
        else:
            self.say(f"{len(found) or 'No'} dialogues are called that. /dialogues gives each a number.")

    def _read(self, count: int) -> None:
        following = self._messages.get(self.opened + line_of(self.room, "room"))
        rows = following.view.rows[-count:] if following is not None and count else []
        for row in rows:
            self._announce(self.title(self.opened), row, named=True)
        if rows:
            self._mark_seen(self.opened)
        else:
            self.say("Nothing has been said yet.")

    async def _about_opened(self, name: str, rest: str) -> None:
        if not self.opened:
            self.say("No dialogue is open. /dialogues lists them.")
        elif name == "people":
            for row in await self._rows("members", "members", dialogue=self.opened):
                nick, standing = member_words(row)
                self.say(f"{nick}: {standing}" if standing else nick)
        elif name == "check":
            await self.link.call("check", dialogue=self.opened, member=rest)
            self.say("Checked: you compared codes, and they were the same.")
        elif name in {"reveal", "verify", "same", "keep"}:
            await about_person(self, name, rest)
        elif name == "room":
            await self._rooms(rest)
        elif name in {"proposals", "sign"}:
            await proposals(self.link, self.say, self.opened, sign=name == "sign")
        else:
            result = await self.link.call("invite", dialogue=self.opened, uses=1, expires_minutes=INVITE_MINUTES)
            self.say(line_of(result, "invite"))
            self.say(f"It works once, for {in_words(INVITE_MINUTES)}. Send it by a way you trust.")

    async def _rooms(self, name: str) -> None:
        """List the rooms, or go to the one that is named."""
        result = await self.link.call("rooms", dialogue=self.opened)
        rows = rows_of(result, "rooms")
        if not name:
            for line in (*map(room_line, rows), *map(corridor_line, rows_of(result, "corridors"))):
                self.say(line)
            return
        found = [row for row in rows if room_name(row).casefold() == name.casefold() and row.get("mine")]
        if len(found) != 1:
            self.say(f"{len(found) or 'No'} rooms that you are in are called that. /room lists them.")
            return
        self._in_room({} if is_plenary(found[0]) else found[0])
        self.say(room_audience(found[0]) if self.room else "You are in the plenary again.")

    def _in_room(self, row: Value) -> None:
        """From now on typed lines are said there, and what arrives there is announced."""
        self.room = row
        key = self.opened + line_of(row, "room")
        if row and key not in self._messages:
            params: Params = {"dialogue": self.opened, "last": WINDOW, **self._where()}
            announce = self._announcer(self.opened, f"{self.title(self.opened)} / {room_name(row)}", key)
            self._messages[key] = self.link.follow(Following("messages", params, announce))

    @property
    def _place(self) -> Place:
        return Place(self.opened, self._where())

    def _where(self) -> dict[str, str]:
        return {"room": line_of(self.room, "room")} if self.room else {}

    async def _panic(self, rest: str) -> bool:
        """Destroy the profile and end; without the word, say what it would do."""
        if rest != PANIC_WORD:
            self.say(PANIC_HINT)
            return True
        await self.link.call("panic")
        self.say(DESTROYED)
        return False

    async def _door(self, name: str) -> None:
        rows = await self._rows("knocks", "knocks")
        waiting = [row for row in rows if row.get("state") == "waiting"]
        if not waiting:
            self.say("Nobody asks to join just now.")
        elif name == "knocks":
            for row in waiting:
                self.say(f"{knock_words(row)}. Code {line_of(row, 'code')}.")
        else:
            await self.link.call(name, knock=line_of(waiting[0], "knock"))
            self.say(f"{line_of(waiting[0], 'nick')}: {'admitted' if name == 'admit' else 'refused'}.")

    async def _rows(self, method: str, name: str, **params: str) -> list[dict[str, object]]:
        return rows_of(await self.link.call(method, **params), name)


async def converse(
    profile: Profile, passphrase_file: Path | None, lines: Lines, out: Callable[[str], None]
) -> int:
    """Unlock, announce, and do what each line asks until the last; the exit code."""
    first = await attach(profile, "tertulia plain")
    waiting: list[Client] = [first]

    async def again() -> Client:
        return waiting.pop() if waiting else await attach(profile, "tertulia plain")

    await _unlock(first, profile, passphrase_file)
    up = asyncio.Event()

    async def on_up() -> None:
        up.set()
        if sitting is not None and (await link.call("status")).get("state") == "locked":
            sitting.say("The node was started again and is locked. Quit, and start anew to unlock it.")

    def on_down(problem: Problem) -> None:
        if sitting is not None:
            sitting.say(f"{problem.error} {problem.safe} Starting it again.")

    def on_notice(notice: Notice) -> None:
        out(strip_text(notice.text))

    sitting: Plain | None = None
    link = Link(again, on_up, on_down, on_notice)
    running = asyncio.create_task(link.run())
    try:
        await up.wait()
        sitting = Plain(link, out)
        sitting.say("Tertulia, plain. /help lists the commands, /quit ends.")
        await sitting.known.wait()
        lines.start()
        while (line := await lines.next()) is not None:
            if not await sitting.take(line):
                break
        sitting.say(await _farewell(link))
    finally:
        lines.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return 0


async def _unlock(client: Client, profile: Profile, passphrase_file: Path | None) -> None:
    state = (await client.call("status")).get("state")
    if state == "new":
        raise LocalError(
            Problem(
                error=f"There is nobody in the profile “{profile.name}” yet.",
                safe="Nothing was changed.",
                next="Begin with: tertulia init --nick NAME",
            )
        )
    if state == "locked":
        await client.call("unlock", passphrase=ask.passphrase(passphrase_file))


async def _farewell(link: Link) -> str:
    try:
        status: Params = await link.call("status")
    except LocalError:
        return "The node is gone."
    if status.get("keep") or status.get("resident"):
        return "The node keeps running; tertulia stop ends it."
    return "The node locks and ends now."


def run_plain(profile: Profile, passphrase_file: Path | None) -> int:
    """Hold a plain sitting on this profile and give the exit code. Raises LocalError as the verbs do."""
    return asyncio.run(converse(profile, passphrase_file, Lines(sys.stdin.fileno()), _print))


def _print(line: str) -> None:
    print(line, flush=True)
