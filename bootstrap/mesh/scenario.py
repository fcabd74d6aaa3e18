"""A scenario: how many citizens, what they do, and what goes wrong, as one small TOML file says it.

docs/guide/mesh.md, *Scenarios*. Every field has a default that means "nothing of the kind". Invariants: a key that is
not a field here is an error that names the file, the key and the field it most resembles; a value of another type or
out of its range is an error that names both. Durations are written "250ms", "20s", "15m", "6h" or "2d".
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NewType, TypeVar, get_args, get_origin, get_type_hints

Milliseconds = NewType("Milliseconds", int)
T = TypeVar("T")

UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
BUNDLED: Final = Path(__file__).parent / "scenarios"
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
NEVER: Final = Milliseconds(0)


class ScenarioError(Exception):
    """What is wrong with a scenario, in one sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Links:
    """What happens to one message between two neighbours. `late` of them take up to `late_by` longer than the rest."""

    delay: Milliseconds = Milliseconds(60)
    jitter: Milliseconds = Milliseconds(20)
    loss: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    late_by: Milliseconds = Milliseconds(5_000)


@dataclass(frozen=True, slots=True)
class Partitions:
    """Every so often (on average) the network falls in two for so long: `share` of the citizens on one side."""

    every: Milliseconds = NEVER
    lasts: Milliseconds = Milliseconds(3_600_000)
    share: float = 0.4


@dataclass(frozen=True, slots=True)
class Crashes:
    """Every citizen's node dies every so often (on average), `torn` of the times amid a commit, and is down a while.

    `absent` of the citizens are also away once, for `absence`.
    """

    every: Milliseconds = NEVER
    down: Milliseconds = Milliseconds(600_000)
    torn: float = 0.5
    absent: float = 0.0
    absence: Milliseconds = Milliseconds(12 * 3_600_000)


@dataclass(frozen=True, slots=True)
class Disks:
    """What part of the commits the vault, and the archive, refuse for want of room."""

    vault: float = 0.0
    archive: float = 0.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """Clocks are off by up to `skew`; `jumping` of the citizens have theirs set anew once, within the same bounds."""

    skew: Milliseconds = Milliseconds(0)
    jumping: float = 0.0


@dataclass(frozen=True, slots=True)
class Sync:
    """How often neighbours level out their archives, ± half of it."""

    every: Milliseconds = Milliseconds(15 * 60_000)


@dataclass(frozen=True, slots=True)
class Talk:
    """What people do. Numbers are for each dialogue; `members` counts those who are invited, the founder included.

    `says` a day, all together; people join one after the other during the first `gather` of the days.
    """

    dialogues: int = 1
    members: int = 8
    gather: float = 0.4
    says: int = 24
    leaves: int = 0
    removals: int = 0
    returns: int = 0
    asking: float = 0.0
    """The part of the invites whose knocks wait for the founder's word."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """What part of the citizens is hostile, what they do (`mischief.ACTS`), and how often each of them acts."""

    share: float = 0.0
    acts: tuple[str, ...] = ()
    every: Milliseconds = Milliseconds(4 * 3_600_000)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world, its people and its troubles. Troubles end after `days`; then everything has `rest` to come to rest."""

    name: str = ""
    nodes: int = 10
    days: float = 1.0
    rest: Milliseconds = Milliseconds(3 * 3_600_000)
    degree: int = 4
    retention_days: int = 3
    links: Links = field(default_factory=Links)
    sync: Sync = field(default_factory=Sync)
    talk: Talk = field(default_factory=Talk)
    clocks: Clocks = field(default_factory=Clocks)
    crashes: Crashes = field(default_factory=Crashes)
    disks: Disks = field(default_factory=Disks)
    partitions: Partitions = field(default_factory=Partitions)
    hostile: Hostile = field(default_factory=Hostile)


