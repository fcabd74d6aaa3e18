"""The verbs about what arrived: delivery, receipts.

docs/spec/receipts.md. What is on this machine, with how many peers, and received by whom are never mixed.
"""

from typing import Annotated, Literal

from cyclopts import Parameter

from tertulia.tui.cli.context import Context, plain
from tertulia.tui.delivery_words import delivery_lines

Hidden = Parameter(parse=False)


async def delivery(message: str, /, *, context: Annotated[Context, Hidden]) -> None:
    """Say where a message has got to: on this machine, with how many peers, received by whom.

    Parameters
    ----------
    message
        Its id, or the beginning of it.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("delivery", message=message))
    context.output.result(result, delivery_lines(result))


async def receipts(switch: Literal["on", "off"], /, *, context: Annotated[Context, Hidden]) -> None:
    """Let others know what you have received, or stop letting them know.

    Parameters
    ----------
    switch
        on or off.

    """
    async with context.unlocked() as client:
        result = plain(await client.call("receipts", on=switch == "on"))
    words = "Others learn what you have received." if result.get("on") else "Nobody learns what you have received."
    context.output.result(result, [words])
