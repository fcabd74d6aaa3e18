"""The library's logging, made harmless: no handler on the root logger, nothing below WARNING, nothing propagated.

Trap 13 (research/libp2p.md): `libp2p.network.connection.swarm_connection` calls `logging.debug(...)` on the module
itself, which installs a stderr handler on the root logger at the first connection and garbles a terminal. The library
also writes addresses and message bodies at DEBUG and addresses at WARNING, so its records go nowhere by default.
Invariant: importing and running the substrate leaves `logging.getLogger()` exactly as it found it.
Delete when upstream uses a named logger there (docs/upstream.md).
"""

import logging

import libp2p.network.connection.swarm_connection as swarm_connection_module

_LIBRARY_LOGGERS = ("libp2p", "multiaddr", "noise")


def silence_library() -> None:
    """Stop the library's records at its own loggers. May be called again at any time; it changes nothing else."""
    for name in _LIBRARY_LOGGERS:
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    # A named logger has the same methods as the module, and none of them touches the root.
    named = logging.getLogger(swarm_connection_module.__name__)
    vars(swarm_connection_module)["logging"] = named
