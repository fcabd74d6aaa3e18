"""The files of dialogues on this machine: kept sealed, chunk by chunk; served to who proves to know them; fetched.

docs/spec/resource.md. Beside the vault a file holds the sealed chunks at their places; the key is in the event, in the
vault. Invariants: a chunk is written only if it is the one the event names, and proves itself again when it is read; a
fetch that ends early loses nothing; nobody is answered who does not know the key; the vault locked, nothing is served.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from tertulia.node.redaction import Event, log
from tertulia.node.store.files import destroy
from tertulia.node.store.problems import from_system
from tertulia.node.substrate import StreamFailed, SubstrateError
from tertulia.protocol import views_resources
from tertulia.protocol.crypto import equal
from tertulia.protocol.errors import LocalError, Problem
from tertulia.protocol.resource import (
    LIMIT_ASK,
    LIMIT_ASKED_CHUNKS,
    LIMIT_CHUNKS,
    LIMIT_RESOURCE,
    RESOURCE_PROTOCOL,
    SEALED_CHUNK,
    AskChunks,
    Resource,
    chunk_hash,
    seal_chunks,
)

if TYPE_CHECKING:
    from tertulia.node.substrate import Host, PeerId, Stream
    from tertulia.protocol.core import Core
    from tertulia.protocol.ids import CommonsId

LIMIT_KEPT: Final = 1024 * 1024 * 1024
"""Bytes of chunks kept on this machine; beyond it nothing more is fetched or added."""
ASK_SECONDS: Final = 30.0
"""How long an open stream may say nothing before it is let go."""

FULL = Problem(
    "The files of your dialogues fill all the room that this machine gives them.",
    "Nothing was added or fetched.",
    "What is older than a dialogue keeps things goes by itself; leave dialogues that you need no more.",
)
TOO_LARGE = Problem(
    f"This file is empty, or larger than {LIMIT_RESOURCE // 1024 // 1024} MiB.",
    "Nothing was sent.",
    "Share a part of it, or a smaller version.",
)
"""A file that cannot be shared."""


class Resources:
    """What is kept of files, as `<stem>-<name>` in a folder: panic finds them by the vault's name."""

    def __init__(self, vault: Path) -> None:
        self._folder, self._stem = vault.parent, f"{vault.name}-r-"
        self.look: Callable[[], Core | None] = _locked
        """What the dialogues name; None while the vault is locked, and then nothing is served."""
        self.busy = trio.Lock()
        """Held while what is kept changes."""

    def _path(self, resource: Resource) -> Path:
        return self._folder / f"{self._stem}{resource.stored_as.hex()}"

    def _all(self) -> Iterable[Path]:
        return self._folder.glob(f"{self._stem}*")

    def _room(self, size: int) -> None:
        if sum(path.stat().st_blocks * 512 for path in self._all()) + size > LIMIT_KEPT:
            raise LocalError(FULL)

    # Blocking; in a worker -------------------------------------------------------------------------------------------

    def add(self, path: Path, key: bytes, name: str, media: str) -> Resource:
        """Seal a file under a fresh key and keep it. Raises LocalError (StoreError for the disk)."""
        try:
            size = path.stat().st_size
            if not 0 < size <= LIMIT_RESOURCE or not path.is_file():
                raise LocalError(TOO_LARGE)
            self._room(size)
            data = path.read_bytes()[: LIMIT_RESOURCE + 1]
        except OSError as error:
            raise LocalError(
                Problem(f"{path} cannot be read.", "Nothing was sent.", "Look whether it is there, and yours to read.")
            ) from error
        sealed = tuple(seal_chunks(data, key))
        made = Resource(name, media, len(data), key, tuple(chunk_hash(one) for one in sealed))
        for index, one in enumerate(sealed):
            self.keep(made, index, one)
        return made

    def keep(self, resource: Resource, index: int, sealed: bytes) -> None:
        """Write a chunk that has proved itself. Raises StoreError."""
        path = self._path(resource)
        try:
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
                file.seek(index * SEALED_CHUNK)
                file.write(sealed)
        except OSError as error:
            raise from_system(error, path) from error

    def chunk(self, resource: Resource, index: int) -> bytes | None:
        """A chunk that is kept whole."""
        try:
            with self._path(resource).open("rb") as file:
                file.seek(index * SEALED_CHUNK)
                sealed = file.read(resource.length(index))
        except OSError:
            return None
        return sealed if resource.is_chunk(index, sealed) else None

    def lacking(self, resource: Resource) -> list[int]:
        """The chunks that are not here."""
        return [index for index in range(len(resource.chunks)) if self.chunk(resource, index) is None]

    def whole(self, resource: Resource) -> bytes | None:
        """The file, opened; None where a chunk is not here, or its author sealed something else."""
        parts = []
        for index in range(len(resource.chunks)):
            sealed = self.chunk(resource, index)
            opened = None if sealed is None else resource.open(index, sealed)
            if opened is None:
                return None
            parts.append(opened)
        return b"".join(parts)

    def tidy(self, live: frozenset[bytes]) -> None:
        """Erase what no dialogue names any more, or names no longer than it keeps things. Raises StoreError."""
        names = {f"{self._stem}{name.hex()}" for name in live}
        for path in self._all():
            if path.name not in names:
                destroy(path)

    # Between peers ---------------------------------------------------------------------------------------------------

    async def serve(self, commons: CommonsId, me: PeerId, stream: Stream) -> None:
        """Answer who asks for chunks and knows their key, until they end. Raises RemoteError, SubstrateError."""
        answered = 0
        while answered < LIMIT_CHUNKS:
            asked = AskChunks.decode(await stream.receive(LIMIT_ASK, seconds=ASK_SECONDS))
            answered += asked.count
            resource = self._named(commons, asked.tag, stream.peer, me)
            for index in range(asked.first, asked.first + asked.count):
                sealed = None
                if resource is not None and index < len(resource.chunks):
                    sealed = await trio.to_thread.run_sync(self.chunk, resource, index)
                await stream.send(sealed or b"")

    def _named(self, commons: CommonsId, tag: bytes, asker: PeerId, me: PeerId) -> Resource | None:
        core = self.look()
        if core is None:
            return None
        found = (
            resource
            for resource in views_resources.servable(core, commons)
            if equal(resource.tag(asker.encode(), me.encode()), tag)
        )
        return next(found, None)

    async def fetch(self, resource: Resource, host: Host, peers: Iterable[PeerId]) -> int:
        """Ask these peers, one after another, for what is lacking; how many chunks lack still.

        Raises LocalError where no more fits, or the disk fails.
        """
        lacking = await trio.to_thread.run_sync(self.lacking, resource)
        self._room(sum(resource.length(index) for index in lacking))
        for peer in peers:
            if lacking:
                try:
                    await self._ask(resource, host, peer, lacking)
                except SubstrateError:
                    log(Event.RETRIED)
                lacking = await trio.to_thread.run_sync(self.lacking, resource)
        return len(lacking)

    async def _ask(self, resource: Resource, host: Host, peer: PeerId, lacking: list[int]) -> None:
        """Fetch from one peer until it has nothing of a whole request. Raises SubstrateError for a false chunk too."""
        stream = await host.open(peer, RESOURCE_PROTOCOL)
        tag = resource.tag(host.peer_id.encode(), peer.encode())
        try:
            for first, count in runs(lacking):
                await stream.send(AskChunks(tag, first, count).encode())
                came = 0
                for index in range(first, first + count):
                    sealed = await stream.receive(SEALED_CHUNK)
                    if sealed and not resource.is_chunk(index, sealed):
                        raise StreamFailed("a chunk that is not the one asked for")
                    if sealed:
                        came += 1
                        await trio.to_thread.run_sync(self.keep, resource, index, sealed)
                if not came:
                    return
        finally:
            await stream.reset()


def runs(lacking: list[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as (first, count) of unbroken runs, none longer than a request asks for."""
    first, count = lacking[0], 0
    for index in lacking:
        if index == first + count and count < LIMIT_ASKED_CHUNKS:
            count += 1
        else:
            yield first, count
            first, count = index, 1
    yield first, count


def _locked() -> Core | None:
    return None
