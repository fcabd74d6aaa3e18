"""Frames on a stick: what the archive holds, written to a file, and a file's frames taken in like any neighbour's.

Implements docs/spec/carrying.md, *On a stick*. A carry file is ciphertext: it says which frames a machine carries, in
whatever communities, and nothing of what it reads. A file from a stranger is as harmless as a stranger's frames: each
frame is checked like one from sync, sizes are known before anything is read, and nothing else in it is looked at.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

import trio

from tertulia.node.quota import STICK
from tertulia.node.shelf import START
from tertulia.node.store.problems import StoreError
from tertulia.protocol.errors import LocalError, Problem, RejectReason, RemoteError
from tertulia.protocol.frame import FrameClass
from tertulia.protocol.sync_messages import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from tertulia.node.carrier import Carrier
    from tertulia.node.carrying import Carrying
    from tertulia.protocol.frame import Frame

NAME: Final = b"tertulia carry "
MAGIC: Final = NAME + b"1\n"
LIMIT_CARRY: Final = 4 * 1024 * 1024 * 1024
"""Bytes of a carry file that are looked at."""
LIMIT_TOGETHER: Final = 256
"""Frames read, checked and archived at once."""
NEWEST_MINUTE: Final = 2**32 - 1
_HEAD: Final = 6
_SIZES: Final = {int(frame_class): frame_class.size for frame_class in FrameClass}
_KEPT: Final = "What was taken in before this point is kept; nothing else was touched."


async def export(carrying: Carrying, path: Path, since: int) -> tuple[int, int]:
    """Write every frame held with a minute of `since` or later to a new file; gives (frames, bytes).

    Raises: LocalError when the file exists or cannot be written; StoreError when the archive cannot be read.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        handle = await trio.to_thread.run_sync(_begin, path, unfinished)
    except OSError as failed:
        raise _cannot_write(failed) from failed
    count = size = 0
    try:
        for carried in carrying:
            mark = START
            while rows := await carried.carrier.shelf.arrived(
                carried.carrier.commons.id, mark, LIMIT_TOGETHER, (since, NEWEST_MINUTE)
            ):
                data = b"".join(row.raw for row in rows)
                await trio.to_thread.run_sync(handle.write, data)
                count, size, mark = count + len(rows), size + len(data), rows[-1].mark
        await trio.to_thread.run_sync(_finish, handle, unfinished, path)
    except OSError as failed:
        raise _cannot_write(failed) from failed
    finally:
        handle.close()
        unfinished.unlink(missing_ok=True)
    return count, size


def _begin(path: Path, unfinished: Path) -> BinaryIO:
    if path.exists():
        raise LocalError(
            Problem(
                "A file of that name is there already.",
                "It was left as it is and nothing was written.",
                "Choose another name, or move the old file away.",
            )
        )
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    handle = os.fdopen(descriptor, "wb")
    handle.write(MAGIC)
    return handle


def _finish(handle: BinaryIO, unfinished: Path, path: Path) -> None:
    handle.flush()
    os.fsync(handle.fileno())
    os.link(unfinished, path)


def _cannot_write(failed: OSError) -> LocalError:
    why = (failed.strerror or "it cannot be written").lower()
    return LocalError(
        Problem(
            f"The file could not be written: {why}.",
            "Everything in the profile is as it was; an unfinished file was removed.",
            "Make room, or choose another place, and try again.",
        )
    )


async def bring(carrying: Carrying, path: Path) -> Counter[str]:
    """Take in a carry file; gives how many frames were `new`, `known`, `strange` (no community of mine) or `old`.

    Raises: LocalError when it is no carry file, is cut off, is more than one day may bring, or the disk refuses; what
    came before that point is kept.
    """
    try:
        handle = await trio.to_thread.run_sync(_open, path)
    except OSError as failed:
        why = (failed.strerror or "it cannot be read").lower()
        raise LocalError(
            Problem(f"The file could not be read: {why}.", "Nothing was changed.", "Check its name and try again.")
        ) from failed
    counts: Counter[str] = Counter()
    with handle:
        frames, wrong = _frames(handle), None
        while wrong is None:
            batch, wrong = await trio.to_thread.run_sync(_some, frames)
            if not batch and wrong is None:
                return counts
            await _take(carrying, batch, counts)
    raise wrong


def _open(path: Path) -> BinaryIO:
    handle = path.open("rb")
    head = handle.read(len(MAGIC))
    if head != MAGIC:
        handle.close()
        raise LocalError(_LATER if head.startswith(NAME) and head[len(NAME) :].strip().isdigit() else _NONE)
    return handle


def _frames(handle: BinaryIO) -> Iterator[bytes]:
    """The frames one after the other: the second byte says how long each is."""
    left = LIMIT_CARRY
    while head := handle.read(_HEAD):
        size = _SIZES.get(head[1] if len(head) == _HEAD else 0)
        body = b"" if size is None else handle.read(size - _HEAD)
        left -= _HEAD + len(body)
        if size is None or len(body) != size - _HEAD or left < 0:
            raise LocalError(
                Problem("This carry file is damaged or cut off.", _KEPT, "Have it exported again, and take that in.")
            )
        yield head + body


def _some(frames: Iterator[bytes]) -> tuple[list[bytes], LocalError | None]:
    """The next frames, and what is wrong with the file behind them."""
    batch: list[bytes] = []
    try:
        batch.extend(raw for _, raw in zip(range(LIMIT_TOGETHER), frames, strict=False))
    except LocalError as wrong:
        return batch, wrong
    return batch, None


async def _take(carrying: Carrying, batch: list[bytes], counts: Counter[str]) -> None:
    mine: dict[Carrier, list[Frame]] = {}
    for raw in batch:
        found = _judge(carrying, raw)
        if isinstance(found, str):
            counts[found] += 1
        else:
            carrier, frame = found
            mine.setdefault(carrier, []).append(frame)
    for carrier, frames in mine.items():
        taken = await carrier.keep_news(frames, STICK)
        if taken is None:
            raise StoreError(carrier.trouble) if carrier.trouble else LocalError(_REFUSED)
        counts["new"] += taken.fresh
        counts["known"] += taken.verdicts.count(Verdict.KEPT) - taken.fresh
        if any(verdict is not Verdict.KEPT for verdict in taken.verdicts):
            raise LocalError(_ENOUGH)


_NONE: Final = Problem(
    "This is no carry file of Tertulia.", "Nothing was changed.", "Choose the file that was exported."
)
_LATER: Final = Problem(
    "This carry file was made by a later version of Tertulia.",
    "Nothing was changed.",
    "Update Tertulia here, or have it exported by the version that runs here.",
)
_ENOUGH: Final = Problem(
    "This is more than is taken in from files on one day.", _KEPT, "Take the same file in again tomorrow."
)
_REFUSED: Final = Problem("The disk refused to take the frames in.", _KEPT, "Make room and take the file in again.")


def _judge(carrying: Carrying, raw: bytes) -> tuple[Carrier, Frame] | str:
    verdict = "strange"
    for carried in carrying:
        try:
            return carried.carrier, carried.carrier.check(raw)
        except RemoteError as wrong:
            if wrong.reason is RejectReason.WINDOW:
                verdict = "old"
    return verdict
