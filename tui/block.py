"""One message as the lines a person sees: day, gap and unread lines before it, who and when, its text, its state.

DESIGN §3 and §6, research/tui.md §3. Pure: a row and what stands before it in, lines of spans out; every text that
came from a peer passes the guard here. What was delivered is said in words, and only of one's own messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tertulia.tui.guard import int_of, line_of, strip_line, text_of
from tertulia.tui.phrases import holes, instead, said_how, sending
from tertulia.tui.when import clock_of, day_number, day_of
from tertulia.tui.wrap import wrap

NARROW = 50
"""Cells below which times and names share the text's column."""
GUTTER = 7
"""Cells left of the text where there is room: the time and a space."""
RUN_MS = 5 * 60 * 1000
"""Messages of one person closer than this share one heading."""

Value = Mapping[str, object]


class Role(StrEnum):
    """What a span is, from which its style follows."""

    DAY = "day"
    NEW = "new"
    GAP = "gap"
    TIME = "time"
    NAME = "name"
    OWN = "own"
    NOTE = "note"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line. `key` tells names apart, so that each can keep its colour."""

    text: str
    role: Role
    key: str = ""


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A message and the rows it is drawn after. `opened`: the reader wants to see what was folded."""

    value: Value
    before: Value | None
    first_unread: bool
    opened: bool = False

    def lines(self, width: int) -> list[Line]:
        """Every line of the block, each at most `width` cells."""
        lines = self._separators(width)
        indent = GUTTER if width >= NARROW else 1
        if self._has_heading:
            lines.extend(self._heading(width))
        text, role = self._text
        for line in wrap(text, width - indent):
            lines.append((Span(" " * indent + line, role),))
        return lines

    @property
    def _text(self) -> tuple[str, Role]:
        """The text; or, in other letters, why there is none."""
        why = instead(self.value, opened=self.opened)
        return (f"({why})", Role.GAP) if why else (text_of(self.value, "text"), Role.TEXT)

    def height(self, width: int) -> int:
        """How many lines `lines` gives, counted without making them where that is easy."""
        value = self.value
        if holes(value) or width < NARROW:
            return len(self.lines(width))
        spaced = self._has_heading
        extra = (spaced and self.before is not None) + 2 * self._new_day + 2 * self.first_unread + spaced
        text, _role = self._text
        if len(text) <= width - GUTTER and text.isascii() and "\n" not in text:
            return extra + 1
        return extra + len(wrap(text, width - GUTTER))

    @property
    def _new_day(self) -> bool:
        return self.before is None or day_number(int_of(self.before, "time")) != day_number(int_of(self.value, "time"))

    @property
    def _has_heading(self) -> bool:
        before, value = self.before, self.value
        if before is None or self._new_day or self.first_unread or holes(value) or value.get("late"):
            return True
        if said_how(value) or said_how(before):
            return True
        if any(before.get(name) != value.get(name) for name in ("member", "mine", "author")):
            return True
        if abs(int_of(value, "time") - int_of(before, "time")) > RUN_MS:
            return True
        return bool(value.get("mine")) and delivery(before) != delivery(value)

    def _separators(self, width: int) -> list[Line]:
        lines: list[Line] = []
        if self._has_heading and self.before is not None:
            lines.append(())
        if self._new_day:
            lines += [(Span(_centred(day_of(int_of(self.value, "time")), width), Role.DAY),), ()]
        if self.first_unread:
            lines += [(Span(_ruled("new", width), Role.NEW),), ()]
        for hole in holes(self.value):
            lines += [(Span(f" {text}", Role.GAP),) for text in wrap(hole, width - 1)]
        return lines

    def _heading(self, width: int) -> list[Line]:
        value = self.value
        time = clock_of(int_of(value, "time"))
        mine = bool(value.get("mine"))
        name = "You" if mine else line_of(value, "author") or "somebody"
        notes = [delivery(value)] if mine else []
        if value.get("late"):
            notes.append("arrived late")
        notes = [*said_how(value), *notes]
        note = "".join(f" · {words}" for words in notes)
        beside = len(note) if width >= NARROW else 2
        short = wrap(name, max(width - GUTTER - beside, 2))[0]
        who = Span(short, Role.OWN if mine else Role.NAME, line_of(value, "member"))
        if width >= NARROW:
            return [(Span(f" {time} ", Role.TIME), who, Span(note, Role.NOTE))]
        heading = [(Span(" ", Role.TIME), who, Span(f" {time}", Role.TIME))]
        return [*heading, *((Span(f" {line}", Role.NOTE),) for line in wrap(note[3:], width - 1) if note)]


def kept_by(value: Value) -> str:
    """Which relays keep one's own message, by the community's words for them; empty while none is known to."""
    names = value.get("relays")
    words = [strip_line(str(name)) for name in names] if isinstance(names, list | tuple) else []
    return f"kept by {' and '.join(words)}" if words else ""


def delivery(value: Value) -> str:
    """What became of one's own message, in words."""
    peers = int_of(value, "peers")
    received = value.get("received")
    if value.get("state") != "sent":
        return sending(value)
    if isinstance(received, list | tuple) and received:
        return f"received by {len(received)} of {int_of(value, 'members')}"
    if kept := kept_by(value):
        return kept
    if peers == 0:
        return "sent"
    return "with 1 other device" if peers == 1 else f"with {peers} other devices"


def _centred(text: str, width: int) -> str:
    return text[:width].center(width).rstrip()


def _ruled(word: str, width: int) -> str:
    side = max((width - len(word) - 2) // 2, 1)
    return f"{'─' * side} {word} {'─' * side}"[:width]
