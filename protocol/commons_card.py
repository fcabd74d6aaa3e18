"""The card of a commons: what a community says of itself, version by version, signed by a quorum of its stewards.

Implements docs/spec/commons.md, sections Card and Signatures. A card names the relays that carry the commons, further
seeds, who the stewards are and how many of them decide. Invariants: size before decode, every list bounded, one
encoding of every card; nothing here decides whether a card is to be followed: `commons_chain` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tertulia.protocol import address as addresses
from tertulia.protocol.commons import LIMIT_COMMONS_NAME, LIMIT_GENERATION, LIMIT_RETENTION_DAYS, LIMIT_SHARDS
from tertulia.protocol.crypto import PROOF, digest, sign, signing_public, verify
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import CommonsId
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_id, as_ids, as_int, as_list, as_text, wrong
from tertulia.protocol.sync_messages import LIMIT_MINUTE
from tertulia.protocol.text import LIMIT_NAME

if TYPE_CHECKING:
    from tertulia.protocol.address import Address

COMMONS_CARD_VERSION: Final = 1
LIMIT_COMMONS_CARD: Final = 8 * 1024
"""Bytes of a commons' card without its signatures."""
LIMIT_SIGNED_CARD: Final = LIMIT_COMMONS_CARD + 2 * 1024
"""Bytes of a commons' card with its signatures."""
LIMIT_RELAYS: Final = 16
"""Relays on a card, and further seeds."""
LIMIT_RELAY_ADDRESSES: Final = 4
"""Addresses of one relay or seed on a card."""
LIMIT_STEWARDS: Final = 16
"""Stewards of a commons."""
LIMIT_CARD_VERSION: Final = 2**32 - 1
"""The last version of a commons' card."""
LIMIT_CARD_DAYS: Final = 366
"""Days that a card may be valid for."""
LIMIT_FRAMES_DAY: Final = 2**32 - 1
"""Frames, or KiB of them, that a card may allow a neighbour on one day."""
MINUTES_PER_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay, or a seed: its raw Ed25519 key, the community's word for it, and where it listens."""

    peer: bytes
    name: str
    addresses: tuple[Address, ...] = field(default=(), repr=False)

    @property
    def multiaddrs(self) -> tuple[str, ...]:
        """Its addresses, without its PeerId."""
        return tuple(addresses.to_multiaddr(address) for address in self.addresses)

    def to_value(self) -> Value:
        """Return [peer, name, [[kind, bytes], …]]."""
        return [self.peer, self.name, [[int(one.kind), addresses.to_bytes(one)] for one in self.addresses]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a neighbour may bring on one day: frames, and KiB of them. 0 leaves it to each node."""

    frames: int = 0
    kib: int = 0


@dataclass(frozen=True, slots=True)
class Stewards:
    """Who may change the card, by their raw Ed25519 keys in ascending order, and how many of them together."""

    keys: tuple[bytes, ...]
    quorum: int

    @property
    def digest(self) -> bytes:
        """H of them: what an invite's card, and a relay's ticket, vouch for."""
        return digest(Label.COMMONS_STEWARDS, encode([self.quorum, list(self.keys)]))


@dataclass(frozen=True, slots=True)
class CommonsCard:
    """One version of a card. `issued` and `expires` are minutes; `commons` is the id of the key it speaks of."""

    commons: CommonsId
    version: int
    generation: int
    name: str
    retention_days: int
    stewards: Stewards
    issued: int
    expires: int
    limits: Limits = Limits()
    shards: int = 1
    relays: tuple[Relay, ...] = ()
    seeds: tuple[Relay, ...] = ()

    def encoded(self) -> bytes:
        """The card's bytes: what stewards sign."""
        return encode([
            COMMONS_CARD_VERSION,
            self.commons,
            self.version,
            self.generation,
            self.name,
            self.retention_days,
            [self.limits.frames, self.limits.kib],
            self.shards,
            [relay.to_value() for relay in self.relays],
            [seed.to_value() for seed in self.seeds],
            [self.stewards.quorum, list(self.stewards.keys)],
            self.issued,
            self.expires,
        ])  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> CommonsCard:
        """Read a card's bytes. Raises RemoteError: SIZE, ENCODING, SHAPE, VERSION."""
        version, *fields = as_list(decode(data, LIMIT_COMMONS_CARD), most=32) or [0]
        if as_int(version, 0, 255) != COMMONS_CARD_VERSION:
            raise RemoteError(RejectReason.VERSION, "card of a commons")
        commons, number, generation, name, days, limits, shards, relays, seeds, stewards, issued, expires = as_list(
            fields, 12
        )
        frames, kib = as_list(limits, 2)
        card = cls(
            commons=CommonsId(as_id(commons)),
            version=as_int(number, 1, LIMIT_CARD_VERSION),
            generation=as_int(generation, 0, LIMIT_GENERATION),
            name=as_text(name, LIMIT_COMMONS_NAME),
            retention_days=as_int(days, 1, LIMIT_RETENTION_DAYS),
            stewards=read_stewards(stewards),
            issued=as_int(issued, 0, LIMIT_MINUTE),
            expires=as_int(expires, 0, LIMIT_MINUTE),
            limits=Limits(as_int(frames, 0, LIMIT_FRAMES_DAY), as_int(kib, 0, LIMIT_FRAMES_DAY)),
            shards=as_int(shards, 1, LIMIT_SHARDS),
            relays=_read_relays(relays),
            seeds=_read_relays(seeds),
        )
        if not card.issued < card.expires <= card.issued + LIMIT_CARD_DAYS * MINUTES_PER_DAY:
            raise wrong("a card's life")
        return card


@dataclass(frozen=True, slots=True)
class SignedCard:
    """A card's bytes as they were signed, and who signed: (steward's key, signature), by key."""

    body: bytes = field(repr=False)
    card: CommonsCard
    signatures: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)

    @property
    def id(self) -> bytes:
        """H of the card, without its signatures: how a person names it, and how two of one version are told apart."""
        return digest(Label.COMMONS_CARD_ID, self.body)

    def signed_by(self, stewards: Stewards) -> int:
        """How many of these stewards have signed."""
        return sum(
            key in stewards.keys and verify(key, Label.COMMONS_CARD, self.body, proof) for key, proof in self.signatures
        )

    def is_decided_by(self, stewards: Stewards) -> bool:
        """Whether a quorum of these stewards has signed."""
        return self.signed_by(stewards) >= stewards.quorum

    def with_signature(self, seed: bytes) -> SignedCard:
        """The same card, also signed with this steward's 32-byte seed."""
        return self.with_signatures(((signing_public(seed), sign(seed, Label.COMMONS_CARD, self.body)),))

    def with_signatures(self, more: tuple[tuple[bytes, bytes], ...]) -> SignedCard:
        """The same card with further signatures; of one steward's two the later one stays."""
        return replace(self, signatures=tuple(sorted(dict((*self.signatures, *more)).items()))[:LIMIT_STEWARDS])

    def without_strangers(self, stewards: Stewards) -> SignedCard:
        """The same card with the good signatures of these stewards and no others."""
        good = tuple(
            (key, proof)
            for key, proof in self.signatures
            if key in stewards.keys and verify(key, Label.COMMONS_CARD, self.body, proof)
        )
        return replace(self, signatures=good)

    def to_value(self) -> Value:
        """Return [card, [[key, signature], …]]."""
        return [self.body, [[key, proof] for key, proof in self.signatures]]

    @classmethod
    def from_value(cls, value: Value) -> SignedCard:
        """Read what `to_value` gives. Raises RemoteError: SIZE, ENCODING, SHAPE, VERSION; proofs are not looked at."""
        body, signatures = as_list(value, 2)
        data = as_bytes(body, most=LIMIT_COMMONS_CARD)
        pairs = [as_list(pair, 2) for pair in as_list(signatures, most=LIMIT_STEWARDS)]
        as_ids([key for key, _ in pairs], LIMIT_STEWARDS)
        signed = tuple((as_id(key), as_bytes(proof, PROOF)) for key, proof in pairs)
        return cls(data, CommonsCard.from_bytes(data), signed)


