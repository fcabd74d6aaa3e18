"""A knock: a guest's request to be let in, which only the inviter can read.

Implements docs/spec/invite.md, section Knock. HPKE to the card's key, bound to the card's hash; inside are the guest's
persona and first session key, each proving by a signature that its private half is held, first prekeys, nickname, and
a secret for the welcome. A knock is named by its plaintext: sealed again it is the same knock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tertulia.protocol.card import Card, card_hash, knock_info
from tertulia.protocol.crypto import KEY, PROOF, digest, sign, verify
from tertulia.protocol.encoding import Value, decode, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.frame import FrameKeys
from tertulia.protocol.ids import ActorId
from tertulia.protocol.invite import invite_keys
from tertulia.protocol.item import Item, ItemType
from tertulia.protocol.labels import Label
from tertulia.protocol.newcomer import LIMIT_PREKEYS
from tertulia.protocol.persona import Persona, PersonaKeys
from tertulia.protocol.prekey import Prekey
from tertulia.protocol.session import Session
from tertulia.protocol.shape import as_bytes, as_id, as_list, as_text, wrong
from tertulia.protocol.share import HpkeRequest
from tertulia.protocol.text import LIMIT_NAME

LIMIT_KNOCK: Final = 8 * 1024
"""Bytes of a knock, sealed or not."""
CODE_DIGITS: Final = 20
"""Decimal digits of the short code (66 bits): too many to find a second knock with the same code."""
_CODE_GROUP: Final = 4


@dataclass(frozen=True, slots=True)
class Knock:
    """What a guest says of themselves. `charter_hash` names the rules they have read and accept."""

    keys: PersonaKeys
    session: ActorId
    prekeys: tuple[Prekey, ...] = field(repr=False)
    nickname: str = field(repr=False)
    welcome_secret: bytes = field(repr=False)
    charter_hash: bytes
    persona_proof: bytes = field(repr=False)
    session_proof: bytes = field(repr=False)

    def claims(self) -> list[Value]:
        """Everything but the proofs."""
        prekeys = [prekey.to_value() for prekey in self.prekeys]
        return [self.keys.to_value(), self.session, prekeys, self.nickname, self.welcome_secret, self.charter_hash]

    def encoded(self) -> bytes:
        """The plaintext that is sealed to the card's key."""
        return encode([*self.claims(), self.persona_proof, self.session_proof])

    def request(self, card: Card) -> HpkeRequest:
        """What the driver must seal."""
        return HpkeRequest(card.hpke_public, knock_info(card), self.encoded())

    @classmethod
    def read(cls, plaintext: bytes) -> Knock:
        """Read an opened knock without verifying its proofs. Raises RemoteError: SIZE, ENCODING, SHAPE, KEY."""
        keys, session, prekeys, nickname, secret, rules, persona, actor = as_list(decode(plaintext, LIMIT_KNOCK), 8)
        knock = cls(
            PersonaKeys.from_value(keys),
            ActorId(as_id(session)),
            tuple(Prekey.from_value(prekey) for prekey in as_list(prekeys, most=LIMIT_PREKEYS)),
            as_text(nickname, LIMIT_NAME),
            as_bytes(secret, KEY),
            as_id(rules),
            as_bytes(persona, PROOF),
            as_bytes(actor, PROOF),
        )
        if not knock.prekeys:
            raise wrong("a knock without prekeys")
        return knock

    @classmethod
    def verified(cls, plaintext: bytes, card: Card) -> Knock:
        """Read an opened knock on this card and verify its proofs.

        Raises RemoteError: as `read`, and PROOF when a private half is not held or another card was meant.
        """
        knock = cls.read(plaintext)
        covered = _covered(card, knock)
        if not verify(knock.keys.sign, Label.KNOCK_PERSONA, covered, knock.persona_proof):
            raise RemoteError(RejectReason.PROOF, "persona")
        if not verify(knock.session, Label.KNOCK_SESSION, covered, knock.session_proof):
            raise RemoteError(RejectReason.PROOF, "session")
        return knock


def make_knock(
    card: Card,
    persona: Persona,
    session: Session,
    prekeys: Sequence[Prekey],
    nickname: str,
    welcome_secret: bytes,
    charter_hash: bytes,
) -> Knock:
    """Knock on this card. `welcome_secret` is 32 random bytes."""
    claims = Knock(
        keys=persona.keys,
        session=session.actor,
        prekeys=tuple(prekeys),
        nickname=nickname,
        welcome_secret=welcome_secret,
        charter_hash=charter_hash,
        persona_proof=b"",
        session_proof=b"",
    )
    covered = _covered(card, claims)
    return replace(
        claims,
        persona_proof=sign(persona.sign_seed, Label.KNOCK_PERSONA, covered),
        session_proof=sign(session.seed, Label.KNOCK_SESSION, covered),
    )


def knock_id(plaintext: bytes) -> bytes:
    """The knock's name, 32 bytes: H of its plaintext."""
    return digest(Label.KNOCK_ID, plaintext)


def knock_item(sealed: bytes) -> Item:
    """The sealed knock as an item of a frame under `knock_keys`."""
    return Item(ItemType.KNOCK, sealed)


def knock_keys(secret: bytes) -> FrameKeys:
    """The keys of the frames that carry knocks on an invite, from its secret."""
    return invite_keys(secret, Label.KNOCK_FRAME)


def short_code(card: Card, knock: Knock) -> str:
    """20 digits in groups of four, the same on both screens exactly when both saw the same card and the same knock."""
    value = (
        int.from_bytes(digest(Label.KNOCK_CODE, card_hash(card) + knock_id(knock.encoded())), "big") % 10**CODE_DIGITS
    )
    digits = f"{value:0{CODE_DIGITS}}"
    return " ".join(digits[at : at + _CODE_GROUP] for at in range(0, CODE_DIGITS, _CODE_GROUP))


def _covered(card: Card, knock: Knock) -> bytes:
    """What both proofs sign: the card and every claim, so that none can be moved to another knock."""
    return encode([card_hash(card), *knock.claims()])
