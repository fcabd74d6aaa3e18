"""Wait for what no event announces: a counter, a set of the library's, another process. One place, one deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

LOOK_SECONDS = 0.02


async def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Ask, plainly or by awaiting the answer, until it is true; trio.TooSlowError at the deadline."""
    with trio.fail_after(seconds):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await trio.sleep(LOOK_SECONDS)
