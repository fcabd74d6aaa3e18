"""Prekeys: short-lived keys to which others seal an epoch's secret while their owner is away.

Implements docs/spec/keys.md, section Prekey. X25519 for the deniable inner box, ML-KEM-768 + X25519 for the outer HPKE;
one per retention class of R days, R stated inside. Renewed every R/3, the private half is erased R after its birth:
what was sealed to it can then never be opened again, and an absence of up to 2R/3 loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from tertulia.protocol import hpke
from tertulia.protocol.commons import LIMIT_RETENTION_DAYS
from tertulia.protocol.crypto import KEY, Entropy, box_public, digest
from tertulia.protocol.encoding import Value, encode
from tertulia.protocol.errors import RejectReason, RemoteError
from tertulia.protocol.ids import PrekeyId
from tertulia.protocol.labels import Label
from tertulia.protocol.persona import is_box_key
from tertulia.protocol.shape import as_bytes, as_int, as_list

LIMIT_MINUTE: Final = 2**32 - 1
"""The last minute a frame can bear."""
_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Prekey:
    """The public halves: `box` 32 bytes, `hpke` 1,216; the class in days; the minute of birth."""

    box: bytes = field(repr=False)
    hpke: bytes = field(repr=False)
    retention_days: int
    born: int

    @property
    def id(self) -> PrekeyId:
        """H of the whole public prekey."""
        return PrekeyId(digest(Label.PREKEY_ID, encode(self.to_value())))

    @property
    def expires(self) -> int:
        """The minute from which its private half no longer exists."""
        return self.born + self.retention_days * _DAY

    def to_value(self) -> Value:
        """`[box, hpke, retention days, born]`."""
        return [self.box, self.hpke, self.retention_days, self.born]

    @classmethod
    def from_value(cls, value: Value) -> Prekey:
        """Read `[box, hpke, retention days, born]`.

        Raises RemoteError: SHAPE, or KEY when nothing could be sealed to it (so that one bad prekey stops no epoch).
        """
        box, kem, days, born = as_list(value, 4)
        prekey = cls(
            as_bytes(box, KEY),
            as_bytes(kem, hpke.PUBLIC),
            as_int(days, 1, LIMIT_RETENTION_DAYS),
            as_int(born, 0, LIMIT_MINUTE),
        )
        if not _can_be_sealed_to(prekey.box, prekey.hpke):
            raise RemoteError(RejectReason.KEY, "prekey")
        return prekey


@dataclass(frozen=True, slots=True)
class PrekeySecret:
    """The private halves (32 and 96 bytes), class and birth, and, computed once, the public prekey."""

    box_secret: bytes = field(repr=False)
    hpke_seed: bytes = field(repr=False)
    born: int
    retention_days: int
    public: Prekey = field(init=False)

    def __post_init__(self) -> None:
        public = Prekey(box_public(self.box_secret), hpke.public(self.hpke_seed), self.retention_days, self.born)
        object.__setattr__(self, "public", public)


def new_prekey(entropy: Entropy, born: int, retention_days: int) -> PrekeySecret:
    """Draw a prekey, born in this minute."""
    return PrekeySecret(entropy(KEY), entropy(hpke.SEED), born, retention_days)


@lru_cache(maxsize=1024)
def _can_be_sealed_to(box: bytes, kem: bytes) -> bool:
    return is_box_key(box) and hpke.is_public(kem)


def renew_at(prekey: Prekey) -> int:
    """The minute at which its owner publishes the next one: R/3 after its birth."""
    return prekey.born + prekey.retention_days * _DAY // 3


def is_live(prekey: Prekey, minute: int) -> bool:
    """Say whether it may be sealed to in this minute."""
    return minute < prekey.expires
