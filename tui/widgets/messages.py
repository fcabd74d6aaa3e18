"""The messages of a dialogue: a list of any length that draws only what is on the screen.

research/tui.md §3. Heights are prefix sums found by bisection, drawn lines live in an LRU; a frame costs the same at
ten messages and at a hundred thousand. It follows the end unless the reader has scrolled up, and never moves what
they read: then it only says how many are new.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, takewhile
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from tertulia.protocol.control import Row
from tertulia.tui.block import Block, Line, Role, Span
from tertulia.tui.guard import text_of

LIMIT_DRAWN = 2_048
"""Messages whose drawn lines are kept."""
NAME_COLOURS = 6


class MessageList(ScrollView, can_focus=True):
    """The messages; `show` gives it a view's rows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"messages--{role}" for role in Role),
        *(f"messages--name-{number}" for number in range(NAME_COLOURS)),
        "messages--chosen",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", "Earlier", show=False),
        Binding("down,j", "choose(1)", "Later", show=False),
        Binding("c", "copy", "Copy", show=False),
        Binding("d,enter", "ask", "What to do about it", show=False),
        Binding("o", "open", "Open or fold it", show=False),
        Binding("escape,tab", "back", "Write", show=False),
        Binding("end", "bottom", "Newest", show=False),
        Binding("home", "top", "Oldest", show=False),
    ]

    class AtTop(Message):
        """The reader is at the oldest message there is here."""

    class Behind(Message):
        """So many messages came below what the reader sees; 0 when they see the end."""

        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

    class Back(Message):
        """The reader wants to write."""

    class Copied(Message):
        """The chosen message's text is to be put on the clipboard."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Asked(Message):
        """The reader wants to do something about the chosen message, or know where it has got to."""

        def __init__(self, message: str) -> None:
            super().__init__()
            self.id = message

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._blocks: list[Block] = []
        self._ends: list[int] = []
        self._width = 0
        self._first_unread = ""
        self._chosen: int | None = None
        self._opened: set[str] = set()
        self._seen = ""
        self._follows = True
        self._drawn: LRUCache[int, tuple[Block, tuple[Strip, ...]]] = LRUCache(LIMIT_DRAWN)
        self._styles: dict[str, Style] = {}

    # What is shown ---------------------------------------------------------------------------------------------------

    def show(self, rows: Sequence[Row], first_unread: str = "") -> None:
        """Show these rows; `first_unread` is the id of the one the unread line stands before."""
        anchor = None if self._follows else self._anchor()
        chosen = self._rows[self._chosen].id if self._chosen is not None else None
        common = 0
        if first_unread == self._first_unread:
            limit = min(len(rows), len(self._rows))
            while common < limit and rows[common] is self._rows[common]:
                common += 1
        self._first_unread = first_unread
        self._rows[common:] = rows[common:]
        self._blocks[common:] = [
            Block(
                row.value,
                self._rows[index - 1].value if index else None,
                row.id == first_unread,
                row.id in self._opened,
            )
            for index, row in enumerate(self._rows[common:], common)
        ]
        self._chosen = None if chosen is None else self._index_of(chosen)
        self._measure(common)
        self._settle(anchor)

    def forget(self) -> None:
        """Show nothing, as when another dialogue is opened."""
        self._chosen = None
        self._seen = ""
        self._follows = True
        self._rows, self._blocks, self._ends = [], [], []
        self._drawn.clear()
        self.show((), "")

    def _measure(self, start: int = 0) -> None:
        width = self.scrollable_content_region.width or self.size.width
        if width != self._width:
            self._width, start = width, 0
            self._drawn.clear()
        before = self._ends[start - 1] if start else 0
        heights = (block.height(width) for block in self._blocks[start:])
        self._ends[start:] = list(accumulate(heights, initial=before))[1:]
        self.virtual_size = Size(width, (self._ends[-1] if self._ends else 0) + 1)

    def _settle(self, anchor: tuple[str, int] | None) -> None:
        """After a change: stay at the end, or keep the anchored message where it was."""
        if self._follows:
            self.scroll_to(y=self.virtual_size.height, animate=False, immediate=True, force=True)
        elif anchor is not None and (index := self._index_of(anchor[0])) is not None:
            top = self._ends[index - 1] if index else 0
            self.scroll_to(y=top + anchor[1], animate=False, immediate=True)
        self.refresh()
        self._tell_behind()

    def _tell_behind(self) -> None:
        if self._follows and self._rows:
            self._seen = self._rows[-1].id
        newer = takewhile(lambda row: row.id != self._seen, reversed(self._rows))
        self.post_message(self.Behind(sum(1 for _ in newer)))

    def _anchor(self) -> tuple[str, int] | None:
        """The message at the top of the screen, and how many of its lines are above it."""
        if not self._rows:
            return None
        y = self.scroll_offset.y
        index = min(bisect_right(self._ends, y), len(self._rows) - 1)
        return self._rows[index].id, y - (self._ends[index - 1] if index else 0)

    def _index_of(self, row_id: str) -> int | None:
        return next((index for index, row in enumerate(self._rows) if row.id == row_id), None)

    # Drawing ---------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        top = self.scroll_offset.y + y
        width = self.size.width
        base = self.rich_style
        # One empty line stands above the first message, so that a short dialogue does not stick to the edge.
        line = top - 1
        index = bisect_right(self._ends, line) if line >= 0 else -1
        if not 0 <= index < len(self._blocks):
            return Strip.blank(width, base)
        strip = self._strips(index)[line - (self._ends[index - 1] if index else 0)]
        if index == self._chosen:
            strip = strip.apply_style(self._style("messages--chosen"))
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(top)) is not None:
            strip = self._selected(strip, *span)
        return strip.extend_cell_length(width, base).crop(0, width).apply_offsets(0, top)

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        end = strip.cell_length if end == -1 else end
        style = self.screen.get_component_rich_style("screen--selection")
        left, middle, right = strip.crop(0, start), strip.crop(start, end), strip.crop(end)
        return Strip.join([left, middle.apply_style(style), right])

    def _strips(self, index: int) -> tuple[Strip, ...]:
        block = self._blocks[index]
        kept = self._drawn.get(id(block))
        if kept is None:
            kept = block, tuple(self._strip(line) for line in block.lines(self._width))
            self._drawn[id(block)] = kept
        return kept[1]

    def _strip(self, line: Line) -> Strip:
        return Strip([Segment(span.text, self._span_style(span)) for span in line])

    def _span_style(self, span: Span) -> Style:
        if span.role is Role.NAME and span.key:
            number = sum(span.key.encode()) % NAME_COLOURS
            return self._style(f"messages--name-{number}")
        return self._style(f"messages--{span.role}")

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = self.get_component_rich_style(name)
        return self._styles[name]

    def notify_style_update(self) -> None:
        """Colours changed: draw anew."""
        super().notify_style_update()
        self._styles.clear()
        self._drawn.clear()

    def on_resize(self) -> None:
        """The width may have changed: break the lines anew around the message that was read."""
        anchor = self._anchor()
        self._measure(len(self._blocks))
        self._settle(anchor)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for older messages at the top; forget the count of new ones at the end."""
        super().watch_scroll_y(old_value, new_value)
        self._follows = not self._rows or new_value >= self.max_scroll_y - 1
        if self._rows and new_value <= 0 < old_value:
            self.post_message(self.AtTop())
        self._tell_behind()

    # Reading and copying ---------------------------------------------------------------------------------------------

    def choose_last(self) -> None:
        """Choose the newest message, as ↑ in an empty composer does."""
        if self._rows:
            self.focus()
            self._choose(len(self._rows) - 1)

    def action_choose(self, step: int) -> None:
        """Choose the message above or below the chosen one; below the newest is the composer."""
        if self._chosen is None:
            self._choose(len(self._rows) - 1)
        elif self._chosen + step >= len(self._rows):
            self.action_back()
        else:
            self._choose(max(self._chosen + step, 0))

    def _choose(self, index: int) -> None:
        if not self._rows:
            return
        self._chosen = index
        top = (self._ends[index - 1] if index else 0) + 1
        height = self._ends[index] + 1 - top
        self.scroll_to_region(Region(0, top, self._width, height), animate=False, force=True)
        self.refresh()

    def action_back(self) -> None:
        """Choose nothing and let the reader write."""
        self._chosen = None
        self.refresh()
        self.post_message(self.Back())

    def on_blur(self) -> None:
        """A chosen message is one only while the list has the keyboard."""
        self._chosen = None
        self.refresh()

    def action_copy(self) -> None:
        """Copy the chosen message's text."""
        if self._chosen is not None:
            self.post_message(self.Copied(text_of(self._rows[self._chosen].value, "text")))

    def action_open(self) -> None:
        """Show the chosen message though facilitators folded it, or hide it again."""
        if self._chosen is not None:
            self.open(self._rows[self._chosen].id)

    def open(self, message: str) -> None:
        """Show a folded message, or hide it again."""
        index = self._index_of(message)
        if index is not None:
            self._opened ^= {message}
            self._blocks[index] = replace(self._blocks[index], opened=message in self._opened)
            self._measure(index)
            self.refresh()

    def action_ask(self) -> None:
        """Ask what can be done about the chosen message."""
        if self._chosen is not None:
            self.post_message(self.Asked(self._rows[self._chosen].id))

    def action_bottom(self) -> None:
        """Go to the newest message."""
        self.scroll_end(animate=False, immediate=True, x_axis=False)

    def action_top(self) -> None:
        """Go to the oldest message there is here."""
        self.scroll_home(animate=False, immediate=True, x_axis=False)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text under a mouse selection."""
        lines = [""]
        for index in range(len(self._blocks)):
            lines.extend(strip.text for strip in self._strips(index))
        return selection.extract("\n".join(lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002  (Textual's signature)
        """Draw the selection."""
        self.refresh()