def load(name: str) -> Scenario:
    """The scenario in this file, or the one of this name that comes along.

    Raises: ScenarioError.
    """
    path = Path(name)
    if not path.suffix:
        path = BUNDLED / f"{name}.toml"
        if not path.is_file():
            raise ScenarioError(f"There is no scenario {name!r}; there are {', '.join(names())}, or give a file.")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as unread:
        raise ScenarioError(f"{path} cannot be read: {unread.strerror}.") from unread
    return parse(text, path.name)


def names() -> tuple[str, ...]:
    """The scenarios that come along."""
    return tuple(sorted(path.stem for path in BUNDLED.glob("*.toml")))


def parse(text: str, source: str) -> Scenario:
    """Read a scenario; `source` is what its errors call it.

    Raises: ScenarioError.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise ScenarioError(f"{source} is not TOML: {broken}.") from broken
    table.setdefault("name", Path(source).stem)
    scenario = _record(Scenario, table, source, "")
    _check(scenario, source)
    return scenario


def _record(kind: type[T], table: dict[str, Any], source: str, where: str) -> T:
    hints = get_type_hints(kind)
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type] # only dataclasses come here
    given: dict[str, Any] = {}
    for key, value in table.items():
        here = f"{where}{key}"
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"; did you mean {where}{near[0]}?" if near else f"; there are {', '.join(known)}."
            raise ScenarioError(f"{source}: there is no {here}{hint}")
        given[key] = _value(hints[key], value, source, here)
    return kind(**given)


def _value(kind: Any, value: Any, source: str, where: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise ScenarioError(f"{source}: {where} must be a table.")
        return _record(kind, value, source, f"{where}.")
    if kind is Milliseconds:
        return _duration(value, source, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ScenarioError(f"{source}: {where} must be a list.")
        return tuple(_value(get_args(kind)[0], item, source, where) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ScenarioError(f"{source}: {where} must be {WORDS[kind]}, not {value!r}.")
    if isinstance(value, int | float) and value < 0:
        raise ScenarioError(f"{source}: {where} cannot be negative.")
    return value


WORDS: Final[dict[Any, str]] = {int: "a whole number", float: "a number", str: "a text"}


def _duration(value: Any, source: str, where: str) -> Milliseconds:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ScenarioError(f'{source}: {where} must be a duration such as "250ms", "15m" or "6h", not {value!r}.')
    return Milliseconds(round(float(found[1]) * UNITS[found[2]]))


def _check(scenario: Scenario, source: str) -> None:
    """The bounds that more than one field has to do with, and the shares."""
    shares = {
        "links.loss": scenario.links.loss,
        "links.duplicate": scenario.links.duplicate,
        "links.late": scenario.links.late,
        "crashes.torn": scenario.crashes.torn,
        "crashes.absent": scenario.crashes.absent,
        "disks.vault": scenario.disks.vault,
        "disks.archive": scenario.disks.archive,
        "clocks.jumping": scenario.clocks.jumping,
        "partitions.share": scenario.partitions.share,
        "talk.gather": scenario.talk.gather,
        "talk.asking": scenario.talk.asking,
        "hostile.share": scenario.hostile.share,
    }
    for where, share in shares.items():
        if share > 1:
            raise ScenarioError(f"{source}: {where} is a share: it lies between 0 and 1, and is {share}.")
    if scenario.nodes < 2:
        raise ScenarioError(f"{source}: nodes must be at least 2.")
    if not 2 <= scenario.talk.members <= min(scenario.nodes, 30):
        raise ScenarioError(f"{source}: talk.members must be between 2 and the smaller of nodes and 30.")
    if scenario.talk.dialogues < 1 or scenario.retention_days < 1:
        raise ScenarioError(f"{source}: talk.dialogues and retention_days must be at least 1.")
    for act in scenario.hostile.acts:
        if act not in ACTS:
            near = get_close_matches(act, ACTS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(ACTS)}."
            raise ScenarioError(f"{source}: hostile.acts has no {act!r}; {hint}")


ACTS: Final = ("drop", "delay", "replay", "equivocate", "flood", "introduce", "boast", "usurp", "dangle")
"""What hostile citizens can do; `mischief` does it."""
