"""The identity root: one Ed25519 key per citizen, never shown to a dialogue and never signing speech.

Implements docs/spec/keys.md, section Identity. In version 1 it only exists: it is made with the profile, kept in the
vault and in backups, and signs nothing yet. Personas, which dialogues see, are random and not derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tertulia.protocol.crypto import KEY, Entropy, signing_public


@dataclass(frozen=True, slots=True)
class Identity:
    """The root's seed (32 bytes) and its public half."""

    seed: bytes = field(repr=False)
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", signing_public(self.seed))


def new_identity(entropy: Entropy) -> Identity:
    """Draw a root."""
    return Identity(entropy(KEY))
