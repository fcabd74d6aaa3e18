"""Frames: the padded ciphertexts that peers carry, all alike to whoever lacks the key.

Spec: docs/spec/frame.md. `version 1 ‖ class 1 ‖ minute 4 ‖ tag 32 ‖ nonce 24 ‖ ciphertext ‖ mac 16`, exactly 1, 4 or
16 KiB. The tag recognises, authenticates and commits to the key; the mac shows every carrier that a member of the
commons made it. A frame changed in any bit, moved in time, or cut is refused with a reason of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

from tertulia.protocol import crypto
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import FrameId
from tertulia.protocol.item import LIMIT_ITEMS, Item, from_value
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_list

VERSION: Final = 1
LIMIT_AHEAD: Final = 90
"""Minutes that a frame's minute may lie ahead of now."""
LIMIT_GOSSIP_AGE: Final = 2 * 60
"""Minutes that a frame's minute may lie behind now, when it comes by gossip or feed."""
MINUTE_STEP: Final = 10
"""Frames are published with minutes that are multiples of this."""

_AAD: Final = 6  # version, class, minute
_TAG: Final = slice(6, 38)
_NONCE: Final = slice(38, 62)
_MAC: Final = 16
_BODY: Final = slice(62, -_MAC)
_LENGTH: Final = 2  # bytes in front of the items that say how long they are
_OVERHEAD: Final = 62 + crypto.SEAL + _MAC
_MINUTE_MS: Final = 60_000
_DAY: Final = 24 * 60


@unique
class FrameClass(IntEnum):
    """The three sizes of a frame."""

    SMALL = 1
    MEDIUM = 2
    LARGE = 3

    @property
    def size(self) -> int:
        """Bytes of the whole frame."""
        return 256 << (2 * self)

    @property
    def capacity(self) -> int:
        """Bytes that the encoded list of items may have."""
        return self.size - _OVERHEAD - _LENGTH


_CLASS_OF_SIZE: Final = {frame_class.size: frame_class for frame_class in FrameClass}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose structure has been read. Two frames are equal when their bytes are."""

    raw: bytes = field(repr=False)
    minute: int = field(compare=False)
    frame_class: FrameClass = field(compare=False)
    tag: bytes = field(compare=False, repr=False)
    nonce: bytes = field(compare=False, repr=False)
    _id: list[FrameId] = field(default_factory=list, init=False, compare=False, repr=False)
    _tagged: list[bytes] = field(default_factory=list, init=False, compare=False, repr=False)

    @property
    def id(self) -> FrameId:
        """The frame's id: H of all its bytes. Computed once."""
        if not self._id:
            self._id.append(FrameId(crypto.digest(Label.FRAME_ID, self.raw)))
        return self._id[0]

    @property
    def aad(self) -> bytes:
        """Version, class and minute as they stand in the frame."""
        return self.raw[:_AAD]

    @property
    def ciphertext(self) -> bytes:
        """The sealed items, the AEAD's own 16 bytes at their end."""
        return self.raw[_BODY]

    @property
    def tagged(self) -> bytes:
        """What the tag covers: aad ‖ nonce ‖ H(ciphertext). Computed once, then each key tried costs one short hash."""
        if not self._tagged:
            self._tagged.append(_tagged(self.aad, self.nonce, self.ciphertext))
        return self._tagged[0]


@dataclass(frozen=True, slots=True)
class FrameKeys:
    """The two keys that make and recognise frames of one secret: 32 bytes each."""

    tag: bytes = field(repr=False)
    aead: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Window:
    """The minutes that are acceptable, both ends included."""

    oldest: int
    newest: int

    def __contains__(self, minute: int) -> bool:
        return self.oldest <= minute <= self.newest


def gossip_window(now: int) -> Window:
    """Return what gossip and feed may bring at `now` (ms): from two hours ago to 90 minutes ahead."""
    minute = now // _MINUTE_MS
    return Window(minute - LIMIT_GOSSIP_AGE, minute + LIMIT_AHEAD)


def sync_window(now: int, retention_days: int) -> Window:
    """Return what sync may bring at `now` (ms): as far back as the commons keeps frames."""
    minute = now // _MINUTE_MS
    return Window(minute - retention_days * _DAY, minute + LIMIT_AHEAD)


