"""The identity root."""

from tertulia.protocol.crypto import signing_public
from tertulia.protocol.identity import Identity, new_identity


def test_a_root_is_drawn_and_its_seed_not_shown():
    root = new_identity(lambda size: b"\7" * size)
    assert root == Identity(b"\7" * 32)
    assert root.public == signing_public(b"\7" * 32)
    assert "seed" not in repr(root)
