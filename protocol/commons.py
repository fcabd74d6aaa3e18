"""A commons, the network a community runs for itself, and the hello by which its nodes know one another.

Spec: docs/spec/frame.md, *Commons* and *Hello*. Who holds the 32-byte key may carry and publish.
Before all else on a connection both sides prove the key over both PeerIds, roles, nonces and clocks: `HelloOpen` →,
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

from tertulia.protocol import crypto
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import ID, CommonsId
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_id, as_int, as_list, as_text, wrong

DEFAULT_RETENTION_DAYS: Final = 30
LIMIT_RETENTION_DAYS: Final = 365
"""Days that a commons may keep frames."""
LIMIT_GENERATION: Final = 255
"""The last generation of a commons' key."""
LIMIT_COMMONS_NAME: Final = 80
"""Characters of a commons' name."""
LIMIT_ADDRESSES: Final = 16
"""Addresses of a seed."""
LIMIT_ADDRESS: Final = 255
"""Characters of one address."""
LIMIT_SHARDS: Final = 256
"""Shards of a commons."""
LIMIT_HELLO: Final = 128
"""Bytes of one hello message."""
LIMIT_CLOCK: Final = 2**53
"""Milliseconds since the Unix epoch that a clock may show."""

HELLO_PROTOCOL: Final = "/tertulia/hello/1"
HELLO_VERSION: Final = 1
HELLO_NONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Commons:
    """What a node has to know to take part in a commons.

    `addresses` are multiaddrs of its seed, without a PeerId; `peer` is the seed's 32-byte Ed25519 key, or empty.
    `stewards` is the digest of the stewards it trusts until it knows a card (commons_chain.py), or empty.
    """

    key: bytes = field(repr=False)
    generation: int
    name: str
    retention_days: int = DEFAULT_RETENTION_DAYS
    addresses: tuple[str, ...] = field(default=(), repr=False)
    peer: bytes = field(default=b"", repr=False)
    stewards: bytes = field(default=b"", repr=False)

    @property
    def id(self) -> CommonsId:
        """H(label, key, generation): who knows it cannot find the key."""
        return CommonsId(crypto.digest(Label.COMMONS_ID, encode([self.key, self.generation])))

    def to_value(self) -> Value:
        """Return [key, generation, name, retention in days, addresses, peer], and the stewards' digest if there is."""
        known: list[Value] = [self.stewards] if self.stewards else []
        return [self.key, self.generation, self.name, self.retention_days, self.addresses, self.peer, *known]


def from_value(value: Value) -> Commons:
    """Read what `to_value` gives. Raises RemoteError(SHAPE)."""
    fields = as_list(value, most=7)
    key, generation, name, days, addresses, peer = as_list(fields[:6], 6)
    seed = as_bytes(peer, most=ID)
    if len(seed) not in {0, ID}:
        raise wrong("a peer is 32 bytes or none")
    return Commons(
        as_bytes(key, crypto.KEY),
        as_int(generation, 0, LIMIT_GENERATION),
        as_text(name, LIMIT_COMMONS_NAME),
        as_int(days, 1, LIMIT_RETENTION_DAYS),
        tuple(as_text(address, LIMIT_ADDRESS) for address in as_list(addresses, most=LIMIT_ADDRESSES)),
        seed,
        as_id(fields[6]) if len(fields) == 7 else b"",
    )


def topic(commons: Commons, shard: int = 0) -> str:
    """Return the name of a shard's GossipSub topic: 64 hex digits that say nothing to outsiders."""
    if not 0 <= shard < LIMIT_SHARDS:
        raise ValueError("no such shard")
    return crypto.keyed(Label.COMMONS_TOPIC, commons.key, encode([commons.generation, shard])).hex()


# ---------------------------------------------------------------------------------------------------------------------
# Hello


@unique
class Role(IntEnum):
    """Which side of a hello someone is: it keeps a proof from being sent back as one's own."""

    INITIATOR = 1
    RESPONDER = 2


@dataclass(frozen=True, slots=True)
class HelloOpen:
    """Initiator → responder: a fresh nonce."""

    nonce: bytes

    def encoded(self) -> bytes:
        """Return CBOR [version, nonce]."""
        return encode([HELLO_VERSION, self.nonce])