def publication_minute(now: int) -> int:
    """Return the minute that a frame first published at `now` (ms) bears: the next multiple of 10."""
    return (now // _MINUTE_MS // MINUTE_STEP + 1) * MINUTE_STEP


def frame_keys(label: Label, secret: bytes) -> FrameKeys:
    """Derive the frame keys that a 16- to 64-byte secret has for the use named by the label."""
    root = crypto.derive(label, secret)
    return FrameKeys(crypto.derive(Label.FRAME_TAG_KEY, root), crypto.derive(Label.FRAME_AEAD, root))


def read(raw: bytes) -> Frame:
    """Read the structure alone. Raises RemoteError: LENGTH, VERSION or CLASS, in that order."""
    frame_class = _CLASS_OF_SIZE.get(len(raw))
    if frame_class is None:
        raise RemoteError(RejectReason.LENGTH)
    if raw[0] != VERSION:
        raise RemoteError(RejectReason.VERSION)
    if raw[1] != frame_class:
        raise RemoteError(RejectReason.CLASS)
    return Frame(raw, int.from_bytes(raw[2:_AAD], "big"), frame_class, raw[_TAG], raw[_NONCE])


def check(raw: bytes, commons_key: bytes, window: Window) -> Frame:
    """Do all that a carrier can, cheapest first. Raises RemoteError: as `read` does, then WINDOW, then MAC."""
    frame = read(raw)
    if frame.minute not in window:
        raise RemoteError(RejectReason.WINDOW)
    if not crypto.equal(_mac(commons_key, raw[:-_MAC]), raw[-_MAC:]):
        raise RemoteError(RejectReason.MAC)
    return frame


def seal(
    commons_key: bytes,
    keys: FrameKeys,
    frame_class: FrameClass,
    minute: int,
    nonce: bytes,
    items: Sequence[Item],
) -> Frame:
    """Make a frame of items that fit it (see `item.pack`), under a fresh random nonce of 24 bytes.

    Raises ValueError where the items do not fit or the minute is not in 32 bits: mistakes of the caller.
    """
    if len(items) > LIMIT_ITEMS:
        raise ValueError("more items than a frame may hold")
    encoded = encode([[item.type, item.body] for item in items])
    if len(encoded) > frame_class.capacity:
        raise ValueError("the items do not fit a frame of this class")
    if not 0 <= minute < 2**32:
        raise ValueError("a minute has 32 bits")
    aad = bytes([VERSION, frame_class]) + minute.to_bytes(4, "big")
    plaintext = len(encoded).to_bytes(_LENGTH, "big") + encoded.ljust(frame_class.capacity, b"\0")
    ciphertext = crypto.seal(keys.aead, nonce, plaintext, aad)
    tag = crypto.keyed(Label.FRAME_TAG, keys.tag, _tagged(aad, nonce, ciphertext))
    covered = aad + tag + nonce + ciphertext
    return Frame(covered + _mac(commons_key, covered), minute, frame_class, tag, nonce)


def recognises(keys: FrameKeys, frame: Frame) -> bool:
    """Say whether the frame was sealed under these keys and is unaltered: one short keyed hash."""
    return crypto.equal(crypto.keyed(Label.FRAME_TAG, keys.tag, frame.tagged), frame.tag)


def find(frame: Frame, keys: Sequence[FrameKeys]) -> int | None:
    """Return which of many keys recognises the frame, or None."""
    tagged, tag = frame.tagged, frame.tag
    for index, pair in enumerate(keys):
        if crypto.equal(crypto.keyed(Label.FRAME_TAG, pair.tag, tagged), tag):
            return index
    return None


def open(keys: FrameKeys, frame: Frame) -> tuple[Item, ...]:  # noqa: A001 - the spec's word; used as frame.open
    """Return what the frame holds.

    Raises RemoteError: TAG where these keys do not recognise it; then, for a frame that a member made wrongly, SEAL,
    PADDING, ENCODING or SHAPE.
    """
    if not recognises(keys, frame):
        raise RemoteError(RejectReason.TAG)
    plaintext = crypto.unseal(keys.aead, frame.nonce, frame.ciphertext, frame.aad)
    if plaintext is None:
        raise RemoteError(RejectReason.SEAL)
    end = _LENGTH + int.from_bytes(plaintext[:_LENGTH], "big")
    if end > len(plaintext) or plaintext.count(0, end) < len(plaintext) - end:
        raise RemoteError(RejectReason.PADDING)
    value = decode(plaintext[_LENGTH:end], frame.frame_class.capacity)
    return tuple(from_value(entry) for entry in as_list(value, most=LIMIT_ITEMS))


def _tagged(aad: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    return aad + nonce + crypto.digest(Label.FRAME_BODY, ciphertext)


def _mac(commons_key: bytes, covered: bytes) -> bytes:
    return crypto.keyed(Label.FRAME_MAC, crypto.derive(Label.FRAME_MAC_KEY, commons_key), covered, _MAC)
