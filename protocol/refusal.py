"""Refusing a person: the error that ends a command which cannot be carried out, in three sentences.

Implements docs/spec/core.md §5.
"""

from __future__ import annotations

from typing import Final

from tertulia.protocol.errors import LocalError, Problem

NOTHING: Final = "Nothing was sent and nothing changed."


def refuse(error: str, what_next: str, safe: str = NOTHING) -> LocalError:
    """The error to raise: what happened, what is safe, what to do."""
    return LocalError(Problem(error, safe, what_next))