def unsigned(card: CommonsCard) -> SignedCard:
    """A card that nobody has signed yet. Raises ValueError where it is larger than a card may be."""
    body = card.encoded()
    if len(body) > LIMIT_COMMONS_CARD:
        raise ValueError("a card too large")
    return SignedCard(body, card)


def read_stewards(value: Value) -> Stewards:
    """Read [quorum, keys]. Raises RemoteError(SHAPE); there is at least one steward, and no more are asked than are."""
    quorum, keys = as_list(value, 2)
    found = as_ids(keys, LIMIT_STEWARDS)
    return Stewards(found, as_int(quorum, 1, len(found)))


def _read_relays(value: Value) -> tuple[Relay, ...]:
    relays = []
    for entry in as_list(value, most=LIMIT_RELAYS):
        peer, name, places = as_list(entry, 3)
        found = tuple(_read_address(place) for place in as_list(places, most=LIMIT_RELAY_ADDRESSES))
        relays.append(Relay(as_id(peer), as_text(name, LIMIT_NAME), found))
    as_ids([relay.peer for relay in relays], LIMIT_RELAYS)
    return tuple(relays)


def _read_address(value: Value) -> Address:
    kind, data = as_list(value, 2)
    found = addresses.from_bytes(as_int(kind, 1, 255), as_bytes(data, most=addresses.LIMIT_ADDRESS))
    if found is None:
        raise wrong("no address")
    return found
