"""What a person asks for about who people are: showing, comparing, keeping contacts, inviting one.

Implements docs/spec/core.md §5; each command's words are in `revealing` and `contacting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from tertulia.protocol import contacting, revealing
from tertulia.protocol.inputs import (
    DismissOffer,
    ForgetContact,
    KeepContact,
    NameContact,
    OfferInvite,
    RevealMe,
    Verify,
)

if TYPE_CHECKING:
    from tertulia.protocol.core import Core
    from tertulia.protocol.encoding import Value
    from tertulia.protocol.inputs import Acquaint
    from tertulia.protocol.turn import Turn


def carry_out(core: Core, turn: Turn, command: Acquaint) -> dict[str, Value]:
    """Do what was asked, and say what came of it.

    Raises: LocalError with the sentences for the person.
    """
    match command:
        case RevealMe():
            return revealing.show(core, turn, command)
        case Verify():
            return revealing.verify(core, turn, command)
        case KeepContact():
            return contacting.keep(core, turn, command)
        case NameContact():
            return contacting.rename(core, turn, command)
        case ForgetContact():
            return contacting.forget(core, turn, command.root)
        case OfferInvite():
            return contacting.offer(core, turn, command)
        case DismissOffer():
            return contacting.dismiss(core, turn, command.offer)
        case _:
            assert_never(command)
