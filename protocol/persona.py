"""A persona: who somebody is in one dialogue, and nowhere else.

Implements docs/spec/keys.md, section Persona. An Ed25519 pair, which signs only what is said on the record and the
knock, and an X25519 pair, whose DH with another persona authenticates introductions and shares without proving
anything to a third party. The id names both public halves and the dialogue. Personas are drawn, never derived.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from tertulia.protocol.crypto import KEY, Entropy, box_public, dh, digest, signing_public
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import DialogueId, PersonaId
from tertulia.protocol.labels import Label
from tertulia.protocol.shape import as_bytes, as_list

_PROBE = bytes(KEY)
"""No secret: it only meets points of low order."""


@dataclass(frozen=True, slots=True)
class PersonaKeys:
    """The public halves, 32 bytes each."""

    sign: bytes
    box: bytes

    def to_value(self) -> Value:
        """`[sign, box]`."""
        return [self.sign, self.box]

    @classmethod
    def from_value(cls, value: Value) -> PersonaKeys:
        """Read `[sign, box]`.

        Raises RemoteError: SHAPE, or KEY for an X25519 key of low order, to which nothing could be boxed. A signing key
        of low order is refused by every verification.
        """
        sign, box = as_list(value, 2)
        keys = cls(as_bytes(sign, KEY), as_bytes(box, KEY))
        if not is_box_key(keys.box):
            raise RemoteError(RejectReason.KEY, "persona")
        return keys


@dataclass(frozen=True, slots=True)
class Persona:
    """The private halves (32 bytes each) and, computed once, the public ones."""

    sign_seed: bytes = field(repr=False)
    box_secret: bytes = field(repr=False)
    keys: PersonaKeys = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", PersonaKeys(signing_public(self.sign_seed), box_public(self.box_secret)))

    def id(self, dialogue: DialogueId) -> PersonaId:
        """Who this is in that dialogue."""
        return persona_id(dialogue, self.keys)


def new_persona(entropy: Entropy) -> Persona:
    """Draw a persona."""
    return Persona(entropy(KEY), entropy(KEY))


def persona_id(dialogue: DialogueId, keys: PersonaKeys) -> PersonaId:
    """H of the dialogue and both public halves."""
    return PersonaId(digest(Label.PERSONA_ID, encode([dialogue, keys.sign, keys.box])))


@lru_cache(maxsize=1024)
def is_box_key(public: bytes) -> bool:
    """Say whether an X25519 public key of 32 bytes can be boxed to: it is not of low order."""
    return dh(_PROBE, public) is not None
