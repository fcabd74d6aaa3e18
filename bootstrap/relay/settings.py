"""What an operator may set in the relay's config.toml: few keys, each used, each with a default.

docs/guide/relay.md, *Settings*. The file is the only place where a setting is; `relay quota` edits it. Invariants: a
value that does not fit is refused in one sentence that says what would; a key of an older release is read under its new
name; a key that nobody knows is told of and does not stop the relay, so that an upgrade or a downgrade never does.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

from tertulia.bootstrap.relay.setting_values import Unfit, flag, host_name, ip_address, level, number, size, words
from tertulia.node.config import LogLevel
from tertulia.node.quota import LIMIT_DAY_BYTES, LIMIT_DAY_FRAMES
from tertulia.node.store.files import read_limited
from tertulia.protocol.commons import LIMIT_RETENTION_DAYS
from tertulia.protocol.errors import LocalError, Problem

LIMIT_FILE: Final = 64 * 1024
GIB: Final = 1024**3
MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Operator:
    """What the card says of who runs the relay."""

    name: str = ""
    country: str = ""
    contact: str = ""
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the relay listens, and under which name or address others reach it; a community has a port of its own."""

    listen: str = "0.0.0.0"
    announce: str = ""
    first_port: int = 4001


@dataclass(frozen=True, slots=True)
class Serve:
    """What this relay does; each can be switched off."""

    gossip: bool = True
    feed: bool = True
    sync: bool = True
    archive: bool = True
    circuits: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of it. `bytes` and `retention_days` of each community, the others as their names say."""

    bytes: int = 20 * GIB
    retention_days: int = 0
    """0: as long as the community wants."""
    frames_per_day: int = LIMIT_DAY_FRAMES
    bytes_per_day: int = LIMIT_DAY_BYTES
    frames_per_minute: int = 600
    feeds: int = 400
    feeds_per_address: int = 64
    circuits: int = 64
    circuit_bytes: int = 64 * MIB
    circuit_seconds: int = 3600
    circuit_bytes_per_hour: int = GIB
    """Of all circuits that callers at one address open."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The port on this machine's loopback where Prometheus may ask; 0 is none."""

    port: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """How much goes into node.log."""

    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them. `warnings`: what the file says that nobody understands, a sentence each."""

    operator: Operator = Operator()
    address: Address = Address()
    serve: Serve = Serve()
    quota: Limits = Limits()
    metrics: Metrics = Metrics()
    log: Log = Log()
    warnings: tuple[str, ...] = ()


class SettingsWrong(LocalError):
    """config.toml says something that cannot be."""


Reader: TypeAlias = Callable[[object], object]
_COUNT: Final = 1_000_000_000

KEYS: Final[Mapping[str, Mapping[str, Reader]]] = {
    "operator": {"name": words, "country": words, "contact": words, "terms": words},
    "address": {"listen": ip_address, "announce": host_name, "first_port": number(1, 65_535)},
    "serve": {"gossip": flag, "feed": flag, "sync": flag, "archive": flag, "circuits": flag},
    "quota": {
        "bytes": size(16 * MIB),
        "retention_days": number(0, LIMIT_RETENTION_DAYS),
        "frames_per_day": number(1, _COUNT),
        "bytes_per_day": size(16 * 1024),
        "frames_per_minute": number(1, _COUNT),
        "feeds": number(0, 4_000),
        "feeds_per_address": number(1, 4_000),
        "circuits": number(0, 4_000),
        "circuit_bytes": size(16 * 1024),
        "circuit_seconds": number(1, 7 * 24 * 3600),
        "circuit_bytes_per_hour": size(32 * 1024),
    },
    "metrics": {"port": number(0, 65_535)},
    "log": {"level": level},
}
"""Every key there is, and what reads its value."""
RENAMED: Final[Mapping[str, str]] = {
    "relay.listen": "address.listen",
    "relay.announce": "address.announce",
    "relay.port": "address.first_port",
    "quota.disk": "quota.bytes",
    "quota.days": "quota.retention_days",
}
"""Names of drafts of this file and their names now: read for ever."""
_SECTIONS: Final = {
    "operator": Operator, "address": Address, "serve": Serve, "quota": Limits, "metrics": Metrics, "log": Log,
}  # fmt: skip


def load(path: Path) -> Settings:
    """Read the settings; without a file all have their defaults. Raises SettingsWrong, StoreError."""
    if not path.exists():
        return Settings()
    data = read_limited(path, LIMIT_FILE, "the relay's settings")
    try:
        return parse(data.decode(), path)
    except UnicodeDecodeError as error:
        raise _wrong(f"{path} is not UTF-8 text.", "Save it as UTF-8") from error


def parse(text: str, path: Path) -> Settings:
    """Read settings from TOML text; `path` is only named in errors. Raises SettingsWrong."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"{path} is not valid TOML: {error}.", "Mend that place") from error
    warnings: list[str] = []
    values: dict[str, dict[str, Any]] = {section: {} for section in KEYS}
    for section, content in found.items():
        if not isinstance(content, dict):
            warnings.append(_unknown(section))
            continue
        for key, value in content.items():
            _take(f"{section}.{key}", value, values, warnings, path)
    made = {section: _SECTIONS[section](**values[section]) for section in KEYS}
    return Settings(**made, warnings=tuple(warnings))


def _take(name: str, value: object, values: Mapping[str, dict[str, Any]], warnings: list[str], path: Path) -> None:
    """Put one value where it belongs, or note that nobody knows its name. Raises SettingsWrong."""
    current = RENAMED.get(name, name)
    section, _, key = current.partition(".")
    reader = KEYS.get(section, {}).get(key)
    if reader is None:
        warnings.append(_unknown(name))
        return
    if current != name and key in values[section]:
        return  # both names are there: the new one counts
    try:
        values[section][key] = reader(value)
    except Unfit as error:
        raise _wrong(f"{path}: {name} must be {error}.", "Correct it or remove the line") from error


def shown(settings: Settings) -> dict[str, object]:
    """Every setting by its full name, as --json tells it."""
    return {
        f"{section}.{part.name}": getattr(getattr(settings, section), part.name)
        for section, kind in _SECTIONS.items()
        for part in fields(kind)
    }


def _unknown(name: str) -> str:
    known = [f"{section}.{key}" for section, keys in KEYS.items() for key in keys]
    astray = [one for one in known if one.rpartition(".")[2] == name.rpartition(".")[2]]
    near = (astray or difflib.get_close_matches(name, known, 1, 0.0))[0]
    return f"config.toml: nobody knows {name!r}, so it does nothing; the nearest there is: {near}."


def _wrong(error: str, following: str) -> SettingsWrong:
    return SettingsWrong(
        Problem(error, "The relay changed nothing; one that runs goes on as before.", f"{following}, then try again.")
    )