@dataclass(frozen=True, slots=True)
class HelloAnswer:
    """Responder → initiator: a fresh nonce, the proof, and the responder's clock (ms)."""

    nonce: bytes
    proof: bytes = field(repr=False)
    clock: int

    def encoded(self) -> bytes:
        """Return CBOR [nonce, proof, clock]."""
        return encode([self.nonce, self.proof, self.clock])


@dataclass(frozen=True, slots=True)
class HelloDone:
    """Initiator → responder: the proof and the initiator's clock (ms)."""

    proof: bytes = field(repr=False)
    clock: int

    def encoded(self) -> bytes:
        """Return CBOR [proof, clock]."""
        return encode([self.proof, self.clock])


def hello_proof(
    key: bytes, role: Role, my_peer: bytes, their_peer: bytes, my_nonce: bytes, their_nonce: bytes, clock: int
) -> bytes:
    """Return the 32-byte MAC by which the side in `role` proves the commons key on this connection.

    Peers are 32-byte Ed25519 public keys, nonces 32 bytes, the clock is that of the side that proves.
    """
    covered: Sequence[Value] = [HELLO_VERSION, role, my_peer, their_peer, my_nonce, their_nonce, clock]
    return crypto.keyed(Label.HELLO, crypto.derive(Label.HELLO_KEY, key), encode(covered))


def answer_hello(
    key: bytes, my_peer: bytes, their_peer: bytes, opened: HelloOpen, nonce: bytes, clock: int
) -> HelloAnswer:
    """Answer an initiator as the responder; `nonce` is fresh. Nothing is checked yet: `check_hello` does."""
    proof = hello_proof(key, Role.RESPONDER, my_peer, their_peer, nonce, opened.nonce, clock)
    return HelloAnswer(nonce, proof, clock)


def finish_hello(
    key: bytes, my_peer: bytes, their_peer: bytes, opened: HelloOpen, answer: HelloAnswer, clock: int
) -> HelloDone:
    """Check the responder's proof as the initiator and return one's own.

    Raises RemoteError(HELLO) for another commons or key, an altered or replayed answer, or a peer that is oneself.
    """
    _require(key, Role.RESPONDER, their_peer, my_peer, answer.nonce, opened.nonce, answer.clock, answer.proof)
    return HelloDone(hello_proof(key, Role.INITIATOR, my_peer, their_peer, opened.nonce, answer.nonce, clock), clock)


def check_hello(
    key: bytes, my_peer: bytes, their_peer: bytes, opened: HelloOpen, answer: HelloAnswer, done: HelloDone
) -> None:
    """Check the initiator's proof as the responder; returning means that this peer is of the commons.

    Raises RemoteError(HELLO) as `finish_hello` does.
    """
    _require(key, Role.INITIATOR, their_peer, my_peer, opened.nonce, answer.nonce, done.clock, done.proof)


def read_open(data: bytes) -> HelloOpen:
    """Read the first message. Raises RemoteError: SIZE, ENCODING, SHAPE, VERSION."""
    version, nonce = as_list(decode(data, LIMIT_HELLO), 2)
    if as_int(version, 0, 255) != HELLO_VERSION:
        raise RemoteError(RejectReason.VERSION, "hello")
    return HelloOpen(as_bytes(nonce, HELLO_NONCE))


def read_answer(data: bytes) -> HelloAnswer:
    """Read the second message. Raises RemoteError: SIZE, ENCODING, SHAPE."""
    nonce, proof, clock = as_list(decode(data, LIMIT_HELLO), 3)
    return HelloAnswer(as_bytes(nonce, HELLO_NONCE), as_bytes(proof, 32), as_int(clock, 0, LIMIT_CLOCK))


def read_done(data: bytes) -> HelloDone:
    """Read the third message. Raises RemoteError: SIZE, ENCODING, SHAPE."""
    proof, clock = as_list(decode(data, LIMIT_HELLO), 2)
    return HelloDone(as_bytes(proof, 32), as_int(clock, 0, LIMIT_CLOCK))


def _require(
    key: bytes, role: Role, prover: bytes, checker: bytes, nonce: bytes, other: bytes, clock: int, proof: bytes
) -> None:
    if prover == checker or not crypto.equal(hello_proof(key, role, prover, checker, nonce, other, clock), proof):
        raise RemoteError(RejectReason.HELLO)
