"""Tests below run on the library as nodes load it: whoever imports libp2p first decides how much of it is loaded."""

import tertulia.node.substrate  # noqa: F401
