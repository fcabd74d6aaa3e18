"""The card of an invite: what a guest reads before they knock.

Implements docs/spec/invite.md, section Card. The invite's 16-byte secret is the first half of a hash of the card, and
the card's frame is sealed under that secret: whoever holds the invite holds exactly one card, and one that does not
hash to the secret is refused. The hash that admissions name is another one, so that it gives no invite away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol import hpke
from tertulia.protocol.charter import LIMIT_CHARTER, LIMIT_TITLE, dialogue_id
from tertulia.protocol.commons import LIMIT_COMMONS_NAME, LIMIT_RETENTION_DAYS
from tertulia.protocol.crypto import digest, equal
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameKeys
from tertulia.protocol.ids import DialogueId
from tertulia.protocol.invite import SECRET, invite_keys
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.persona import PersonaKeys
from tertulia.protocol.prekey import LIMIT_MINUTE
from tertulia.protocol.shape import as_bool, as_bytes, as_id, as_int, as_list, as_text
from tertulia.protocol.text import LIMIT_NAME

CARD_VERSION: Final = 1
RANDOMNESS: Final = 32
LIMIT_CARD: Final = 16 * 1024
"""Bytes of an encoded card."""
LIMIT_USES: Final = 1_000
"""People one invite can let in."""


@dataclass(frozen=True, slots=True)
class Card:
    """`charter` is the encoded body of the charter event, `expires` a minute, `hpke_public` what knocks are sealed to.

    `randomness` is 32 random bytes, without which the secret could be guessed from what the card says. `stewards` is
    the digest of the commons' stewards as the inviter knows them, or empty: where the guest's trust in them begins.
    """

    dialogue: DialogueId
    title: str = field(repr=False)
    commons_name: str = field(repr=False)
    retention_days: int
    inviter: PersonaKeys
    nick: str = field(repr=False)
    hpke_public: bytes = field(repr=False)
    uses: int
    expires: int
    ask: bool
    charter: bytes = field(repr=False)
    randomness: bytes = field(repr=False)
    stewards: bytes = b""

    def encoded(self) -> bytes:
        """The card's bytes: what its hashes are of."""
        return encode([
            CARD_VERSION,
            self.dialogue,
            self.title,
            self.commons_name,
            self.retention_days,
            self.inviter.to_value(),
            self.nick,
            self.hpke_public,
            self.uses,
            self.expires,
            self.ask,
            self.charter,
            self.randomness,
            *([self.stewards] if self.stewards else ()),
        ])  # fmt: skip

    def to_item(self) -> Item:
        """The card as an item of a frame under `card_keys`."""
        return Item(ItemType.CARD, self.encoded())

    @classmethod
    def from_item(cls, item: Item, secret: bytes) -> Card:
        """Read the card that an invite's secret names.

        Raises RemoteError: ID when it is not the card of this secret; else as `from_value`.
        """
        if not equal(_secret(as_bytes(item.body, most=LIMIT_CARD)), secret):
            raise RemoteError(RejectReason.ID, "card")
        return cls.from_value(item.body)

    @classmethod
    def from_value(cls, value: Value) -> Card:
        """Read a card's bytes.

        Raises RemoteError: SHAPE, ENCODING, VERSION, KEY; ID when its rules are not those of its dialogue.
        """
        data = as_bytes(value, most=LIMIT_CARD)
        version, *fields = as_list(decode(data, LIMIT_CARD), most=32) or [0]
        if as_int(version, 0, LIMIT_MINUTE) != CARD_VERSION:
            raise RemoteError(RejectReason.VERSION, "card")
        dialogue, title, commons, days, inviter, nick, kem, uses, expires, ask, charter, randomness = as_list(
            fields[:12], 12
        )
        card = cls(
            dialogue=DialogueId(as_id(dialogue)),
            title=as_text(title, LIMIT_TITLE),
            commons_name=as_text(commons, LIMIT_COMMONS_NAME),
            retention_days=as_int(days, 1, LIMIT_RETENTION_DAYS),
            inviter=PersonaKeys.from_value(inviter),
            nick=as_text(nick, LIMIT_NAME),
            hpke_public=as_bytes(kem, hpke.PUBLIC),
            uses=as_int(uses, 1, LIMIT_USES),
            expires=as_int(expires, 0, LIMIT_MINUTE),
            ask=as_bool(ask),
            charter=as_bytes(charter, most=LIMIT_CHARTER),
            randomness=as_bytes(randomness, RANDOMNESS),
            stewards=b"".join(as_id(digest) for digest in as_list(fields[12:], most=1)),
        )
        if not hpke.is_public(card.hpke_public):
            raise RemoteError(RejectReason.KEY, "card")
        if dialogue_id(card.charter) != card.dialogue:
            raise RemoteError(RejectReason.ID, "charter")
        return card


def secret_of(card: Card) -> bytes:
    """The invite's secret: the first 16 bytes of H(card)."""
    return _secret(card.encoded())


def card_hash(card: Card) -> bytes:
    """How knocks, admissions and short codes name the card: 32 bytes that do not lead to the invite's secret."""
    return digest(Label.CARD_HASH, card.encoded())


def knock_info(card: Card) -> bytes:
    """The HPKE info that binds a knock to this card: CBOR [label, card hash]."""
    return encode([Label.KNOCK, card_hash(card)])


def card_keys(secret: bytes) -> FrameKeys:
    """The keys of the frames that carry the card, from the invite's secret."""
    return invite_keys(secret, Label.CARD_FRAME)


def _secret(encoded: bytes) -> bytes:
    return digest(Label.INVITE_SECRET, encoded)[:SECRET]
