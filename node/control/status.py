"""The node's status: facts, and one sentence in words.

docs/spec/control.md; DESIGN.md §1, *Honest status*. Invariants: nothing here says more than is known; while the profile
is locked it shows only what carrying needs.
"""

from __future__ import annotations

import importlib.metadata
from functools import cache
from typing import TYPE_CHECKING, Final

from tertulia.node.control.relay_rows import lan_words, own_addresses, relay_rows, way_words, who_sees
from tertulia.node.reach import Reach
from tertulia.node.service import Service, State
from tertulia.protocol import views
from tertulia.protocol.text import clean_name

if TYPE_CHECKING:
    from tertulia.node.carrying import Carried
    from tertulia.node.served import Served
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.errors import Problem

MINUTES_PER_HOUR: Final = 60
LIMIT_HOURS_SAID: Final = 48


@cache
def release() -> str:
    """This program's version."""
    return importlib.metadata.version("tertulia")


def status(service: Service, *, keep: bool, resident: bool) -> dict[str, Value]:
    """All there is to say."""
    state = service.state
    core = service.core if state is State.UNLOCKED else None
    unsent = 0 if core is None else views.unsent(core)
    return {
        "release": release(),
        "profile": service.profile.name,
        "state": state.value,
        "keep": keep,
        "resident": resident,
        "nick": "" if core is None else clean_name(core.nick),
        "commons": commons_rows(service),
        "unsent": unsent,
        "clock": views.clock(service.time),
        "dialogues": 0 if core is None else len(core.dialogues),
        "sentence": sentence(service, unsent),
    }


def commons_rows(service: Service) -> list[Value]:
    """One row a commons."""
    return [_row(served, service.carrying.get(served.commons.id)) for served in service.carrying.served]


def _row(served: Served, carried: Carried | None) -> dict[str, Value]:
    commons = served.commons
    problem = None if carried is None else carried.carrier.trouble or carried.network.problem
    return {
        "commons": commons.id.hex(),
        "name": clean_name(commons.name),
        "address": commons.addresses[0] if commons.addresses else "",
        "listening": carried is not None and carried.network.listening,
        "addresses": list(own_addresses(carried)),
        "peers": 0 if carried is None else carried.network.reached,
        "reach": (Reach.DIRECT if carried is None else carried.reach).value,
        "relays": relay_rows(carried),
        "way": way_words(carried),
        "lan": lan_words(carried),
        "nearby": 0 if carried is None else carried.network.near,
        "sees": who_sees(carried),
        "switched": "" if carried is None else carried.network.switched,
        "error": _error(carried, problem),
    }


def _error(carried: Carried | None, problem: Problem | None) -> str:
    """What is wrong, first with this machine, then with the community's card, then with its relays."""
    if problem is not None:
        return f"{problem.error} {problem.next}"
    if carried is not None and carried.keeper.is_expired:
        return "The community's list of relays is out of date: a steward must renew it."
    relay = next((str(row["problem"]) for row in relay_rows(carried) if row["problem"]), "")
    return relay or ("" if carried is None else _apart(list(carried.carrier.apart.values())))


def _apart(minutes: list[int]) -> str:
    """What clocks mean that are too far from ours (theirs is ahead by so many minutes)."""
    if not minutes:
        return ""
    least = min(minutes, key=abs)
    hours = abs(least) // MINUTES_PER_HOUR
    far = _count(hours, "hour") if hours < LIMIT_HOURS_SAID else _count(hours // 24, "day")
    others = "of one connected device" if len(minutes) == 1 else f"of {len(minutes)} connected devices"
    return (
        f"This machine's clock, or that {others}, is {far} wrong: what is said waits until both agree. "
        "Look at the date and time of this machine."
    )


def sentence(service: Service, unsent: int) -> str:
    """Where things stand, for a person."""
    communities = len(service.carrying.served)
    peers = sum(carried.network.reached for carried in service.carrying)
    match service.state:
        case State.NEW:
            return "This profile has not been set up yet."
        case State.LOCKED if communities:
            return f"Locked. This machine still carries what others send ({_count(peers, 'peer')} reached)."
        case State.LOCKED:
            return "Locked."
        case State.UNLOCKED:
            waiting = f" {_count(unsent, 'thing')} of yours waits until another machine has it." if unsent else ""
            if not communities:
                return "Unlocked. You belong to no community yet."
            if not peers:
                return f"Nobody is reachable at the moment.{waiting}"
            bare = [carried for carried in service.carrying if carried.reach is Reach.DIRECT]
            sees = " ".join(who_sees(carried) for carried in service.carrying if carried.reach is Reach.RELAYED)
            if not any(carried.network.reached for carried in bare):
                return f"{sees}{waiting}"
            told = f"Connected with {_count(peers, 'device')}; each sees this machine's address."
            return f"{told} {sees}{waiting}" if sees else f"{told}{waiting}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
