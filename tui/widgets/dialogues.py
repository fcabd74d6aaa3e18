"""The dialogues a citizen is in, and the invites still waiting to be answered, in one list.

DESIGN §3. Titles come from peers, so no prompt is markup. What is unread is said as a number; the chosen one is
chosen on Enter, never by merely passing over it.
"""

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tertulia.protocol.control import Row
from tertulia.tui.guard import int_of, line_of
from tertulia.tui.phrases import join_title

JOIN = "join:"
"""Before the id of an invite that waits, so that it cannot be taken for a dialogue's."""


class DialogueList(OptionList):
    """Dialogues first, then invites that wait."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, markup=False, compact=True)
        self._ids: list[str] = []

    def show(self, dialogues: Sequence[Row], joins: Sequence[Row], opened: str) -> None:
        """Show these rows; `opened` is the id of the one on the screen."""
        room = (self.size.width or 20) - 2
        options = [Option(_dialogue_prompt(row, room, opened=row.id == opened), id=row.id) for row in dialogues]
        options += [
            Option(_join_prompt(row, room), id=JOIN + row.id) for row in joins if row.value.get("state") != "admitted"
        ]
        highlighted = self._ids[self.highlighted] if self.highlighted is not None else opened
        ids = [str(option.id) for option in options]
        if ids == self._ids:
            for index, option in enumerate(options):
                self.replace_option_prompt_at_index(index, option.prompt)
            return
        self._ids = ids
        self.set_options(options)
        self.highlighted = ids.index(highlighted) if highlighted in ids else None


def _dialogue_prompt(row: Row, room: int, *, opened: bool) -> Content:
    unread = 0 if opened else int_of(row.value, "unread")
    title = line_of(row.value, "title") or "untitled"
    state = line_of(row.value, "state")
    note = state if state in {"left", "removed"} else f"{unread} new" if unread else ""
    style = "bold $primary" if opened else "bold" if unread else "$foreground"
    return _prompt(title, note, room, style, "$primary" if unread else "$quiet")


def _join_prompt(row: Row, room: int) -> Content:
    waiting = row.value.get("state") == "knocked" and not line_of(row.value, "problem")
    return _prompt(join_title(row.value), "waiting" if waiting else "not let in", room, "$quiet", "$quiet")


def _prompt(title: str, note: str, room: int, style: str, note_style: str) -> Content:
    """Title at the left, note at the right, both on one line of `room` cells."""
    space = room - (len(note) + 1 if note else 0)
    short = Content(title).truncate(space, ellipsis=True)
    gap = " " * (space - short.cell_length + 1)
    return short.stylize(style) + (Content(gap) + Content.styled(note, note_style) if note else Content(""))
