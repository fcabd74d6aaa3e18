"""Every key's name as a slash command, for terminals that swallow keys and for people who would rather type.

research/tui.md §7. A line that begins with one slash is a command; two slashes begin a message that starts with one.
The same table feeds the composer, its completion, the help page and the plain client.
"""

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, its key in the interface (if it has one), and what it does."""

    name: str
    key: str
    meaning: str


COMMANDS = (
    Command("go", "Ctrl+G", "go to another dialogue"),
    Command("new", "Ctrl+N", "begin something, or use an invite"),
    Command("invite", "Ctrl+R", "invite somebody to this dialogue"),
    Command("knocks", "Ctrl+O", "see who asks to join, let them in or not"),
    Command("people", "Ctrl+T", "see who is here"),
    Command("contacts", "Ctrl+K", "people you keep: talk with one, invite one"),
    Command("room", "", "see the rooms of this dialogue, and go to one"),
    Command("leave", "", "leave this dialogue"),
    Command("status", "", "say how things are, in full"),
    Command("clock", "", "say that this machine's clock is right"),
    Command("community", "", "its relays and stewards; add a relay"),
    Command("idle", "", "lock by itself after a time without a key"),
    Command("lock", "Ctrl+L", "lock at once"),
    Command("panic", "Ctrl+\\ ×3", "destroy this profile for ever, asking nothing; /panic destroy"),
    Command("help", "F1", "all keys and commands"),
    Command("quit", "Ctrl+Q", "quit"),
)
PANIC_WORD = "destroy"
DESTROYED = "Destroyed: no passphrase opens this profile any more. What others hold of your words stays with them."
PANIC_HINT = "Everything of this profile would be lost for ever. /panic destroy does it at once and asks nothing."


def parse(line: str) -> tuple[str, str] | None:
    """The command's name and what follows it, or None when the line is a message."""
    if not line.startswith("/") or line.startswith("//") or "\n" in line:
        return None
    name, _, rest = line[1:].partition(" ")
    return name.lower(), rest.strip()


def message_of(line: str) -> str:
    """The message a line is: two slashes at its start mean one."""
    return line[1:] if line.startswith("//") else line


def nearest(name: str, commands: tuple[Command, ...] = COMMANDS) -> str:
    """The known command closest to this name, or an empty text."""
    return next(iter(difflib.get_close_matches(name, [command.name for command in commands], 1, 0.5)), "")


def beginning_with(start: str, commands: tuple[Command, ...] = COMMANDS) -> list[Command]:
    """The commands whose name begins so."""
    return [command for command in commands if command.name.startswith(start.lower())]
