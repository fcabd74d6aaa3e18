"""How long something lasts, as a person writes it: `30m`, `12h`, `7d`, `2w`.

docs/spec/invite.md. A plain number is refused, so that nobody takes minutes for days.
"""

import re
import time

from tertulia.protocol.control import LocalError, Problem

_MINUTES = {"m": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}
_FORM = re.compile(r"([0-9]{1,5})\s*([mhdw])")


def minutes(text: str) -> int:
    """Minutes in a duration. Raises LocalError when it is not one, or is zero."""
    form = _FORM.fullmatch(text.strip().lower())
    count = int(form[1]) * _MINUTES[form[2]] if form else 0
    if count == 0:
        raise LocalError(
            Problem(
                error=f"“{text[:20]}” is not a time span.",
                safe="Nothing was done.",
                next="Write a number and m, h, d or w: for example 30m, 12h or 7d.",
            )
        )
    return count


def from_now(span: str | None) -> int:
    """The time so long from now, in ms since 1970; 0 where nothing was said. Raises LocalError as `minutes` does."""
    return 0 if span is None else int(time.time() * 1000) + minutes(span) * 60_000


def in_words(count: int) -> str:
    """Minutes as words, in the largest unit that divides them: 10080 is “7 days”."""
    for size, word in ((24 * 60, "day"), (60, "hour")):
        if count % size == 0 and count >= size:
            return _plural(count // size, word)
    return _plural(count, "minute")


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
