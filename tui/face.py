"""What screens may ask of the app: the conversation with the node, and where to go next.

It keeps screens from knowing the app's insides, and the app's module from being imported by what it imports.
"""

import asyncio
from typing import Protocol

from textual.screen import Screen
from textual.widget import AwaitMount

from tertulia.tui.client import Params
from tertulia.tui.link import Link


class Face(Protocol):
    """The app as its screens see it."""

    link: Link
    status: Params
    beginning: "asyncio.Task[Params] | None"
    idle_minutes: int

    def set_idle(self, minutes: int) -> None:
        """Lock after so many minutes without a key; 0 for never. Raises LocalError when that cannot be kept."""

    def destroy(self) -> None:
        """Destroy the profile now, asking nothing."""

    def push_screen(self, screen: "Screen[None]") -> "AwaitMount | asyncio.Future[None]":
        """Open a screen above this one."""

    def begin(self, nick: str, passphrase: str) -> None:
        """Start making the profile while the next page is filled in."""

    async def begun(self) -> None:
        """Wait until the profile is made. Raises LocalError when that failed."""

    async def open_talk(self, dialogue: str = "", join: str = "", *, invite: bool = False) -> None:
        """Leave every form: show the dialogues, this one open; `invite` opens its invite at once."""

    async def route(self) -> None:
        """Show what the node's state asks for."""

    def copy_to_clipboard(self, text: str) -> None:
        """Write a text to the terminal's clipboard; never read it."""

    def say(self, text: str) -> None:
        """Tell the person something in passing."""
