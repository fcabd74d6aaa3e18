"""Locking by itself when nobody types: after how many minutes, kept in the profile's folder as `face.json`.

research/tui.md, *Safety*. The file holds this one number and nothing secret; one that cannot be read counts as the
default, so that a damaged setting never leaves a profile open for longer. Time asleep counts too.
"""

import json
import os
import time
from pathlib import Path

from tertulia.protocol.control import LocalError, Problem
from tertulia.tui.duration import in_words

DEFAULT_MINUTES = 15
LIMIT_MINUTES = 24 * 60
OFF = 0
_UNKEPT = Problem("The setting could not be kept.", "It holds until you quit.", "Look whether the disk is full.")
_UNCLEAR = Problem(
    "That is not a time after which to lock.",
    "The setting is as it was.",
    f"Say a number of minutes from 1 to {LIMIT_MINUTES}, or off: /idle 5",
)


def now() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_minutes(folder: Path) -> int:
    """After how many minutes this profile locks; 0 for never."""
    try:
        found = json.loads((folder / "face.json").read_text(encoding="utf-8"))["idle_minutes"]
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_MINUTES
    known = isinstance(found, int) and not isinstance(found, bool) and OFF <= found <= LIMIT_MINUTES
    return found if known else DEFAULT_MINUTES


def keep_minutes(folder: Path, minutes: int) -> None:
    """Remember it, whole or not at all. Raises LocalError when the disk does not take it."""
    partial = folder / "face.json.new"
    try:
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({"idle_minutes": minutes}) + "\n", encoding="utf-8")
        os.replace(partial, folder / "face.json")  # noqa: PTH105  (one call, one step)
    except OSError as wrong:
        raise LocalError(_UNKEPT) from wrong


def minutes_of(text: str) -> int:
    """What a person typed after /idle. Raises LocalError when it is no such time."""
    if text.casefold() in {"off", "never"}:
        return OFF
    digits = text.removesuffix("m").strip()
    if not digits.isdecimal() or len(digits) > len(str(LIMIT_MINUTES)) or not 1 <= int(digits) <= LIMIT_MINUTES:
        raise LocalError(_UNCLEAR)
    return int(digits)


def idle_words(minutes: int, *, keeps: bool) -> str:
    """The setting as a sentence; `keeps` when the person told the node to stay unlocked."""
    if minutes == OFF:
        return "It does not lock by itself. /idle 15 changes that."
    if keeps:
        return f"It locks after {in_words(minutes)} without a key only once it no longer keeps receiving, unlocked."
    return f"It locks by itself after {in_words(minutes)} without a key. /idle and a number of minutes changes that."
