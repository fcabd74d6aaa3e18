"""What can go wrong: a peer's bytes, or something a person has to know.

Spec: docs/spec/README.md, *Rejections*. Decoding hostile bytes raises `RemoteError` and nothing else; the driver counts
it by reason and goes on. A person's mistake raises `LocalError` with three sentences. Neither ever holds plaintext,
a key or a peer's address.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class RejectReason(StrEnum):
    """Why a peer's bytes were refused. The value is the name of a counter."""

    # The frame, in the order in which a carrier checks it.
    LENGTH = "length"  # not 1, 4 or 16 KiB
    VERSION = "version"  # a version we do not speak
    CLASS = "class"  # unknown, or not the class of this length
    WINDOW = "window"  # its minute is too old or too far ahead: ignored without penalty
    MAC = "mac"  # not made by a member of the commons, or altered since

    # What is inside, for those who hold the key.
    TAG = "tag"  # not sealed under this key, or its tag sits on other bytes
    SEAL = "seal"  # the AEAD does not open
    PADDING = "padding"  # a wrong length, or padding that is not zero
    PART = "part"  # parts that do not fit together

    # Values.
    SIZE = "size"  # more bytes than the limit for this place
    ENCODING = "encoding"  # not canonical strict CBOR
    SHAPE = "shape"  # well-formed, but not what belongs here
    LIMIT = "limit"  # more of something than the spec allows

    # Meaning.
    ID = "id"  # an id that is not the hash of what it names
    KEY = "key"  # a public key that cannot be one
    PROOF = "proof"  # a signature, MAC or proof of possession that fails
    EXPIRED = "expired"  # its time has passed
    OLD = "old"  # a version older than one that is known
    FORK = "fork"  # decided by people who have already handed that decision to others
    HELLO = "hello"  # the other side does not know the commons' key


class ProtocolError(Exception):
    """The root of everything `protocol` raises on purpose."""


class RemoteError(ProtocolError):
    """A peer's bytes are wrong. `detail` is a few fixed words for a log: never content, keys or addresses."""

    def __init__(self, reason: RejectReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Problem:
    """Three sentences for a person: what happened, what is safe, what to do next."""

    error: str
    safe: str
    next: str


class LocalError(ProtocolError):
    """A person's mistake, or ours: `problem` says it in three sentences."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.error)
        self.problem = problem
