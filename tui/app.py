"""The interface: one Textual app, one conversation with the node, and the way between screens.

DESIGN §2 and §3, research/tui.md. Every line drawn passes the terminal guard. SIGTERM and SIGHUP leave the terminal as
it was found. The node may die at any time: it is said and started again. No traceback is ever shown.
"""

import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.screen import Screen

from tertulia.protocol.control import LocalError, Notice, Problem
from tertulia.tui import idle
from tertulia.tui.chord import Chord
from tertulia.tui.client import Client, Params
from tertulia.tui.commands import DESTROYED
from tertulia.tui.duration import in_words
from tertulia.tui.guard import int_of, strip_text
from tertulia.tui.launch import attach
from tertulia.tui.link import Following, Link
from tertulia.tui.profile import Profile
from tertulia.tui.screens.choice import Choice
from tertulia.tui.screens.help import HelpScreen
from tertulia.tui.screens.lock import LockScreen
from tertulia.tui.screens.opening import OpeningScreen
from tertulia.tui.screens.talk import TalkScreen
from tertulia.tui.screens.waiting import WaitingScreen
from tertulia.tui.terminal_guard import TerminalGuard
from tertulia.tui.theme import TERTULIA
from tertulia.tui.view import View

ENDED = "Locked. Nothing of Tertulia is running any more."
KEPT = "Tertulia keeps receiving in the background, unlocked. “tertulia stop” locks and ends it."
RESIDENT = "Locked. The node goes on carrying for others; “tertulia stop” ends it."
UNREACHED = "The interface has ended. “tertulia status” says whether a node still runs."

IDLE_LOOK_SECONDS = 5.0


