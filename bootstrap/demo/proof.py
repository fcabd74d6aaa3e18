"""The search proves itself before it is believed: everything it looks for is planted, and must be found.

Issue 2, point 3. Planted are all texts, each in the three kinds of place, through the same code that looks at the real
ones: payloads of a real stream between two libp2p hosts, rows of a real archive, a file beside it. Invariant: a search
that misses one text in one place, or sees something where nothing was planted, raises `Untrustworthy`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

import trio

from tertulia.bootstrap.demo.needles import Needles
from tertulia.bootstrap.demo.places import Looked, Tap, search_archive, search_files
from tertulia.node.profile import Profile
from tertulia.node.store.archive import Archive, archive_key
from tertulia.node.substrate import HostConfig, Stream, open_host
from tertulia.protocol.ids import CommonsId, FrameId

PROTOCOL: Final = "/tertulia/demo/0"
NOISE: Final = 3_000
"""Random bytes around each planted text: so some of them straddle what Noise and yamux cut."""
LIMIT_PLANTED: Final = 1024 * 1024
PROOF_SECONDS: Final = 30.0


class Untrustworthy(Exception):
    """The search did not find what had been planted, or found what had not."""


async def prove(wanted: Needles, texts: Mapping[str, str], folder: Path) -> None:
    """Plant `texts` (by label, as `wanted` knows them) in an empty `folder` and on the wire, and find them.

    Raises Untrustworthy. Leaves what it planted in `folder`, to be removed.
    """
    planted = [text.encode() for text in texts.values()]
    with trio.move_on_after(PROOF_SECONDS):
        _silent(await _payloads(wanted, []), "payloads")
        _complete(wanted, await _payloads(wanted, planted), "payloads")
        await trio.to_thread.run_sync(_prove_disk, wanted, planted, folder)
        return
    raise Untrustworthy("the search could not prove itself in time")


def _prove_disk(wanted: Needles, planted: list[bytes], folder: Path) -> None:
    clean = Profile(folder / "clean")
    _plant_archive(clean, [])
    _silent(search_archive(wanted, clean), "archives")
    _silent(search_files(wanted, clean.folder), "files")
    leaky = Profile(folder / "leaky")
    _plant_archive(leaky, planted)
    _complete(wanted, search_archive(wanted, leaky), "archives")
    _silent(search_files(wanted, leaky.folder), "encrypted files")
    (leaky.folder / "node.log").write_bytes(_noisy(planted))
    _complete(wanted, search_files(wanted, leaky.folder), "files")


def _noisy(planted: list[bytes]) -> bytes:
    return b"".join(os.urandom(NOISE) + text for text in planted) + os.urandom(NOISE)


def _plant_archive(profile: Profile, planted: list[bytes]) -> None:
    """Make an archive that carries one frame of noise, and one more for each planted text."""
    profile.prepare()
    commons = CommonsId(os.urandom(32))
    archive = Archive.create(profile.archive, archive_key(profile.archive_key))
    try:
        archive.put_commons(commons, os.urandom(NOISE))
        raws = [os.urandom(NOISE), *(_noisy([text]) for text in planted)]
        archive.add(commons, [(FrameId(blake2b(raw, digest_size=32).digest()), 0, raw) for raw in raws], 1)
    finally:
        archive.close()


async def _payloads(wanted: Needles, planted: list[bytes]) -> Looked:
    """Send the planted texts over a real stream; what the receiver's tap saw."""
    tap = Tap(wanted)
    done = trio.Event()

    async def take(stream: Stream) -> None:
        await stream.receive(LIMIT_PLANTED)
        done.set()

    listen = ("/ip4/127.0.0.1/tcp/0",)
    async with (
        open_host(HostConfig(os.urandom(32), listen, tap=tap)) as receiver,
        open_host(HostConfig(os.urandom(32))) as sender,
    ):
        receiver.serve(PROTOCOL, take, before_hello=True)
        stream = await sender.open(await sender.dial(receiver.addresses), PROTOCOL)
        await stream.send(_noisy(planted))
        await done.wait()
    return tap.looked()


def _complete(wanted: Needles, looked: Looked, place: str) -> None:
    missed = wanted.labels - looked.found.keys()
    if missed:
        raise Untrustworthy(f"planted in {place}, the search did not find {min(missed)}")


def _silent(looked: Looked, place: str) -> None:
    if looked.found:
        raise Untrustworthy(f"the search saw {min(looked.found)} in {place} where nothing was planted")
    if not looked.size:
        raise Untrustworthy(f"the search looked at nothing in {place}")


__all__ = ["Untrustworthy", "prove"]
