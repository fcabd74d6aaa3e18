"""A citizen two weeks away, for figure F7_own: `… benchmarks.peers.absent prepare|serve|return FOLDER …`.

`prepare FOLDER COUNT`: Ana, Ben and Cleo meet two weeks ago and Ben leaves; Ana says TEXTS things a day, and COUNT
frames of strangers come to her archive; prints the dialogue. `serve FOLDER`: Ana's locked node carries, until its
input ends. `return FOLDER DIALOGUE COUNT`: Ben's node starts and is unlocked; prints as JSON after how many seconds it
had read and fetched what.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import trio

from benchmarks.peers.archive import LOOPBACK, TOGETHER, WEEKS, sealed
from benchmarks.processes import CHEAP, PASSPHRASE
from tertulia.node.citizen import Citizen, open_citizen
from tertulia.node.clock import MS_PER_MINUTE, wall_clock
from tertulia.node.profile import Profile
from tertulia.node.served import read_record
from tertulia.node.store.archive import Archive, archive_key
from tertulia.protocol import views
from tertulia.protocol.effects import View
from tertulia.protocol.ids import DialogueId

DAYS, TEXTS = 14, 10
DAY_MS = 24 * 60 * MS_PER_MINUTE
LOOK_SECONDS = 0.1
PATIENCE = 300.0


class Past:
    """A clock that is some time behind the wall's."""

    def __init__(self, behind: int) -> None:
        self.behind = behind

    def __call__(self) -> int:
        """Milliseconds since the Unix epoch, as it was then."""
        return wall_clock() - self.behind


async def prepare(folder: Path, count: int) -> None:
    """Make all profiles. What is said is published only where somebody is there to take it: so Cleo stays."""
    clock = Past(DAYS * DAY_MS)
    async with open_citizen(folder / "ana", clock=clock) as ana, open_citizen(folder / "cleo", clock=clock) as cleo:
        await ana.call("init", {"nick": "Ana", "passphrase": PASSPHRASE, **CHEAP})
        await ana.call("commons.new", {"name": "Benchmark", "listen": LOOPBACK})
        dialogue = str((await ana.call("dialogue.new", {"title": "Talk"}))["dialogue"])
        await _join(ana, cleo, dialogue, "Cleo")
        async with open_citizen(folder / "ben", clock=clock) as ben:
            await _join(ana, ben, dialogue, "Ben")
            await ben.call("say", {"dialogue": dialogue, "text": "I shall be away."})
            await _until_read(ana, dialogue, 1)
            await _until_read(ben, dialogue, 1)
        for day in range(DAYS):
            for text in range(TEXTS):
                await ana.call("say", {"dialogue": dialogue, "text": f"Day {day}, text {text}."})
            await _until_read(cleo, dialogue, 1 + (day + 1) * TEXTS)
            clock.behind -= DAY_MS
    _strangers(folder / "ana", count)
    print(dialogue, flush=True)


async def _join(host: Citizen, guest: Citizen, dialogue: str, nick: str) -> None:
    invite = str((await host.call("invite", {"dialogue": dialogue}))["invite"])
    await guest.call("init", {"nick": nick, "passphrase": PASSPHRASE, **CHEAP})
    joining = str((await guest.call("join", {"invite": invite}))["join"])
    answer = await guest.call("wait", {"for": "join", "join": joining, "seconds": 60})
    if answer["state"] != "admitted":
        raise RuntimeError(f"{nick} was not admitted: {answer}")


async def _until_read(citizen: Citizen, dialogue: str, texts: int) -> None:
    with trio.fail_after(PATIENCE):
        while len(_read(citizen, dialogue)) < texts:  # noqa: ASYNC110 - another node's core, looked at
            await trio.sleep(LOOK_SECONDS)


def _read(citizen: Citizen, dialogue: str) -> tuple[object, ...]:
    key = DialogueId(bytes.fromhex(dialogue))
    return views.messages(citizen.service.core, key)


def _strangers(folder: Path, count: int) -> None:
    """Frames that neither can open come to an archive, spread over the two weeks."""
    profile = Profile(folder)
    archive = Archive.open(profile.archive, archive_key(profile.archive_key))
    (row,) = archive.commons()
    minute = wall_clock() // MS_PER_MINUTE
    held = sealed(count, range(minute - WEEKS, minute), read_record(row.record, row.seed).commons.key)
    for at in range(0, len(held), TOGETHER):
        frames = [(each.id, each.minute, each.raw) for each in held[at : at + TOGETHER]]
        archive.add(row.commons, frames, wall_clock() + at)
    archive.close()


async def serve(folder: Path) -> None:
    """Carry, locked."""
    async with open_citizen(folder / "ana") as ana:
        await ana.service.carrying.ready()
        (carried,) = ana.service.carrying
        await carried.carrier.holdings.ready()
        print(len(carried.carrier.holdings), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def come_back(folder: Path, dialogue: str, held: int) -> None:
    """Start, unlock, fetch `held` frames and read; print how many seconds after the start what was done."""
    began = time.perf_counter()
    first = own = fetched = None
    texts = DAYS * TEXTS + 1
    async with open_citizen(folder / "ben") as ben:
        await ben.call("unlock", {"passphrase": PASSPHRASE})
        before = len(_read(ben, dialogue))
        changed = True

        def note(view: View, _dialogue: DialogueId | None) -> None:
            nonlocal changed
            changed = changed or view is View.MESSAGES

        ben.service.on_shown.append(note)
        (carried,) = ben.service.carrying
        read = before
        with trio.fail_after(PATIENCE):
            while own is None or fetched is None:
                await trio.sleep(LOOK_SECONDS)
                since = time.perf_counter() - began
                if changed:
                    changed, read = False, len(_read(ben, dialogue))
                first = since if first is None and read > before else first
                own = since if own is None and read >= texts else own
                fetched = since if fetched is None and len(carried.carrier.holdings) >= held else fetched
    print(json.dumps({"first": first, "own": own, "fetched": fetched, "texts": texts - before}), flush=True)


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    match what:
        case "prepare":
            trio.run(prepare, Path(where), int(rest[0]))
        case "serve":
            trio.run(serve, Path(where))
        case _:
            trio.run(come_back, Path(where), rest[0], int(rest[1]))
