"""An invite: the one line of text (or the one QR code) that brings somebody into a dialogue.

Implements docs/spec/invite.md, section Invite: at most 121 bytes, at most 194 letters of base32 without padding,
all of them in a QR code's alphanumeric set. Text from a person is read forgivingly (case, spaces, line breaks,
hyphens, quotes), its bytes strictly. Every way it can be wrong has one sentence of its own, in `FAULTS`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tertulia.protocol import address as addresses
from tertulia.protocol.address import NOWHERE, Address
from tertulia.protocol.crypto import digest, equal
from tertulia.protocol.errors import LocalError, Problem
from tertulia.protocol.frame import FrameKeys, frame_keys
from tertulia.protocol.labels import Label

INVITE_VERSION: Final = 1
SECRET: Final = 16
KEY: Final = 32
CHECK: Final = 4
LIMIT_INVITE: Final = 121
"""Bytes of an invite, check included."""
LIMIT_INVITE_LETTERS: Final = 194
"""Letters of its text: 121 bytes in base32."""
LIMIT_INVITE_TEXT: Final = 2_048
"""Characters of a pasted text that is looked at for an invite at all."""

_HEAD: Final = 2 + KEY + SECRET + 1
_MIN: Final = _HEAD + KEY + CHECK
_DROPPED: Final = dict.fromkeys(
    map(ord, "-\u2010\u2011\u00ad\u200b\u2060\ufeff\"'`<>\u2018\u2019\u201c\u201d\u00ab\u00bb")
)
"""What chat programs, mail and people put around and into a pasted line."""
_START: Final = "AE"
"""How the text of every invite of version 1 begins."""


class Fault(StrEnum):
    """What can be wrong with an invite."""

    NOT_AN_INVITE = "not an invite"
    DAMAGED = "damaged"
    OTHER_VERSION = "other version"
    USED_UP = "used up"
    EXPIRED = "expired"
    OTHER_COMMUNITY = "other community"
    FALSE_CARD = "false card"
    FULL = "full"
    REFUSED = "refused"


FAULTS: Mapping[Fault, Problem] = {
    Fault.NOT_AN_INVITE: Problem(
        error="This is not an invite.",
        safe="Nothing was sent and nothing changed.",
        next="Copy the whole invite, letters and digits only, from whoever invited you; it begins with AE.",
    ),
    Fault.DAMAGED: Problem(
        error="This invite is damaged: a letter is wrong, or a part is missing.",
        safe="Nothing was sent and nothing changed.",
        next="Copy it again, from its first letter to its last, or scan its QR code.",
    ),
    Fault.OTHER_VERSION: Problem(
        error="This invite was made by another version of Tertulia than yours.",
        safe="Nothing was sent and nothing changed.",
        next="Update Tertulia, or ask whoever invited you to update and to send a new invite.",
    ),
    Fault.USED_UP: Problem(
        error="This invite has been used as often as it allows.",
        safe="You are in no dialogue through it, and nobody was told anything but your nickname.",
        next="Ask whoever invited you for a new invite.",
    ),
    Fault.EXPIRED: Problem(
        error="This invite has expired.",
        safe="You are in no dialogue through it.",
        next="Ask whoever invited you for a new invite.",
    ),
    Fault.OTHER_COMMUNITY: Problem(
        error="This invite belongs to another community than the one that answers at its address.",
        safe="Nothing of yours was sent.",
        next="Ask whoever invited you for a new invite; theirs may have moved.",
    ),
    Fault.FALSE_CARD: Problem(
        error="What the network holds for this invite is not what its author published.",
        safe="Nothing of yours was sent; the false copy was thrown away.",
        next="Stay connected a while: the true one may still come. If it does not, ask for a new invite.",
    ),
    Fault.FULL: Problem(
        error="This dialogue is full: it has as many people as its rules allow.",
        safe="You are in no dialogue through it, and nobody was told anything but your nickname.",
        next="Ask whoever invited you; the same invite works again when somebody has left.",
    ),
    Fault.REFUSED: Problem(
        error="Whoever invited you has refused your knock.",
        safe="You are in no dialogue through it.",
        next="Ask them; if it was a mistake, they can send a new invite.",
    ),
}


def fault(kind: Fault) -> LocalError:
    """The error to raise for it."""
    return LocalError(FAULTS[kind])


@dataclass(frozen=True, slots=True)
class Invite:
    """What an invite says: the commons' key and generation, the card's secret, and where a seed peer listens.

    `secret` is 16 bytes; `peer` is the seed peer's raw Ed25519 key, 32 bytes.
    """

    commons_key: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    peer: bytes = field(repr=False)
    address: Address = field(default=NOWHERE, repr=False)
    generation: int = 1
    version: int = INVITE_VERSION


def encode_invite(invite: Invite) -> str:
    """The invite's text: 140 to 194 upper-case letters and digits."""
    body = b"".join((
        bytes((invite.version, invite.generation)),
        invite.commons_key,
        invite.secret,
        bytes((invite.address.kind,)),
        addresses.to_bytes(invite.address),
        invite.peer,
    ))  # fmt: skip
    return base64.b32encode(body + _check(body)).decode("ascii").rstrip("=")


def decode_invite(text: str) -> Invite:
    """Read what a person pasted, typed or scanned. Raises LocalError that says which thing is wrong."""
    letters = _letters(text)
    data = _unbase32(letters)
    wrong = Fault.DAMAGED if letters.startswith(_START) and len(letters) > KEY else Fault.NOT_AN_INVITE
    if data is None or len(data) < CHECK + 1:
        raise fault(wrong)
    body, check = data[:-CHECK], data[-CHECK:]
    if not equal(check, _check(body)):
        raise fault(wrong)
    if body[0] != INVITE_VERSION:
        raise fault(Fault.OTHER_VERSION)
    if not _MIN <= len(data) <= LIMIT_INVITE:
        raise fault(Fault.DAMAGED)
    key, secret, kind = body[2 : 2 + KEY], body[2 + KEY : _HEAD - 1], body[_HEAD - 1]
    address = addresses.from_bytes(kind, body[_HEAD:-KEY])
    if address is None:
        raise fault(Fault.DAMAGED)
    return Invite(key, secret, body[-KEY:], address, generation=body[1])


def invite_keys(secret: bytes, label: Label) -> FrameKeys:
    """Tag and AEAD keys of the frames that carry a card (Label.CARD_FRAME) or a knock (Label.KNOCK_FRAME)."""
    return frame_keys(label, secret)


def _check(body: bytes) -> bytes:
    return digest(Label.INVITE_CHECK, body)[:CHECK]


def _letters(text: str) -> str:
    if len(text) > LIMIT_INVITE_TEXT:
        raise fault(Fault.NOT_AN_INVITE)
    return "".join(text.translate(_DROPPED).split()).upper().removeprefix("TERTULIA:").lstrip("/")


def _unbase32(letters: str) -> bytes | None:
    """Canonical unpadded base32 only: the letters that encoding the bytes again would give."""
    if not letters.isascii() or len(letters) > LIMIT_INVITE_LETTERS:
        return None
    try:
        data = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except binascii.Error:
        return None
    return data if base64.b32encode(data).decode("ascii").rstrip("=") == letters else None
