"""Commons, frames and carriers for tests: real archives, real hosts on loopback, frames that nobody can open."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tertulia.node.carrier import Carrier
from tertulia.node.clock import Clock, wall_clock
from tertulia.node.nearby import Seeker
from tertulia.node.network import Network
from tertulia.node.quota import DAILY, Allowance
from tertulia.node.shelf import Shelf
from tertulia.node.store.archive import Archive
from tertulia.node.substrate import Host, HostConfig, open_host, peer_id_bytes, peer_id_of
from tertulia.protocol import frame as frames
from tertulia.protocol.commons import Commons
from tertulia.protocol.frame import Frame, FrameClass, FrameKeys
from tertulia.protocol.ids import CommonsId, FrameId
from tertulia.protocol.inputs import FrameKept
from tertulia.protocol.item import Item, ItemType

__all__ = ["Ear", "carrier", "commons", "frame", "held", "host", "network", "now_minute", "shelf"]

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def commons(name: str = "Test", seed: bytes = bytes(32), port: int = 0) -> Commons:
    addresses = (f"/ip4/127.0.0.1/tcp/{port}",) if port else ()
    return Commons(name.encode().ljust(32, b"k"), 1, name, addresses=addresses, peer=peer_id_bytes(peer_id_of(seed)))


def now_minute() -> int:
    return wall_clock() // 60_000


def frame(where: Commons, minute: int | None = None, size: FrameClass = FrameClass.SMALL) -> Frame:
    """A frame of this commons, sealed under keys that are thrown away."""
    keys = FrameKeys(os.urandom(32), os.urandom(32))
    minute = now_minute() if minute is None else minute
    return frames.seal(where.key, keys, size, minute, os.urandom(24), [Item(ItemType.RECEIPT, b"sealed")])


class Ear:
    """Hears what a carrier tells."""

    def __init__(self) -> None:
        self.arrivals = 0
        self.keeps: list[FrameKept] = []
        self.reached = 0
        self.changed = trio.Event()
        self.network: Network | None = None

    def _note(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def arrived(self, _commons: CommonsId) -> None:
        self.arrivals += 1
        self._note()

    async def kept(self, kept: FrameKept) -> None:
        self.keeps.append(kept)
        self._note()

    async def reach_changed(self, _commons: CommonsId) -> None:
        self._note()

    async def until(self, holds, seconds: float = 20.0) -> None:
        with trio.fail_after(seconds):
            while not holds():
                changed = self.changed
                await changed.wait()


def shelf(folder: Path, *served: Commons) -> Shelf:
    folder.mkdir(exist_ok=True)
    path = folder / "archive.db"
    archive = Archive.open(path, bytes(32)) if path.exists() else Archive.create(path, bytes(32))
    for one in served:
        archive.put_commons(one.id, b"")
    return Shelf(archive)


@asynccontextmanager
async def carrier(
    folder: Path, where: Commons, ear: Ear | None = None, *, daily: Allowance = DAILY, clock: Clock = wall_clock
) -> AsyncIterator[Carrier]:
    opened = shelf(folder, where)
    try:
        yield Carrier(where, opened, clock, ear or Ear(), daily)
    finally:
        await opened.close()


@asynccontextmanager
async def network(
    folder: Path,
    where: Commons,
    *,
    seed: bytes | None = None,
    listen: str = LOOPBACK,
    peers: tuple[str, ...] = (),
    ear: Ear | None = None,
    seeker: Seeker | None = None,
) -> AsyncIterator[tuple[Network, Ear]]:
    """A commons on the network; it listens when it has a seed, and looks on the local network when it has a seeker."""
    ear = ear or Ear()
    async with carrier(folder, where, ear) as one:
        net = Network(one, (listen,) if seed else (), seed, peers, ear, seeker)
        net.lan = seeker is not None
        async with trio.open_nursery() as nursery:
            await nursery.start(net.run, wall_clock)
            yield net, ear
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def host(listen: bool = True, seed: bytes | None = None) -> AsyncIterator[Host]:
    async with open_host(HostConfig(key_seed=seed or os.urandom(32), listen=(LOOPBACK,) if listen else ())) as one:
        yield one


async def held(one: Carrier) -> set[FrameId]:
    places = await one.shelf.places(one.commons.id, (0, FrameId(b"")), 1_000)
    return {frame for _, frame in places}
