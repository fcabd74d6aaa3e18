"""A message's claimed time as a person reads it, on this machine's clock and zone.

PROTOCOL §7: an author's time is a claim that decides nothing. So any integer must be shown without failing: times
outside 1970 to 9999 are shown as the nearest of these. All inputs are milliseconds since the Unix epoch.
"""

import time
from functools import lru_cache

_LATEST = 253_402_214_400_000
"""9999-12-31 in milliseconds, less a day so that every zone can show it."""

_QUARTER = 900_000
"""A quarter of an hour: every zone's midnight falls on one."""


def _local(ms: int) -> time.struct_time:
    return time.localtime(min(max(ms, 0), _LATEST) / 1000)


def clock_of(ms: int) -> str:
    """Hours and minutes: `14:05`."""
    return time.strftime("%H:%M", _local(ms))


def day_of(ms: int) -> str:
    """The day in words: `Sunday 22 November 2026`."""
    local = _local(ms)
    return f"{time.strftime('%A', local)} {local.tm_mday} {time.strftime('%B %Y', local)}"


def moment_of(ms: int) -> str:
    """Day and time for lists and scripts' readers: `2026-11-22 14:05`."""
    return time.strftime("%Y-%m-%d %H:%M", _local(ms))


def day_number(ms: int) -> tuple[int, int]:
    """Year and day of the year, equal for two messages of one day."""
    return _day_of_quarter(ms // _QUARTER)


@lru_cache(4096)
def _day_of_quarter(quarter: int) -> tuple[int, int]:
    local = _local(quarter * _QUARTER)
    return local.tm_year, local.tm_yday
