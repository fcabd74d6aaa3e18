"""Parameters of a call, by their types.

docs/spec/control.md. `check_call` has seen that they are what the tables say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tertulia.protocol.encoding import Value

Params = Mapping[str, "Value"]
Answer = dict[str, "Value"]


def text(params: Params, name: str) -> str:
    """A text parameter that `check_call` has seen."""
    value = params[name]
    assert isinstance(value, str)
    return value


def word(params: Params, name: str, default: str = "") -> str:
    """A text that may be left out."""
    return text(params, name) if name in params else default


def texts(params: Params, name: str) -> tuple[str, ...]:
    """The texts under a name, none where it was left out."""
    found = params.get(name, [])
    assert isinstance(found, list), "checked by check_call"
    return tuple(str(one) for one in found)


def number(params: Params, name: str, default: int) -> int:
    """An integer parameter that `check_call` has seen, or its default."""
    value = params.get(name, default)
    assert isinstance(value, int)
    return value
