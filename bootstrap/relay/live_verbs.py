"""The verbs that a running relay obeys without a restart: status, allow, forget, ban, drain, quota, stop.

docs/guide/relay.md. Each is one call on the relay's own socket (client.py). Words typed as an argument may stay in a
shell's history: a ticket is therefore read from stdin or a prompt where it is left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from tertulia.bootstrap.relay import say
from tertulia.bootstrap.relay.client import call, change
from tertulia.bootstrap.relay.place import Place
from tertulia.bootstrap.relay.relay_words import community, until_words
from tertulia.bootstrap.relay.settings import load, shown
from tertulia.node.clock import wall_clock
from tertulia.protocol.errors import LocalError, Problem

Flag = Parameter(negative=())
_SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
DRAIN: Final = "1h"

ban = App(name="ban", help="Keep a peer, an address or a network out.")


def status(*, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """How the relay is: communities, their addresses, feeds, frames."""

    def act() -> int:
        told = call(Place.at(folder), "status")
        rows = [community(one) for one in _rows(told, "communities")]
        lines = rows or ["It runs, and serves no community yet: tertulia relay allow TICKET"]
        if told["draining"]:
            lines.append(f"It takes nobody new, and ends its feeds {until_words(told['draining'])}.")
        return say.result(told, [*lines, *(str(one) for one in _list(told, "warnings"))], as_json=json)

    return say.within(act, as_json=json)


def allow(
    ticket: str = "",
    /,
    *,
    port: int = 0,
    beside: list[str] | None = None,
    folder: Path | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Serve a community from now on.

    Parameters
    ----------
    ticket
        What a member got from `tertulia commons ticket`; asked for, or read from stdin, when left out.
    port
        Which port to listen on for it; the first free one if left out.
    beside
        The address of another relay of this community, to stay in step with. May be repeated.
    folder
        Where the relay lives.
    json
        Print one JSON object; errors too.
    """

    def act() -> int:
        text = ticket or _typed("The relay ticket: ")
        told = call(Place.at(folder), "allow", ticket=text, port=port, others=list(beside or []))
        address = str(told["address"])
        lines = [f"This relay serves “{_text(told, 'name')}” now."]
        if address:
            lines += ["Give this address to its members, who add it with tertulia commons relays add:", address]
        else:
            lines.append("It has no address that members could dial: set address.announce (tertulia relay doctor).")
        return say.result(told, lines, as_json=json)

    return say.within(act, as_json=json)


def forget(name: str, /, *, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Serve a community no longer, and drop its frames."""

    def act() -> int:
        told = call(Place.at(folder), "forget", name=name)
        sentence = f"This relay no longer serves “{_text(told, 'name')}”; its frames are gone."
        return say.result(told, [sentence], as_json=json)

    return say.within(act, as_json=json)


@ban.default
def add(
    who: str,
    /,
    *,
    reason: str = "",
    span: Annotated[str, Parameter(name="--for")] = "",
    folder: Path | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Keep somebody out.

    Parameters
    ----------
    who
        A PeerId, an address or a network. A citizen takes a fresh PeerId at each start; an address lasts longer.
    reason
        Why: for yourself, and whoever runs this relay after you.
    span
        For how long: 30m, 12h, 7d. For ever if left out.
    folder
        Where the relay lives.
    json
        Print one JSON object; errors too.
    """

    def act() -> int:
        until = wall_clock() + _span(span) * 1_000 if span else 0
        told = call(Place.at(folder), "ban", who=who, reason=reason, until=until)
        out = f"{_text(told, 'disconnected')} were disconnected"
        sentence = f"{_text(told, 'who')} is kept out {until_words(told['until'])}; {out}."
        return say.result(told, [sentence], as_json=json)

    return say.within(act, as_json=json)


@ban.command(name="list")
def list_bans(*, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Who is kept out, why, and until when."""

    def act() -> int:
        told = call(Place.at(folder), "bans")
        lines = [f"{one['who']}  {until_words(one['until'])}  {one['reason']}" for one in _rows(told, "bans")]
        return say.result(told, lines or ["Nobody is banned."], as_json=json)

    return say.within(act, as_json=json)


@ban.command
def lift(who: str, /, *, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Let somebody in again."""

    def act() -> int:
        told = call(Place.at(folder), "lift", who=who)
        return say.result(told, [f"{_text(told, 'who')} may come again."], as_json=json)

    return say.within(act, as_json=json)


def drain(
    *,
    span: Annotated[str, Parameter(name="--for")] = DRAIN,
    off: Annotated[bool, Flag] = False,
    folder: Path | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Take nobody new and tell everyone when it ends, before this relay goes away.

    Parameters
    ----------
    span
        How long the feeds there are still served: 30m, 12h, 7d.
    off
        Take it back.
    folder
        Where the relay lives.
    json
        Print one JSON object; errors too.
    """

    def act() -> int:
        until = 0 if off else wall_clock() + _span(span) * 1_000
        told = call(Place.at(folder), "drain", until=until)
        words = "It takes everyone again." if off else f"It takes nobody new, and ends its feeds {until_words(until)}."
        return say.result(told, [words], as_json=json)

    return say.within(act, as_json=json)


def quota(*changes: str, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Show the settings, or change some: quota.bytes '10 GB' quota.feeds 200. A relay that runs keeps to them at once.

    Parameters
    ----------
    changes
        Names and values by turns.
    folder
        Where the relay lives.
    json
        Print one JSON object; errors too.
    """

    def act() -> int:
        place = Place.at(folder)
        place.require()
        if len(changes) % 2:
            raise LocalError(
                Problem(
                    "A setting needs a name and a value.", "Nothing was changed.", "For example: quota quota.feeds 200"
                )
            )
        wanted = dict(zip(changes[::2], changes[1::2], strict=True))
        if wanted:
            wanted = {name if "." in name else f"quota.{name}": value for name, value in wanted.items()}
            change(place, wanted)
        settings = shown(load(place.config))
        chosen = {name: settings[name] for name in wanted} if wanted else settings
        lines = [f"{name} = {value}" for name, value in chosen.items()]
        return say.result({name: _plain(value) for name, value in settings.items()}, lines, as_json=json)

    return say.within(act, as_json=json)


def stop(*, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """End the relay that runs."""

    def act() -> int:
        return say.result(call(Place.at(folder), "stop"), ["It is ending."], as_json=json)

    return say.within(act, as_json=json)


def _span(text: str) -> int:
    """Seconds of 30m, 12h, 7d. Raises LocalError."""
    match = _SPAN.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise LocalError(
            Problem(f"{text!r} is no length of time.", "Nothing was changed.", "Write it like 30m, 12h or 7d.")
        )
    return int(match[1]) * _SECONDS[match[2]]


def _typed(question: str) -> str:
    if sys.stdin.isatty():
        sys.stderr.write(question)
        sys.stderr.flush()
    return sys.stdin.readline()


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int) else str(value)


def _text(told: Mapping[str, object], name: str) -> str:
    return str(told[name])


def _list(told: Mapping[str, object], name: str) -> list[object]:
    found = told.get(name)
    return found if isinstance(found, list) else []


def _rows(told: Mapping[str, object], name: str) -> list[dict[str, object]]:
    return [one for one in _list(told, name) if isinstance(one, dict)]
