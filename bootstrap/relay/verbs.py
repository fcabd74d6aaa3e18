"""The verbs about a relay's folder: init, run, unit, doctor, card.

docs/guide/relay.md. `tertulia relay VERB` runs them as `python -m tertulia.bootstrap.relay VERB`. Every verb takes
--json and --folder. The verbs that talk to a running relay stand in live_verbs.py.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from tertulia.bootstrap.relay import asking, identity, problems, say
from tertulia.bootstrap.relay.asking import PLAINLY, Answers
from tertulia.bootstrap.relay.card import card_of
from tertulia.bootstrap.relay.client import change
from tertulia.bootstrap.relay.doctor import examine
from tertulia.bootstrap.relay.place import Place
from tertulia.bootstrap.relay.process import run as run_relay
from tertulia.bootstrap.relay.setting_edit import edit
from tertulia.bootstrap.relay.settings import load
from tertulia.bootstrap.relay.unit import NAME, unit
from tertulia.node.clock import wall_clock
from tertulia.node.store.files import write_atomically
from tertulia.protocol.errors import LocalError

Flag = Parameter(negative=())
MARKS: Final = {True: "well", False: "WRONG", None: "look"}


def init(
    *,
    name: str = "",
    country: str = "",
    announce: str = "",
    disk: str = "",
    systemd: Path | None = None,
    yes: Annotated[bool, Flag] = False,
    folder: Path | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Make a relay in its folder: identity, settings, and with --systemd a service file.

    Parameters
    ----------
    name
        Who runs it: members read this on its card.
    country
        Where it stands.
    announce
        The name or address by which members reach it.
    disk
        How much each community may take: "20 GB".
    systemd
        Write a hardened systemd unit to this file as well.
    yes
        Take the defaults instead of asking.
    folder
        Where the relay lives; TERTULIA_RELAY says so too.
    json
        Print one JSON object; errors too.
    """

    def act() -> int:
        place = Place.at(folder)
        if place.exists:
            raise LocalError(problems.ALREADY)
        if not json:
            say.aside(PLAINLY)
        answers = asking.ask(Answers(name, country, announce, disk), yes=yes)
        place.prepare()
        wanted = {
            "operator.name": answers.name,
            "operator.country": answers.country,
            "address.announce": answers.announce,
            "quota.bytes": answers.disk,
        }
        edit(place.config, {key: value for key, value in wanted.items() if value})
        identity.make(place.key)
        if systemd is not None:
            write_atomically(systemd.absolute(), unit(place.folder).encode())
        told = {"folder": str(place.folder), "announce": answers.announce, "unit": str(systemd or "")}
        return say.result(
            {**told, "plainly": PLAINLY},
            [
                f"The relay is made, in {place.folder}. Whoever has this folder is the relay: keep a copy of it safe.",
                *([f"Its service file: {systemd}. Install it as its first lines say."] if systemd else []),
                "Next: tertulia relay run, then ask a member for a relay ticket and: tertulia relay allow",
            ],
            as_json=json,
        )

    return say.within(act, as_json=json)


def run(*, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Run the relay here until Ctrl+C or `tertulia relay stop`. It asks for no passphrase.

    Parameters
    ----------
    folder
        Where the relay lives.
    json
        Print errors as one JSON object.
    """

    def act() -> int:
        place = Place.at(folder)
        place.require()
        for warning in load(place.config).warnings:
            say.aside(warning)
        run_relay(place, _says_it_runs)
        return say.DONE

    return say.within(act, as_json=json)


def _says_it_runs() -> None:
    with suppress(OSError):  # whoever started it may listen no longer
        say.aside("The relay runs, until Ctrl+C or: tertulia relay stop")


def write_unit(path: Path | None = None, /, *, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Write the hardened systemd unit to a file, or print it.

    Parameters
    ----------
    path
        The file; without it the unit is printed.
    folder
        Where the relay lives.
    json
        Print one JSON object.
    """

    def act() -> int:
        text = unit(Place.at(folder).folder)
        if path is None:
            return say.result({"unit": text, "name": NAME}, [text.rstrip()], as_json=json)
        write_atomically(path.absolute(), text.encode())
        return say.result({"unit": str(path), "name": NAME}, [f"Written: {path}"], as_json=json)

    return say.within(act, as_json=json)


def card(
    *,
    name: str | None = None,
    country: str | None = None,
    contact: str | None = None,
    terms: str | None = None,
    folder: Path | None = None,
    json: Annotated[bool, Flag] = False,
) -> int:
    """Show the card that members see, or change its words: signed by this relay's key, a month valid.

    Parameters
    ----------
    name
        Who runs the relay.
    country
        Where it stands.
    contact
        Where complaints and questions go.
    terms
        What you ask of members, in a line or two.
    folder
        Where the relay lives.
    json
        Print one JSON object; errors too.
    """

    def act() -> int:
        place = Place.at(folder)
        place.require()
        given = {"name": name, "country": country, "contact": contact, "terms": terms}
        changes = {f"operator.{key}": said for key, said in given.items() if said is not None}
        if changes:
            change(place, changes)
        settings = load(place.config)
        shown = card_of(settings, identity.read(place.key).seed, wall_clock())
        fields = {key: value for key, value in asdict(shown).items() if key != "peer"}
        kept = f"{shown.retention_days} days" if shown.retention_days else "as long as each community wants"
        lines = [
            f"Run by {shown.name or '(nobody is named: --name)'}, in {shown.country or '(not said)'}.",
            f"Contact: {shown.contact or '(none)'}. Terms: {shown.terms or '(none)'}",
            f"Keeps {kept}, up to {shown.size} bytes each.",
            f"Serves {shown.feeds} feeds, and circuits of {shown.circuit_bytes} bytes each way.",
        ]
        return say.result(fields, lines, as_json=json)

    return say.within(act, as_json=json)


def doctor(*, folder: Path | None = None, json: Annotated[bool, Flag] = False) -> int:
    """Look the relay over: reach, clock, disk, limits, exposure, and what to do about what is wrong.

    Parameters
    ----------
    folder
        Where the relay lives.
    json
        Print one JSON object; errors too.
    """

    def act() -> int:
        findings = examine(Place.at(folder))
        well = all(finding.well is not False for finding in findings)
        lines = []
        for finding in findings:
            lines.append(f"{MARKS[finding.well]:>5}  {finding.check}: {finding.found}")
            if finding.do and finding.well is not True:
                lines.append(f"       {finding.do}")
        say.result({"well": well, "checks": [asdict(finding) for finding in findings]}, lines, as_json=json)
        return say.DONE if well else say.NOT_DONE

    return say.within(act, as_json=json)
