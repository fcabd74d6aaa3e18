"""Looks a relay over: what is wrong, and what to do about it.

docs/guide/relay.md, *relay doctor*. Every check is a row: what was looked at, whether it is well, what was found, what
to do. Invariants: looking changes nothing and connects to nobody but this relay; what cannot be known is said to be so.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tertulia.bootstrap.relay.client import call
from tertulia.bootstrap.relay.settings import Settings, load
from tertulia.node.clock import wall_clock
from tertulia.node.hardening import harden
from tertulia.protocol.errors import LocalError

if TYPE_CHECKING:
    from tertulia.bootstrap.relay.place import Place
    from tertulia.protocol.encoding import Value

CONNECT_SECONDS: Final = 5.0
LEAST_FREE: Final = 0.05
"""Of a disk: below this it is nearly full."""
SPARE_FILES: Final = 256
SYNC_SECONDS: Final = 5.0
LIMIT_CLOCK_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One row. `well` is None where it cannot be known from here."""

    check: str
    well: bool | None
    found: str
    do: str = ""


def examine(place: Place) -> list[Finding]:
    """Everything. Raises LocalError where there is no relay at all."""
    place.require()
    findings = [_folder(place)]
    try:
        settings = load(place.config)
    except LocalError as wrong:
        return [*findings, Finding("settings", False, wrong.problem.error, wrong.problem.next)]
    findings.append(_settings(settings))
    status: Mapping[str, Value] | None = None
    try:
        status = call(place, "status")
        findings.append(Finding("running", well=True, found="The relay runs and answers."))
    except LocalError as absent:
        findings.append(Finding("running", False, absent.problem.error, absent.problem.next))
    findings += [*_reach(settings, status), _clock(status), _disk(place, settings), _limits(settings), _user()]
    findings += [_exposure(settings)]
    return findings


def _folder(place: Place) -> Finding:
    try:
        place.prepare()
        place.identity()
    except LocalError as wrong:
        return Finding("folder", False, wrong.problem.error, wrong.problem.next)
    return Finding("folder", True, f"{place.folder} is this user's alone, and the identity is in it.")


def _settings(settings: Settings) -> Finding:
    if settings.warnings:
        return Finding("settings", False, " ".join(settings.warnings), "Correct or remove those lines of config.toml.")
    if not settings.operator.name:
        do = "tertulia relay card --name WORDS --country CC"
        return Finding("settings", False, "The card does not say who runs this relay.", do)
    return Finding("settings", True, "config.toml is understood.")


def _reach(settings: Settings, status: Mapping[str, Value] | None) -> Iterator[Finding]:
    if not settings.address.announce:
        do = "Say under which name or address others reach you: tertulia relay quota address.announce NAME"
        yield Finding("reach", False, "No address is announced, so members cannot be told where this relay is.", do)
    else:
        yield _announced(settings.address.announce)
    communities = status.get("communities", []) if status is not None else []
    assert isinstance(communities, list)
    if status is not None and not communities:
        do = "Ask a member for a relay ticket (tertulia commons ticket), then: tertulia relay allow TICKET"
        yield Finding("communities", False, "This relay serves no community yet.", do)
    for one in communities:
        assert isinstance(one, dict)
        yield _port(str(one["name"]), str(one["address"]), listening=bool(one["listening"]))


def _announced(name: str) -> Finding:
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError:
        return Finding("reach", False, f"{name} leads nowhere: it has no address.", "Check the name's DNS entry.")
    addresses = [ipaddress.ip_address(str(one).partition("%")[0]) for one in found]
    if all(one.is_loopback for one in addresses):
        return Finding("reach", False, f"{name} is this machine itself: nobody else can use it.", "Announce another.")
    if all(one.is_private or one.is_link_local for one in addresses):
        do = "That is fine on a LAN; for others, forward the port in the router and announce its public address."
        return Finding("reach", None, f"{name} is an address of a private network.", do)
    return Finding("reach", True, f"{name} is a public address.")


def _port(name: str, address: str, *, listening: bool) -> Finding:
    check = f"port of {name}"
    if not listening:
        do = "End the program that uses it (ss -ltnp), or choose another port."
        return Finding(check, False, "The relay could not listen on this community's port.", do)
    parts = address.split("/")
    if len(parts) < 5:
        return Finding(check, None, "It listens; under which address others find it is not known.", "")
    try:
        with socket.create_connection((parts[2], int(parts[4])), CONNECT_SECONDS):
            return Finding(check, True, f"{parts[2]} port {parts[4]} answers from here. Try it from outside as well.")
    except OSError:
        do = "Open the port in the firewall and forward it in the router; some routers cannot be tried from behind."
        return Finding(check, False, f"{parts[2]} port {parts[4]} does not answer from here.", do)


def _clock(status: Mapping[str, Value] | None) -> Finding:
    do = "sudo timedatectl set-ntp true"
    told = None if status is None else status.get("clock")
    if isinstance(told, int) and abs(told - wall_clock()) > LIMIT_CLOCK_MS:
        return Finding("clock", False, "The clock was moved while the relay ran.", "Restart the relay.")
    try:
        asked = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
            capture_output=True, text=True, timeout=SYNC_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return Finding("clock", None, "Whether the clock is kept right is not known here.", do)
    match asked.stdout.strip():
        case "yes":
            return Finding("clock", True, "The clock is kept right by the network.")
        case "no":
            return Finding("clock", False, "Nothing keeps this machine's clock right; frames may be refused.", do)
        case _:
            return Finding("clock", None, "Whether the clock is kept right is not known here.", do)


def _disk(place: Place, settings: Settings) -> Finding:
    usage = shutil.disk_usage(place.folder)
    if usage.free < LEAST_FREE * usage.total:
        return Finding("disk", False, f"Only {_gb(usage.free)} are free.", "Free some space, or lower quota.bytes.")
    held = place.profile.archive.stat().st_size if place.profile.archive.exists() else 0
    if usage.free + held < settings.quota.bytes:
        found = f"{_gb(usage.free + held)} are there for an archive that may grow to {_gb(settings.quota.bytes)} each."
        return Finding("disk", False, found, "Lower quota.bytes: tertulia relay quota quota.bytes '10 GB'")
    return Finding("disk", True, f"{_gb(usage.free)} are free, {_gb(held)} are used.")


def _limits(settings: Settings) -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.quota.feeds + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        found = f"This user may open {soft} files; {settings.quota.feeds} feeds need {wanted}."
        return Finding("limits", False, found, "Use the systemd unit (tertulia relay unit), or: ulimit -n 65536")
    return Finding("limits", True, "Enough files may be open at once.")


def _user() -> Finding:
    if os.geteuid() == 0:
        do = "Run it as a user of its own; the systemd unit does (tertulia relay unit)."
        return Finding("user", False, "This is root: a fault in the relay would be a fault of the machine.", do)
    return Finding("user", True, "It does not need root.")


def _exposure(settings: Settings) -> Finding:
    held = harden()
    if not held.core_off or not held.dumpable_off:
        return Finding("exposure", None, "This system may write the relay's memory to a file when it crashes.", "")
    swap = Path("/proc/swaps")
    if swap.exists() and len(swap.read_text(encoding="utf-8").splitlines()) > 1:
        found = "This machine swaps: who takes its disk may find members' addresses in the swap."
        return Finding("exposure", None, found, "Encrypt the swap, or turn it off.")
    port = f"Metrics are on loopback, port {settings.metrics.port}." if settings.metrics.port else "No metrics."
    return Finding("exposure", True, f"No core dumps, no swap. {port}")


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
