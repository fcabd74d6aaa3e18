"""The relay's identity: one file with 32 bytes, of which every community's host key is derived.

DESIGN.md §4 (two communities are not linked by PeerId), docs/guide/relay.md, *Moving*. Invariants: made once, 0600,
never replaced by the program; a community sees the key derived for it and cannot tell it from another relay's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tertulia.node.store.files import read_limited, write_atomically
from tertulia.node.store.problems import damaged
from tertulia.protocol.crypto import keyed, signing_public
from tertulia.protocol.ids import CommonsId
from tertulia.protocol.labels import Label

SEED: Final = 32
WHAT: Final = "the relay's identity"


@dataclass(frozen=True, slots=True)
class Identity:
    """The 32 bytes of the file."""

    seed: bytes = field(repr=False)

    def host_seed(self, commons: CommonsId) -> bytes:
        """The seed (32 bytes) of the key under which this relay is known in a community."""
        return keyed(Label.RELAY_HOST, self.seed, commons)

    def public(self, commons: CommonsId) -> bytes:
        """That key's public half (32 bytes): what a PeerId says."""
        return signing_public(self.host_seed(commons))


def make(path: Path) -> Identity:
    """Make the file. Raises StoreError; a file that is there is read instead, so that no identity is ever lost."""
    if not os.path.lexists(path):
        write_atomically(path, os.urandom(SEED))
    return read(path)


def read(path: Path) -> Identity:
    """Read the file. Raises StoreError."""
    seed = read_limited(path, SEED, WHAT)
    if len(seed) != SEED:
        raise damaged(path, WHAT)
    return Identity(seed)
