"""Speaking: whether I may say something in a room now, by the rules that everybody will judge it by.

Implements docs/spec/core.md §5. Asked before anything is written, so that nobody's words turn out unsaid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tertulia.protocol.refusal import refuse

if TYPE_CHECKING:
    from tertulia.protocol.dialogue import Dialogue

READ_ON: Final = "Nothing was sent, and you can read along."


def may_speak(dialogue: Dialogue) -> None:
    """Let a member of the dialogue speak.

    Raises: LocalError with the reason why they may not.
    """
    member = dialogue.member
    if member is None or not member.accepted:
        raise refuse(
            "You have not accepted the rules of this dialogue yet.",
            f"Read them and accept them: tertulia accept {dialogue.id.hex()[:8]}",
            "Nothing was sent. You can read along meanwhile.",
        )
    stands = dialogue.state.steering[dialogue.plenary]
    if stands.closed:
        raise refuse("This room is closed.", "Read on; or begin another dialogue.", READ_ON)
    if stands.paused:
        raise refuse("This room is paused.", "Wait until a facilitator resumes it: “acts” says why.", READ_ON)
    if dialogue.me in stands.muted:
        raise refuse("The facilitators have muted you here.", "“acts” says why; write to one of them.", READ_ON)
