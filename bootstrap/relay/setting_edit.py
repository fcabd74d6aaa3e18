"""Changes settings in config.toml, keeping everything else of the file as the operator wrote it.

docs/guide/relay.md, *Settings*. Invariants: the file is replaced whole or not at all; what would be written is read
first, so that a value that does not fit changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from tertulia.bootstrap.relay.settings import KEYS, LIMIT_FILE, RENAMED, SettingsWrong, parse
from tertulia.node.store.files import read_limited, write_atomically
from tertulia.protocol.errors import Problem


def edit(path: Path, wanted: Mapping[str, str]) -> None:
    """Set each named setting to what a person typed for it. Raises SettingsWrong, StoreError; then nothing changed."""
    text = read_limited(path, LIMIT_FILE, "the relay's settings").decode() if path.exists() else ""
    for name, typed in wanted.items():
        text = changed(text, name, literal(typed))
    parse(text, path)
    write_atomically(path, text.encode())


def literal(typed: str) -> str:
    """The TOML of what a person typed: a number, true or false, else text."""
    return typed if typed in {"true", "false"} or re.fullmatch(r"\d{1,15}", typed) else json.dumps(typed)


def changed(text: str, name: str, value: str) -> str:
    """The text with `section.key` set to a TOML value. Raises SettingsWrong for a name that there is none of."""
    section, _, key = name.partition(".")
    if key not in KEYS.get(section, {}):
        raise SettingsWrong(
            Problem(f"There is no setting {name}.", "Nothing was changed.", "See them all: tertulia relay quota --json")
        )
    older = {old for old, new in RENAMED.items() if new == name}
    lines = text.splitlines()
    here = ""
    last = -1
    for at, line in enumerate(lines):
        found = re.match(r"\s*\[\s*([A-Za-z_]+)\s*\]", line)
        if found:
            here = found[1]
        assigned = re.match(r"\s*([A-Za-z_]+)\s*=", line)
        if assigned and (f"{here}.{assigned[1]}" == name or f"{here}.{assigned[1]}" in older):
            if f"{here}.{assigned[1]}" == name:
                return "\n".join([*lines[:at], f"{key} = {value}", *lines[at + 1 :]]) + "\n"
            lines[at] = ""
        if here == section and line.strip():
            last = at
    if last < 0:
        return "\n".join([*lines, *([""] if lines else []), f"[{section}]", f"{key} = {value}"]) + "\n"
    return "\n".join([*lines[: last + 1], f"{key} = {value}", *lines[last + 1 :]]) + "\n"
