"""What a citizen's node may keep, and must: rows that are the core, keys within their lives, sizes within bounds.

docs/spec/keys.md (lives), docs/spec/core.md §2 (every row), docs/spec/limits.md. Pure functions that the oracle asks;
each gives what is wrong, in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tertulia.protocol.core import LIMIT_OPENED
from tertulia.protocol.dialogue import LIMIT_WAITING
from tertulia.protocol.duties import LIMIT_SHARES_WAITING
from tertulia.protocol.effects import Table
from tertulia.protocol.prekey import is_live
from tertulia.protocol.turn import MS_PER_MINUTE

if TYPE_CHECKING:
    from tertulia.bootstrap.mesh.disk import Disk
    from tertulia.protocol.core import Core
    from tertulia.protocol.dialogue import Dialogue

SLACK: Final = 26 * 60
"""Minutes after its time at which a key must be gone: the keys are looked at once a day, and clocks differ."""
GRACE: Final = 3 * 60
"""Minutes after a session's end at which it must have been exchanged."""
DAY: Final = 24 * 60
LIMIT_JOBS: Final = 8
"""Seals that a dialogue may wait for at once, and as many besides."""
LIMIT_ENTRIES: Final = 256
"""Entries that may wait in the outbox of somebody who was cut off for half a day."""
LIMIT_ROWS: Final = 4
"""Vault rows for each event held, beside those for the first few."""
FEW: Final = 40
LIMIT_FRAMES: Final = 6
"""Frames of the honest for each event there is."""


def lost(before: Core, after: Core) -> Iterator[str]:
    """What a core loaded from the rows has otherwise than the core that wrote them."""
    if before.dialogues.keys() != after.dialogues.keys():
        yield "dialogues"
        return
    for key, dialogue in before.dialogues.items():
        again = after.dialogues[key]
        for name in (
            "commons", "persona", "me", "session", "checkpoint", "former", "events", "arrivals", "prekeys", "secrets",
            "doors", "shares", "checked_codes", "seen", "confirmed", "received",
        ):  # fmt: skip
            if getattr(dialogue, name) != getattr(again, name):
                yield f"{name} of a dialogue"
        if dialogue.state.hash != again.state.hash:
            yield "the state of a dialogue"
    for name in ("nick", "receipts", "commons", "invites", "knocks", "joins"):
        if getattr(before, name) != getattr(after, name):
            yield name
    if before.outbox.entries != after.outbox.entries or before.outbox.sent != after.outbox.sent:
        yield "the outbox"
    if before.outbox.waiting != after.outbox.waiting:
        yield "what of the outbox waits"
    halves = {lane: set(assembly.incomplete) for lane, assembly in before.assemblies.items() if assembly.incomplete}
    if halves != {lane: set(assembly.incomplete) for lane, assembly in after.assemblies.items() if assembly.incomplete}:
        yield "items in parts"


def overdue(core: Core, disk: Disk, now: int) -> Iterator[str]:
    """Keys that should be gone, in memory and on the disk."""
    minute = now // MS_PER_MINUTE
    for dialogue in core.dialogues.values():
        yield from _keys_of(dialogue, minute)
    held = {dialogue.id + dialogue.session.actor for dialogue in core.dialogues.values()}
    for key in disk.rows.get(Table.SESSION, {}):
        if key not in held:
            yield "the row of a session key that was given up"
    for invite in core.invites.values():
        if invite.card.expires + invite.card.retention_days * DAY + SLACK < minute:
            yield "the key of an invite that nobody can knock on any more"
    for join in core.joins.values():
        if join.mine is not None and not is_live(join.mine.prekey.public, minute - SLACK):
            yield f"keys of a join that is {join.state.name}"


def _keys_of(dialogue: Dialogue, minute: int) -> Iterator[str]:
    state = dialogue.state
    horizon = minute - state.retention_days * DAY - SLACK
    for key in dialogue.secrets:
        if key in state.epochs and state.epochs[key].epoch.created < horizon:
            yield f"an epoch's secret ({dialogue.standing})"
    for secret in dialogue.prekeys.values():
        if not is_live(secret.public, minute - SLACK):
            yield f"a prekey ({dialogue.standing})"
    if dialogue.session.end + GRACE < minute:
        yield f"a session key ({dialogue.standing})"


def overgrown(core: Core, disk: Disk) -> Iterator[str]:
    """What has grown beyond its bounds."""
    rows = sum(len(table) for table in disk.rows.values())
    events = sum(len(dialogue.events) for dialogue in core.dialogues.values())
    if rows > LIMIT_ROWS * (events + FEW):
        yield f"{rows} rows for {events} events"
    if len(core.jobs) > LIMIT_JOBS * (1 + len(core.dialogues)):
        yield f"{len(core.jobs)} jobs"
    if len(core.opened) > LIMIT_OPENED:
        yield f"{len(core.opened)} frames remembered"
    if len(core.outbox.entries) > LIMIT_ENTRIES:
        yield f"{len(core.outbox.entries)} entries in the outbox"
    for dialogue in core.dialogues.values():
        if len(dialogue.shares) > LIMIT_SHARES_WAITING:
            yield f"{len(dialogue.shares)} shares waiting"
        if len(dialogue.state.waiting) > LIMIT_WAITING:
            yield f"{len(dialogue.state.waiting)} events waiting"