class TertuliaApp(App[str]):
    """The face of one profile. Its result is the last sentence, printed once the terminal is itself again."""

    CSS_PATH = "app.tcss"
    TITLE = "Tertulia"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-two"), (110, "-three")]  # noqa: RUF012  (as Textual types it)
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", priority=True),
        Binding("ctrl+l", "lock", "Lock", priority=True),
        Binding("ctrl+backslash", "panic", "Destroy", priority=True),
        Binding("f1", "help", "Help", priority=True),
    ]

    def __init__(
        self,
        profile: Profile,
        attaching: Callable[[], Awaitable[Client]] | None = None,
        clock: Callable[[], float] = idle.now,
    ) -> None:
        super().__init__()
        self.register_theme(TERTULIA)
        self.theme = TERTULIA.name
        self._guard = TerminalGuard()
        self.animation_level = "none"
        self.link = Link(attaching or (lambda: attach(profile, "tertulia tui")), self._up, self._down, self._notice)
        self.status: Params = {}
        self.beginning: asyncio.Task[Params] | None = None
        self._following = Following("status", {}, self._status_changed)
        self._was_unlocked = False
        self._quitting = False
        self._folder = profile.folder
        self._clock = clock
        self._touched = clock()
        self._chord = Chord()
        self.idle_minutes = idle.read_minutes(profile.folder)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own filters (NO_COLOR is one), then the guard: nothing comes after it."""
        return [*super().get_line_filters(), self._guard]

    def get_default_screen(self) -> Screen[Any]:
        """The first paint, before anything is known."""
        return WaitingScreen()

    def on_mount(self) -> None:
        """Signals, and the conversation with the node."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, UNREACHED)
        _resume_on_a_terminal_only()
        self.link.follow(self._following)
        self.set_interval(IDLE_LOOK_SECONDS, self.look_idle)
        self.run_worker(self.link.run(), exit_on_error=True)

    # The node --------------------------------------------------------------------------------------------------------

    async def _up(self) -> None:
        """The node has said hello: learn its state and show what it asks for."""
        try:
            self.status = await self.link.call("status")
            await self.route()
        except LocalError as wrong:
            self._down(wrong.problem)

    def _down(self, problem: Problem) -> None:
        if self._quitting:
            return
        screen = self.screen_stack[0] if len(self.screen_stack) == 1 else None
        match screen:
            case WaitingScreen():
                screen.show_problem(problem)
            case _:
                self._tell_talk(problem)

    def _tell_talk(self, problem: Problem | None) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, TalkScreen) and screen.is_mounted:
                screen.show_status(problem)

    def _notice(self, notice: Notice) -> None:
        if notice.kind not in {"locking", "stopping"}:
            self.say(notice.text)

    def _status_changed(self, view: View) -> None:
        row = next(iter(view.rows), None)
        if row is None:
            return
        self.status = dict(row.value)
        self._tell_talk(None)
        if self.status.get("state") == "locked" and self._was_unlocked and not self._quitting:
            self.call_later(self.route)

    async def route(self) -> None:
        """Show what the node's state asks for, unless it is already on the screen."""
        self.status = await self.link.call("status")
        state = self.status.get("state")
        base = self._base_screen
        match state:
            case "unlocked" if not isinstance(base, TalkScreen) and not self._is_beginning(base):
                self._was_unlocked = True
                self._show(TalkScreen())
            case "locked" if not isinstance(base, LockScreen):
                reason = "The node has stopped and was started again. What was stored is safe."
                reason = "" if self._locked_by_hand or not self._was_unlocked else self._idle_reason or reason
                self.beginning, self._idle_reason = None, ""
                self._show(LockScreen(reason))
                self._was_unlocked = False
            case "new" if isinstance(base, WaitingScreen | TalkScreen | LockScreen):
                self._show(OpeningScreen())
        self._locked_by_hand = False
        self._tell_talk(None)

    _locked_by_hand = False
    _idle_reason = ""

    @property
    def _base_screen(self) -> Screen[Any]:
        """The screen everything else is above: the default one stays at the very bottom."""
        return self.screen_stack[min(1, len(self.screen_stack) - 1)]

    def _is_beginning(self, base: Screen[Any]) -> bool:
        """Whether a newcomer has not finished the forms: then they are not torn away from them."""
        return isinstance(base, OpeningScreen) and self.beginning is not None

    def _show(self, screen: Screen[Any]) -> None:
        """Leave everything that is open and show this. Nothing is awaited: a form that closes itself may be asking."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.push_screen(screen)

    # What screens ask for --------------------------------------------------------------------------------------------

    def begin(self, nick: str, passphrase: str) -> None:
        """Start making the profile; the next page waits for it with `begun`."""
        self.beginning = asyncio.create_task(self.link.call("init", nick=nick, passphrase=passphrase))
        self.beginning.add_done_callback(_observed)

    async def begun(self) -> None:
        """Wait until the profile is made. Raises LocalError when that failed."""
        if self.beginning is not None:
            await asyncio.shield(self.beginning)

    async def open_talk(self, dialogue: str = "", join: str = "", *, invite: bool = False) -> None:
        """Leave every form and show the dialogues."""
        self.beginning = None
        self._was_unlocked = True
        self.status = await self.link.call("status")
        self._show(TalkScreen(dialogue, join, invite=invite))

    def say(self, text: str) -> None:
        """Tell the person something in passing, where it covers nothing if the screen has such a place."""
        if isinstance(self.screen, TalkScreen):
            self.screen.notice(text)
        else:
            self.notify(text)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,  # noqa: ARG002  (a peer's words may be in it: never markup, whoever asks)
    ) -> None:
        """A toast, of plain text."""
        super().notify(strip_text(message), title=title, severity=severity, timeout=timeout, markup=False)

    # Keys that work everywhere ---------------------------------------------------------------------------------------

    async def action_lock(self) -> None:
        """Lock at once."""
        self._locked_by_hand = self._was_unlocked
        await self._lock()

    async def _lock(self) -> None:
        if not self._was_unlocked:
            return
        try:
            await self.link.call("lock")
            await self.route()
        except LocalError as wrong:
            self._locked_by_hand = False
            self._down(wrong.problem)

    def action_panic(self) -> None:
        """Destroy the profile once the key was pressed as often as its chord asks; nothing else is asked."""
        missing = self._chord.press(time.monotonic())
        if self.status.get("state") not in {"locked", "unlocked"}:
            return
        if missing:
            times = "twice more" if missing == 2 else "once more"
            self.say(f"Ctrl+\\ {times} at once destroys this profile for ever; nothing asks again.")
        else:
            self.destroy()

    def destroy(self) -> None:
        """Destroy the profile now."""
        self.run_worker(self._destroy(), exclusive=True, group="quit")

    async def _destroy(self) -> None:
        self._quitting = True
        try:
            await self.link.call("panic")
        except LocalError as wrong:
            self._quitting = False
            self._down(wrong.problem)
            self.say(f"{wrong.problem.error} {wrong.problem.safe} {wrong.problem.next}")
        else:
            self.exit(DESTROYED)

    # Locking by itself -----------------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """What the person does keeps the profile open; what comes after too long a pause finds it locked."""
        if isinstance(event, events.InputEvent | events.Paste):
            late = self._is_idle()
            self._touched = self._clock()
            if late:
                await self._lock_for_idleness()
                return
        await super().on_event(event)

    async def look_idle(self) -> None:
        """Lock when nobody has typed for as long as was set."""
        if self._is_idle():
            self._touched = self._clock()
            await self._lock_for_idleness()

    def _is_idle(self) -> bool:
        open_for_long = self.idle_minutes and self._clock() - self._touched >= self.idle_minutes * 60
        return bool(open_for_long) and self._was_unlocked and not self.status.get("keep")

    async def _lock_for_idleness(self) -> None:
        self._idle_reason = f"Nobody typed for {in_words(self.idle_minutes)}, so it locked by itself."
        await self._lock()

    def set_idle(self, minutes: int) -> None:
        """Lock after so many minutes from now on; 0 for never. Raises LocalError when that cannot be kept."""
        self.idle_minutes = minutes
        idle.keep_minutes(self._folder, minutes)

    def action_help(self) -> None:
        """The help page."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    async def action_quit(self) -> None:
        """Quit: lock and end, or keep receiving; without anything to lock, at once."""
        if self._quitting:
            return
        if self.status.get("state") != "unlocked" or self.link.client is None:
            self.exit(ENDED if self.link.client is not None and not self.status.get("resident") else UNREACHED)
            return
        if not isinstance(self.screen, Choice):
            self.run_worker(self._ask_to_quit(), exclusive=True, group="quit")

    async def _ask_to_quit(self) -> None:
        resident = bool(self.status.get("resident"))
        unsent = int_of(self.status, "unsent")
        lines = [f"{unsent} not sent yet: kept here, encrypted, and sent at the next start."] if unsent else []
        end = "Lock it" if resident else "Lock and end"
        answers = [("end", end), ("keep", "Keep receiving, unlocked, in the background")]
        answer = await self.push_screen_wait(Choice("Quit?", lines, answers))
        if answer:
            await self._end(answer, resident=resident)

    async def _end(self, answer: str, *, resident: bool) -> None:
        self._quitting = True
        try:
            match answer:
                case "keep":
                    await self.link.call("keep", on=True)
                    last = KEPT
                case _ if resident:
                    await self.link.call("lock")
                    last = RESIDENT
                case _:
                    await self.link.call("stop")
                    last = ENDED
        except LocalError as wrong:
            last = f"{wrong.problem.error} {UNREACHED}"
        self.exit(last)

    def _handle_exception(self, error: Exception) -> None:
        """A mistake of ours: end with a sentence. What it held may be private, so only its place is said."""
        if self.is_headless:
            super()._handle_exception(error)
            return
        frame = traceback.extract_tb(error.__traceback__)[-1:]
        place = f"{Path(frame[0].filename).name}:{frame[0].lineno}" if frame else "?"
        last = f"The interface failed ({type(error).__name__} at {place}). What was stored is safe; start it again."
        self.exit(last, return_code=1)


def _resume_on_a_terminal_only() -> None:
    """Keep Textual from starting its screen anew on a terminal that has gone.

    A terminal that goes away sends SIGHUP, then SIGCONT. Textual 8.2 takes the second for the end of a pause, writes to
    nobody until its queue of 30 is full, and waits for ever: the node would stay unlocked for a client nobody sees.
    """
    resume = signal.getsignal(signal.SIGCONT)
    if callable(resume):  # not without a terminal
        signal.signal(signal.SIGCONT, lambda number, frame: resume(number, frame) if os.isatty(0) else None)


def _observed(task: "asyncio.Task[Params]") -> None:
    """Whoever waits for the task gets its error; if nobody does any more, that is no news."""
    if not task.cancelled():
        task.exception()


def run_app(profile: Profile) -> int:
    """Open the interface on this profile and give the exit code."""
    app = TertuliaApp(profile)
    last = app.run()
    sys.stdout.write(strip_text(last or UNREACHED) + "\n")
    return app.return_code or 0
