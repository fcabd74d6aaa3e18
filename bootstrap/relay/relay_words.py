"""How a relay's verbs put times and communities into words.

docs/guide/relay.md. Invariant: times are told in this machine's own zone, as its operator reads a clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping


def until_words(until: object) -> str:
    """Until when (ms); 0 is for ever."""
    if not isinstance(until, int) or not until:
        return "for ever"
    return "until " + time.strftime("%Y-%m-%d %H:%M", time.localtime(until / 1_000))


def community(told: Mapping[str, object]) -> str:
    """A community on one line."""
    carried = f"{told['reservations']} places, {told['circuits']} circuits"
    what = f"{told['feeds']} feeds, {carried}, {told['frames']} frames"
    state = what if told["listening"] else "its port could not be opened"
    trouble = f"  {told['trouble']}" if told["trouble"] else ""
    return f"{told['name']}  {state}  {told['address']}{trouble}"
