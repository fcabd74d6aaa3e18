"""A relay ticket: what an operator needs to carry a commons, and no more.

Implements docs/spec/invite.md, section Relay ticket: base32 of CBOR [version, commons] and a check of 4 bytes. It
holds the commons' key, its first stewards' digest and where its seed listens; it opens no frame, names no dialogue and
lets nobody in. Text from a person is read forgivingly, its bytes strictly.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from tertulia.protocol.commons import Commons, from_value
from tertulia.protocol.crypto import digest, equal
from tertulia.protocol.encoding import decode, encode
from tertulia.protocol.errors import LocalError, Problem, RemoteError
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_int, as_list

TICKET_VERSION: Final = 1
CHECK: Final = 4
PREFIX: Final = "RELAY:"
LIMIT_TICKET: Final = 4_608
"""Bytes of a ticket, check included: sixteen addresses of a seed at their longest."""
LIMIT_FIELDS: Final = 8
"""Fields of a ticket of any version."""
LIMIT_TICKET_TEXT: Final = 8_192
"""Characters of a pasted text that is looked at for a ticket at all."""

NOT_A_TICKET: Final = Problem(
    error="This is not a relay ticket, or a part of it is missing.",
    safe="No community was added and nothing was sent.",
    next="Ask a member for a new one (tertulia commons ticket) and copy it whole; an invite is something else.",
)
OTHER_VERSION: Final = Problem(
    error="This relay ticket was made by another version of Tertulia than this one.",
    safe="No community was added and nothing was sent.",
    next="Update this relay, or ask for a ticket from a member whose Tertulia is up to date.",
)


def encode_ticket(commons: Commons) -> str:
    """The ticket's text: `RELAY:` and upper-case letters and digits."""
    body = encode([TICKET_VERSION, commons.to_value()])
    return PREFIX + base64.b32encode(body + _check(body)).decode("ascii").rstrip("=")


def decode_ticket(text: str) -> Commons:
    """Read what an operator pasted. Raises LocalError."""
    letters = "".join(text[:LIMIT_TICKET_TEXT].split()).upper().strip("\"'`<>").removeprefix(PREFIX)
    try:
        data = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except (binascii.Error, ValueError):
        raise LocalError(NOT_A_TICKET) from None
    body, check = data[:-CHECK], data[-CHECK:]
    if not body or not equal(check, _check(body)):
        raise LocalError(NOT_A_TICKET)
    try:
        version, *fields = as_list(decode(body, LIMIT_TICKET), most=LIMIT_FIELDS) or [TICKET_VERSION]
        if as_int(version, 0, 255) != TICKET_VERSION:
            raise LocalError(OTHER_VERSION)
        return from_value(as_list(fields, 1)[0])
    except RemoteError:
        raise LocalError(NOT_A_TICKET) from None


def _check(body: bytes) -> bytes:
    return digest(Label.RELAY_TICKET, body)[:CHECK]
