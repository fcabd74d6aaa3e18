"""What a citizen may set in config.toml: few keys, each used, each checked before the node starts.

README, *Settings*; issue 2 (errors name the file, the key and the nearest valid key). Invariant: a file with anything
in it that is not understood is refused whole, so that a misspelt safety setting is never silently off.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

from tertulia.node.store.files import read_limited
from tertulia.protocol.errors import LocalError, Problem

LIMIT_FILE: Final = 64 * 1024
"""Bytes of config.toml."""
LIMIT_ADDRESSES: Final = 32
LIMIT_ADDRESS: Final = 256
"""Characters of one address."""
LIMIT_MINUTES: Final = 7 * 24 * 60
HOST_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*\.?")
PEER: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,64}")
"""A PeerId in base58."""


class LogLevel(StrEnum):
    """How much goes into node.log. Never content, names, ids or addresses, at any level."""

    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


@dataclass(frozen=True, slots=True)
class Network:
    """`listen`: multiaddrs every commons listens on unless it has its own; `peers`: tried besides a commons' own."""

    listen: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """`level`: how much goes into node.log."""

    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Safety:
    """`lock_after_minutes`: lock a node that keeps receiving, so long after its last client left; 0 is never."""

    lock_after_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; each has a default, so that no file is needed."""

    network: Network = Network()
    log: Log = Log()
    safety: Safety = Safety()


class ConfigWrong(LocalError):
    """config.toml says something that is not understood."""


class _Unfit(Exception):
    """A value does not fit its key; the text says what would."""


Reader: TypeAlias = Callable[[object], object]


def load(path: Path) -> Config:
    """Read the settings; without a file all have their defaults. Raises ConfigWrong, StoreFailed."""
    if not path.exists():
        return Config()
    data = read_limited(path, LIMIT_FILE, "the settings")
    try:
        return parse(data.decode(), path)
    except UnicodeDecodeError as error:
        raise _wrong(f"{path} is not UTF-8 text.", "Save it as UTF-8") from error


def parse(text: str, path: Path) -> Config:
    """Read settings from TOML text; `path` is only named in errors. Raises ConfigWrong."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"{path} is not valid TOML: {error}.", "Mend that place") from error
    for section, content in found.items():
        if section not in KEYS:
            raise _unknown(path, section, [*KEYS, *_all_keys()])
        if not isinstance(content, dict):
            raise _wrong(f"{path}: {section} is a section, not a value.", f"Write [{section}] on a line of its own")
    return Config(
        Network(**_section(found, "network", path)),
        Log(**_section(found, "log", path)),
        Safety(**_section(found, "safety", path)),
    )


def _section(found: Mapping[str, Mapping[str, object]], section: str, path: Path) -> dict[str, Any]:
    """Return the checked values of one section, by key. Raises ConfigWrong."""
    readers = KEYS[section]
    values: dict[str, Any] = {}
    for key, value in found.get(section, {}).items():
        if key not in readers:
            raise _unknown(path, f"{section}.{key}", _all_keys())
        try:
            values[key] = readers[key](value)
        except _Unfit as error:
            raise _wrong(f"{path}: {section}.{key} must be {error}.", "Correct it or remove the line") from error
    return values


def _addresses(value: object) -> tuple[str, ...]:
    fit = f'a list of at most {LIMIT_ADDRESSES} addresses like "/ip4/192.0.2.1/tcp/4001"'
    if not isinstance(value, list) or len(value) > LIMIT_ADDRESSES:
        raise _Unfit(fit)
    for entry in value:
        if not isinstance(entry, str) or not _is_address(entry):
            raise _Unfit(f"{fit}, and entry {value.index(entry) + 1} is none")
    return tuple(value)


def _is_address(text: str) -> bool:
    """Tell whether `text` is a TCP multiaddr: /ip4, /ip6 or /dns4 or /dns6, then /tcp, then perhaps /p2p."""
    parts = text.split("/")
    if len(text) > LIMIT_ADDRESS or len(parts) not in {5, 7} or parts[0] or parts[3] != "tcp":
        return False
    if len(parts) == 7 and not (parts[5] == "p2p" and PEER.fullmatch(parts[6])):
        return False
    port = parts[4]
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        return False
    try:
        match parts[1]:
            case "ip4":
                ipaddress.IPv4Address(parts[2])
            case "ip6":
                ipaddress.IPv6Address(parts[2])
            case "dns4" | "dns6":
                return HOST_NAME.fullmatch(parts[2]) is not None
            case _:
                return False
    except ValueError:
        return False
    return True


def _level(value: object) -> LogLevel:
    try:
        return LogLevel(value)  # type: ignore[arg-type]  # anything that is none of them is a ValueError
    except ValueError as error:
        raise _Unfit("one of " + ", ".join(f'"{level}"' for level in LogLevel)) from error


def _minutes(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LIMIT_MINUTES:
        raise _Unfit(f"a number of minutes from 0 (never) to {LIMIT_MINUTES}")
    return value


KEYS: Final[Mapping[str, Mapping[str, Reader]]] = {
    "network": {"listen": _addresses, "peers": _addresses},
    "log": {"level": _level},
    "safety": {"lock_after_minutes": _minutes},
}
"""Every key there is, and what reads its value."""


def _all_keys() -> list[str]:
    return [f"{section}.{key}" for section, keys in KEYS.items() for key in keys]


def _unknown(path: Path, key: str, known: list[str]) -> ConfigWrong:
    """Return the error for a key that is not there: perhaps it is in another section, perhaps misspelt."""
    astray = [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
    near = (astray or difflib.get_close_matches(key, known, 1, 0.0))[0]
    return _wrong(f"{path}: there is no setting {key!r}; the nearest is {near}.", "Correct it or remove the line")


def _wrong(error: str, following: str) -> ConfigWrong:
    return ConfigWrong(
        Problem(error, "The node was not started, and nothing was changed.", f"{following}, then start again.")
    )
