"""Whole nodes that turn hostile: the product's own, with a hand on what they forward, serve and say.

GOALS B3. They keep every key a member has. Up to `turn`, each is an honest node. What each does to whom is counted, so
that a test can tell that it was done. The mesh lab's `mischief` does the same to modelled nodes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from tertulia.node.carrier import Carrier
from tertulia.node.citizen import Citizen
from tertulia.node.shelf import Shelf
from tertulia.node.substrate import PeerId, Verdict
from tertulia.protocol import event as events
from tertulia.protocol import frame as frames
from tertulia.protocol import keyring
from tertulia.protocol.epoch import epoch_keys
from tertulia.protocol.event import Event, Kind, to_item
from tertulia.protocol.frame import FrameClass, FrameKeys
from tertulia.protocol.ids import CommonsId, DialogueId, FrameId
from tertulia.protocol.item import Item
from tertulia.protocol.say import Say

DELAY_SECONDS = 2.0
REPLAY_SECONDS = 0.5
REPLAYED = 8
FLOOD_SECONDS = 0.25
FLOOD = 20
"""Frames of one wave of noise: a flooding citizen sends some eighty a second."""
SALT, NONCE, SECRET = 16, 24, 32


class Withheld:
    """A shelf that keeps everything and hands out nothing, or everything late."""

    def __init__(self, shelf: Shelf, counts: Counter[str], delay: float | None) -> None:
        self._shelf, self._counts, self._delay = shelf, counts, delay

    def __getattr__(self, name: str) -> object:
        return getattr(self._shelf, name)

    async def frames(self, commons: CommonsId, ids: Sequence[FrameId]) -> list[bytes]:
        self._counts["withheld"] += len(ids)
        if self._delay is None:
            await trio.lowlevel.checkpoint()
            return []
        await trio.sleep(self._delay)
        return await self._shelf.frames(commons, ids)


@dataclass
class Hostile:
    """One citizen, about to be hostile."""

    citizen: Citizen
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def carrier(self) -> Carrier:
        (carried,) = self.citizen.service.carrying
        return carried.carrier

    async def _gossip(self, raw: bytes, what: str) -> None:
        """Put bytes into the mesh, whatever they are worth."""
        gossip = self.carrier._gossip
        if gossip is not None:
            await gossip.publish(raw)
            self.counts[what] += 1

    def drop(self) -> None:
        """Pass nothing on, and serve nothing of what I say I hold."""

        def deaf(data: bytes, peer: PeerId) -> Verdict:
            self.counts["dropped"] += 1
            return Verdict.IGNORE

        self._overhear(deaf)
        self.carrier.shelf = Withheld(self.carrier.shelf, self.counts, None)  # type: ignore[assignment]

    async def delay(self) -> None:
        """Pass everything on, and serve everything, late. Until cancelled."""
        put, take = trio.open_memory_channel[tuple[float, bytes]](10_000)

        def late(data: bytes, peer: PeerId) -> Verdict:
            put.send_nowait((trio.current_time() + DELAY_SECONDS, data))
            return Verdict.IGNORE

        self._overhear(late)
        self.carrier.shelf = Withheld(self.carrier.shelf, self.counts, DELAY_SECONDS)  # type: ignore[assignment]
        async for due, data in take:
            await trio.sleep_until(due)
            await self._gossip(data, "delayed")

    def _overhear(self, judge) -> None:
        gossip = self.carrier._gossip
        assert gossip is not None
        gossip._validate = judge

    async def replay(self) -> None:
        """Old frames again and again, as they were. Until cancelled."""
        places = await self.carrier.shelf.places(self.carrier.commons.id, (0, FrameId(b"")), 1_000)
        old = await self.citizen.service._shelf.frames(self.carrier.commons.id, [frame for _, frame in places])
        at = 0
        while True:
            for number in range(REPLAYED):
                await self._gossip(old[(at + number) % len(old)], "replayed")
            at += REPLAYED
            await trio.sleep(REPLAY_SECONDS)

    async def flood(self) -> None:
        """Good frames that nobody can open, and some that nobody should carry. Until cancelled."""
        commons = self.carrier.commons
        while True:
            for number in range(FLOOD):
                keys = FrameKeys(os.urandom(SECRET), os.urandom(SECRET))
                minute = frames.publication_minute(self.carrier.now) - (0, 0, 0, 2_000)[number % 4]
                key = commons.key if number % 10 else os.urandom(SECRET)
                noise = frames.seal(key, keys, FrameClass.SMALL, minute, os.urandom(NONCE), [Item(99, b"")])
                await self._gossip(noise.raw, "noise")
            await trio.sleep(FLOOD_SECONDS)

    async def equivocate(self, dialogue: str, *texts: str) -> None:
        """One number for several events, each as good as the other."""
        held = self.citizen.service.core.dialogues[DialogueId(bytes.fromhex(dialogue))]
        state, room = held.state, held.plenary
        parents, control, lamport = state.cite(room, held.session.actor)

        def made(text: str) -> Event:
            return events.make(
                dialogue=held.id, room=room, kind=Kind.SAY, seq=state.next_seq(held.session.actor, room),
                parents=parents, control=control, lamport=lamport, tick=self.carrier.now // 60_000,
                session_seed=held.session.seed, salt=os.urandom(SALT), body=Say("message", text).encode(),
            )  # fmt: skip

        epoch = keyring.usable(held, self.carrier.now // 60_000)
        assert epoch is not None
        keys = epoch_keys(held.secrets[epoch.id])
        minute = frames.publication_minute(self.carrier.now)
        for text in texts:
            items = [to_item(made(text))]
            sealed = frames.seal(self.carrier.commons.key, keys, FrameClass.SMALL, minute, os.urandom(NONCE), items)
            await self._gossip(sealed.raw, "equivocated")
