"""Session keys: what signs nearly everything, for a day, then is destroyed.

Implements docs/spec/keys.md, sections Session and Introduction. Each session key signs the next one's public half
(in a roster event); the next never signs back. State depends on that chain alone. Beside it, an introduction carries
for each member a 16-byte MAC under DH(persona, persona): a failed MAC is an alarm, never a different state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tertulia.protocol.crypto import KEY, Entropy, dh, equal, keyed, signing_public
from tertulia.protocol.encoding import encode
from tertulia.protocol.ids import ActorId, DialogueId, EventId, PersonaId
from tertulia.protocol.labels import Label

SESSION_MINUTES: Final = 24 * 60
"""How long a session key lives; its private half is destroyed at its end."""
INTRODUCTION_MAC: Final = 16
"""Bytes of the MAC for one recipient."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session's seed (32 bytes), its first minute and its end (minutes since the Unix epoch; the end is excluded)."""

    seed: bytes = field(repr=False)
    start: int
    end: int
    actor: ActorId = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "actor", ActorId(signing_public(self.seed)))


def new_session(entropy: Entropy, start: int) -> Session:
    """Draw a session key that lives SESSION_MINUTES from minute `start`."""
    return Session(entropy(KEY), start, start + SESSION_MINUTES)


@dataclass(frozen=True, slots=True)
class Introduction:
    """What an introduction's MACs cover, all but the recipient.

    `session` signs the introduction, `introducer` is the persona it acts for, `key` is the session introduced, which
    lives from `start` to `end`. `heads` are the introducer's control heads (sorted) and `state_hash` the hash of the
    control state they lead to.
    """

    dialogue: DialogueId
    session: ActorId
    introducer: PersonaId
    key: ActorId
    start: int
    end: int
    heads: tuple[EventId, ...]
    state_hash: bytes


def introduction_mac(box_secret: bytes, their_box: bytes, introduction: Introduction, recipient: PersonaId) -> bytes:
    """The 16-byte MAC by which `recipient` knows that the introducer's persona stands behind a session key.

    Either side's persona secret with the other's public half makes it, so it convinces the recipient and proves nothing
    to anyone else. Raises ValueError when `their_box` is of low order, which `PersonaKeys.from_value` lets nobody have.
    """
    shared = dh(box_secret, their_box)
    if shared is None:
        raise ValueError("a public key of low order cannot authenticate")
    covered = encode([
        introduction.dialogue,
        introduction.session,
        introduction.introducer,
        recipient,
        introduction.key,
        introduction.start,
        introduction.end,
        introduction.heads,
        introduction.state_hash,
    ])  # fmt: skip
    return keyed(Label.INTRODUCTION, shared, covered, INTRODUCTION_MAC)


def check_introduction(
    box_secret: bytes, their_box: bytes, introduction: Introduction, recipient: PersonaId, mac: bytes
) -> bool:
    """Say whether `mac` is the introducer's: `box_secret` is the recipient's own, `their_box` the introducer's."""
    return equal(introduction_mac(box_secret, their_box, introduction, recipient), mac)
