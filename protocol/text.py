"""Cleaning a peer's text before anyone sees it: the first of the two guards of the terminal.

Spec: docs/spec/README.md, *Text*; research/tui.md §2. What comes out holds no control but the line feed, nothing that
turns the direction of writing, nothing invisible but the two joiners that Persian and emoji need, and no towers of
marks. Never raises. For showing, and for what a person types; it never decides whether an event is valid, because
the tables of Unicode differ between versions of Python.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final
from unicodedata import category, normalize

LIMIT_MARKS: Final = 8
"""Combining marks on one base character: enough for Burmese, Tibetan and pointed Hebrew."""
LIMIT_NAME: Final = 40
"""Characters of a name."""

_JOINERS: Final = "\u200c\u200d"  # ZWNJ, ZWJ
_BLANK: Final = {ord(blank): " " for blank in "\u115f\u1160\u2800\u3164\uffa0"}  # letters and signs that show nothing
_LOOKALIKE_SCRIPTS: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE", "LISU"})


def clean(text: str, limit: int) -> str:
    """Return `text` fit for a screen: NFC, at most `limit` characters. Cleaning twice changes nothing more."""
    if text.isascii() and text.isprintable():
        return text[:limit]
    shown = normalize("NFC", "".join(map(_shown, text)))
    kept: list[str] = []
    marks = 0
    based = joined = False  # is there a character to carry a mark; was the last one a joiner
    for char in shown:
        if char in _JOINERS:
            if based and not joined:
                kept.append(char)
                joined = True
            continue
        if category(char)[0] == "M":
            marks += 1
            if not based or marks > LIMIT_MARKS:
                continue
        else:
            marks = 0
            based = char != "\n"
        joined = False
        kept.append(char)
    return "".join(kept[:limit]).rstrip(_JOINERS)


def clean_name(text: str) -> str:
    """Return `text` as the name of a person or thing: one line, single spaces, at most `LIMIT_NAME` characters.

    What shows nothing counts as a space. Empty when nothing is left: the caller says what to show then.
    """
    words = clean(text.translate(_BLANK), len(text) * 3).split()
    line = " ".join(filter(None, (clean(word, LIMIT_NAME) for word in words)))
    return line[:LIMIT_NAME].rstrip(" " + _JOINERS)


def clean_line(text: str, limit: int) -> str:
    """Return `text` on one line, at most `limit` characters: for what is longer than a name."""
    return " ".join(clean(text, limit).split())


def is_confusable(name: str) -> bool:
    """Say whether a cleaned name may have been made to look like another one, so that the screen can warn.

    True where it mixes scripts whose letters look alike (a Cyrillic letter in a Latin name), uses letters that are only
    another shape of plain ones (fullwidth, mathematical), or hides a joiner among letters that never join.
    """
    letters = [char for char in name if char.isalpha()]
    scripts = {script for char in letters if (script := _script(char)) in _LOOKALIKE_SCRIPTS}
    if len(scripts) > 1 or any(normalize("NFKC", char) != char for char in letters):
        return True
    return bool(scripts) and any(joiner in name for joiner in _JOINERS)


@lru_cache(maxsize=4096)
def _shown(char: str) -> str:
    """Return what is left of one character, alone: itself, a space, a line feed, or nothing."""
    if char == "\n" or char in _JOINERS:
        return char
    if char == "\t":
        return " "
    match category(char):
        case "Zl" | "Zp":
            return "\n"
        case "Cc" | "Cf" | "Cn" | "Co" | "Cs":
            return ""
        case _:
            return char


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    """Return the first word of a letter's Unicode name, which for the scripts above is the script."""
    return unicodedata.name(char, "").partition(" ")[0]
