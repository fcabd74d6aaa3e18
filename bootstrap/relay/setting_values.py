"""Readers of single settings: each takes what TOML gave and returns it typed, or says what would fit.

docs/guide/relay.md, *Settings*. Invariant: none of them guesses; sizes may be written as people write them ("20 GB").
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final

from tertulia.node.config import HOST_NAME, LogLevel

LIMIT_WORDS: Final = 200
"""Characters of a text on the card."""
_SIZE: Final = re.compile(r"(\d{1,12})\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?", re.IGNORECASE)
_UNITS: Final = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip


class Unfit(Exception):
    """A value does not fit its key; the text says what would."""


def words(value: object) -> str:
    """One line of text."""
    if not isinstance(value, str) or len(value) > LIMIT_WORDS or "\n" in value or value != value.strip():
        raise Unfit(f"one line of text in quotes, at most {LIMIT_WORDS} characters")
    return value


def ip_address(value: object) -> str:
    """An IP address of this machine, or the wildcard."""
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise Unfit('an IP address of this machine, or "0.0.0.0" for all of them') from error


def host_name(value: object) -> str:
    """A host name or an IP address that others can dial."""
    text = value if isinstance(value, str) else "?"
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if text and not HOST_NAME.fullmatch(text):
            raise Unfit('a name or address that others reach you by, like "relay.example.org"') from None
        return text
    if address.is_unspecified or address.is_multicast:
        raise Unfit("an address that others can dial, not a wildcard")
    return str(address)


def flag(value: object) -> bool:
    """On or off."""
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value


def number(low: int, high: int) -> Callable[[object], int]:
    """A whole number in [low, high]."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Unfit(f"a whole number from {low} to {high}")
        return value

    return read


def size(least: int) -> Callable[[object], int]:
    """A number of bytes, at least `least`."""

    def read(value: object) -> int:
        found = value if isinstance(value, int) and not isinstance(value, bool) else parse_size(value)
        if found is None or not least <= found < 2**53:
            raise Unfit(f'a size of at least {least} bytes, like 500000000 or "20 GB"')
        return found

    return read


def parse_size(value: object) -> int | None:
    """Bytes of "20 GB" and the like; None for anything else."""
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    return None if match is None else int(match[1]) * _UNITS[(match[2] or "").lower()]


def level(value: object) -> LogLevel:
    """How much is logged."""
    try:
        return LogLevel(value)  # type: ignore[arg-type]  # anything that is none of them is a ValueError
    except ValueError as error:
        raise Unfit("one of " + ", ".join(f'"{one}"' for one in LogLevel)) from error
